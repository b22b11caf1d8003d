//===- TrainingSession.cpp - a training artifact at work -------------- -*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/train/TrainingSession.h"

#include "runtime/artifact/FileFormat.h"
#include "runtime/train/CudaTraining.h"
#include "runtime/train/HostTraining.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

using namespace vitrt;

//===--------------------------------------------------------------------------------------===//
// Creation
//===--------------------------------------------------------------------------------------===//

static std::optional<OptimizerKind> parseOptimizer(std::string_view name) {
  if (name == "sgd")
    return OptimizerKind::Sgd;
  if (name == "adam")
    return OptimizerKind::Adam;
  if (name == "adamw")
    return OptimizerKind::AdamW;
  if (name == "labml-adam")
    return OptimizerKind::LabmlAdam;
  return std::nullopt;
}

TrainingSession::TrainingSession(Model &model, const fb::Training &training, OptimizerKind kind)
    : model(model), training(training), kind(kind), sizes(training, kind),
      framework(model.artifact().manifest(), model.artifact().target()), rateFactors(framework.tensors().size(), 1.0f),
      decayFactors(framework.tensors().size(), 1.0f) {}

Expected<std::unique_ptr<TrainingSession>> TrainingSession::create(Model &model, const TrainingSessionOptions &options) {
  const Artifact &artifact = model.artifact();
  const std::string &name = artifact.name();
  const fb::Training *training = artifact.target().training();
  if (!training)
    return makeError(VITRT_ERROR_ARGUMENT, "{}: {} holds no training program, only inference; compile it with vitc --train", name,
                     artifact.manifest().targets()->size() == 1 ? "this artifact"
                                                                : fmt::format("target '{}'", artifact.target().name()->string_view()));
  if (!model.hasWeights())
    return makeError(VITRT_ERROR_WEIGHTS,
                     "{}: the model has no weights to begin with; bind a weight file (--weights) or random ones (--random-weights)", name);
  if (options.groupImages < 0 || uint64_t(options.groupImages) > kMaxGroup)
    return makeError(VITRT_ERROR_ARGUMENT, "{}: groups of {} images were asked for, expected 1 to {}, or 0 for what the file says", name,
                     options.groupImages, kMaxGroup);
  std::optional<OptimizerKind> kind = parseOptimizer(training->optimizer()->string_view());
  if (!kind)
    return makeError(VITRT_ERROR_FORMAT, "{}: the optimizer '{}' is unknown to this version", name, training->optimizer()->string_view());
  std::unique_ptr<TrainingSession> session(new TrainingSession(model, *training, *kind));
  if (Error error = session->initialize(options))
    return error;
  return session;
}

Error TrainingSession::initialize(const TrainingSessionOptions &options) {
  const Artifact &artifact = model.artifact();
  const fb::Program *program = nullptr;
  for (const fb::Program *one : *artifact.target().programs())
    if (one->name()->string_view() == "train")
      program = one;
  if (!program)
    return makeError(VITRT_ERROR_FORMAT, "{}: target '{}' has no program called 'train'", artifact.name(),
                     artifact.target().name()->string_view());
  group = options.groupImages ? options.groupImages : int64_t(program->group_images());
  if (options.batch)
    group = int64_t(std::min(size_t(group), options.batch));
  inferenceThreads = options.threads;
  emulatorSeed = options.emulatorSeed;
  auto created = model.gpu() ? CudaTraining::create(model, sizes, group, options) : HostTraining::create(model, sizes, group, options);
  if (!created)
    return std::move(created.error());
  executor = std::move(*created);
  if (Error error = findInputs())
    return error;
  if (Error error = writeWeights())
    return error;
  formRuns();
  return Error::success();
}

Error TrainingSession::findInputs() {
  const std::string &name = model.artifact().name();
  const Program &plan = executor->train();
  for (uint32_t input : plan.inputs) {
    const Buffer &buffer = plan.buffers[input];
    int *slot = buffer.name == "images"         ? &imagesSlot
                : buffer.name == "targets"      ? &targetsSlot
                : buffer.name == "teacher"      ? &teacherSlot
                : buffer.name == "randomness"   ? &randomnessSlot
                : buffer.name == "loss_weights" ? &weightsSlot
                                                : nullptr;
    if (!slot)
      return makeError(VITRT_ERROR_FORMAT, "{}: the training program takes '{}', which is unknown to this version", name, buffer.name);
    *slot = int(buffer.slot);
  }
  if (imagesSlot < 0 || targetsSlot < 0 || randomnessSlot < 0 || weightsSlot < 0 || plan.outputs.size() != 1)
    return makeError(VITRT_ERROR_FORMAT, "{}: the training program does not take images, targets, randomness and loss_weights to a loss",
                     name);
  return Error::success();
}

