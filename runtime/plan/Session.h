//===- Session.h - threads and memory that run a model ------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//
//
// Checks what a caller gives; the work is the executor's: HostExecutor.h, CudaExecutor.h.
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_RUNTIME_PLAN_SESSION_H
#define VITC_RUNTIME_PLAN_SESSION_H

#include "runtime/plan/Executor.h"
#include "runtime/plan/Model.h"

#include <atomic>

namespace vitrt {

struct SessionOptions {
  unsigned threads = 0;    ///< 0: all cores this process may use
  bool pin = false;        ///< worker i > 0 to the i-th of them
  int64_t groupImages = 0; ///< most images that go through all launches together, up to kMaxGroup; 0: as the file says
  /// Of a GPU: launches whose kernels can (the schema's Kernel.dependent) begin before the one before them is over.
  bool dependentLaunch = false;
  uint64_t emulatorSeed = 0; ///< of the order of an emulated GPU's threads
};

class Session {
public:
  /// The model must have its weights and outlive the session. It runs where the model was opened for.
  static Expected<std::unique_ptr<Session>> create(const Model &model, const SessionOptions &options = {});
  ~Session();

  const Model &model() const { return theModel; }
  unsigned threads() const { return executor->threads(); }
  /// To be called, between runs, when the model was given other weights (Model::rebind).
  Error weightsChanged() { return executor->weightsChanged(); }
  /// Of the last run on a GPU, null if there is none.
  const DeviceTimes *deviceTimes() const { return executor->deviceTimes(); }

  /// Runs `batch` >= 1 images: inputs[i] is [batch, shape...] of the program's input i, outputs[i] the same of its outputs. One call at a
  /// time.
  Error run(size_t batch, const float *const *inputs, float *const *outputs, LaunchObserver *observer = nullptr);

private:
  explicit Session(const Model &model) : theModel(model) {}

  const Model &theModel;
  std::unique_ptr<Executor> executor;
  std::atomic<bool> running = false;
};

} // namespace vitrt

#endif // VITC_RUNTIME_PLAN_SESSION_H
