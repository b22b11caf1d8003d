//===- Session.cpp - threads and memory that run a model ----------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/plan/Session.h"

#include "runtime/artifact/FileFormat.h"
#include "runtime/device/emulator/Emulator.h"

#include <algorithm>
#include <cstring>

using namespace vitrt;

/// Blocks of a persistent kernel on the emulator: few, so that each has several tiles.
static constexpr int64_t kEmulatedBlocks = 3;

/// Images [first, first + images) of one call of `run`.
struct Session::Group {
  int64_t first;
  int64_t images;
  const float *const *inputs;
  float *const *outputs;
  LaunchObserver *observer;
};

/// What one worker needs to take a group through the program.
struct Session::Worker {
  unsigned index;
  std::byte *arena;
  std::byte *scratch;
  std::vector<std::byte *> staging;             ///< by buffer; null unless an input or an output
  std::vector<void *> buffers;                  ///< of the group at work, by buffer
  std::vector<void *> operands;                 ///< of all launches, one after the other
  std::unique_ptr<emulator::Emulator> emulator; ///< where the plan has device kernels
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

Session::Session(const Model &model) : theModel(model), program(model.program()) {}

Session::~Session() = default;

Expected<std::unique_ptr<Session>> Session::create(const Model &model, unsigned threads, bool pin) {
  if (!model.hasWeights())
    return makeError(VITRT_ERROR_WEIGHTS,
                     "{}: the model has no weights yet; bind a weight file (--weights) or random ones (--random-weights) first",
                     model.artifact().name());
  std::unique_ptr<Session> session(new Session(model));
  Expected<std::unique_ptr<ThreadPool>> pool = ThreadPool::create(threads, pin);
  if (!pool)
    return std::move(pool.error());
  session->pool = std::move(*pool);
  if (Error error = session->allocate())
    return error;
  return session;
}

Error Session::allocate() {
  uint64_t group = uint64_t(program.groupImages);
  uint64_t arenaBytes = program.arenaBytesPerImage * group;
  uint64_t scratchBytes = alignTo(program.scratchBytes, kBufferAlignment);
  uint64_t stagingBytes = 0;
  for (const Buffer &buffer : program.buffers)
    if (buffer.kind == fb::BufferKind::Input || buffer.kind == fb::BufferKind::Output)
      stagingBytes += alignTo(buffer.bytesPerImage * group, kBufferAlignment);
  // Whole pages for each worker: what one writes never shares a cache line with another's.
  uint64_t workerBytes = alignTo(arenaBytes + scratchBytes + stagingBytes, kSectionAlignment);
  if (workerBytes > (uint64_t(1) << 62) / pool->size())
    return makeError(VITRT_ERROR_MEMORY, "{}: activations need {} bytes a worker", theModel.artifact().name(), workerBytes);
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
  auto *weights = const_cast<std::byte *>(theModel.weights());
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
    worker.buffers.resize(program.buffers.size());
    for (uint32_t operand : operands)
      worker.operands.push_back(weights + program.buffers[operand].weightOffset);
    if (std::ranges::any_of(program.launches, [](const Launch &launch) { return launch.deviceFunction != nullptr; }))
      worker.emulator = std::make_unique<emulator::Emulator>(i);
    workers.push_back(std::move(worker));
  }
  return Error::success();
}