/// The parameters are what the model's weights were bound to.
Error TrainingSession::writeWeights() {
  const fb::Target &target = model.artifact().target();
  for (const fb::Parameter *parameter : *training.parameters()) {
    const fb::PackedWeight *weight = target.weights()->Get(parameter->weight());
    std::span<const std::byte> bytes(model.weights() + weight->offset(), weight->size());
    if (Error error = executor->write(TensorState::Parameter, parameter->offset(), bytes))
      return error;
  }
  return Error::success();
}

void TrainingSession::observe(LaunchObserver *told) {
  observer = told;
  executor->observe(told);
}

size_t TrainingSession::imageElements() const {
  const fb::Model &description = model.artifact().model();
  return size_t(description.channels()) * description.height() * description.width();
}

size_t TrainingSession::classes() const {
  const Program &plan = executor->train();
  return size_t(plan.buffers[plan.inputs[size_t(targetsSlot)]].shape.back());
}

//===--------------------------------------------------------------------------------------===//
// State
//===--------------------------------------------------------------------------------------===//

Error TrainingSession::read(TensorState which, size_t tensor, std::span<float> into) const {
  if (which == TensorState::Gradient)
    if (Error error = finishGradients())
      return error;
  std::fill(into.begin(), into.end(), 0.0f); // elements that no weight takes
  std::vector<std::byte> flat;
  for (size_t index : framework.partsOf(tensor)) {
    const FrameworkTensors::Part &part = framework.parts()[index];
    const uint64_t bytes = sizes.elementBytes(which);
    flat.resize(part.elements * bytes);
    if (Error error = executor->read(which, part.first * bytes, flat))
      return error;
    if (bytes == sizeof(float))
      FrameworkTensors::scatter(part, reinterpret_cast<const float *>(flat.data()), into);
    else
      FrameworkTensors::scatter(part, reinterpret_cast<const uint16_t *>(flat.data()), into);
  }
  return Error::success();
}

Error TrainingSession::write(TensorState which, size_t tensor, std::span<const float> from) {
  if (which == TensorState::Parameter) {
    parametersChanged = true;
    inferenceIsCurrent = false;
  }
  std::vector<std::byte> flat;
  for (size_t index : framework.partsOf(tensor)) {
    const FrameworkTensors::Part &part = framework.parts()[index];
    const uint64_t bytes = sizes.elementBytes(which);
    flat.resize(part.elements * bytes);
    if (bytes == sizeof(float))
      FrameworkTensors::gather(part, from, reinterpret_cast<float *>(flat.data()));
    else
      FrameworkTensors::gather(part, from, reinterpret_cast<uint16_t *>(flat.data()));
    if (Error error = executor->write(which, part.first * bytes, flat))
      return error;
  }
  return Error::success();
}

void TrainingSession::setFactors(size_t tensor, float learningRate, float decay) {
  rateFactors[tensor] = learningRate;
  decayFactors[tensor] = decay;
  formRuns();
}

void TrainingSession::formRuns() {
  runs.clear();
  trained.clear();
  // Parts begin at multiples of 64 bytes or right behind each other; what lies between stays zero through every update.
  constexpr uint64_t largestGap = kBufferAlignment / sizeof(float);
  // A kernel counts elements in 32 bits.
  constexpr uint64_t mostElements = uint64_t(1) << 30;
  auto extend = [&](StateRange &range, const FrameworkTensors::Part &part) {
    uint64_t elements = part.first + part.elements - range.first;
    bool fits = part.first - (range.first + range.elements) < largestGap && elements <= mostElements;
    if (fits)
      range.elements = elements;
    return fits;
  };
  bool followsTrained = false;
  for (const FrameworkTensors::Part &part : framework.parts()) {
    // A frozen weight, however short, ends a run.
    bool joins = std::exchange(followsTrained, part.trained);
    if (!part.trained)
      continue;
    const StateRange alone = {part.first, part.elements};
    float rate = rateFactors[part.tensor], decay = decayFactors[part.tensor];
    if (!joins || runs.back().rate != rate || runs.back().decay != decay || !extend(runs.back().range, part))
      runs.push_back({alone, rate, decay});
    if (!joins || !extend(trained.back(), part))
      trained.push_back(alone);
  }
}

