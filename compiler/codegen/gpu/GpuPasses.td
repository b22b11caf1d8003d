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

#endif // VITC_COMPILER_CODEGEN_GPU_GPUPASSES_TD
