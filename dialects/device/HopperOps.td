//===- HopperOps.td - what GPUs of compute capability 9.0 have besides ------*- tablegen -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Barriers in shared memory, the copy engine (TMA), and products of a warpgroup, 128 threads. A sum that is under way has a type of its own, so
// that nothing can use it before it has been waited for.
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_DIALECTS_DEVICE_HOPPEROPS_TD
#define VITC_DIALECTS_DEVICE_HOPPEROPS_TD

include "dialects/device/DeviceDialect.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

//===--------------------------------------------------------------------------------------===//
// Types and attributes
//===--------------------------------------------------------------------------------------===//

def Device_TensorMapType : TypeDef<Device_Dialect, "TensorMap"> {
  let mnemonic = "tensor_map";
  let summary = "how the copy engine sees a tensor in global memory";
  let description = [{
    An argument of a kernel (`CUtensorMap`). Sizes, strides, box and swizzle are the launch's (`TensorMap` in runtime/artifact/vitx.fbs).
  }];
  let parameters = (ins "::mlir::Type":$element, "int64_t":$rank);
  let assemblyFormat = "`<` $element `,` `rank` `=` $rank `>`";
}

def Device_SumsType : TypeDef<Device_Dialect, "Sums"> {
  let mnemonic = "sums";
  let summary = "a thread's part of a warpgroup's sums of 64 x `columns` f32, which products may still be adding to";
  let description = [{
    columns / 2 values: with warp w, g = t / 4 and p = t % 4 of its lane t, number 4 j + 2 h + i is the sum in row 16 w + g + 8 h and column
    8 j + 2 p + i (PTX ISA 9.7.15.5.1).
  }];
  let parameters = (ins "int64_t":$columns);
  let assemblyFormat = "`<` $columns `>`";
  let genVerifyDecl = 1;
}

def Device_LayoutAttr : AttrDef<Device_Dialect, "Layout"> {
  let mnemonic = "layout";
  let summary = "how an operand of a warpgroup's product lies in shared memory";
  let description = [{
    In rows of `swizzle` bytes, 32, 64 or 128, whose chunks of 16 are permuted as the copy engine does; 8 rows follow each other at 8 times
    that. With `k` a row is one of the operand's rows (of the result's rows or columns) and the sum goes along it; the next 8 rows follow
    directly. With `mn` a row is a step of the sum; elements beyond a row's width lie in the next panel, `panel` bytes further on.
  }];
  let parameters = (ins EnumParameter<Device_Major>:$major, "int64_t":$swizzle, DefaultValuedParameter<"int64_t", "0">:$panel);
  let assemblyFormat = "`<` $major `,` `swizzle` `=` $swizzle (`,` `panel` `=` $panel^)? `>`";
  let genVerifyDecl = 1;
}

//===--------------------------------------------------------------------------------------===//
// Barriers in shared memory
//===--------------------------------------------------------------------------------------===//

class Device_BarrierAction<string mnemonic, dag more = (ins)> : Device_Op<mnemonic, [MemoryEffects<[MemRead, MemWrite]>]> {
  let arguments = !con((ins Device_SharedMemory:$barriers, Device_Index:$index), more);
  let hasVerifier = 1;
  string place = "$barriers `[` $index `]`";
  string types = " attr-dict `:` type($barriers) `[` type($index) `]`";
  let assemblyFormat = place # types;
}

def Device_MbarrierInitOp : Device_BarrierAction<"mbarrier_init", (ins ConfinedAttr<I64Attr, [IntPositive]>:$count)> {
  let summary = "a barrier each of whose phases ends when `count` threads have arrived and all bytes they expect have come";
  let description = [{ `mbarrier.init` (PTX ISA 9.7.13.15). By one thread; a fence and a barrier of the block come between it and any use. }];
  let assemblyFormat = place # " `count` $count" # types;
}

