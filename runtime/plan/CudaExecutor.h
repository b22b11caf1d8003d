//===- CudaExecutor.h - a GPU that runs a model --------------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Groups of images go through a pipeline of three streams: a group's images are copied in while the group before is computed and the results
// of the one before that are copied out. All launches of a group are a graph, recorded when a number of images comes for the second time; tensor maps and
// pointers are baked into it, so memory stays where it is while graphs live. With an observer groups go one by one, launches as themselves.
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_RUNTIME_PLAN_CUDAEXECUTOR_H
#define VITC_RUNTIME_PLAN_CUDAEXECUTOR_H

#include "runtime/plan/CudaLaunches.h"
#include "runtime/plan/CudaMemory.h"
#include "runtime/plan/Executor.h"
#include "runtime/plan/Session.h"

#include <array>

namespace vitrt {

class CudaExecutor : public Executor {
public:
  /// Loads kernels and weights to the model's GPU.
  static Expected<std::unique_ptr<Executor>> create(const Model &model, const SessionOptions &options);
  ~CudaExecutor() override;

  Error run(const Batch &batch) override;
  Error weightsChanged() override;
  unsigned threads() const override { return pool->size(); }
  const DeviceTimes *deviceTimes() const override { return &times; }

private:
  /// Images [first, first + images) of a batch.
  struct Group {
    int64_t first = 0, images = 0;
  };
  /// What a group in the pipeline has for itself; every other group has the same.
  struct Slot {
    CudaLaunches::Places places;
    std::vector<std::span<std::byte>> host; ///< pinned memory of inputs and outputs, by buffer
    cuda::Event copyBegins, copied, launchesBegin, launchesEnd, resultsBegin, resultsEnd;
    Group group;       ///< of the pipeline; no images: none
    CudaGraphs graphs; ///< by number of images
  };

  CudaExecutor(const Model &model, const SessionOptions &options, CudaLaunches launches);
  Error initialize(const SessionOptions &options);
  Error loadWeights();
  /// Makes room for groups of `images` images, or as many as there is memory for.
  Error reserve(int64_t images);
  Error allocate(int64_t images);

  Error runPipeline(const Batch &batch, int64_t groups);
  Error copyIn(const Batch &batch, const Group &group, Slot &slot);
  /// Takes a group's results out of the pipeline.
  Error retire(const Batch &batch, Slot &slot);
  Error runObserved(const Batch &batch, const Group &group);

  const Model &model;
  const Program &program;
  const cuda::Device &device;
  CudaLaunches launches;
  int64_t groupImages;
  std::unique_ptr<ThreadPool> pool;
  CudaWeights weights;
  cuda::Stream copiesIn, compute, copiesOut;
  int64_t capacity = 0; ///< images of a group that there is memory for
  int64_t refused = 0;  ///< images of a group that there was no memory for
  cuda::DeviceMemory memory;
  cuda::PinnedMemory pinned;
  std::array<Slot, 2> slots;
  DeviceTimes times;
};

} // namespace vitrt

#endif // VITC_RUNTIME_PLAN_CUDAEXECUTOR_H
