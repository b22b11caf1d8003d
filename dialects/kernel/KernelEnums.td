//===- KernelEnums.td - enumerations of the kernel dialect -------------------*- tablegen -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Apart from the dialect, because the generator of enumerations takes all that a file includes.
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_DIALECTS_KERNEL_KERNELENUMS_TD
#define VITC_DIALECTS_KERNEL_KERNELENUMS_TD

include "mlir/IR/EnumAttr.td"

def Kernel_StateRegion : I32EnumAttr<"StateRegion", "which memory of the training state", [
    I32EnumAttrCase<"Parameter", 0, "parameter">,  // the weights themselves
    I32EnumAttrCase<"Gradient", 1, "gradient">,    // zero before a step's first group
    I32EnumAttrCase<"Derived", 2, "derived">]> {   // weights made of parameters, once a step
  let cppNamespace = "::vitc::kernel";
  let genSpecializedAttr = 0;
}

#endif // VITC_DIALECTS_KERNEL_KERNELENUMS_TD
