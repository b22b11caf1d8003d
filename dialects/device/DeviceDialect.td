//===- DeviceDialect.td - the device dialect and its types ------------------*- tablegen -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_DIALECTS_DEVICE_DEVICEDIALECT_TD
#define VITC_DIALECTS_DEVICE_DEVICEDIALECT_TD

include "dialects/device/DeviceEnums.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/OpBase.td"

def Device_Dialect : Dialect {
  let name = "device";
  let cppNamespace = "::vitc::device";
  let summary = "what the threads of a GPU do: memory, barriers, asynchronous copies, products of a warp";
  let description = [{
    GPU kernels are written in this dialect beside arith, math, scf and vector, for one thread. It is lowered twice: to NVVM
    and PTX, and to calls of the emulator, which runs the same kernels on a CPU (docs/gpu.md). What a GPU does later than it is told to is an
    operation of its own here, and a value that is not there yet has another type, so that no lowering can move its use before the wait.
  }];
  let useDefaultAttributePrinterParser = 1;
  let useDefaultTypePrinterParser = 1;
}

def Device_MemoryType : TypeDef<Device_Dialect, "Memory"> {
  let mnemonic = "memory";
  let summary = "an address of elements of one type in global or shared memory";
  let description = [{
    Numbers of tf32 are f32 whose lower 13 bits of significand are zero. They are f32 as soon as they are in registers, and arithmetic makes others of them:
    `to_tf32` comes before a store.
  }];
  let parameters = (ins EnumParameter<Device_Space>:$space, "::mlir::Type":$element);
  let assemblyFormat = "`<` $space `,` $element `>`";
}

class Device_MemoryIn<string space_> : Type<
    And<[CPred<"::llvm::isa<::vitc::device::MemoryType>($_self)">,
         CPred<"::llvm::cast<::vitc::device::MemoryType>($_self).getSpace() == ::vitc::device::Space::" # space_>]>,
    "memory of the space " # space_, "::vitc::device::MemoryType">;
def Device_GlobalMemory : Device_MemoryIn<"Global">;
def Device_SharedMemory : Device_MemoryIn<"Shared">;

class Device_Op<string mnemonic, list<Trait> traits = []> : Op<Device_Dialect, mnemonic, traits>;

/// An element index: 32 bits within a row or tile, 64 from the beginning of a tensor.
def Device_Index : AnyTypeOf<[I32, I64], "an index of 32 or 64 bits">;

#endif // VITC_DIALECTS_DEVICE_DEVICEDIALECT_TD
