//===- LossCurve.h - a picture of a run's loss and accuracy ---------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_RUNTIME_TRAIN_LOSSCURVE_H
#define VITC_RUNTIME_TRAIN_LOSSCURVE_H

#include "runtime/train/Checkpoint.h"

#include <string>

namespace vitrt {

/// An SVG of 860 pixels' width: the loss of each step with its moving average, and below it, if the run evaluates, the accuracy after each
/// epoch. `stepsPerEpoch` places the epochs on the axis of steps.
std::string drawLossCurve(const TrainingPosition &position, uint64_t stepsPerEpoch, const std::string &title);

} // namespace vitrt

#endif // VITC_RUNTIME_TRAIN_LOSSCURVE_H
