//===- LaunchObserver.h - what is told of launches -------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_RUNTIME_PLAN_LAUNCHOBSERVER_H
#define VITC_RUNTIME_PLAN_LAUNCHOBSERVER_H

#include "runtime/plan/Program.h"

#include <chrono>

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
  void *const *buffers; ///< of the operands, the first image's each; contents are valid during the call. Of a GPU's launch the results
                        ///< alone, and those only if the observer reads them: the others are null

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
  /// Whether `launched` looks at results; a GPU's launches then wait for each other, and their times say little.
  virtual bool readsResults() const { return true; }
};

} // namespace vitrt

#endif // VITC_RUNTIME_PLAN_LAUNCHOBSERVER_H
