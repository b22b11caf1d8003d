//===- PixelOps.h - images as they are decoded ------------------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//
//
// An operation of the vit dialect that import builds and kernels for GPUs take in.
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_DIALECTS_VIT_PIXELOPS_H
#define VITC_DIALECTS_VIT_PIXELOPS_H

#include "dialects/vit/VitDialect.h"

namespace vitc::vit {

bool isPixels(mlir::Type type);

/// The image's element of channel `channel` (an i32 or an index) from a pixel of i8, as `vit.normalize_images` says.
mlir::Value normalizedPixel(mlir::ImplicitLocOpBuilder &b, mlir::Value pixel, mlir::Value channel, llvm::ArrayRef<float> mean,
                            llvm::ArrayRef<float> std, bool multiply);

} // namespace vitc::vit

#define GET_OP_CLASSES
#include "dialects/vit/PixelOps.h.inc"

#endif // VITC_DIALECTS_VIT_PIXELOPS_H
