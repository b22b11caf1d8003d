//===- AllOps.td - every operation of the vit dialect, for its page ---------*- tablegen -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_DIALECTS_VIT_ALLOPS_TD
#define VITC_DIALECTS_VIT_ALLOPS_TD

include "dialects/vit/VitOps.td"
include "dialects/vit/PatchDropout.td"
include "dialects/vit/PixelOps.td"

#endif // VITC_DIALECTS_VIT_ALLOPS_TD
