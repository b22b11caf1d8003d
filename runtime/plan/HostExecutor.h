//===- HostExecutor.h - threads of the CPU that run a model ----------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//
// Images are the outer loop: a group of images goes through all launches before the next one, so activations stay in cache and the arena
// does not grow with the batch. Images that can be shared out evenly go to the workers in whole groups, each with its own arena and without
// a barrier; the rest, fewer images than workers, go together with each launch split into tasks. The result's bits do not depend on any of
// this (docs/abi.md, "Kernels"). Launches of an emulated GPU go the same way, their tasks through the emulator.
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_RUNTIME_PLAN_HOSTEXECUTOR_H
#define VITC_RUNTIME_PLAN_HOSTEXECUTOR_H

#include "runtime/device/cpu/ThreadPool.h"
#include "runtime/plan/Executor.h"
#include "runtime/plan/Session.h"

#include <utility>

namespace vitrt {

class EmulatedTasks;

class HostExecutor : public Executor {
public:
  static Expected<std::unique_ptr<Executor>> create(const Model &model, const SessionOptions &options);
  ~HostExecutor() override;

  Error run(const Batch &batch) override;
  unsigned threads() const override { return pool->size(); }

private:
  struct Worker;
  struct Group;

  HostExecutor(const Model &model, const SessionOptions &options);
  Error allocate();
  void runGroup(const Group &group, Worker &worker, bool split);
  /// Tasks [begin, end) of a launch, which worker `of` has begun; what an emulated kernel did wrong becomes the run's error.
  void runTasks(const Launch &launch, void *const *operands, int64_t images, int64_t begin, int64_t end, Worker &worker, const Worker &of);
  void prepareBuffers(const Group &group, Worker &worker);
  void storeOutputs(const Group &group, const Worker &worker);

  const Model &model;
  const Program &program;
  int64_t groupImages;
  uint64_t emulatorSeed;
  std::unique_ptr<ThreadPool> pool;
  AnonymousMemory memory;
  std::vector<Worker> workers;
  std::vector<std::pair<size_t, uint32_t>> moving; ///< operands that change with the group, counted over all launches, and their buffers
  std::unique_ptr<EmulatedTasks> emulated;         ///< where the plan has device kernels
};

} // namespace vitrt

#endif // VITC_RUNTIME_PLAN_HOSTEXECUTOR_H
