//===- DeviceOps.td - the operations of the device dialect -----------------*- tablegen -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_DIALECTS_DEVICE_DEVICEOPS_TD
#define VITC_DIALECTS_DEVICE_DEVICEOPS_TD

include "dialects/device/DeviceSchedules.td"
include "dialects/device/HopperOps.td"
include "mlir/Interfaces/ControlFlowInterfaces.td"
include "mlir/Interfaces/FunctionInterfaces.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

//===--------------------------------------------------------------------------------------===//
// Kernels
//===--------------------------------------------------------------------------------------===//

def Device_KernelOp : Device_Op<"kernel", [IsolatedFromAbove, FunctionOpInterface, AutomaticAllocationScope]> {
  let summary = "what one thread of a launch does";
  let description = [{
    Run by `threads` threads of each block, which share `shared_bytes` of memory. Blocks are numbered along one axis. Arguments are memories of the launch's
    operands and numbers.

    ```mlir
    device.kernel @scale(%x: !device.memory<global, f32>, %n: i32) attributes {threads = 128 : i64, shared_bytes = 0 : i64} {
      %thread = device.thread_id
      %value = device.load %x[%thread] : !device.memory<global, f32>[i32] -> f32
      ...
      device.return
    }
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, TypeAttrOf<FunctionType>:$function_type, ConfinedAttr<I64Attr, [IntPositive]>:$threads,
                       ConfinedAttr<I64Attr, [IntNonNegative]>:$shared_bytes, OptionalAttr<DictArrayAttr>:$arg_attrs,
                       OptionalAttr<DictArrayAttr>:$res_attrs);
  let regions = (region AnyRegion:$body);
  let hasCustomAssemblyFormat = 1;
  let hasVerifier = 1;
  let skipDefaultBuilders = 1;
  let builders = [OpBuilder<(ins "llvm::StringRef":$name, "llvm::ArrayRef<::mlir::Type>":$arguments, "int64_t":$threads,
                                 "int64_t":$sharedBytes)>];
  let extraClassDeclaration = [{
    ::llvm::ArrayRef<::mlir::Type> getArgumentTypes() { return getFunctionType().getInputs(); }
    ::llvm::ArrayRef<::mlir::Type> getResultTypes() { return getFunctionType().getResults(); }
    ::mlir::Region *getCallableRegion() { return &getBody(); }
  }];
}

def Device_ReturnOp : Device_Op<"return", [Pure, HasParent<"KernelOp">, Terminator, ReturnLike]> {
  let summary = "the thread is done";
  let assemblyFormat = "attr-dict";
}

def Device_BlockCountOp : Device_Op<"block_count", [Pure]> {
  let summary = "how many blocks the launch has";
  let description = [{ A persistent kernel's block does every n-th tile of n blocks. }];
  let results = (outs I32:$value);
  let assemblyFormat = "attr-dict";
}

def Device_ThreadIdOp : Device_Op<"thread_id", [Pure]> {
  let summary = "the thread's number in its block, from 0";
  let results = (outs I32:$value);
  let assemblyFormat = "attr-dict";
}

def Device_BlockIdOp : Device_Op<"block_id", [Pure]> {
  let summary = "the block's number in the launch, from 0";
  let results = (outs I32:$value);
  let assemblyFormat = "attr-dict";
}

//===--------------------------------------------------------------------------------------===//
// Memory
//===--------------------------------------------------------------------------------------===//

def Device_SharedOp : Device_Op<"shared", [Pure]> {
  let summary = "the block's shared memory from byte `offset` on";
  let arguments = (ins ConfinedAttr<I64Attr, [IntNonNegative]>:$offset);
  let results = (outs Device_SharedMemory:$memory);
  let assemblyFormat = "$offset attr-dict `:` type($memory)";
}

def Device_ScratchOp : Device_Op<"scratch", [Pure]> {
  let summary = "global memory of the block's own, from byte `offset` on; its contents are undefined";
  let arguments = (ins ConfinedAttr<I64Attr, [IntNonNegative]>:$offset);
  let results = (outs Device_GlobalMemory:$memory);
  let assemblyFormat = "$offset attr-dict `:` type($memory)";
}

def Device_ViewOp : Device_Op<"view", [Pure]> {
  let summary = "global memory as a memref with identity layout, of `rows` rows where its first size is dynamic";
  let description = [{ For reference lowerings, which are made of upstream's operations. }];
  let arguments = (ins Device_GlobalMemory:$memory, Optional<Index>:$rows);
  let results = (outs AnyMemRef:$view);
  let assemblyFormat = "$memory (`rows` $rows^)? attr-dict `:` type($memory) `as` type($view)";
}

def Device_AdvanceOp : Device_Op<"advance", [Pure, AllTypesMatch<["memory", "result"]>]> {
  let summary = "the address `index` elements further on";
  let arguments = (ins Device_MemoryType:$memory, Device_Index:$index);
  let results = (outs Device_MemoryType:$result);
  let assemblyFormat = "$memory `[` $index `]` attr-dict `:` type($memory) `[` type($index) `]`";
}

def Device_LoadOp : Device_Op<"load", [DeclareOpInterfaceMethods<MemoryEffectsOpInterface>]> {
  let summary = "an element, or a vector of consecutive ones whose address is a multiple of its size";
  let arguments = (ins Device_MemoryType:$memory, Device_Index:$index);
  let results = (outs AnyTypeOf<[AnyInteger, AnyFloat, AnyVectorOfNonZeroRank]>:$value);
  let assemblyFormat = "$memory `[` $index `]` attr-dict `:` type($memory) `[` type($index) `]` `->` type($value)";
  let hasVerifier = 1;
}

def Device_StoreOp : Device_Op<"store", [DeclareOpInterfaceMethods<MemoryEffectsOpInterface>]> {
  let summary = "writes an element, or a vector of consecutive ones whose address is a multiple of its size";
  let arguments = (ins AnyTypeOf<[AnyInteger, AnyFloat, AnyVectorOfNonZeroRank]>:$value, Device_MemoryType:$memory, Device_Index:$index);
  let assemblyFormat = "$value `,` $memory `[` $index `]` attr-dict `:` type($value) `,` type($memory) `[` type($index) `]`";
  let hasVerifier = 1;
}

def Device_AtomicAddOp : Device_Op<"atomic_add", [DeclareOpInterfaceMethods<MemoryEffectsOpInterface>]> {
  let summary = "adds to an f32 in global memory, in no particular order among threads";
  let arguments = (ins F32:$value, Device_GlobalMemory:$memory, Device_Index:$index);
  let assemblyFormat = "$value `,` $memory `[` $index `]` attr-dict `:` type($memory) `[` type($index) `]`";
}

//===--------------------------------------------------------------------------------------===//
// Threads together
//===--------------------------------------------------------------------------------------===//

def Device_BarrierOp : Device_Op<"barrier", [MemoryEffects<[MemRead, MemWrite]>]> {
  let summary = "all threads of the block arrive before one goes on, and see what the others wrote";
  let assemblyFormat = "attr-dict";
}

def Device_ShuffleOp : Device_Op<"shuffle", [AllTypesMatch<["value", "result"]>, MemoryEffects<[MemRead, MemWrite]>]> {
  let summary = "the value of the lane whose number differs in the bits of `mask`";
  let description = [{ All 32 threads of a warp take part (`shfl.sync.bfly`, PTX ISA 9.7.9.6). }];
  let arguments = (ins AnyTypeOf<[I32, F32]>:$value, ConfinedAttr<I32Attr, [IntPositive, IntMaxValue<31>]>:$mask);
  let results = (outs AnyTypeOf<[I32, F32]>:$result);
  let assemblyFormat = "$value `,` $mask attr-dict `:` type($value)";
}

def Device_ArriveOp : Device_Op<"arrive", [MemoryEffects<[MemRead, MemWrite]>]> {
  let summary = "a warp counts itself; whether it is the last of `count` warps, of whatever blocks";
  let description = [{
    All 32 threads of a warp take part, with the same counter, an i32 in global memory. What a warp's threads wrote before is seen by those of a
    warp that arrives later. Nobody waits for anybody: the last one goes on with what all have left, and has set the counter back to 0
    (`atom.acq_rel.gpu.inc` between two `bar.warp.sync`, PTX ISA 9.7.13.5).
  }];
  let arguments = (ins Device_GlobalMemory:$counter, Device_Index:$index, ConfinedAttr<I32Attr, [IntPositive]>:$count);
  let results = (outs I1:$last);
  let assemblyFormat = "$counter `[` $index `]` `of` $count attr-dict `:` type($counter) `[` type($index) `]`";
  let hasVerifier = 1;
}

//===--------------------------------------------------------------------------------------===//
// Asynchronous copies and products of a warp: sm_80
//===--------------------------------------------------------------------------------------===//

def Device_CopyAsyncOp : Device_Op<"copy_async", [MemoryEffects<[MemRead, MemWrite]>]> {
  let summary = "starts a copy of `bytes` from global to shared memory; the rest beyond `live` bytes is zero";
  let description = [{
    `cp.async` (PTX ISA 9.7.9.25.3). Nothing is there before the thread has waited for its group, and nothing for other threads before a
    barrier after that. bytes is 4, 8 or 16, and both addresses are multiples of it.
  }];
  let arguments = (ins Device_GlobalMemory:$from, Device_Index:$from_index, Device_SharedMemory:$to, Device_Index:$to_index,
                       ConfinedAttr<I64Attr, [IntPositive]>:$bytes, Optional<I32>:$live);
  let assemblyFormat = [{
    $from `[` $from_index `]` `to` $to `[` $to_index `]` (`live` $live^)? attr-dict
    `:` type($from) `[` type($from_index) `]` `to` type($to) `[` type($to_index) `]`
  }];
  let hasVerifier = 1;
}

def Device_CopyCommitOp : Device_Op<"copy_commit", [MemoryEffects<[MemRead, MemWrite]>]> {
  let summary = "makes a group of the thread's copies since the last one";
  let assemblyFormat = "attr-dict";
}

def Device_CopyWaitOp : Device_Op<"copy_wait", [MemoryEffects<[MemRead, MemWrite]>]> {
  let summary = "waits until at most `pending` of the thread's latest groups of copies are still under way";
  let arguments = (ins ConfinedAttr<I64Attr, [IntNonNegative]>:$pending);
  let assemblyFormat = "$pending attr-dict";
}

def Device_ToTf32Op : Device_Op<"to_tf32", [Pure, AllTypesMatch<["value", "result"]>]> {
  let summary = "f32 rounded to tf32: to the nearest, from the middle away from zero";
  let description = [{ `cvt.rna.tf32.f32` (PTX ISA 9.7.9.22): 10 bits of significand, the exponents of f32. A number beyond the greatest one becomes infinite. }];
  let arguments = (ins AnyTypeOf<[F32, VectorOfAnyRankOf<[F32]>]>:$value);
  let results = (outs AnyTypeOf<[F32, VectorOfAnyRankOf<[F32]>]>:$result);
  let assemblyFormat = "$value attr-dict `:` type($value)";
}

/// Parts of a warp's operands: 16-bit elements, or tf32 as f32.
class Device_MatrixElements<list<int> halves, list<int> words, string text> : Type<
    Or<[VectorOfLengthAndType<halves, [F16, BF16]>.predicate, VectorOfLengthAndType<words, [F32]>.predicate]>, text, "::mlir::VectorType">;

def Device_LoadMatrixOp : Device_Op<"load_matrix", [DeclareOpInterfaceMethods<MemoryEffectsOpInterface>]> {
  let summary = "matrices of 8 rows of 16 bytes, one of which lies at each thread's address";
  let description = [{
    `ldmatrix` (PTX ISA 9.7.14.5.15): threads 8 i to 8 i + 7 give the rows of matrix i; thread t receives elements (t / 4, 2 (t % 4)) and
    the next of each matrix, with `transposed` (2 (t % 4), t / 4) and the one below. The result has two elements for each of 1, 2 or 4 matrices.
    Of elements of 32 bits a row has four, and thread t receives (t / 4, t % 4) of each matrix, as f32; such matrices are not transposed.
  }];
  let arguments = (ins Device_SharedMemory:$memory, Device_Index:$index, UnitAttr:$transposed);
  let results = (outs Device_MatrixElements<[2, 4, 8], [1, 2, 4], "elements of 1, 2 or 4 matrices">:$value);
  let assemblyFormat = "$memory `[` $index `]` attr-dict `:` type($memory) `[` type($index) `]` `->` type($value)";
  let hasVerifier = 1;
}

/// A thread's part of the sums of a warp's product.
def Device_MmaSums : Type<VectorOfLengthAndType<[4], [F32]>.predicate, "vector<4xf32>", "::mlir::VectorType">,
                     BuildableType<"::mlir::VectorType::get({4}, $_builder.getF32Type())">;

def Device_MmaOp : Device_Op<"mma", [Pure]> {
  let summary = "accumulator [16, 8] + a [16, K] b [K, 8] by the 32 threads of a warp, K 16 or of tf32 8";
  let description = [{
    `mma.sync.aligned.m16n8k16` with sums in f32 (PTX ISA 9.7.14.5.8, the fragments' layout too). With g = t / 4 and p = t % 4 thread t holds
    of a: rows g and g + 8 of columns 2p, 2p + 1, then both of columns 2p + 8, 2p + 9; of b: rows 2p, 2p + 1, 2p + 8, 2p + 9 of column g;
    of the accumulator: columns 2p, 2p + 1 of row g, then of row g + 8.

    Operands of f32 are numbers of tf32 (`m16n8k8`): of a column p of rows g and g + 8, then column p + 4; of b rows p and p + 4 of column g.
  }];
  let arguments = (ins Device_MatrixElements<[8], [4], "a thread's part of a left operand">:$a,
                       Device_MatrixElements<[4], [2], "a thread's part of a right operand">:$b, Device_MmaSums:$accumulator);
  let results = (outs Device_MmaSums:$result);
  let assemblyFormat = "$a `,` $b `,` $accumulator attr-dict `:` type($a) `,` type($b)";
  let hasVerifier = 1;
}

#endif // VITC_DIALECTS_DEVICE_DEVICEOPS_TD
