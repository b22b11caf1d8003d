//===- Calibrate.h - ranges of a model's values, from images ----------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_COMPILER_DRIVER_CALIBRATE_H
#define VITC_COMPILER_DRIVER_CALIBRATE_H

#include "compiler/driver/Compile.h"

namespace vitc {

/// Runs the model in f32 on this machine over images and returns what it found of each of its layers.
///
/// `images` is a folder of pictures, preprocessed as the model's config says, or an .npy of f32 [N, C, H, W] that is normalized already. The f32 program is
/// compiled into a file beside `path`, which is gone again when this returns. Errors: no or unreadable images, images of another shape, weights that
/// cannot be bound, no weights.
llvm::Expected<CalibratedRanges> calibrate(mlir::MLIRContext &context, const ModelConfig &config, const CompileOptions &options,
                                           const artifact::WeightsFrom &weights, llvm::StringRef images, llvm::StringRef path,
                                           const artifact::Progress &progress);

} // namespace vitc

#endif // VITC_COMPILER_DRIVER_CALIBRATE_H
