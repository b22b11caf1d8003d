//===- TrainingSession.cpp - a training artifact at work -------------- -*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/train/TrainingSession.h"

#include "runtime/artifact/FileFormat.h"

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

TrainingSession::TrainingSession(Model &model, const fb::Training &training, uint64_t emulatorSeed)
    : model(model), training(training), emulatorSeed(emulatorSeed), framework(model.artifact().manifest(), model.artifact().target()),
      rateFactors(framework.tensors().size(), 1.0f), decayFactors(framework.tensors().size(), 1.0f) {}

Expected<std::unique_ptr<TrainingSession>> TrainingSession::create(Model &model, unsigned threads, uint64_t emulatorSeed) {
  const std::string &name = model.artifact().name();
  const fb::Training *training = model.artifact().target().training();
  if (!training)
    return makeError(VITRT_ERROR_ARGUMENT, "{}: this artifact holds no training program, only inference; compile it with vitc --train",
                     name);
  if (model.gpu())
    return makeError(VITRT_ERROR_ARGUMENT, "{}: training runs on the CPU and on the emulator; {} runs inference alone", name,
                     model.gpu()->describe());
  if (!model.hasWeights())
    return makeError(VITRT_ERROR_WEIGHTS,
                     "{}: the model has no weights to begin with; bind a weight file (--weights) or random ones (--random-weights)", name);
  std::unique_ptr<TrainingSession> session(new TrainingSession(model, *training, emulatorSeed));
  if (Error error = session->initialize(threads))
    return error;
  return session;
}

Error TrainingSession::initialize(unsigned threads) {
  std::optional<OptimizerKind> known = parseOptimizer(optimizer());
  if (!known)
    return makeError(VITRT_ERROR_FORMAT, "{}: the optimizer '{}' is unknown to this version", model.artifact().name(), optimizer());
  kind = *known;
  Expected<std::unique_ptr<ThreadPool>> created = ThreadPool::create(threads);
  if (!created)
    return std::move(created.error());
  pool = std::move(*created);
  if (Error error = allocate())
    return error;
  if (Error error = openPrograms())
    return error;
  formRuns();
  return Error::success();
}

Error TrainingSession::allocate() {
  uint64_t parameters = training.parameter_bytes(), gradients = training.gradient_bytes(), derived = training.derived_bytes();
  bool halves = training.bf16_momentum(), moments = kind != OptimizerKind::Sgd;
  uint64_t firstBytes = halves ? alignTo(parameters / 2, kBufferAlignment) : parameters, secondBytes = moments ? parameters : 0;
  Expected<AnonymousMemory> allocated =
      AnonymousMemory::allocate(parameters + gradients + derived + firstBytes + secondBytes, "parameters, gradients and moments");
  if (!allocated)
    return std::move(allocated.error());
  memory = std::move(*allocated);
  std::byte *next = memory.bytes().data();
  auto take = [&](uint64_t bytes) { return std::exchange(next, next + bytes); };
  state.parameters = take(parameters);
  state.gradients = take(gradients);
  state.derived = take(derived);
  std::byte *firstMoment = take(firstBytes);
  if (halves)
    firstHalf = reinterpret_cast<uint16_t *>(firstMoment);
  else
    first = reinterpret_cast<float *>(firstMoment);
  if (secondBytes)
    second = reinterpret_cast<float *>(take(secondBytes));
  const fb::Target &target = model.artifact().target();
  for (const fb::Parameter *parameter : *training.parameters()) {
    const fb::PackedWeight *weight = target.weights()->Get(parameter->weight());
    std::memcpy(state.parameters + parameter->offset(), model.weights() + weight->offset(), weight->size());
  }
  return Error::success();
}

Expected<TrainingSession::Kernel> TrainingSession::kernelOf(uint32_t index) const {
  const fb::Kernel *kernel = model.artifact().target().kernels()->Get(index);
  auto function = model.artifact().code().get<void *>(kernel->symbol()->c_str());
  if (!function)
    return makeError(function.error().status, "{}: {}", model.artifact().name(), function.error().message);
  if (kernel->threads() > 0)
    return Kernel{kernel, nullptr, reinterpret_cast<emulator::Kernel>(*function)};
  return Kernel{kernel, reinterpret_cast<KernelFunction>(*function), nullptr};
}

