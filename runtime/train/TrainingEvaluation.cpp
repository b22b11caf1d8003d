//===- TrainingEvaluation.cpp - looking at a model in training ------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/train/TrainingSession.h"

#include <algorithm>
#include <cmath>

using namespace vitrt;

Error TrainingSession::logits(size_t count, const float *images, float *scores) {
  if (!inferenceIsCurrent) {
    StateFile file(*this);
    BindOptions options;
    options.threads = pool->size();
    Expected<BindReport> report = model.rebind(file, options);
    if (!report)
      return std::move(report.error());
    if (!inference) {
      Expected<std::unique_ptr<Session>> created = Session::create(model, pool->size());
      if (!created)
        return std::move(created.error());
      inference = std::move(*created);
    }
    inferenceIsCurrent = true;
  }
  const Program &plan = model.program();
  if (plan.outputs.size() != 1 || plan.buffers[plan.outputs[0]].shape.size() != 1 ||
      size_t(plan.buffers[plan.outputs[0]].shape[0]) != classes())
    return makeError(VITRT_ERROR_ARGUMENT, "{}: its inference program does not return {} class scores, so it cannot be evaluated",
                     model.artifact().name(), classes());
  const float *inputs[] = {images};
  float *outputs[] = {scores};
  return inference->run(count, inputs, outputs);
}

namespace {

/// Remembers the first launch whose values are not all finite.
class FiniteWatcher : public LaunchObserver {
public:
  void launched(const LaunchEvent &event) override {
    if (!found.empty())
      return;
    size_t results = event.launch.results, firstResult = event.launch.operands.size() - results;
    for (size_t result = 0; result < results; ++result) {
      const Buffer &buffer = event.program.buffers[event.launch.operands[firstResult + result]];
      bool isActivation = buffer.kind == fb::BufferKind::Arena || buffer.kind == fb::BufferKind::Output;
      uint64_t count = buffer.bytesPerImage / sizeof(float) * (isActivation ? uint64_t(event.images) : 1);
      const auto *values = static_cast<const float *>(event.output(result));
      if (!std::all_of(values, values + count, [](float value) { return std::isfinite(value); }))
        found = event.launch.name;
    }
  }
  std::string found;
};

} // namespace

std::string TrainingSession::firstNonFinite(uint64_t seed, uint64_t step, size_t firstImage, size_t count, const float *images,
                                            const float *targets) {
  if (!std::all_of(images, images + count * imageElements(), [](float value) { return std::isfinite(value); }))
    return "the images";
  if (!std::all_of(targets, targets + count * classes(), [](float value) { return std::isfinite(value); }))
    return "the targets";
  FiniteWatcher watcher;
  LaunchObserver *before = std::exchange(observer, &watcher);
  std::vector<float> losses(count);
  (void)accumulate(seed, step, firstImage, count, images, targets, 0, losses.data());
  observer = before;
  return watcher.found.empty() ? "the loss" : watcher.found;
}
