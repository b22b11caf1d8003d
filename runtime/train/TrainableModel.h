//===- TrainableModel.h - a compiled model as a training run sees it ------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_RUNTIME_TRAIN_TRAINABLEMODEL_H
#define VITC_RUNTIME_TRAIN_TRAINABLEMODEL_H

#include "runtime/Error.h"
#include "runtime/train/TrainingState.h"

#include <string>
#include <string_view>

namespace vitrt {

/// Numbers of one update, the same for all elements but for each tensor's two factors. What an optimizer has no use for is not read.
struct UpdateScalars {
  double learningRate = 0;
  double weightDecay = 0;
  double beta1 = 0.9; ///< of SGD the momentum
  double beta2 = 0.999;
  double eps = 1e-8;
  bool nesterov = false;
  double gradientFactor = 1; ///< gradients are multiplied by it: clipping
  uint64_t step = 1;         ///< of this update, the first is 1
  double averageDecay = 0;   ///< d of average = d * average + (1 - d) * parameter; 0: no average is taken
};

class LaunchObserver;
struct DeviceTimes;

/// The programs of a training artifact over their memory. A step is beginStep(), accumulate() as often as the batch has parts, then update().
class TrainableModel : public TrainingState {
public:
  /// Elements of an image, C * H * W, and classes.
  virtual size_t imageElements() const = 0;
  virtual size_t classes() const = 0;
  /// "adamw", "adam", "sgd", "labml-adam": what vitc compiled.
  virtual std::string_view optimizer() const = 0;

  virtual unsigned threads() const = 0;

  /// Tells `observer` of each launch of the training programs from now on; null: nobody.
  virtual void observe(LaunchObserver * /*observer*/) {}

  /// From now on there is an Average of each trained tensor; before the first step.
  virtual Error keepAverages() = 0;

  /// The tensor's learning rate and decay are multiples of the update's; 1 and 1 at first.
  virtual void setFactors(size_t tensor, float learningRate, float decay) = 0;

  /// Whether the model has a distillation token, whose targets are a teacher's; they are the labels' unless set.
  virtual bool hasTeacher() const { return false; }
  /// [count, K] for accumulate() from now on; null: the targets.
  virtual void setTeacher(const float * /*rows*/) {}

  virtual Error beginStep() = 0;
  /// Adds to the gradients those of `count` images, [count, C, H, W] with targets [count, K], each loss counted `lossWeight` times; the loss
  /// of each image goes to `losses`, where it is after the next wait(). `firstImage` is the number of the first of them in the step: with
  /// `seed` and `step` (from 0) it keys the random numbers of dropout.
  virtual Error accumulate(uint64_t seed, uint64_t step, size_t firstImage, size_t count, const float *images, const float *targets,
                           float lossWeight, float *losses) = 0;
  /// The images of the accumulate() after those that were called, which stay as they are until then: a device copies some of them while it
  /// computes. Nothing depends on it but time.
  virtual Error prefetch(size_t /*count*/, const float * /*images*/) { return Error::success(); }
  /// Until all that was begun is done.
  virtual Error wait() { return Error::success(); }
  /// Of the last step, from its begin to the end of its update, once that was waited for; null on the host.
  virtual const DeviceTimes *deviceTimes() const { return nullptr; }

  /// Euclidean norm of the gradients of all trained tensors, after the last accumulate() of a step. Waits.
  virtual Expected<double> gradientNorm() = 0;
  virtual Error update(const UpdateScalars &scalars) = 0;

  /// Class scores [count, K] by the parameters as they are.
  virtual Error logits(size_t count, const float *images, float *scores) = 0;

  /// The layer whose values, or whose gradients, stop being finite first for the images of a part: "blocks.3.mlp", or "the images"; empty
  /// if all are finite. The gradients of the step are lost.
  virtual std::string firstNonFinite(uint64_t seed, uint64_t step, size_t firstImage, size_t count, const float *images,
                                     const float *targets) = 0;
};

} // namespace vitrt

#endif // VITC_RUNTIME_TRAIN_TRAINABLEMODEL_H