/// Points every operand but the weights, which stay, at the group's memory; a caller's tensor whose first image is not aligned goes through
/// the worker's own copy.
void Session::prepareBuffers(const Group &group, Worker &worker) {
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

void Session::storeOutputs(const Group &group, const Worker &worker) {
  for (uint32_t index : program.outputs) {
    const Buffer &buffer = program.buffers[index];
    std::byte *destination = imageAt(group.outputs[buffer.slot], group.first, buffer.bytesPerImage);
    if (worker.buffers[index] != destination)
      std::memcpy(destination, worker.buffers[index], buffer.bytesPerImage * uint64_t(group.images));
  }
}

/// How the copy engine sees an operand of a group.
static emulator::TensorMap tensorMap(const fb::TensorMap &from, const std::byte *data, int64_t images) {
  emulator::TensorMap map = {data, int32_t(from.element_bytes()), int32_t(from.sizes()->size()), {}, {}, {}, int32_t(from.swizzle())};
  map.strides[0] = map.elementBytes;
  for (int32_t axis = 0; axis < map.rank; ++axis) {
    map.sizes[axis] = int64_t(from.sizes()->Get(uint32_t(axis))) * (from.per_image() && axis + 1 == map.rank ? images : 1);
    map.box[axis] = int32_t(from.box()->Get(uint32_t(axis)));
    if (axis > 0)
      map.strides[axis] = int64_t(from.strides()->Get(uint32_t(axis - 1)));
  }
  return map;
}

void Session::runTasks(const Launch &launch, void *const *operands, int64_t images, int64_t begin, int64_t end, Worker &worker) {
  if (launch.function)
    return launch.function(operands, images, begin, end, worker.scratch);
  if (failed)
    return;
  std::vector<emulator::Operand> memory;
  for (size_t i = 0; i < launch.operands.size(); ++i) {
    const Buffer &buffer = program.buffers[launch.operands[i]];
    uint64_t bytes = buffer.kind == fb::BufferKind::Weight ? buffer.weightBytes : buffer.bytesPerImage * uint64_t(images);
    memory.push_back({static_cast<std::byte *>(operands[i]), bytes, i + launch.results >= launch.operands.size()});
  }
  std::vector<emulator::TensorMap> maps;
  for (uint32_t i = 0; launch.kernel->tensor_maps() && i < launch.kernel->tensor_maps()->size(); ++i) {
    const fb::TensorMap &map = *launch.kernel->tensor_maps()->Get(i);
    maps.push_back(tensorMap(map, static_cast<const std::byte *>(operands[map.operand()]), images));
  }
  emulator::LaunchShape shape = {launch.kernel->symbol()->string_view(),
                                 launch.name,
                                 launch.deviceFunction,
                                 int32_t(launch.kernel->threads()),
                                 launch.kernel->shared_bytes(),
                                 worker.scratch,
                                 int32_t(launch.blocks(images, kEmulatedBlocks)),
                                 maps};
  Error error = worker.emulator->run(shape, memory, images, begin, end);
  std::scoped_lock lock(failing);
  if (!error || failed)
    return;
  failure = makeError(error.status, "{}: {}", theModel.artifact().name(), error.message);
  failed = true;
}

void Session::runGroup(const Group &group, Worker &worker, bool split) {
  prepareBuffers(group, worker);
  void *const *operands = worker.operands.data();
  for (size_t i = 0; i < program.launches.size(); ++i) {
    const Launch &launch = program.launches[i];
    LaunchEvent::Clock::time_point start;
    if (group.observer)
      start = LaunchEvent::Clock::now();
    int64_t tasks = launch.blocks(group.images, kEmulatedBlocks);
    if (split)
      pool->parallelRanges(tasks, tasks / (int64_t(pool->size()) * kRangesPerWorker), [&](unsigned index, int64_t begin, int64_t end) {
        runTasks(launch, operands, group.images, begin, end, workers[index]);
      });
    else
      runTasks(launch, operands, group.images, 0, tasks, worker);
    if (group.observer)
      group.observer->launched(
          {program, i, launch, worker.index, split, group.first, group.images, start, LaunchEvent::Clock::now(), operands});
    operands += launch.operands.size();
  }
  storeOutputs(group, worker);
}

Error Session::run(size_t batch, const float *const *inputs, float *const *outputs, LaunchObserver *observer) {
  const std::string &name = theModel.artifact().name();
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
  failed = false;

  // Each worker's equal share, in groups of nearly equal size.
  int64_t count = int64_t(pool->size()), share = int64_t(batch) / count;
  if (share > 0) {
    int64_t rounds = (share + program.groupImages - 1) / program.groupImages;
    pool->parallelFor(count * rounds, 1, [&](unsigned worker, int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        int64_t first = share * (i % rounds) / rounds, last = share * (i % rounds + 1) / rounds;
        runGroup({i / rounds * share + first, last - first, inputs, outputs, observer}, workers[worker], /*split=*/false);
      }
    });
  }
  // Fewer images than workers are left.
  for (int64_t first = share * count; first < int64_t(batch); first += program.groupImages) {
    int64_t images = std::min(program.groupImages, int64_t(batch) - first);
    runGroup({first, images, inputs, outputs, observer}, workers[0], /*split=*/true);
  }
  if (failed)
    return std::move(failure);
  return Error::success();
}
