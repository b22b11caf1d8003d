//===- HostExecutor.cpp - threads of the CPU that run a model -----------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/plan/HostExecutor.h"

#include "runtime/artifact/FileFormat.h"
#include "runtime/plan/EmulatedTasks.h"

#include <algorithm>
#include <cstring>

using namespace vitrt;

/// Images [first, first + images) of one call of `run`.
struct HostExecutor::Group {
  int64_t first;
  int64_t images;
  const float *const *inputs;
  float *const *outputs;
  LaunchObserver *observer;
};

/// What one worker needs to take a group through the program.
struct HostExecutor::Worker {
  unsigned index;
  std::byte *arena;
  std::byte *scratch;
  PartMemory parts;
  std::vector<std::byte *> staging; ///< by buffer; null unless an input or an output
  std::vector<void *> buffers;      ///< of the group at work, by buffer
  std::vector<void *> operands;     ///< of all launches, one after the other
};

namespace {

/// The image `first` of a caller's tensor of `bytesPerImage` bytes an image.
std::byte *imageAt(const float *tensor, int64_t first, uint64_t bytesPerImage) {
  return reinterpret_cast<std::byte *>(const_cast<float *>(tensor)) + uint64_t(first) * bytesPerImage;
}

bool isAligned(const void *pointer) { return reinterpret_cast<uintptr_t>(pointer) % kBufferAlignment == 0; }

/// The shortest range of tasks that is handed out is this part of a worker's share: what a launch's last range may keep the others waiting.
constexpr int64_t kRangesPerWorker = 32;

} // namespace

HostExecutor::HostExecutor(const Model &model, const SessionOptions &options)
    : model(model), program(model.program()), groupImages(options.groupImages ? options.groupImages : program.groupImages),
      emulatorSeed(options.emulatorSeed) {}

HostExecutor::~HostExecutor() = default;

Expected<std::unique_ptr<Executor>> HostExecutor::create(const Model &model, const SessionOptions &options) {
  std::unique_ptr<HostExecutor> executor(new HostExecutor(model, options));
  Expected<std::unique_ptr<ThreadPool>> pool = ThreadPool::create(options.threads, options.pin);
  if (!pool)
    return std::move(pool.error());
  executor->pool = std::move(*pool);
  if (Error error = executor->allocate())
    return error;
  return std::unique_ptr<Executor>(std::move(executor));
}

Error HostExecutor::allocate() {
  uint64_t group = uint64_t(groupImages);
  uint64_t arenaBytes = program.arenaBytesPerImage * group;
  uint64_t scratchBytes = alignTo(program.scratchBytes, kBufferAlignment);
  uint64_t stagingBytes = 0;
  for (const Buffer &buffer : program.buffers)
    if (buffer.kind == fb::BufferKind::Input || buffer.kind == fb::BufferKind::Output)
      stagingBytes += alignTo(buffer.bytesPerImage * group, kBufferAlignment);
  // Whole pages for each worker: what one writes never shares a cache line with another's.
  const PartBytes parts = program.partBytes(groupImages);
  uint64_t workerBytes = alignTo(arenaBytes + scratchBytes + stagingBytes + parts.total(), kSectionAlignment);
  if (workerBytes > (uint64_t(1) << 62) / pool->size())
    return makeError(VITRT_ERROR_MEMORY, "{}: activations need {} bytes a worker", model.artifact().name(), workerBytes);
  Expected<AnonymousMemory> allocated = AnonymousMemory::allocate(
      workerBytes * pool->size(), fmt::format("the activations of {} workers and groups of {} images", pool->size(), group));
  if (!allocated)
    return std::move(allocated.error());
  memory = std::move(*allocated);

  std::vector<uint32_t> operands;
  for (const Launch &launch : program.launches)
    operands.insert(operands.end(), launch.operands.begin(), launch.operands.end());
  for (size_t i = 0; i < operands.size(); ++i)
    if (program.buffers[operands[i]].kind != fb::BufferKind::Weight)
      moving.push_back({i, operands[i]});
  auto *weights = const_cast<std::byte *>(model.weights());
  for (unsigned i = 0; i < pool->size(); ++i) {
    Worker worker;
    worker.index = i;
    worker.arena = memory.bytes().data() + workerBytes * i;
    worker.scratch = worker.arena + arenaBytes;
    std::byte *next = worker.scratch + scratchBytes;
    for (const Buffer &buffer : program.buffers) {
      bool staged = buffer.kind == fb::BufferKind::Input || buffer.kind == fb::BufferKind::Output;
      worker.staging.push_back(staged ? next : nullptr);
      next += staged ? alignTo(buffer.bytesPerImage * group, kBufferAlignment) : 0;
    }
    worker.parts = {next, next + parts.counters};
    worker.buffers.resize(program.buffers.size());
    for (uint32_t operand : operands)
      worker.operands.push_back(weights + program.buffers[operand].weightOffset);
    workers.push_back(std::move(worker));
  }
  if (program.onDevice())
    emulated = std::make_unique<EmulatedTasks>(pool->size(), emulatorSeed);
  return Error::success();
}

