//===- GpuPasses.td - passes of the GPU code generator ---------------------*- tablegen -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_COMPILER_CODEGEN_GPU_GPUPASSES_TD
#define VITC_COMPILER_CODEGEN_GPU_GPUPASSES_TD

include "mlir/Pass/PassBase.td"

def ConvertDeviceToEmulator : Pass<"convert-device-to-emulator"> {
  let summary = "device kernels as host functions that call the emulator";
  let description = [{
    What other threads can see becomes a call through the table of runtime/device/emulator/EmulatorAbi.h, the rest stays as it is.

    ```mlir
    %x = device.load %memory[%i] : !device.memory<global, f32>[i32] -> f32
    // becomes
    %address = llvm.getelementptr %memory[%i] : (!llvm.ptr, i32) -> !llvm.ptr, f32
    llvm.call %access(%self, %address, %bytes, %reads, %site)
    %x = llvm.load %address : !llvm.ptr -> f32
    ```
  }];
  let dependentDialects = ["::mlir::LLVM::LLVMDialect", "::mlir::arith::ArithDialect", "::mlir::func::FuncDialect"];
}

def ConvertDeviceToNvvm : Pass<"convert-device-to-nvvm", "::mlir::ModuleOp"> {
  let summary = "device kernels as functions of NVVM";
  let description = [{
    A kernel becomes an `llvm.func` that `nvvm.kernel` marks: its memories are pointers into their address spaces, and shared memory is one global whose size the
    launch says. A kernel that has memory of its own takes it as two more arguments: all blocks' memory, and the bytes of a block. `math.exp2` and `math.rsqrt`
    become the approximations that the hardware has; functions without an instruction are errors, because LLVM would end the process.

    ```mlir
    %x = device.load %memory[%i] : !device.memory<global, f32>[i32] -> f32
    // becomes
    %address = llvm.getelementptr %memory[%i] : (!llvm.ptr<1>, i32) -> !llvm.ptr<1>, f32
    %x = llvm.load %address {alignment = 4 : i64} : !llvm.ptr<1> -> f32
    ```
  }];
  let dependentDialects = ["::mlir::LLVM::LLVMDialect", "::mlir::NVVM::NVVMDialect", "::mlir::arith::ArithDialect"];
}

#endif // VITC_COMPILER_CODEGEN_GPU_GPUPASSES_TD
