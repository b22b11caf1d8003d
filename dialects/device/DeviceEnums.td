//===- DeviceEnums.td - enumerations of the device dialect -------------------*- tablegen -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Apart from the dialect, because the generator of enumerations takes all that a file includes.
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_DIALECTS_DEVICE_DEVICEENUMS_TD
#define VITC_DIALECTS_DEVICE_DEVICEENUMS_TD

include "mlir/IR/EnumAttr.td"

// The values are NVVM's address spaces.
def Device_Space : I32EnumAttr<"Space", "where memory lies", [
    I32EnumAttrCase<"Global", 1, "global">,    // of the device, seen by all blocks
    I32EnumAttrCase<"Shared", 3, "shared">]> { // of a block
  let cppNamespace = "::vitc::device";
  let genSpecializedAttr = 0;
}

def Device_Major : I32EnumAttr<"Major", "the direction in which elements of a product's operand lie side by side", [
    I32EnumAttrCase<"K", 0, "k">,      // along the sum
    I32EnumAttrCase<"MN", 1, "mn">]> { // along the result's rows or columns
  let cppNamespace = "::vitc::device";
  let genSpecializedAttr = 0;
}

#endif // VITC_DIALECTS_DEVICE_DEVICEENUMS_TD
