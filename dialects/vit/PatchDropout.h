//===- PatchDropout.h - training on a part of the patches -----------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//
//
// Operations of the vit dialect that import and nothing else builds.
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_DIALECTS_VIT_PATCHDROPOUT_H
#define VITC_DIALECTS_VIT_PATCHDROPOUT_H

#include "dialects/vit/VitDialect.h"

#define GET_OP_CLASSES
#include "dialects/vit/PatchDropout.h.inc"

#endif // VITC_DIALECTS_VIT_PATCHDROPOUT_H