//===--------------------------------------------------------------------------------------===//
// Steps
//===--------------------------------------------------------------------------------------===//

Error TrainingSession::beginStep() {
  // After an update the gradients of all runs are zero; sums behind the parameters are not.
  uint64_t begin = gradientsAreWhole || runs.empty() ? 0 : (runs.back().range.first + runs.back().range.elements) * sizeof(float);
  gradientsAreWhole = true;
  unfinished = false;
  return executor->beginStep(begin);
}

Error TrainingSession::accumulate(uint64_t seed, uint64_t step, size_t firstImage, size_t count, const float *images, const float *targets,
                                  float lossWeight, float *losses) {
  if (parametersChanged)
    if (Error error = executor->prepare())
      return error;
  parametersChanged = false;
  gradientsAreWhole = true;
  unfinished = true;
  size_t pixels = imageElements(), labels = classes(), groups = groupsOf(count);
  lossWeights.assign(size_t(group), lossWeight);
  randomness.resize(4 * size_t(group));
  for (size_t g = 0; g < groups; ++g) {
    size_t begin = count * g / groups, end = count * (g + 1) / groups;
    for (size_t i = begin; i < end; ++i) {
      const uint32_t key[] = {uint32_t(firstImage + i), uint32_t(seed), uint32_t(step), uint32_t(seed >> 32)};
      std::memcpy(&randomness[4 * (i - begin)], key, sizeof(key));
    }
    const float *inputs[5];
    inputs[imagesSlot] = images + begin * pixels;
    inputs[targetsSlot] = targets + begin * labels;
    inputs[randomnessSlot] = randomness.data();
    inputs[weightsSlot] = lossWeights.data();
    if (teacherSlot >= 0)
      inputs[teacherSlot] = (teacher ? teacher : targets) + begin * labels;
    if (Error error = executor->run(int64_t(end - begin), inputs, losses + begin))
      return error;
  }
  return Error::success();
}

Error TrainingSession::prefetch(size_t count, const float *images) {
  return count == 0 ? Error::success() : executor->prefetch(int64_t(count / groupsOf(count)), images);
}

Error TrainingSession::finishGradients() const { return std::exchange(unfinished, false) ? executor->finish() : Error::success(); }

Expected<double> TrainingSession::gradientNorm() {
  if (Error error = finishGradients())
    return error;
  Expected<double> squares = executor->sumOfSquares(trained);
  return squares ? std::sqrt(*squares) : std::move(squares);
}

size_t TrainingSession::updateFor(bool momentum, bool nesterov) const {
  size_t index = 0;
  for (const fb::Update *update : *training.updates()) {
    if (update->average() == holds(TensorState::Average) &&
        (kind != OptimizerKind::Sgd || (update->momentum() == momentum && update->nesterov() == nesterov)))
      break;
    ++index;
  }
  return index; // the manifest was checked to have them all
}

Error TrainingSession::update(const UpdateScalars &scalars) {
  if (Error error = finishGradients())
    return error;
  bool momentum = kind != OptimizerKind::Sgd || scalars.beta1 != 0;
  // A momentum that rests in bf16 is one itself (Flax: the constant takes the accumulator's type).
  double heldMomentum = scalars.beta1;
  if (sizes.halves) {
    uint32_t bits = std::bit_cast<uint32_t>(float(scalars.beta1));
    bits += 0x7fff + ((bits >> 16) & 1);
    heldMomentum = std::bit_cast<float>(bits & 0xffff0000);
  }
  std::vector<StateRange> ranges;
  std::vector<UpdateArray> numbers;
  for (const Run &run : runs) {
    UpdateSettings settings{scalars.learningRate * run.rate,
                            scalars.weightDecay * run.decay,
                            heldMomentum,
                            scalars.beta1,
                            scalars.beta2,
                            scalars.eps,
                            scalars.averageDecay,
                            scalars.gradientFactor};
    ranges.push_back(run.range);
    numbers.push_back(updateScalars(kind, settings, double(scalars.step)));
  }
  gradientsAreWhole = false;
  parametersChanged = true;
  inferenceIsCurrent = false;
  return executor->update(updateFor(momentum, momentum && scalars.nesterov), ranges, numbers);
}
