//===- TrainingEvaluation.cpp - looking at a model in training ------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/train/TrainingSession.h"

#include <algorithm>
#include <cmath>
#include <unordered_set>

using namespace vitrt;

Error TrainingSession::logits(size_t count, const float *images, float *scores) {
  if (!inferenceIsCurrent) {
    StateFile file(*this);
    std::unordered_set<uint64_t> offsets;
    for (const Buffer &buffer : model.program().buffers)
      if (buffer.kind == fb::BufferKind::Weight)
        offsets.insert(buffer.weightOffset);
    // Training's own weights lie in the session: what is not filled in takes no memory.
    BindOptions options{.threads = inferenceThreads, .wanted = [&](uint32_t weight) {
                          return offsets.contains(model.artifact().target().weights()->Get(weight)->offset());
                        }};
    Expected<BindReport> report = model.rebind(file, options);
    if (!report)
      return std::move(report.error());
    if (!inference) {
      Expected<std::unique_ptr<Session>> created = Session::create(model, {.threads = inferenceThreads, .emulatorSeed = emulatorSeed});
      if (!created)
        return std::move(created.error());
      inference = std::move(*created);
    } else if (Error error = inference->weightsChanged()) {
      return error;
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

/// Of memory that holds `bytes` of numbers; those of bf16 are the upper halves of f32.
bool allFinite(const void *memory, uint64_t bytes, fb::NumberType type) {
  auto check = [&](auto *first, uint32_t exponent) {
    return std::none_of(first, first + bytes / sizeof(*first), [=](auto bits) { return (bits & exponent) == exponent; });
  };
  if (type == fb::NumberType::BF16)
    return check(static_cast<const uint16_t *>(memory), 0x7f80);
  if (type == fb::NumberType::F16)
    return check(static_cast<const uint16_t *>(memory), 0x7c00);
  return check(static_cast<const uint32_t *>(memory), 0x7f800000);
}

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
      uint64_t bytes = buffer.bytesPerImage * (isActivation ? uint64_t(event.images) : 1);
      if (!allFinite(event.output(result), bytes, isActivation ? buffer.type : fb::NumberType::F32))
        found = event.launch.name;
    }
  }
  std::string found;
};

} // namespace

std::string TrainingSession::firstNonFinite(uint64_t seed, uint64_t step, size_t firstImage, size_t count, const float *images,
                                            const float *targets) {
  if (!allFinite(images, count * imageElements() * sizeof(float), fb::NumberType::F32))
    return "the images";
  if (!allFinite(targets, count * classes() * sizeof(float), fb::NumberType::F32))
    return "the targets";
  FiniteWatcher watcher;
  LaunchObserver *before = observer;
  observe(&watcher);
  std::vector<float> losses(count);
  // What the gradients are now may be what is looked for.
  Error error = beginStep();
  if (!error)
    error = accumulate(seed, step, firstImage, count, images, targets, 1.0f / float(count), losses.data());
  if (!error)
    error = finishGradients();
  // The losses are written until then; an error is no answer to the question, and the next call on the session has it too.
  (void)wait();
  observe(before);
  return watcher.found;
}
