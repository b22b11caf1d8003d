//===- Session.cpp - threads and memory that run a model ----------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/plan/Session.h"

#include "runtime/artifact/FileFormat.h"
#include "runtime/plan/CudaExecutor.h"
#include "runtime/plan/HostExecutor.h"

#include <algorithm>

using namespace vitrt;

Session::~Session() = default;

Expected<std::unique_ptr<Session>> Session::create(const Model &model, const SessionOptions &options) {
  const std::string &name = model.artifact().name();
  if (!model.hasWeights())
    return makeError(VITRT_ERROR_WEIGHTS,
                     "{}: the model has no weights yet; bind a weight file (--weights) or random ones (--random-weights) first", name);
  if (options.groupImages < 0 || uint64_t(options.groupImages) > kMaxGroup)
    return makeError(VITRT_ERROR_ARGUMENT, "{}: groups of {} images were asked for, expected 1 to {}, or 0 for what the file says", name,
                     options.groupImages, kMaxGroup);
  std::unique_ptr<Session> session(new Session(model));
  Expected<std::unique_ptr<Executor>> executor = model.gpu() ? CudaExecutor::create(model, options) : HostExecutor::create(model, options);
  if (!executor)
    return std::move(executor.error());
  session->executor = std::move(*executor);
  return session;
}

Error Session::run(size_t batch, const float *const *inputs, float *const *outputs, LaunchObserver *observer) {
  const std::string &name = theModel.artifact().name();
  const Program &program = theModel.program();
  if (batch == 0)
    return makeError(VITRT_ERROR_ARGUMENT, "{}: a batch of 0 images was given, expected at least 1", name);
  uint64_t imageBytes = 1;
  for (const Buffer &buffer : program.buffers)
    imageBytes = std::max(imageBytes, buffer.bytesPerImage);
  if (batch > uint64_t(INT64_MAX) / imageBytes)
    return makeError(VITRT_ERROR_ARGUMENT, "{}: a batch of {} images was given, more than memory can address", name, batch);
  for (size_t i = 0; i < program.inputs.size(); ++i)
    if (!inputs || !inputs[i])
      return makeError(VITRT_ERROR_ARGUMENT, "{}: input {} ('{}') is null", name, i, program.buffers[program.inputs[i]].name);
  for (size_t i = 0; i < program.outputs.size(); ++i)
    if (!outputs || !outputs[i])
      return makeError(VITRT_ERROR_ARGUMENT, "{}: output {} ('{}') is null", name, i, program.buffers[program.outputs[i]].name);
  if (running.exchange(true))
    return makeError(VITRT_ERROR_ARGUMENT, "{}: the session is running already; make one for each concurrent caller", name);
  // An observer may throw.
  struct Running {
    std::atomic<bool> &flag;
    ~Running() { flag = false; }
  } guard = {running};
  return executor->run({int64_t(batch), inputs, outputs, observer});
}