/// Points every operand but the weights, which stay, at the group's memory; a caller's tensor whose first image is not aligned goes through
/// the worker's own copy.
void HostExecutor::prepareBuffers(const Group &group, Worker &worker) {
  for (size_t i = 0; i < program.buffers.size(); ++i) {
    const Buffer &buffer = program.buffers[i];
    std::byte *address = nullptr;
    switch (buffer.kind) {
    case fb::BufferKind::Input:
      address = imageAt(group.inputs[buffer.slot], group.first, buffer.bytesPerImage);
      if (!isAligned(address)) {
        std::memcpy(worker.staging[i], address, buffer.bytesPerImage * uint64_t(group.images));
        address = worker.staging[i];
      }
      break;
    case fb::BufferKind::Output:
      address = imageAt(group.outputs[buffer.slot], group.first, buffer.bytesPerImage);
      if (!isAligned(address))
        address = worker.staging[i];
      break;
    case fb::BufferKind::Arena:
      address = worker.arena + buffer.offsetPerImage * uint64_t(group.images);
      break;
    case fb::BufferKind::Weight:
    case fb::BufferKind::Parameter:
    case fb::BufferKind::Gradient:
    case fb::BufferKind::Derived:
      continue;
    }
    worker.buffers[i] = address;
  }
  for (auto [operand, buffer] : moving)
    worker.operands[operand] = worker.buffers[buffer];
}

void HostExecutor::storeOutputs(const Group &group, const Worker &worker) {
  for (uint32_t index : program.outputs) {
    const Buffer &buffer = program.buffers[index];
    std::byte *destination = imageAt(group.outputs[buffer.slot], group.first, buffer.bytesPerImage);
    if (worker.buffers[index] != destination)
      std::memcpy(destination, worker.buffers[index], buffer.bytesPerImage * uint64_t(group.images));
  }
}

void HostExecutor::runTasks(const Launch &launch, void *const *operands, int64_t images, int64_t begin, int64_t end, Worker &worker,
                            const Worker &of) {
  if (launch.function)
    return launch.function(operands, images, begin, end, worker.scratch);
  emulated->run(worker.index, program, launch, operands, images, begin, end, worker.scratch, of.parts);
}

void HostExecutor::runGroup(const Group &group, Worker &worker, bool split) {
  prepareBuffers(group, worker);
  void *const *operands = worker.operands.data();
  for (size_t i = 0; i < program.launches.size(); ++i) {
    const Launch &launch = program.launches[i];
    LaunchEvent::Clock::time_point start;
    if (group.observer)
      start = LaunchEvent::Clock::now();
    int64_t tasks = EmulatedTasks::blocks(launch, group.images);
    if (split)
      pool->parallelRanges(tasks, tasks / (int64_t(pool->size()) * kRangesPerWorker), [&](unsigned index, int64_t begin, int64_t end) {
        runTasks(launch, operands, group.images, begin, end, workers[index], worker);
      });
    else
      runTasks(launch, operands, group.images, 0, tasks, worker, worker);
    if (group.observer)
      group.observer->launched(
          {program, i, launch, worker.index, split, group.first, group.images, start, LaunchEvent::Clock::now(), operands});
    operands += launch.operands.size();
  }
  storeOutputs(group, worker);
}

Error HostExecutor::run(const Batch &batch) {
  // Each worker's equal share, in groups of nearly equal size.
  int64_t count = int64_t(pool->size()), share = batch.images / count;
  if (share > 0) {
    int64_t rounds = (share + groupImages - 1) / groupImages;
    pool->parallelFor(count * rounds, 1, [&](unsigned worker, int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        int64_t first = share * (i % rounds) / rounds, last = share * (i % rounds + 1) / rounds;
        runGroup({i / rounds * share + first, last - first, batch.inputs, batch.outputs, batch.observer}, workers[worker], /*split=*/false);
      }
    });
  }
  // Fewer images than workers are left.
  for (int64_t first = share * count; first < batch.images; first += groupImages) {
    int64_t images = std::min(groupImages, batch.images - first);
    runGroup({first, images, batch.inputs, batch.outputs, batch.observer}, workers[0], /*split=*/true);
  }
  if (!emulated || !emulated->hasFailed())
    return Error::success();
  // Blocks that did not run are not counted.
  for (Worker &worker : workers)
    std::memset(worker.parts.counters, 0, program.partBytes(groupImages).counters);
  return emulated->takeFailure(model.artifact().name());
}
