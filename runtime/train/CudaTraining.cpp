//===- CudaTraining.cpp - a GPU that trains a model: its steps ---------- -*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/train/CudaTraining.h"

#include <algorithm>
#include <cstring>

using namespace vitrt;
using namespace vitrt::cuda;

Error CudaTraining::named(const Error &error) const {
  const std::string &name = model.artifact().name();
  return !error || error.message.starts_with(name) ? error : makeError(error.status, "{}: {}", name, error.message);
}

//===--------------------------------------------------------------------------------------===//
// State
//===--------------------------------------------------------------------------------------===//

api::DevicePointer CudaTraining::memoryOf(TensorState which) const {
  switch (which) {
  case TensorState::Parameter:
    return parameters;
  case TensorState::Gradient:
    return gradients;
  case TensorState::FirstMoment:
    return first;
  case TensorState::SecondMoment:
    return second;
  case TensorState::Average:
    return averages.begin();
  }
  return 0;
}

Error CudaTraining::read(TensorState which, uint64_t offset, std::span<std::byte> into) {
  // By the threads that bind an evaluation's weights, too, none of which knows of the GPU, and which share the pinned memory.
  std::scoped_lock lock(reading);
  if (Error error = device.makeCurrent())
    return named(error);
  return named(transfer->toHost(into, memoryOf(which) + offset, compute));
}

Error CudaTraining::write(TensorState which, uint64_t offset, std::span<const std::byte> from) {
  return named(transfer->toDevice(memoryOf(which) + offset, from, compute));
}

Error CudaTraining::keepAverages() {
  Expected<DeviceMemory> allocated = DeviceMemory::allocate(device, sizes.parameters, "averages of the parameters");
  if (!allocated)
    return named(allocated.error());
  averages = std::move(*allocated);
  std::vector<std::byte> values(sizes.parameters);
  if (Error error = read(TensorState::Parameter, 0, values))
    return error;
  return write(TensorState::Average, 0, values);
}

//===--------------------------------------------------------------------------------------===//
// Programs
//===--------------------------------------------------------------------------------------===//

Error CudaTraining::beginStep(uint64_t offset) {
  if (Error error = compute.record(stepBegin))
    return named(error);
  return named(compute.zero(gradients + offset, sizes.gradients - offset));
}

Error CudaTraining::runOnce(LoadedProgram &program) {
  if (!program.launches)
    return Error::success();
  if (observer)
    return named(program.launches->observe(0, 1, program.places, compute, *observer));
  return named(program.graphs.run(1, compute, [&] { return program.launches->startAll(1, program.places, compute); }));
}

Error CudaTraining::addTime(Slot &slot) {
  if (!std::exchange(slot.isTimed, false))
    return Error::success();
  Expected<double> seconds = slot.imagesEnd.secondsSince(device, slot.imagesBegin);
  if (!seconds)
    return std::move(seconds.error());
  copySeconds += *seconds;
  return Error::success();
}

Error CudaTraining::copyImages(Slot &slot, int64_t images, const float *input) {
  // The pinned memory is read till then.
  if (Error error = slot.copied.wait(device))
    return error;
  if (Error error = slot.imagesEnd.wait(device))
    return error;
  if (Error error = addTime(slot))
    return error;
  // The launches that read the slot's inputs last.
  if (Error error = copiesIn.waitFor(slot.computed))
    return error;
  if (Error error = copiesIn.record(slot.imagesBegin))
    return error;
  const uint32_t index = imagesBuffer;
  const uint64_t bytes = train().buffers[index].bytes(images);
  for (uint64_t done = 0; done < bytes; done += kCopyPiece) {
    std::span<std::byte> piece = slot.host[index].subspan(done, std::min(kCopyPiece, bytes - done));
    copyOnHost(*pool, piece.data(), reinterpret_cast<const std::byte *>(input) + done, piece.size());
    if (Error error = copiesIn.copyToDevice(slot.staged[index] + done, piece))
      return error;
  }
  if (Error error = copiesIn.record(slot.imagesEnd))
    return error;
  slot.prefetched = input;
  slot.images = images;
  slot.isTimed = true;
  return Error::success();
}

Error CudaTraining::prefetch(int64_t images, const float *input) { return named(copyImages(slots[turn], images, input)); }

Error CudaTraining::copyInputs(Slot &slot, int64_t images, const float *const *inputs) {
  const Program &plan = train();
  const float *input = inputs[plan.buffers[imagesBuffer].slot];
  if (slot.prefetched != input || slot.images != images)
    if (Error error = copyImages(slot, images, input))
      return error;
  slot.prefetched = nullptr;
  for (uint32_t index : plan.inputs) {
    if (index == imagesBuffer)
      continue;
    std::span<std::byte> there = slot.host[index].first(plan.buffers[index].bytes(images));
    std::memcpy(there.data(), inputs[plan.buffers[index].slot], there.size());
    if (Error error = copiesIn.copyToDevice(slot.staged[index], there))
      return error;
  }
  return copiesIn.record(slot.copied);
}

