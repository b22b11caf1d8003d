//===- Predictions.h - logits to classes --------------------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_TOOLS_VITRUN_PREDICTIONS_H
#define VITC_TOOLS_VITRUN_PREDICTIONS_H

#include <cstddef>
#include <span>
#include <vector>

namespace vitrun {

struct Prediction {
  size_t index;
  double probability;
};

/// How many logits leave the softmax undefined: NaN and +inf. -inf is a class of probability 0.
size_t countUndefined(std::span<const float> logits);

/// The `count` most probable classes by softmax of the logits, in f64, most probable first; equal ones by index. Undefined logits
/// make every probability NaN.
std::vector<Prediction> topClasses(std::span<const float> logits, size_t count);

/// How many classes are before `label`: 0 if it is the first choice. A label outside the logits, or a NaN, comes last.
size_t rankOf(std::span<const float> logits, long long label);

} // namespace vitrun

#endif // VITC_TOOLS_VITRUN_PREDICTIONS_H
