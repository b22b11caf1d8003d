//===- HostTraining.h - threads of the CPU that train a model --------- -*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_RUNTIME_TRAIN_HOSTTRAINING_H
#define VITC_RUNTIME_TRAIN_HOSTTRAINING_H

#include "runtime/train/StateProgram.h"
#include "runtime/train/TrainingExecutor.h"

namespace vitrt {

/// The state in memory of the host, each launch split among all threads. Launches of an emulated GPU go the same way.
class HostTraining final : public TrainingExecutor {
public:
  /// `groupImages`: the most images of a run().
  static Expected<std::unique_ptr<TrainingExecutor>> create(const Model &model, const StateSizes &sizes, int64_t groupImages,
                                                            const TrainingSessionOptions &options);

  const Program &train() const override { return trainProgram->program(); }
  unsigned threads() const override { return pool->size(); }
  void observe(LaunchObserver *told) override { observer = told; }

  Error keepAverages() override;
  bool holds(TensorState which) const override { return memoryOf(which) != nullptr; }
  Error read(TensorState which, uint64_t offset, std::span<std::byte> into) override;
  Error write(TensorState which, uint64_t offset, std::span<const std::byte> from) override;

  Error beginStep(uint64_t offset) override;
  Error prepare() override;
  Error finish() override;
  Error run(int64_t images, const float *const *inputs, float *losses) override;
  Error prefetch(int64_t, const float *) override { return Error::success(); }
  Expected<double> sumOfSquares(std::span<const StateRange> gradients) override;
  Error update(size_t index, std::span<const StateRange> runs, std::span<const UpdateArray> numbers) override;
  Error wait() override { return Error::success(); }

private:
  /// A kernel that no program's launch has.
  struct Kernel {
    const fb::Kernel *description;
    KernelFunction function;         ///< null of a device's kernel
    emulator::Kernel deviceFunction; ///< null of the host's
  };

  HostTraining(const Model &model, const StateSizes &sizes) : model(model), sizes(sizes) {}
  Error allocate();
  Error openPrograms(int64_t groupImages, uint64_t emulatorSeed);
  std::byte *memoryOf(TensorState which) const;
  Expected<Kernel> kernelOf(uint32_t index) const;
  /// `what` is said of it where it fails.
  Error runKernel(const Kernel &kernel, std::string_view what, int64_t elements, std::span<const emulator::Operand> operands);

  const Model &model;
  const StateSizes sizes;
  std::unique_ptr<ThreadPool> pool;
  AnonymousMemory memory, averageMemory;
  StateMemory state{};
  std::byte *first = nullptr, *second = nullptr, *average = nullptr; ///< moments and average, null if there are none
  std::vector<float> squares;
  std::unique_ptr<StateProgram> trainProgram, prepareProgram, finishProgram; ///< the last two null where nothing is derived
  std::vector<Kernel> updates;                                               ///< by Training.updates
  Kernel squareSum = {};
  std::unique_ptr<EmulatedTasks> emulated; ///< where those are device kernels
  LaunchObserver *observer = nullptr;
};

} // namespace vitrt

#endif // VITC_RUNTIME_TRAIN_HOSTTRAINING_H
