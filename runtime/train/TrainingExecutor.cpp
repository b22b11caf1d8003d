//===- TrainingExecutor.cpp - memories of a training state ------------ -*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/train/TrainingExecutor.h"

#include "runtime/artifact/FileFormat.h"

using namespace vitrt;

StateSizes::StateSizes(const fb::Training &training, OptimizerKind kind)
    : parameters(training.parameter_bytes()), gradients(training.gradient_bytes()), derived(training.derived_bytes()), first(parameters),
      second(kind == OptimizerKind::Sgd ? 0 : parameters), halves(training.bf16_momentum()) {
  if (halves)
    first = alignTo(parameters / 2, kBufferAlignment);
}

uint64_t StateSizes::bytes(TensorState which) const {
  switch (which) {
  case TensorState::Parameter:
  case TensorState::Average:
    return parameters;
  case TensorState::Gradient:
    return gradients;
  case TensorState::FirstMoment:
    return first;
  case TensorState::SecondMoment:
    return second;
  }
  return 0;
}

std::vector<TensorState> vitrt::updatedMemories(const fb::Training &training, size_t index, const StateSizes &sizes) {
  const fb::Update &update = *training.updates()->Get(uint32_t(index));
  std::vector<TensorState> memories = {TensorState::Parameter, TensorState::Gradient};
  // Only sgd, which has no second moment, can do without the first.
  if (update.momentum() || sizes.second)
    memories.push_back(TensorState::FirstMoment);
  if (sizes.second)
    memories.push_back(TensorState::SecondMoment);
  if (update.average())
    memories.push_back(TensorState::Average);
  return memories;
}
