//===- TrainingSession.h - a training artifact at work --------------- -*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_RUNTIME_TRAIN_TRAININGSESSION_H
#define VITC_RUNTIME_TRAIN_TRAININGSESSION_H

#include "runtime/artifact/UpdateScalars.h"
#include "runtime/train/FrameworkTensors.h"
#include "runtime/train/StateProgram.h"
#include "runtime/train/TrainableModel.h"

namespace vitrt {

/// The training state of an artifact in memory, and the programs that work on it (docs/training.md). The results of every function have the same
/// bits for any number of threads.
class TrainingSession final : public TrainableModel {
public:
  /// The model must have its weights, from which training begins, and outlive the session. `threads` 0: every available core; `emulatorSeed` as of SessionOptions.
  /// VITRT_ERROR_ARGUMENT if the artifact holds no training program.
  static Expected<std::unique_ptr<TrainingSession>> create(Model &model, unsigned threads = 0, uint64_t emulatorSeed = 0);

  void observe(LaunchObserver *observer) override { this->observer = observer; }
  unsigned threads() const override { return pool->size(); }
  /// Images that go through forward and backward together.
  int64_t groupImages() const { return train->groupImages(); }
  bool hasTeacher() const override { return teacherSlot >= 0; }
  void setTeacher(const float *rows) override { teacher = rows; }

  std::span<const TrainedTensor> tensors() const override { return framework.tensors(); }
  bool holds(TensorState state) const override;
  void read(TensorState state, size_t tensor, std::span<float> into) const override;
  void write(TensorState state, size_t tensor, std::span<const float> from) override;

  size_t imageElements() const override;
  size_t classes() const override;
  std::string_view optimizer() const override { return training.optimizer()->string_view(); }
  Error keepAverages() override;
  void setFactors(size_t tensor, float learningRate, float decay) override;
  void beginStep() override;
  Error accumulate(uint64_t seed, uint64_t step, size_t firstImage, size_t count, const float *images, const float *targets,
                   float lossWeight, float *losses) override;
  Expected<double> gradientNorm() override;
  Error update(const UpdateScalars &scalars) override;
  Error logits(size_t count, const float *images, float *scores) override;
  std::string firstNonFinite(uint64_t seed, uint64_t step, size_t firstImage, size_t count, const float *images,
                             const float *targets) override;

private:
  /// Weights with the same factors, side by side in memory.
  struct Run {
    uint64_t first, elements;
    float rate, decay;
  };

  TrainingSession(Model &model, const fb::Training &training, uint64_t emulatorSeed);
  Error initialize(unsigned threads);
  Error allocate();
  Error openPrograms();
  void formRuns();
  /// Gradients of derived weights are carried to the parameters, once, when somebody wants to see them.
  Error finishGradients() const;
  float *memoryOf(TensorState state) const;
  /// A kernel that no program's launch has.
  struct Kernel {
    const fb::Kernel *description;
    KernelFunction function;         ///< null of a device's kernel
    emulator::Kernel deviceFunction; ///< null of the host's
  };
  Expected<Kernel> kernelOf(uint32_t index) const;
  /// Index into training.updates().
  size_t updateFor(bool momentum, bool nesterov) const;
  /// `what` is said of it where it fails.
  Error runKernel(const Kernel &kernel, std::string_view what, int64_t elements, std::span<const emulator::Operand> operands);

  Model &model;
  const fb::Training &training;
  const uint64_t emulatorSeed;
  FrameworkTensors framework;
  OptimizerKind kind = OptimizerKind::AdamW;
  std::unique_ptr<ThreadPool> pool;
  AnonymousMemory memory, averageMemory;
  StateMemory state{};
  float *first = nullptr, *second = nullptr, *average = nullptr; ///< moments and average, null if there are none
  uint16_t *firstHalf = nullptr;                                 ///< the first moment as bf16
  std::vector<float> rateFactors, decayFactors;                  ///< by tensor
  std::vector<Run> runs;
  std::vector<float> squares;
  std::unique_ptr<StateProgram> train, prepare, finish; ///< the last two null where nothing is derived
  int imagesSlot = -1, targetsSlot = -1, teacherSlot = -1, randomnessSlot = -1, weightsSlot = -1;
  const float *teacher = nullptr;
  std::vector<float> randomness, lossWeights;
  std::vector<Kernel> updates; ///< by training.updates()
  Kernel squareSum = {};
  std::unique_ptr<EmulatedTasks> emulated; ///< where those are device kernels
  mutable Error failure;                   ///< of a read that could not say so
  bool parametersChanged = true, gradientsAreWhole = true;
  mutable bool unfinished = false;
  std::unique_ptr<Session> inference; ///< by the parameters at `inferenceIsCurrent`
  bool inferenceIsCurrent = false;
  LaunchObserver *observer = nullptr;
};

} // namespace vitrt

#endif // VITC_RUNTIME_TRAIN_TRAININGSESSION_H