def Device_MbarrierFenceOp : Device_Op<"mbarrier_fence", [MemoryEffects<[MemRead, MemWrite]>]> {
  let summary = "makes the thread's barriers known to the copy engine";
  let assemblyFormat = "attr-dict";
}

def Device_MbarrierExpectOp : Device_BarrierAction<"mbarrier_expect", (ins ConfinedAttr<I64Attr, [IntPositive]>:$bytes)> {
  let summary = "arrives, and has the phase wait for `bytes` of copies besides";
  let description = [{ `mbarrier.arrive.expect_tx` (PTX ISA 9.7.13.15.16). }];
  let assemblyFormat = place # " `bytes` $bytes" # types;
}

def Device_MbarrierArriveOp : Device_BarrierAction<"mbarrier_arrive"> {
  let summary = "one thread arrives";
}

def Device_MbarrierWaitOp : Device_BarrierAction<"mbarrier_wait", (ins I32:$parity)> {
  let summary = "waits until the phase of `parity` has ended; the first phase's is 0";
  let description = [{ `mbarrier.try_wait.parity` until it succeeds. Before the first phase ends, the one before it, of parity 1, counts as over. }];
  let assemblyFormat = place # " `parity` $parity" # types;
}

//===--------------------------------------------------------------------------------------===//
// The copy engine
//===--------------------------------------------------------------------------------------===//

def Device_TensorCopyOp : Device_Op<"tensor_copy", [MemoryEffects<[MemRead, MemWrite]>]> {
  let summary = "starts a copy of the map's box at `coordinates`, the innermost first, to shared memory; a barrier's phase counts its bytes";
  let description = [{
    `cp.async.bulk.tensor` (PTX ISA 9.7.9.27.1.2). What lies outside of the tensor is zero. The destination is a multiple of 128 bytes, of 8 rows where the map has a
    swizzle. By one thread.
  }];
  let arguments = (ins Device_TensorMapType:$map, Variadic<I32>:$coordinates, Device_SharedMemory:$to, Device_Index:$to_index,
                       Device_SharedMemory:$barriers, Device_Index:$index);
  let assemblyFormat = [{
    $map `[` $coordinates `]` `to` $to `[` $to_index `]` `,` $barriers `[` $index `]` attr-dict
    `:` type($map) `to` type($to) `[` type($to_index) `]` `,` type($barriers) `[` type($index) `]`
  }];
  let hasVerifier = 1;
}

def Device_ProxyFenceOp : Device_Op<"proxy_fence", [MemoryEffects<[MemRead, MemWrite]>]> {
  let summary = "what the thread wrote to shared memory is there for products of a warpgroup and the copy engine";
  let description = [{ `fence.proxy.async.shared::cta`: such accesses go another way than loads and stores, and a barrier does not order the two. }];
  let assemblyFormat = "attr-dict";
}

//===--------------------------------------------------------------------------------------===//
// Products of a warpgroup
//===--------------------------------------------------------------------------------------===//

def Device_Fragments : Type<VectorOfLengthAndType<[8], [F16, BF16]>.predicate, "8 elements of 16 bits", "::mlir::VectorType">;

def Device_WgmmaBeginOp : Device_Op<"wgmma_begin", [MemoryEffects<[MemRead, MemWrite]>]> {
  let summary = "hands registers over to products: vectors of f32 become sums, sums and fragments stay what they are";
  let description = [{
    `wgmma.fence` (PTX ISA 9.7.15.7.1). Before a product that reads registers which anything but a product wrote; a loop that carries sums may move them.
  }];
  let arguments = (ins Variadic<AnyType>:$values);
  let results = (outs Variadic<AnyType>:$registers);
  let assemblyFormat = "$values attr-dict `:` type($values) `->` type($registers)";
  let hasVerifier = 1;
}

