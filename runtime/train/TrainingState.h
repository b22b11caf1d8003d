//===- TrainingState.h - a model's parameters and what goes with each -----------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_RUNTIME_TRAIN_TRAININGSTATE_H
#define VITC_RUNTIME_TRAIN_TRAININGSTATE_H

#include "runtime/Error.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <numeric>
#include <span>
#include <string>
#include <vector>

namespace vitrt {

/// A tensor of the framework's model: name and shape as its checkpoint has them.
struct TrainedTensor {
  std::string name;
  std::vector<uint64_t> shape;
  bool trained; ///< false if it is frozen or no result depends on it

  uint64_t elements() const { return std::accumulate(shape.begin(), shape.end(), uint64_t(1), std::multiplies<>()); }
};

/// What there is of each parameter, element by element. Average: the moving average of the parameter over the steps.
enum class TensorState : uint8_t { Parameter, Gradient, FirstMoment, SecondMoment, Average };

/// All that changes while a model is trained, read and written as the framework lays its tensors out: row-major, f32.
class TrainingState {
public:
  virtual ~TrainingState() = default;

  virtual std::span<const TrainedTensor> tensors() const = 0;
  /// Whether there is such a thing: SGD has no second moment, and no average is taken unless it is asked for.
  virtual bool holds(TensorState state) const = 0;
  /// `into` and `from` have the tensor's elements. Gradient, moments and average are there for trained tensors only. Fails where the state's
  /// memory is a device's that is lost, or a gradient's last launches go wrong.
  virtual Error read(TensorState state, size_t tensor, std::span<float> into) const = 0;
  virtual Error write(TensorState state, size_t tensor, std::span<const float> from) = 0;
};

} // namespace vitrt

#endif // VITC_RUNTIME_TRAIN_TRAININGSTATE_H
