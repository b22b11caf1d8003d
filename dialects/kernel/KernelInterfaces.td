//===- KernelInterfaces.td - what the compiler asks of a launch ------------*- tablegen -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_DIALECTS_KERNEL_KERNELINTERFACES_TD
#define VITC_DIALECTS_KERNEL_KERNELINTERFACES_TD

include "mlir/IR/Interfaces.td"

def KernelLaunchInterface : OpInterface<"KernelLaunchInterface"> {
  let cppNamespace = "::vitc::kernel";
  let description = [{
    An operation that becomes one launch of a plan. Scheduling, outlining and planning know launches by this interface alone, so a new
    kernel is its
    operation and its code generation.
  }];
  let methods = [
    InterfaceMethod<[{
        Chooses how the launch is tiled for `machine`, and packs its weights accordingly. Called on a launch without a schedule;
        one that has nothing to choose does nothing.
      }],
      "void", "chooseSchedule", (ins "const ::vitc::kernel::Machine &":$machine)>,
    InterfaceMethod<"Nominal floating-point operations of an image: two for each multiply-add of the launch's products.",
      "int64_t", "getFlopPerImage", (ins), "", "return 0;">,
    InterfaceMethod<"What the launch calls an operand that is a weight: \"weight\", \"bias\"; names the operand's binding.",
      "std::string", "getOperandRole", (ins "unsigned":$operand), "", "return \"weight\" + std::to_string(operand);">,
    InterfaceMethod<"The operand whose memory the result may take if nothing reads it later; null if there is none.",
      "::mlir::Value", "getInPlaceOperand", (ins), "", "return {};">
  ];
}

#endif // VITC_DIALECTS_KERNEL_KERNELINTERFACES_TD