Error TrainingSession::openPrograms() {
  const Artifact &artifact = model.artifact();
  for (const fb::Program *program : *artifact.target().programs()) {
    std::string_view name = program->name()->string_view();
    std::unique_ptr<StateProgram> *slot = name == "train"           ? &train
                                          : name == "train.prepare" ? &prepare
                                          : name == "train.finish"  ? &finish
                                                                    : nullptr;
    if (!slot)
      continue;
    auto created = StateProgram::create(artifact, *program, state, model.weights(), *pool, emulatorSeed);
    if (!created)
      return std::move(created.error());
    *slot = std::move(*created);
  }
  if (!train)
    return makeError(VITRT_ERROR_FORMAT, "{}: target '{}' has no program called 'train'", artifact.name(),
                     artifact.target().name()->string_view());
  const Program &plan = train->program();
  for (uint32_t input : plan.inputs) {
    const Buffer &buffer = plan.buffers[input];
    int *slot = buffer.name == "images"         ? &imagesSlot
                : buffer.name == "targets"      ? &targetsSlot
                : buffer.name == "teacher"      ? &teacherSlot
                : buffer.name == "randomness"   ? &randomnessSlot
                : buffer.name == "loss_weights" ? &weightsSlot
                                                : nullptr;
    if (!slot)
      return makeError(VITRT_ERROR_FORMAT, "{}: the training program takes '{}', which is unknown to this version", artifact.name(),
                       buffer.name);
    *slot = int(buffer.slot);
  }
  if (imagesSlot < 0 || targetsSlot < 0 || randomnessSlot < 0 || weightsSlot < 0 || plan.outputs.size() != 1)
    return makeError(VITRT_ERROR_FORMAT, "{}: the training program does not take images, targets, randomness and loss_weights to a loss",
                     artifact.name());
  for (const fb::Update *update : *training.updates()) {
    auto kernel = kernelOf(update->kernel());
    if (!kernel)
      return std::move(kernel.error());
    updates.push_back(*kernel);
  }
  auto kernel = kernelOf(training.square_sum());
  if (!kernel)
    return std::move(kernel.error());
  squareSum = *kernel;
  if (squareSum.deviceFunction)
    emulated = std::make_unique<EmulatedTasks>(pool->size(), emulatorSeed);
  return Error::success();
}

size_t TrainingSession::imageElements() const {
  const fb::Model &description = model.artifact().model();
  return size_t(description.channels()) * description.height() * description.width();
}

size_t TrainingSession::classes() const {
  const Program &plan = train->program();
  return size_t(plan.buffers[plan.inputs[size_t(targetsSlot)]].shape.back());
}

//===--------------------------------------------------------------------------------------===//
// State
//===--------------------------------------------------------------------------------------===//

float *TrainingSession::memoryOf(TensorState which) const {
  switch (which) {
  case TensorState::Parameter:
    return reinterpret_cast<float *>(state.parameters);
  case TensorState::Gradient:
    return reinterpret_cast<float *>(state.gradients);
  case TensorState::FirstMoment:
    return first;
  case TensorState::SecondMoment:
    return second;
  case TensorState::Average:
    return average;
  }
  return nullptr;
}

bool TrainingSession::holds(TensorState which) const { return memoryOf(which) || (which == TensorState::FirstMoment && firstHalf); }

void TrainingSession::read(TensorState which, size_t tensor, std::span<float> into) const {
  if (which == TensorState::Gradient)
    if (Error error = finishGradients())
      failure = std::move(error);
  if (const float *from = memoryOf(which))
    return framework.read(tensor, from, into);
  framework.read(tensor, firstHalf, into);
}

void TrainingSession::write(TensorState which, size_t tensor, std::span<const float> from) {
  if (which == TensorState::Parameter) {
    parametersChanged = true;
    inferenceIsCurrent = false;
  }
  if (float *into = memoryOf(which))
    return framework.write(tensor, from, into);
  framework.write(tensor, from, firstHalf);
}

Error TrainingSession::keepAverages() {
  Expected<AnonymousMemory> allocated = AnonymousMemory::allocate(training.parameter_bytes(), "the average of the parameters");
  if (!allocated)
    return std::move(allocated.error());
  averageMemory = std::move(*allocated);
  average = reinterpret_cast<float *>(averageMemory.bytes().data());
  std::memcpy(average, state.parameters, training.parameter_bytes());
  return Error::success();
}

void TrainingSession::setFactors(size_t tensor, float learningRate, float decay) {
  rateFactors[tensor] = learningRate;
  decayFactors[tensor] = decay;
  formRuns();
}

void TrainingSession::formRuns() {
  runs.clear();
  // Parts begin at multiples of 64 bytes or right behind each other; what lies between stays zero through every update.
  constexpr uint64_t largestGap = kBufferAlignment / sizeof(float);
  bool followsTrained = false;
  for (const FrameworkTensors::Part &part : framework.parts()) {
    // A frozen weight, however short, ends a run.
    bool joins = std::exchange(followsTrained, part.trained);
    if (!part.trained)
      continue;
    float rate = rateFactors[part.tensor], decay = decayFactors[part.tensor];
    Run *last = joins && !runs.empty() ? &runs.back() : nullptr;
    if (last && last->rate == rate && last->decay == decay && part.first - (last->first + last->elements) < largestGap)
      last->elements = part.first + part.elements - last->first;
    else
      runs.push_back({part.first, part.elements, rate, decay});
  }
}

//===--------------------------------------------------------------------------------------===//
// Steps
//===--------------------------------------------------------------------------------------===//

