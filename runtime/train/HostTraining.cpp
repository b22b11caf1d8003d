//===- HostTraining.cpp - threads of the CPU that train a model ------- -*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/train/HostTraining.h"

#include "runtime/artifact/FileFormat.h"

#include <cstring>

using namespace vitrt;

//===--------------------------------------------------------------------------------------===//
// Creation
//===--------------------------------------------------------------------------------------===//

Expected<std::unique_ptr<TrainingExecutor>> HostTraining::create(const Model &model, const StateSizes &sizes, int64_t groupImages,
                                                                 const TrainingSessionOptions &options) {
  std::unique_ptr<HostTraining> executor(new HostTraining(model, sizes));
  Expected<std::unique_ptr<ThreadPool>> pool = ThreadPool::create(options.threads);
  if (!pool)
    return std::move(pool.error());
  executor->pool = std::move(*pool);
  if (Error error = executor->allocate())
    return error;
  if (Error error = executor->openPrograms(groupImages, options.emulatorSeed))
    return error;
  return std::unique_ptr<TrainingExecutor>(std::move(executor));
}

Error HostTraining::allocate() {
  Expected<AnonymousMemory> allocated = AnonymousMemory::allocate(
      sizes.parameters + sizes.gradients + sizes.derived + sizes.first + sizes.second, "parameters, gradients and moments");
  if (!allocated)
    return std::move(allocated.error());
  memory = std::move(*allocated);
  std::byte *next = memory.bytes().data();
  auto take = [&](uint64_t bytes) { return std::exchange(next, next + bytes); };
  state.parameters = take(sizes.parameters);
  state.gradients = take(sizes.gradients);
  state.derived = take(sizes.derived);
  first = take(sizes.first);
  second = sizes.second ? take(sizes.second) : nullptr;
  return Error::success();
}

Expected<HostTraining::Kernel> HostTraining::kernelOf(uint32_t index) const {
  const fb::Kernel *kernel = model.artifact().target().kernels()->Get(index);
  auto function = model.artifact().code().get<void *>(kernel->symbol()->c_str());
  if (!function)
    return makeError(function.error().status, "{}: {}", model.artifact().name(), function.error().message);
  if (kernel->threads() > 0)
    return Kernel{kernel, nullptr, reinterpret_cast<emulator::Kernel>(*function)};
  return Kernel{kernel, reinterpret_cast<KernelFunction>(*function), nullptr};
}

Error HostTraining::openPrograms(int64_t groupImages, uint64_t emulatorSeed) {
  const Artifact &artifact = model.artifact();
  const fb::Training &training = *artifact.target().training();
  for (const fb::Program *program : *artifact.target().programs()) {
    std::string_view name = program->name()->string_view();
    std::unique_ptr<StateProgram> *slot = name == "train"           ? &trainProgram
                                          : name == "train.prepare" ? &prepareProgram
                                          : name == "train.finish"  ? &finishProgram
                                                                    : nullptr;
    if (!slot)
      continue;
    int64_t images = slot == &trainProgram ? groupImages : 1;
    auto created = StateProgram::create(artifact, *program, images, state, model.weights(), *pool, emulatorSeed);
    if (!created)
      return std::move(created.error());
    *slot = std::move(*created);
  }
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

//===--------------------------------------------------------------------------------------===//
// State
//===--------------------------------------------------------------------------------------===//

std::byte *HostTraining::memoryOf(TensorState which) const {
  switch (which) {
  case TensorState::Parameter:
    return state.parameters;
  case TensorState::Gradient:
    return state.gradients;
  case TensorState::FirstMoment:
    return first;
  case TensorState::SecondMoment:
    return second;
  case TensorState::Average:
    return average;
  }
  return nullptr;
}

Error HostTraining::read(TensorState which, uint64_t offset, std::span<std::byte> into) {
  std::memcpy(into.data(), memoryOf(which) + offset, into.size());
  return Error::success();
}

Error HostTraining::write(TensorState which, uint64_t offset, std::span<const std::byte> from) {
  std::memcpy(memoryOf(which) + offset, from.data(), from.size());
  return Error::success();
}

Error HostTraining::keepAverages() {
  Expected<AnonymousMemory> allocated = AnonymousMemory::allocate(sizes.parameters, "the average of the parameters");
  if (!allocated)
    return std::move(allocated.error());
  averageMemory = std::move(*allocated);
  average = averageMemory.bytes().data();
  std::memcpy(average, state.parameters, sizes.parameters);
  return Error::success();
}

//===--------------------------------------------------------------------------------------===//
// Steps
//===--------------------------------------------------------------------------------------===//

Error HostTraining::beginStep(uint64_t offset) {
  std::memset(state.gradients + offset, 0, sizes.gradients - offset);
  return Error::success();
}

Error HostTraining::prepare() { return prepareProgram ? prepareProgram->run(1, nullptr, nullptr, observer) : Error::success(); }
Error HostTraining::finish() { return finishProgram ? finishProgram->run(1, nullptr, nullptr, observer) : Error::success(); }

Error HostTraining::run(int64_t images, const float *const *inputs, float *losses) {
  float *outputs[] = {losses};
  return trainProgram->run(images, inputs, outputs, observer);
}

Error HostTraining::runKernel(const Kernel &kernel, std::string_view what, int64_t elements, std::span<const emulator::Operand> operands) {
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

Expected<double> HostTraining::sumOfSquares(std::span<const StateRange> gradients) {
  double total = 0;
  for (const StateRange &range : gradients) {
    squares.assign((range.elements + updateTaskElements - 1) / updateTaskElements, 0);
    const emulator::Operand operands[] = {{state.gradients + range.first * sizeof(float), range.elements * sizeof(float), false},
                                          {reinterpret_cast<std::byte *>(squares.data()), squares.size() * sizeof(float), true}};
    if (Error error = runKernel(squareSum, "the gradients' norm", int64_t(range.elements), operands))
      return error;
    for (float square : squares)
      total += double(square);
  }
  return total;
}

Error HostTraining::update(size_t index, std::span<const StateRange> runs, std::span<const UpdateArray> numbers) {
  std::vector<TensorState> memories = updatedMemories(*model.artifact().target().training(), index, sizes);
  for (size_t i = 0; i < runs.size(); ++i) {
    std::vector<emulator::Operand> operands;
    for (TensorState which : memories) {
      uint64_t bytes = sizes.elementBytes(which);
      operands.push_back({memoryOf(which) + runs[i].first * bytes, runs[i].elements * bytes, true});
    }
    alignas(kBufferAlignment) UpdateArray scalars = numbers[i];
    operands.push_back({reinterpret_cast<std::byte *>(scalars.data()), sizeof(scalars), false});
    if (Error error = runKernel(updates[index], "the update", int64_t(runs[i].elements), operands))
      return error;
  }
  return Error::success();
}
