//===- PixelEmbed.h - patch embedding of pictures as they are decoded ---------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_DIALECTS_KERNEL_PIXELEMBED_H
#define VITC_DIALECTS_KERNEL_PIXELEMBED_H

#include "dialects/kernel/KernelDialect.h"

#define GET_OP_CLASSES
#include "dialects/kernel/PixelEmbed.h.inc"

#endif // VITC_DIALECTS_KERNEL_PIXELEMBED_H
