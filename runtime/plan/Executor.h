//===- Executor.h - what takes batches through a program -------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_RUNTIME_PLAN_EXECUTOR_H
#define VITC_RUNTIME_PLAN_EXECUTOR_H

#include "runtime/Error.h"
#include "runtime/plan/LaunchObserver.h"

#include <string>

namespace vitrt {

/// A call of Session::run whose arguments were checked.
struct Batch {
  int64_t images; ///< at least 1
  const float *const *inputs;
  float *const *outputs;
  LaunchObserver *observer; ///< may be null
};

/// Where the time of a run on a GPU went, in seconds by its own clock, summed over groups; parts of different groups overlap. And what ran: see
/// cuda::Module::origin.
struct DeviceTimes {
  double copiesIn = 0, launches = 0, copiesOut = 0;
  std::string code = {};
};

/// Threads, or a GPU, and memory for a model's inference program. One `run` at a time; the model outlives it.
class Executor {
public:
  virtual ~Executor() = default;
  virtual Error run(const Batch &batch) = 0;
  /// The model's weights have other values than they had at the last run.
  virtual Error weightsChanged() { return Error::success(); }
  /// Threads of the host.
  virtual unsigned threads() const = 0;
  /// Of the last run; null on the host.
  virtual const DeviceTimes *deviceTimes() const { return nullptr; }
};

} // namespace vitrt

#endif // VITC_RUNTIME_PLAN_EXECUTOR_H
