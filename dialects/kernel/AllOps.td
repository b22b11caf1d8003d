//===- AllOps.td - every operation of the kernel dialect, for its page ------*- tablegen -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_DIALECTS_KERNEL_ALLOPS_TD
#define VITC_DIALECTS_KERNEL_ALLOPS_TD

include "dialects/kernel/KernelOps.td"
include "dialects/kernel/PixelEmbed.td"

#endif // VITC_DIALECTS_KERNEL_ALLOPS_TD
