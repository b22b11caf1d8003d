//===- FineTune.h - begin a run with somebody else's weights --------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_RUNTIME_TRAIN_FINETUNE_H
#define VITC_RUNTIME_TRAIN_FINETUNE_H

#include "runtime/Error.h"
#include "runtime/train/TrainingState.h"
#include "runtime/weights/TensorFile.h"

#include <string>
#include <vector>

namespace vitrt {

/// Puts a file's tensors (f16, bf16, f32 or f64) in the place of the model's of the same names. A head that the file does not have, or has
/// for other classes, begins at 0, as Google's models are fine-tuned (vision_transformer, checkpoint.load_pretrained); a table of positions
/// of another resolution is resized as its framework does. Returns a sentence about each of them. VITRT_ERROR_WEIGHTS, and nothing is written: another tensor is missing, has another shape or another type.
Expected<std::vector<std::string>> loadForFineTuning(TrainingState &state, const TensorFile &weights);

} // namespace vitrt

#endif // VITC_RUNTIME_TRAIN_FINETUNE_H