class Device_Product<string mnemonic, dag a> : Device_Op<mnemonic, [AllTypesMatch<["sums", "result"]>, MemoryEffects<[MemRead, MemWrite]>]> {
  let arguments = !con((ins Device_SumsType:$sums), a, (ins Device_SharedMemory:$b, Device_Index:$b_index, Device_LayoutAttr:$b_layout,
                                                            UnitAttr:$overwrite));
  let results = (outs Device_SumsType:$result);
  let hasVerifier = 1;
}

def Device_WgmmaOp : Device_Product<"wgmma", (ins Device_SharedMemory:$a, Device_Index:$a_index, Device_LayoutAttr:$a_layout)> {
  let summary = "starts to add a [64, K] b [columns, K]^T to the sums, K = 32 bytes; `overwrite`: to zeros";
  let description = [{
    `wgmma.mma_async` m64nNk16, of tf32 m64nNk8 (PTX ISA 9.7.15.5.2), by the 128 threads of a warpgroup. Operands are both bf16, both f16, or both
    tf32, which lie along `k` alone. They begin at a multiple of 8 rows, or, along `k`, at a multiple of 32 bytes of a row.
  }];
  let assemblyFormat = [{
    $sums `,` $a `[` $a_index `]` $a_layout `,` $b `[` $b_index `]` $b_layout attr-dict
    `:` type($sums) `,` type($a) `[` type($a_index) `]` `,` type($b) `[` type($b_index) `]`
  }];
}

def Device_WgmmaFragmentsOp : Device_Product<"wgmma_fragments", (ins Device_Fragments:$a)> {
  let summary = "the same with a warp's 16 rows of a in registers, as in `mma`";
  let assemblyFormat = [{
    $sums `,` $a `,` $b `[` $b_index `]` $b_layout attr-dict `:` type($sums) `,` type($a) `,` type($b) `[` type($b_index) `]`
  }];
}

def Device_WgmmaCommitOp : Device_Op<"wgmma_commit", [MemoryEffects<[MemRead, MemWrite]>]> {
  let summary = "makes a group of the warpgroup's products since the last one";
  let assemblyFormat = "attr-dict";
}

def Device_WgmmaWaitOp : Device_Op<"wgmma_wait", [MemoryEffects<[MemRead, MemWrite]>]> {
  let summary = "waits until at most `pending` of the latest groups are under way; sums that are complete become vectors";
  let description = [{ `wgmma.wait_group`. Sums that products may still be adding to stay sums. Every sum that a product of a group adds to is an operand. }];
  let arguments = (ins ConfinedAttr<I64Attr, [IntNonNegative]>:$pending, Variadic<Device_SumsType>:$sums);
  let results = (outs Variadic<AnyType>:$values);
  let assemblyFormat = "$pending `,` $sums attr-dict `:` type($sums) `->` type($values)";
  let hasVerifier = 1;
}

def Device_DependencyWaitOp : Device_Op<"dependency_wait", [MemoryEffects<[MemRead, MemWrite]>]> {
  let summary = "lets the next launch begin, and waits until those before are over and what they wrote is there";
  let description = [{
    `griddepcontrol.launch_dependents` and `griddepcontrol.wait` (PTX ISA 9.7.13.13), before anything that a launch might have written is touched. Without programmatic
    dependent launch neither does anything.
  }];
  let assemblyFormat = "attr-dict";
}

def Device_SetRegistersOp : Device_Op<"set_registers", [MemoryEffects<[MemRead, MemWrite]>]> {
  let summary = "the warpgroup has `count` registers a thread from here on";
  let description = [{ `setmaxnreg` (PTX ISA 9.7.19.5): multiples of 8 from 24 to 256. }];
  let arguments = (ins ConfinedAttr<I64Attr, [IntMinValue<24>, IntMaxValue<256>]>:$count, UnitAttr:$increase);
  let assemblyFormat = "$count (`increase` $increase^)? attr-dict";
  let hasVerifier = 1;
}

#endif // VITC_DIALECTS_DEVICE_HOPPEROPS_TD
