//===- CudaTraining.h - a GPU that trains a model ----------------------- -*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//
// The state lies in the GPU's memory, and all that changes it is given to one stream, `compute`, in the order of the calls. The host waits where
// it wants to know something: losses and norm once a step, the state for a checkpoint. What a launch takes beside its kernel's constants (random
// keys, weights of losses, an optimizer's numbers) is in memory, so launches are the same in every step, and are graphs. A group's inputs go
// through one of two slots, so that the next ones are copied, by a stream of their own, while a group is computed.
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_RUNTIME_TRAIN_CUDATRAINING_H
#define VITC_RUNTIME_TRAIN_CUDATRAINING_H

#include "runtime/plan/CudaLaunches.h"
#include "runtime/plan/CudaMemory.h"
#include "runtime/train/TrainingExecutor.h"

#include <mutex>
#include <optional>

namespace vitrt {

class CudaTraining final : public TrainingExecutor {
public:
  /// Takes all memory of the GPU that steps of groups of up to `groupImages` need. VITRT_ERROR_MEMORY says how much that is, how much is free,
  /// and for groups of how many images there would be enough.
  static Expected<std::unique_ptr<TrainingExecutor>> create(const Model &model, const StateSizes &sizes, int64_t groupImages,
                                                            const TrainingSessionOptions &options);
  ~CudaTraining() override;

  const Program &train() const override { return programs[Train].plan; }
  unsigned threads() const override { return pool->size(); }
  void observe(LaunchObserver *told) override { observer = told; }

  Error keepAverages() override;
  bool holds(TensorState which) const override { return memoryOf(which) != 0; }
  Error read(TensorState which, uint64_t offset, std::span<std::byte> into) override;
  Error write(TensorState which, uint64_t offset, std::span<const std::byte> from) override;

  Error beginStep(uint64_t offset) override;
  Error prepare() override { return runOnce(programs[Prepare]); }
  Error finish() override { return runOnce(programs[Finish]); }
  Error run(int64_t images, const float *const *inputs, float *losses) override;
  Error prefetch(int64_t images, const float *input) override;
  Expected<double> sumOfSquares(std::span<const StateRange> gradients) override;
  Error update(size_t index, std::span<const StateRange> runs, std::span<const UpdateArray> numbers) override;
  Error wait() override;
  const DeviceTimes *deviceTimes() const override { return &times; }

private:
  enum { Train, Prepare, Finish, ProgramCount };
  struct LoadedProgram {
    Program plan;
    std::optional<CudaLaunches> launches; ///< none where the file has no such program
    CudaLaunches::Places places;
    CudaGraphs graphs; ///< of those that run once
  };
  /// A kernel that no program's launch has.
  struct Kernel {
    const fb::Kernel *description = nullptr;
    cuda::Function function;
  };
  /// What a group has for itself; every other group has the same.
  struct Slot {
    std::vector<cuda::api::DevicePointer> staged; ///< by buffer: inputs and outputs
    std::vector<std::span<std::byte>> host;       ///< pinned memory of inputs, by buffer
    cuda::Event imagesBegin, imagesEnd, copied, computed;
    const float *prefetched = nullptr; ///< the images that are there or on their way, `images` of them; null: none
    int64_t images = 0;
    bool isTimed = false; ///< the time of its images' copy is still to be added
    CudaGraphs graphs;    ///< by number of images
  };
  /// Losses on their way to the host.
  struct PendingLosses {
    std::span<std::byte> from;
    float *to;
  };
  /// Offsets of what is in `memory` and `pinned`.
  struct Places;

  CudaTraining(const Model &model, const StateSizes &sizes, int64_t groupImages)
      : model(model), training(*model.artifact().target().training()), device(*model.gpu()), sizes(sizes), groupImages(groupImages) {}
  Error initialize(const TrainingSessionOptions &options);
  Error loadPrograms(const TrainingSessionOptions &options);
  Expected<Kernel> kernelOf(const cuda::Module &code, uint32_t index) const;
  Error makeStreams();
  /// What groups of so many images take beside the state.
  uint64_t groupBytes(int64_t images, Places *places = nullptr) const;
  Error checkMemory() const;
  Error allocate();
  cuda::api::DevicePointer memoryOf(TensorState which) const;

  Error copyImages(Slot &slot, int64_t images, const float *input);
  Error copyInputs(Slot &slot, int64_t images, const float *const *inputs);
  Error runOnce(LoadedProgram &program);
  Error start(const Kernel &kernel, int64_t elements, std::span<const cuda::api::DevicePointer> operands);
  Error addTime(Slot &slot);
  /// `error` as one of the file's.
  Error named(const Error &error) const;

  const Model &model;
  const fb::Training &training;
  const cuda::Device &device;
  const StateSizes sizes;
  const int64_t groupImages;
  bool withAverages = false; ///< memory for which was counted
  std::unique_ptr<ThreadPool> pool;
  LoadedProgram programs[ProgramCount];
  uint32_t imagesBuffer = 0;   ///< of `train`
  std::vector<Kernel> updates; ///< by Training.updates
  Kernel squareSum;
  cuda::Stream copiesIn, compute;
  std::optional<CudaTransfer> transfer;
  CudaWeights weights;
  cuda::DeviceMemory state, averages, memory;
  cuda::PinnedMemory pinned;
  cuda::api::DevicePointer parameters = 0, gradients = 0, derived = 0, first = 0, second = 0; ///< in `state`
  std::array<Slot, 2> slots;
  size_t turn = 0; ///< of the slots

  std::span<std::byte> lossesHost;
  std::vector<PendingLosses> pendingLosses;
  uint64_t lossesTaken = 0; ///< bytes of lossesHost that those have

  cuda::api::DevicePointer squares = 0, scalars = 0;
  std::span<std::byte> squaresHost, scalarsHost;
  cuda::Event scalarsCopied;
  std::vector<StateRange> squaredRanges, updatedRuns; ///< that the graphs are for
  CudaGraphs squareGraphs, updateGraphs;              ///< the latter by number of the update

  cuda::Event stepBegin, stepEnd;
  bool stepIsTimed = false;
  double copySeconds = 0; ///< of images, since the last step's end
  DeviceTimes times;
  LaunchObserver *observer = nullptr;
  std::mutex reading;
};

} // namespace vitrt

#endif // VITC_RUNTIME_TRAIN_CUDATRAINING_H
