//===- TrainingSession.h - a training artifact at work --------------- -*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_RUNTIME_TRAIN_TRAININGSESSION_H
#define VITC_RUNTIME_TRAIN_TRAININGSESSION_H

#include "runtime/plan/Session.h"
#include "runtime/train/FrameworkTensors.h"
#include "runtime/train/TrainableModel.h"
#include "runtime/train/TrainingExecutor.h"

namespace vitrt {

/// The training state of an artifact, and the steps that change it (docs/training.md). The results of every function have the same bits for any
/// number of threads.
class TrainingSession final : public TrainableModel {
public:
  /// The model must have its weights, from which training begins, and outlive the session; training runs where the model was opened for.
  /// VITRT_ERROR_ARGUMENT if the artifact holds no training program.
  static Expected<std::unique_ptr<TrainingSession>> create(Model &model, const TrainingSessionOptions &options = {});

  void observe(LaunchObserver *told) override;
  unsigned threads() const override { return executor->threads(); }
  /// The most images that go through forward and backward together.
  int64_t groupImages() const { return group; }
  bool hasTeacher() const override { return teacherSlot >= 0; }
  void setTeacher(const float *rows) override { teacher = rows; }

  std::span<const TrainedTensor> tensors() const override { return framework.tensors(); }
  bool holds(TensorState state) const override { return executor->holds(state); }
  Error read(TensorState state, size_t tensor, std::span<float> into) const override;
  Error write(TensorState state, size_t tensor, std::span<const float> from) override;

  size_t imageElements() const override;
  size_t classes() const override;
  std::string_view optimizer() const override { return training.optimizer()->string_view(); }
  Error keepAverages() override { return executor->keepAverages(); }
  void setFactors(size_t tensor, float learningRate, float decay) override;
  Error beginStep() override;
  Error accumulate(uint64_t seed, uint64_t step, size_t firstImage, size_t count, const float *images, const float *targets,
                   float lossWeight, float *losses) override;
  Error prefetch(size_t count, const float *images) override;
  Error wait() override { return executor->wait(); }
  const DeviceTimes *deviceTimes() const override { return executor->deviceTimes(); }
  Expected<double> gradientNorm() override;
  Error update(const UpdateScalars &scalars) override;
  Error logits(size_t count, const float *images, float *scores) override;
  std::string firstNonFinite(uint64_t seed, uint64_t step, size_t firstImage, size_t count, const float *images,
                             const float *targets) override;

private:
  /// Weights with the same factors, side by side in memory.
  struct Run {
    StateRange range;
    float rate, decay;
  };

  TrainingSession(Model &model, const fb::Training &training, OptimizerKind kind);
  Error initialize(const TrainingSessionOptions &options);
  Error findInputs();
  Error writeWeights();
  void formRuns();
  /// Gradients of derived weights are carried to the parameters, once, when somebody wants to see them.
  Error finishGradients() const;
  /// Images of accumulate() in groups of nearly equal size.
  size_t groupsOf(size_t count) const { return (count + size_t(group) - 1) / size_t(group); }
  /// Index into training.updates().
  size_t updateFor(bool momentum, bool nesterov) const;

  Model &model;
  const fb::Training &training;
  const OptimizerKind kind;
  const StateSizes sizes;
  FrameworkTensors framework;
  std::unique_ptr<TrainingExecutor> executor;
  int64_t group = 0;
  unsigned inferenceThreads = 0;
  uint64_t emulatorSeed = 0;
  std::vector<float> rateFactors, decayFactors; ///< by tensor
  std::vector<Run> runs;
  std::vector<StateRange> trained; ///< runs, and those beside each other as one
  int imagesSlot = -1, targetsSlot = -1, teacherSlot = -1, randomnessSlot = -1, weightsSlot = -1;
  const float *teacher = nullptr;
  std::vector<float> randomness, lossWeights;
  bool parametersChanged = true, gradientsAreWhole = true;
  mutable bool unfinished = false;
  std::unique_ptr<Session> inference; ///< by the parameters at `inferenceIsCurrent`
  bool inferenceIsCurrent = false;
  LaunchObserver *observer = nullptr;
};

} // namespace vitrt

#endif // VITC_RUNTIME_TRAIN_TRAININGSESSION_H
