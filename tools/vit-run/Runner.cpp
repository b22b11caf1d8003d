//===- Runner.cpp - an opened artifact, ready to run ----------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "tools/vit-run/Runner.h"
#include "tools/vit-run/Inspection.h"

#include "runtime/train/TrainingSession.h"
#include "tools/support/Progress.h"

#include "runtime/data/Dataset.h"

#include <algorithm>
#include <numeric>

namespace vitrun {

using vitrt::Error;
using vitrt::Expected;
using vitrt::makeError;

namespace {

size_t product(std::span<const int64_t> shape) {
  return std::accumulate(shape.begin(), shape.end(), size_t(1), [](size_t a, int64_t b) { return a * size_t(b); });
}

Error bindWeights(vitrt::Model &model, const CommonOptions &options) {
  vitc::tool::Progress progress("binding weights", model.artifact().target().weights_bytes() >> 20, "MB");
  uint64_t reported = 0;
  vitrt::BindOptions bindOptions{.threads = options.threads, .progress = [&](uint64_t done, uint64_t) {
                                   progress.advance((done >> 20) - reported);
                                   reported = done >> 20;
                                 }};
  auto bind = [&]() -> Expected<vitrt::BindReport> {
    if (options.randomWeights)
      return model.bindRandom(*options.randomWeights, bindOptions);
    auto tensors = vitrt::openTensorFile(options.weights);
    if (!tensors)
      return std::move(tensors.error());
    return model.bind(**tensors, bindOptions);
  };
  auto report = bind();
  progress.finish();
  if (!report)
    return std::move(report.error());
  for (const std::string &note : report->notes)
    fmt::print(stderr, "vit-run: note: {}\n", note);
  for (const std::string &warning : report->warnings)
    warn(warning);
  return Error::success();
}

} // namespace

Expected<std::unique_ptr<vitrt::Model>> openModel(const std::string &path, const CommonOptions &options, Trace *trace) {
  auto start = Trace::Clock::now();
  auto model = vitrt::Model::open(path, {.verify = options.verify == "header" ? VITRT_VERIFY_HEADER : VITRT_VERIFY_ALL,
                                         .target = targetOf(options),
                                         .gpuOrdinal = gpuOf(options),
                                         .threads = options.threads});
  if (!model)
    return std::move(model.error());
  if (trace)
    trace->phase("open", start);
  const vitrt::fb::Target &target = (*model)->artifact().target();
  const bool waits = target.ptx() && std::ranges::any_of(*target.kernels(), [](const auto *kernel) { return kernel->dependent(); });
  if (options.dependentLaunch && !waits)
    warn(fmt::format("--dependent-launch does nothing: of the launches of target '{}' none may begin early, as those of cuda:sm_90a may",
                     nameOf(target)));
  if (options.randomWeights || !options.weights.empty()) {
    auto bindStart = Trace::Clock::now();
    if (Error error = bindWeights(**model, options))
      return error;
    if (trace)
      trace->phase("bind weights", bindStart);
  }
  if (!(*model)->hasWeights())
    return makeError(VITRT_ERROR_WEIGHTS, "{}: the artifact holds no weights; give some with --weights=FILE or --random-weights=SEED",
                     path);
  return model;
}

Expected<std::unique_ptr<vitrt::TrainableModel>> createTrainable(vitrt::Model &model, const CommonOptions &options, size_t batch,
                                                                 bool averages) {
  auto session = vitrt::TrainingSession::create(model, {.threads = options.threads,
                                                        .groupImages = options.group,
                                                        .averages = averages,
                                                        .batch = batch,
                                                        .dependentLaunch = options.dependentLaunch,
                                                        .emulatorSeed = emulatorSeedOf(options)});
  if (!session)
    return std::move(session.error());
  return std::unique_ptr<vitrt::TrainableModel>(std::move(*session));
}

Expected<Runner> Runner::load(const std::string &path, const CommonOptions &options, bool pin) {
  Runner runner;
  if (!options.trace.empty()) {
    auto trace = Trace::create(options.trace);
    if (!trace)
      return std::move(trace.error());
    runner.trace = std::move(*trace);
  }
  auto start = Trace::Clock::now();
  auto model = openModel(path, options, runner.trace.get());
  if (!model)
    return std::move(model.error());
  runner.theModel = std::move(*model);
  auto session = vitrt::Session::create(*runner.theModel, {.threads = options.threads,
                                                           .pin = pin,
                                                           .groupImages = options.group,
                                                           .dependentLaunch = options.dependentLaunch,
                                                           .emulatorSeed = emulatorSeedOf(options)});
  if (!session)
    return std::move(session.error());
  runner.session = std::move(*session);
  runner.seconds = std::chrono::duration<double>(Trace::Clock::now() - start).count();
  return runner;
}

std::span<const int64_t> Runner::inputShape() const { return program().buffers[program().inputs[0]].shape; }
bool Runner::takesPixels() const { return program().buffers[program().inputs[0]].type == vitrt::fb::NumberType::I8; }
std::array<uint32_t, 2> Runner::inputSize() const {
  std::span<const int64_t> size = inputShape().subspan(takesPixels() ? 0 : 1, 2);
  return {uint32_t(size[0]), uint32_t(size[1])};
}
size_t Runner::inputElements() const { return product(inputShape()); }
std::span<const int64_t> Runner::outputShape(size_t output) const { return program().buffers[program().outputs[output]].shape; }
size_t Runner::outputElements(size_t output) const { return product(outputShape(output)); }

const std::string &Runner::outputName(size_t output) const { return program().buffers[program().outputs[output]].name; }

Expected<size_t> Runner::logitsOutput(const std::string &path) const {
  std::string there;
  for (size_t i = 0; i < program().outputs.size(); ++i) {
    if (outputName(i) == "logits" && outputShape(i).size() == 1)
      return i;
    there += fmt::format("{}{} {}", i ? ", " : "", outputName(i), vitrt::formatShape(outputShape(i)));
  }
  return makeError(VITRT_ERROR_ARGUMENT,
                   "{}: the program returns {}, expected a vector of class scores, logits; `vit-run infer` runs it, and vitc "
                   "--take=logits,... compiles a classifier with them",
                   path, there);
}

Error Runner::writeOutputs(const std::string &path, size_t batch, const std::vector<std::vector<float>> &outputs) const {
  std::vector<vitrt::NpyOutput> arrays;
  for (size_t i = 0; i < outputs.size(); ++i) {
    std::vector<int64_t> shape = {int64_t(batch)};
    shape.insert(shape.end(), outputShape(i).begin(), outputShape(i).end());
    arrays.push_back({outputName(i), std::move(shape), outputs[i]});
  }
  return arrays.size() > 1 || path.ends_with(".npz") ? vitrt::writeNpz(path, arrays) : vitrt::writeNpy(path, arrays[0]);
}

Expected<vitrt::Preprocessor> Runner::preprocessor() const {
  const vitrt::fb::Model &model = description();
  return vitrt::Preprocessor::create(model.preprocess(), model.channels(), model.height(), model.width());
}

Expected<std::vector<std::string>> Runner::labels(const std::string &file, size_t classes) const {
  std::vector<std::string> labels;
  if (!file.empty()) {
    auto lines = vitrt::readLines(file);
    if (!lines)
      return std::move(lines.error());
    if (lines->size() != classes)
      return makeError(VITRT_ERROR_ARGUMENT, "{}: {} lines, expected one for each of the model's {} classes", file, lines->size(), classes);
    return lines;
  }
  if (auto *embedded = description().labels(); embedded && embedded->size() == classes)
    for (const flatbuffers::String *label : *embedded)
      labels.push_back(label->str());
  return labels;
}

Error Runner::run(size_t batch, ImageSpan input, std::vector<std::vector<float>> &outputs, vitrt::LaunchObserver *observer) {
  if (batch > SIZE_MAX / inputElements() || input.size() != batch * inputElements() || input.arePixels() != takesPixels())
    return makeError(VITRT_ERROR_ARGUMENT, "{}: {} {} were given for {} images of {}", theModel->artifact().name(), input.size(),
                     input.arePixels() ? "bytes" : "numbers", batch, vitrt::formatShape(inputShape()));
  std::vector<float *> pointers;
  outputs.resize(program().outputs.size());
  for (size_t i = 0; i < outputs.size(); ++i) {
    outputs[i].resize(batch * outputElements(i));
    pointers.push_back(outputs[i].data());
  }
  const float *inputs[] = {input.data()};
  auto start = Trace::Clock::now();
  Error error = session->run(batch, inputs, pointers.data(), observer ? observer : trace.get());
  tracePhase("run", start);
  return error;
}

void Runner::tracePhase(const std::string &name, Trace::Clock::time_point start) {
  if (trace)
    trace->phase(name, start);
}

Error Runner::finish() { return trace ? trace->finish() : Error::success(); }

Expected<ImageSpan> checkedImages(const vitrt::NpyArray &array, std::span<const int64_t> expected, bool pixels) {
  Expected<std::span<const uint8_t>> bytes = std::span<const uint8_t>();
  Expected<std::span<const float>> floats = std::span<const float>();
  if (pixels ? !(bytes = array.bytes()) : !(floats = array.floats()))
    return std::move(pixels ? bytes.error() : floats.error());
  std::span<const int64_t> shape = array.shape();
  bool matches = shape.size() == expected.size() + 1 && shape[0] >= 1 && std::equal(expected.begin(), expected.end(), shape.begin() + 1);
  if (!matches) {
    std::string text = vitrt::formatShape(expected);
    return makeError(VITRT_ERROR_ARGUMENT, "{}: the array has the shape {}, the model takes [N, {} with N >= 1", array.name(),
                     vitrt::formatShape(shape), text.substr(1));
  }
  return pixels ? ImageSpan(*bytes) : ImageSpan(*floats);
}

} // namespace vitrun