void TrainingSession::beginStep() {
  // After an update the gradients of all runs are zero; sums behind the parameters are not.
  uint64_t begin = gradientsAreWhole || runs.empty() ? 0 : (runs.back().first + runs.back().elements) * sizeof(float);
  std::memset(state.gradients + begin, 0, training.gradient_bytes() - begin);
  gradientsAreWhole = true;
  unfinished = false;
}

Error TrainingSession::accumulate(uint64_t seed, uint64_t step, size_t firstImage, size_t count, const float *images, const float *targets,
                                  float lossWeight, float *losses) {
  if (parametersChanged && prepare)
    if (Error error = prepare->run(1, nullptr, nullptr, observer))
      return error;
  parametersChanged = false;
  gradientsAreWhole = true;
  unfinished = true;
  size_t group = size_t(train->groupImages()), pixels = imageElements(), labels = classes();
  lossWeights.assign(group, lossWeight);
  randomness.resize(4 * group);
  // Groups of nearly equal size.
  size_t groups = (count + group - 1) / group;
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
    float *outputs[] = {losses + begin};
    if (Error error = train->run(int64_t(end - begin), inputs, outputs, observer))
      return error;
  }
  return Error::success();
}

Error TrainingSession::finishGradients() const {
  if (failure)
    return std::exchange(failure, Error::success());
  if (std::exchange(unfinished, false) && finish)
    return finish->run(1, nullptr, nullptr, observer);
  return Error::success();
}

Error TrainingSession::runKernel(const Kernel &kernel, std::string_view what, int64_t elements,
                                 std::span<const emulator::Operand> operands) {
  int64_t perTask = int64_t(kernel.description->rows_per_task()), tasks = (elements + perTask - 1) / perTask;
  const fb::Kernel &description = *kernel.description;
  emulator::LaunchShape shape = {description.symbol()->string_view(), what,    kernel.deviceFunction, int32_t(description.threads()),
                                 description.shared_bytes(),          nullptr, int32_t(tasks)};
  std::vector<void *> buffers;
  for (const emulator::Operand &operand : operands)
    buffers.push_back(operand.data);
  pool->parallelRanges(tasks, 1, [&](unsigned worker, int64_t begin, int64_t end) {
    if (kernel.function)
      kernel.function(buffers.data(), elements, begin, end, nullptr);
    else
      emulated->run(worker, shape, operands, elements, begin, end);
  });
  return emulated ? emulated->takeFailure(model.artifact().name()) : Error::success();
}

/// Elements of memory that a kernel reads, or writes too.
template <typename T> static emulator::Operand operandOf(T *data, uint64_t elements, bool written) {
  return {reinterpret_cast<std::byte *>(data), elements * sizeof(T), written};
}

Expected<double> TrainingSession::gradientNorm() {
  if (Error error = finishGradients())
    return error;
  double total = 0;
  for (const Run &run : runs) {
    squares.assign((run.elements + updateTaskElements - 1) / updateTaskElements, 0);
    const emulator::Operand operands[] = {operandOf(memoryOf(TensorState::Gradient) + run.first, run.elements, false),
                                          operandOf(squares.data(), squares.size(), true)};
    if (Error error = runKernel(squareSum, "the gradients' norm", int64_t(run.elements), operands))
      return error;
    for (float square : squares)
      total += double(square);
  }
  return std::sqrt(total);
}

size_t TrainingSession::updateFor(bool momentum, bool nesterov) const {
  size_t index = 0;
  for (const fb::Update *update : *training.updates()) {
    if (update->average() == (average != nullptr) &&
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
  size_t chosen = updateFor(momentum, momentum && scalars.nesterov);
  // A momentum that rests in bf16 is one itself (Flax: the constant takes the accumulator's type).
  double heldMomentum = scalars.beta1;
  if (firstHalf) {
    uint32_t bits = std::bit_cast<uint32_t>(float(scalars.beta1));
    bits += 0x7fff + ((bits >> 16) & 1);
    heldMomentum = std::bit_cast<float>(bits & 0xffff0000);
  }
  for (const Run &run : runs) {
    UpdateSettings settings{scalars.learningRate * run.rate,
                            scalars.weightDecay * run.decay,
                            heldMomentum,
                            scalars.beta1,
                            scalars.beta2,
                            scalars.eps,
                            scalars.averageDecay,
                            scalars.gradientFactor};
    alignas(kBufferAlignment) UpdateArray numbers = updateScalars(kind, settings, double(scalars.step));
    auto part = [&](auto *memory) { return operandOf(memory + run.first, run.elements, true); };
    std::vector<emulator::Operand> operands = {part(memoryOf(TensorState::Parameter)), part(memoryOf(TensorState::Gradient))};
    if (momentum)
      operands.push_back(firstHalf ? part(firstHalf) : part(first));
    if (second)
      operands.push_back(part(second));
    if (average)
      operands.push_back(part(average));
    operands.push_back(operandOf(numbers.data(), numbers.size(), false));
    if (Error error = runKernel(updates[chosen], "the update", int64_t(run.elements), operands))
      return error;
  }
  gradientsAreWhole = false;
  parametersChanged = true;
  inferenceIsCurrent = false;
  return Error::success();
}
