//===- Session.h - threads and memory that run a model ------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//
//
// Images are the outer loop: a group of images goes through all launches before the next one, so activations stay in cache and the arena
// does not grow with the batch. Images that can be shared out evenly go to the workers in whole groups, each with its own arena and without
// a barrier; the rest, fewer images than workers, go together with each launch split into tasks. The result's bits do not depend on any of
// this (docs/abi.md, "Kernels").
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_RUNTIME_PLAN_SESSION_H
#define VITC_RUNTIME_PLAN_SESSION_H

#include "runtime/device/cpu/ThreadPool.h"
#include "runtime/plan/Model.h"

#include <atomic>
#include <chrono>
#include <mutex>
#include <utility>

namespace vitrt {

/// A launch that has just been done.
struct LaunchEvent {
  using Clock = std::chrono::steady_clock;

  const Program &program;
  size_t index; ///< in program.launches
  const Launch &launch;
  unsigned worker;
  bool split;         ///< shared out among all workers; `worker` is then the calling thread, 0
  int64_t firstImage; ///< of the group, in the batch
  int64_t images;
  Clock::time_point start;
  Clock::time_point end;
  void *const *buffers; ///< of the operands, the first image's each; contents are valid during the call

  /// The values of a result of the launch for the whole group, [images, shape...]; what they are, the buffer's type says.
  const void *output(size_t result = 0) const { return buffers[launch.operands.size() - launch.results + result]; }
  /// The buffer of the first result.
  const Buffer &outputBuffer() const { return program.buffers[launch.operands[launch.operands.size() - launch.results]]; }
};

/// Told of every launch. Workers call it at the same time unless the session has one thread.
class LaunchObserver {
public:
  virtual ~LaunchObserver() = default;
  virtual void launched(const LaunchEvent &event) = 0;
};

class Session {
public:
  /// The model must have its weights and outlive the session.
  static Expected<std::unique_ptr<Session>> create(const Model &model, unsigned threads = 0, bool pin = false);
  ~Session();

  const Model &model() const { return theModel; }
  unsigned threads() const { return pool->size(); }
  /// Address space held for activations; pages count as memory once they were used.
  uint64_t arenaBytes() const { return memory.bytes().size(); }

  /// Runs `batch` >= 1 images: inputs[i] is [batch, shape...] of the program's input i, outputs[i] the same of its outputs. One call at a
  /// time.
  Error run(size_t batch, const float *const *inputs, float *const *outputs, LaunchObserver *observer = nullptr);

private:
  struct Worker;
  struct Group;

  explicit Session(const Model &model);
  Error allocate();
  void runGroup(const Group &group, Worker &worker, bool split);
  /// Tasks [begin, end) of a launch; what an emulated kernel did wrong becomes the run's error.
  void runTasks(const Launch &launch, void *const *operands, int64_t images, int64_t begin, int64_t end, Worker &worker);
  void prepareBuffers(const Group &group, Worker &worker);
  void storeOutputs(const Group &group, const Worker &worker);

  const Model &theModel;
  const Program &program;
  std::unique_ptr<ThreadPool> pool;
  AnonymousMemory memory;
  std::vector<Worker> workers;
  std::vector<std::pair<size_t, uint32_t>> moving; ///< operands that change with the group, counted over all launches, and their buffers
  std::atomic<bool> running = false;
  std::mutex failing;
  std::atomic<bool> failed = false; ///< `failure` is set
  Error failure;                    ///< the first of a run's
};

} // namespace vitrt

#endif // VITC_RUNTIME_PLAN_SESSION_H
