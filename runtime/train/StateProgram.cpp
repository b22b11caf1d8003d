//===- StateProgram.cpp - a program over the training state ----------- -*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/train/StateProgram.h"

#include "runtime/artifact/FileFormat.h"

#include <cstring>

using namespace vitrt;

namespace {

bool isStaged(const Buffer &buffer) { return buffer.kind == fb::BufferKind::Input || buffer.kind == fb::BufferKind::Output; }
bool isAligned(const void *pointer) { return reinterpret_cast<uintptr_t>(pointer) % kBufferAlignment == 0; }

/// As in Session: dispatching a range costs a fraction of a microsecond.
constexpr int64_t kRangesPerWorker = 32;

} // namespace

StateProgram::StateProgram(Program plan, ThreadPool &pool, std::string artifact, uint64_t emulatorSeed)
    : plan(std::move(plan)), pool(pool), artifact(std::move(artifact)),
      emulated(this->plan.onDevice() ? std::make_unique<EmulatedTasks>(pool.size(), emulatorSeed) : nullptr) {}

Expected<std::unique_ptr<StateProgram>> StateProgram::create(const Artifact &artifact, const fb::Program &program, int64_t groupImages,
                                                             const StateMemory &state, const std::byte *weights, ThreadPool &pool,
                                                             uint64_t emulatorSeed) {
  Expected<Program> resolved = Program::resolve(artifact, program);
  if (!resolved)
    return std::move(resolved.error());
  resolved->groupImages = groupImages;
  std::unique_ptr<StateProgram> result(new StateProgram(std::move(*resolved), pool, artifact.name(), emulatorSeed));
  if (Error error = result->allocate())
    return error;
  for (const Buffer &buffer : result->plan.buffers) {
    std::byte *address = nullptr;
    if (buffer.kind == fb::BufferKind::Weight)
      address = const_cast<std::byte *>(weights) + buffer.weightOffset;
    else if (buffer.kind == fb::BufferKind::Parameter)
      address = state.parameters + buffer.offsetPerImage;
    else if (buffer.kind == fb::BufferKind::Gradient)
      address = state.gradients + buffer.offsetPerImage;
    else if (buffer.kind == fb::BufferKind::Derived)
      address = state.derived + buffer.offsetPerImage;
    result->buffers.push_back(address);
  }
  return result;
}

Error StateProgram::allocate() {
  uint64_t group = uint64_t(plan.groupImages), arenaBytes = plan.arenaBytesPerImage * group;
  uint64_t scratchBytes = alignTo(plan.scratchBytes, kSectionAlignment), stagingBytes = 0;
  for (const Buffer &buffer : plan.buffers)
    if (isStaged(buffer))
      stagingBytes += alignTo(buffer.bytesPerImage * group, kBufferAlignment);
  const PartBytes partBytes = plan.partBytes(plan.groupImages);
  unsigned __int128 bytes =
      (unsigned __int128)scratchBytes * pool.size() + alignTo(arenaBytes, kSectionAlignment) + stagingBytes + partBytes.total();
  if (bytes > (unsigned __int128)1 << 62)
    return makeError(VITRT_ERROR_MEMORY, "{}: program '{}' needs more memory than there can be", artifact, plan.name);
  Expected<AnonymousMemory> allocated =
      AnonymousMemory::allocate(std::max<uint64_t>(uint64_t(bytes), kSectionAlignment),
                                fmt::format("the activations and gradients of groups of {} images", plan.groupImages));
  if (!allocated)
    return std::move(allocated.error());
  memory = std::move(*allocated);
  // The arena first, so that its offsets are the plan's.
  std::byte *next = memory.bytes().data() + alignTo(arenaBytes, kSectionAlignment);
  for (unsigned worker = 0; worker < pool.size(); ++worker, next += scratchBytes)
    scratch.push_back(next);
  for (const Buffer &buffer : plan.buffers) {
    staging.push_back(isStaged(buffer) ? next : nullptr);
    next += isStaged(buffer) ? alignTo(buffer.bytesPerImage * group, kBufferAlignment) : 0;
  }
  parts = {next, next + partBytes.counters};
  size_t count = 0;
  for (const Launch &launch : plan.launches)
    count += launch.operands.size();
  operands.resize(count);
  return Error::success();
}

void StateProgram::place(int64_t images, const float *const *inputs, float *const *outputs) {
  for (size_t i = 0; i < plan.buffers.size(); ++i) {
    const Buffer &buffer = plan.buffers[i];
    if (buffer.kind == fb::BufferKind::Arena)
      buffers[i] = memory.bytes().data() + buffer.offsetPerImage * uint64_t(images);
    if (buffer.kind == fb::BufferKind::Input) {
      buffers[i] = const_cast<float *>(inputs[buffer.slot]);
      if (!isAligned(buffers[i])) {
        std::memcpy(staging[i], buffers[i], buffer.bytesPerImage * uint64_t(images));
        buffers[i] = staging[i];
      }
    }
    if (buffer.kind == fb::BufferKind::Output)
      buffers[i] = isAligned(outputs[buffer.slot]) ? static_cast<void *>(outputs[buffer.slot]) : staging[i];
  }
  size_t next = 0;
  for (const Launch &launch : plan.launches)
    for (uint32_t operand : launch.operands)
      operands[next++] = buffers[operand];
}

Error StateProgram::run(int64_t images, const float *const *inputs, float *const *outputs, LaunchObserver *observer) {
  place(images, inputs, outputs);
  void *const *operand = operands.data();
  for (size_t i = 0; i < plan.launches.size(); ++i) {
    const Launch &launch = plan.launches[i];
    LaunchEvent::Clock::time_point start;
    if (observer)
      start = LaunchEvent::Clock::now();
    int64_t tasks = EmulatedTasks::blocks(launch, images);
    auto runTasks = [&](unsigned worker, int64_t begin, int64_t end) {
      if (launch.onDevice())
        emulated->run(worker, plan, launch, operand, images, begin, end, scratch[worker], parts);
      else
        launch.function(operand, images, begin, end, scratch[worker]);
    };
    if (pool.size() == 1)
      runTasks(0, 0, tasks);
    else
      pool.parallelRanges(tasks, tasks / (int64_t(pool.size()) * kRangesPerWorker), runTasks);
    if (emulated && emulated->hasFailed()) {
      // Blocks that did not run are not counted.
      std::memset(parts.counters, 0, plan.partBytes(plan.groupImages).counters);
      return emulated->takeFailure(artifact);
    }
    if (observer)
      observer->launched({plan, i, launch, 0, true, 0, images, start, LaunchEvent::Clock::now(), operand});
    operand += launch.operands.size();
  }
  for (uint32_t index : plan.outputs)
    if (buffers[index] == staging[index])
      std::memcpy(outputs[plan.buffers[index].slot], staging[index], plan.buffers[index].bytesPerImage * uint64_t(images));
  return Error::success();
}