Error CudaTraining::run(int64_t images, const float *const *inputs, float *losses) {
  LoadedProgram &program = programs[Train];
  Slot &slot = slots[std::exchange(turn, (turn + 1) % slots.size())];
  const uint32_t output = program.plan.outputs[0];
  const uint64_t bytes = program.plan.buffers[output].bytes(images);
  if (lossesTaken + bytes > lossesHost.size())
    if (Error error = wait())
      return error;
  if (Error error = copyInputs(slot, images, inputs))
    return named(error);
  if (Error error = compute.waitFor(slot.copied))
    return named(error);
  program.places.staged = slot.staged;
  if (Error error = observer
                        ? program.launches->observe(0, images, program.places, compute, *observer)
                        : slot.graphs.run(images, compute, [&] { return program.launches->startAll(images, program.places, compute); }))
    return named(error);
  if (Error error = compute.record(slot.computed))
    return named(error);
  std::span<std::byte> there = lossesHost.subspan(lossesTaken, bytes);
  if (Error error = compute.copyToHost(there, slot.staged[output]))
    return named(error);
  lossesTaken += bytes;
  pendingLosses.push_back({there, losses});
  return Error::success();
}

Error CudaTraining::wait() {
  if (Error error = compute.wait())
    return named(error);
  for (const PendingLosses &pending : pendingLosses)
    std::memcpy(pending.to, pending.from.data(), pending.from.size());
  pendingLosses.clear();
  lossesTaken = 0;
  for (Slot &slot : slots)
    // What was prefetched may still be under way.
    if (!slot.prefetched)
      if (Error error = addTime(slot))
        return named(error);
  if (!std::exchange(stepIsTimed, false))
    return Error::success();
  Expected<double> seconds = stepEnd.secondsSince(device, stepBegin);
  if (!seconds)
    return named(seconds.error());
  times = {.copiesIn = std::exchange(copySeconds, 0), .launches = *seconds, .copiesOut = 0, .code = programs[Train].launches->origin()};
  return Error::success();
}

//===--------------------------------------------------------------------------------------===//
// Norm and update
//===--------------------------------------------------------------------------------------===//

/// Tasks of a kernel of the optimizer's.
static int64_t tasksOf(uint64_t elements) { return int64_t((elements + updateTaskElements - 1) / updateTaskElements); }

Error CudaTraining::start(const Kernel &kernel, int64_t elements, std::span<const api::DevicePointer> operands) {
  const int32_t count = int32_t(elements);
  std::vector<const void *> arguments;
  for (const api::DevicePointer &operand : operands)
    arguments.push_back(&operand);
  arguments.push_back(&count);
  const fb::Kernel &description = *kernel.description;
  Error error = compute.launch(
      {kernel.function, unsigned(tasksOf(uint64_t(elements))), description.threads(), description.shared_bytes(), arguments});
  return error ? makeError(error.status, "kernel '{}': {}", description.symbol()->string_view(), error.message) : error;
}

Expected<double> CudaTraining::sumOfSquares(std::span<const StateRange> ranges) {
  if (!std::ranges::equal(ranges, squaredRanges)) {
    if (Error error = wait())
      return error;
    squareGraphs.clear();
    squaredRanges.assign(ranges.begin(), ranges.end());
  }
  int64_t tasks = 0;
  for (const StateRange &range : ranges)
    tasks += tasksOf(range.elements);
  auto startAll = [&] {
    api::DevicePointer sums = squares;
    for (const StateRange &range : ranges) {
      const api::DevicePointer operands[] = {gradients + range.first * sizeof(float), sums};
      if (Error error = start(squareSum, int64_t(range.elements), operands))
        return error;
      sums += uint64_t(tasksOf(range.elements)) * sizeof(float);
    }
    return Error::success();
  };
  if (Error error = squareGraphs.run(0, compute, startAll))
    return named(error);
  std::span<std::byte> there = squaresHost.first(uint64_t(tasks) * sizeof(float));
  if (!there.empty())
    if (Error error = compute.copyToHost(there, squares))
      return named(error);
  if (Error error = wait())
    return error;
  double total = 0;
  for (int64_t i = 0; i < tasks; ++i)
    total += double(reinterpret_cast<const float *>(there.data())[i]);
  return total;
}

Error CudaTraining::update(size_t index, std::span<const StateRange> runs, std::span<const UpdateArray> numbers) {
  if (!std::ranges::equal(runs, updatedRuns)) {
    if (Error error = wait())
      return error;
    updateGraphs.clear();
    updatedRuns.assign(runs.begin(), runs.end());
  }
  // The last update's numbers are read till then.
  if (Error error = scalarsCopied.wait(device))
    return named(error);
  std::span<std::byte> there = scalarsHost.first(numbers.size_bytes());
  std::memcpy(there.data(), numbers.data(), there.size());
  if (!there.empty())
    if (Error error = compute.copyToDevice(scalars, there))
      return named(error);
  if (Error error = compute.record(scalarsCopied))
    return named(error);
  const std::vector<TensorState> memories = updatedMemories(training, index, sizes);
  auto startAll = [&] {
    for (size_t i = 0; i < runs.size(); ++i) {
      std::vector<api::DevicePointer> operands;
      for (TensorState which : memories)
        operands.push_back(memoryOf(which) + runs[i].first * sizes.elementBytes(which));
      operands.push_back(scalars + i * sizeof(UpdateArray));
      if (Error error = start(updates[index], int64_t(runs[i].elements), operands))
        return error;
    }
    return Error::success();
  };
  if (Error error = updateGraphs.run(int64_t(index), compute, startAll))
    return named(error);
  stepIsTimed = true;
  return named(compute.record(stepEnd));
}
