//===- CudaExecutor.cpp - a GPU that runs a model -----------------------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/plan/CudaExecutor.h"

#include "runtime/artifact/FileFormat.h"

#include <algorithm>

using namespace vitrt;
using namespace vitrt::cuda;

namespace {

bool isStaged(const Buffer &buffer) { return buffer.kind == fb::BufferKind::Input || buffer.kind == fb::BufferKind::Output; }

/// The image `first` of a caller's tensor.
std::byte *imageAt(const float *tensor, const Buffer &buffer, int64_t first) {
  return reinterpret_cast<std::byte *>(const_cast<float *>(tensor)) + uint64_t(first) * buffer.bytesPerImage;
}

} // namespace

CudaExecutor::CudaExecutor(const Model &model, const SessionOptions &options, CudaLaunches launches)
    : model(model), program(model.program()), device(*model.gpu()), launches(std::move(launches)),
      groupImages(options.groupImages ? options.groupImages : program.groupImages) {}

CudaExecutor::~CudaExecutor() {
  // Another thread may destroy than the one that ran.
  (void)device.makeCurrent();
}

Expected<std::unique_ptr<Executor>> CudaExecutor::create(const Model &model, const SessionOptions &options) {
  if (Error error = model.gpu()->makeCurrent())
    return error;
  Expected<std::shared_ptr<const Module>> code = loadCode(model);
  if (!code)
    return std::move(code.error());
  Expected<CudaLaunches> launches = CudaLaunches::load(model, model.program(), *code, options.dependentLaunch);
  if (!launches)
    return std::move(launches.error());
  std::unique_ptr<CudaExecutor> executor(new CudaExecutor(model, options, std::move(*launches)));
  if (Error error = executor->initialize(options))
    return makeError(error.status, "{}: {}", model.artifact().name(), error.message);
  return std::unique_ptr<Executor>(std::move(executor));
}

Error CudaExecutor::initialize(const SessionOptions &options) {
  Expected<std::unique_ptr<ThreadPool>> started = ThreadPool::create(options.threads, options.pin);
  if (!started)
    return std::move(started.error());
  pool = std::move(*started);
  for (Stream *stream : {&copiesIn, &compute, &copiesOut}) {
    Expected<Stream> created = Stream::create(device);
    if (!created)
      return std::move(created.error());
    *stream = std::move(*created);
  }
  for (Slot &slot : slots)
    for (Event *event : {&slot.copyBegins, &slot.copied, &slot.launchesBegin, &slot.launchesEnd, &slot.resultsBegin, &slot.resultsEnd}) {
      Expected<Event> created = Event::create(device);
      if (!created)
        return std::move(created.error());
      *event = std::move(*created);
    }
  return loadWeights();
}

Error CudaExecutor::loadWeights() {
  const Program *programs[] = {&program};
  Expected<CudaWeights> allocated = CudaWeights::allocate(model, programs);
  if (!allocated)
    return std::move(allocated.error());
  weights = std::move(*allocated);
  return weights.upload(model, *pool, copiesIn);
}

Error CudaExecutor::weightsChanged() {
  const std::string &name = model.artifact().name();
  Error error = device.makeCurrent();
  if (!error)
    error = weights.upload(model, *pool, copiesIn);
  return error ? makeError(error.status, "{}: {}", name, error.message) : Error::success();
}

Error CudaExecutor::reserve(int64_t images) {
  // What there was no room for once is not tried again in each run.
  if (images <= capacity || (capacity > 0 && images <= refused))
    return Error::success();
  Error error;
  // Where there is no room for all images, groups become smaller, but not than those that there was room for.
  const int64_t before = capacity;
  for (int64_t count = images; count > 0; count = count / 2 < before && before < count ? before : count / 2) {
    if (error = allocate(count); !error || error.status != VITRT_ERROR_MEMORY)
      return error;
    refused = images;
  }
  return error;
}

Error CudaExecutor::allocate(int64_t images) {
  // Graphs hold the addresses of what is freed here.
  capacity = 0;
  memory = DeviceMemory();
  pinned = PinnedMemory();
  for (Slot &slot : slots)
    slot.graphs.clear();

  uint64_t deviceBytes = 0, hostBytes = 0;
  auto place = [](uint64_t &end, uint64_t bytes) { return std::exchange(end, alignTo(end + bytes, kDeviceAlignment)); };
  const uint64_t count = uint64_t(images);
  const uint64_t arenaAt = place(deviceBytes, program.arenaBytesPerImage * count);
  const uint64_t scratchAt = place(deviceBytes, launches.scratchBytes(images));
  const PartBytes parts = program.partBytes(images);
  const uint64_t countersAt = place(deviceBytes, parts.counters), partsAt = place(deviceBytes, parts.sums);
  std::array<std::vector<std::pair<uint64_t, uint64_t>>, 2> at; // on the device, on the host
  for (auto &offsets : at)
    for (const Buffer &buffer : program.buffers) {
      const uint64_t bytes = isStaged(buffer) ? buffer.bytesPerImage * count : 0;
      offsets.emplace_back(place(deviceBytes, bytes), place(hostBytes, bytes));
    }
  Expected<DeviceMemory> onDevice = DeviceMemory::allocate(device, deviceBytes, "the activations of " + countImages(images));
  if (!onDevice)
    return std::move(onDevice.error());
  Expected<PinnedMemory> onHost = PinnedMemory::allocate(device, hostBytes, "copies of " + countImages(images));
  if (!onHost)
    return std::move(onHost.error());
  memory = std::move(*onDevice);
  pinned = std::move(*onHost);
  if (Error error = copiesIn.zero(memory.begin() + countersAt, parts.counters))
    return error;
  if (Error error = copiesIn.wait())
    return error;
  for (size_t i = 0; i < slots.size(); ++i) {
    Slot &slot = slots[i];
    slot.places = {};
    slot.places.weights = weights.begin();
    slot.places.arena = memory.begin() + arenaAt;
    slot.places.scratch = memory.begin() + scratchAt;
    slot.places.counters = memory.begin() + countersAt;
    slot.places.parts = memory.begin() + partsAt;
    slot.host.clear();
    for (size_t buffer = 0; buffer < program.buffers.size(); ++buffer) {
      auto [deviceAt, hostAt] = at[i][buffer];
      slot.places.staged.push_back(memory.begin() + deviceAt);
      slot.host.push_back(
          pinned.bytes().subspan(hostAt, isStaged(program.buffers[buffer]) ? program.buffers[buffer].bytesPerImage * count : 0));
    }
  }
  capacity = images;
  return Error::success();
}

Error CudaExecutor::copyIn(const Batch &batch, const Group &group, Slot &slot) {
  // The launches that read the slot's inputs last.
  if (Error error = copiesIn.waitFor(slot.launchesEnd))
    return error;
  if (Error error = copiesIn.record(slot.copyBegins))
    return error;
  for (uint32_t index : program.inputs) {
    const Buffer &buffer = program.buffers[index];
    const std::byte *from = imageAt(batch.inputs[buffer.slot], buffer, group.first);
    const uint64_t bytes = buffer.bytesPerImage * uint64_t(group.images);
    for (uint64_t done = 0; done < bytes; done += kCopyPiece) {
      std::span<std::byte> piece = slot.host[index].subspan(done, std::min(kCopyPiece, bytes - done));
      copyOnHost(*pool, piece.data(), from + done, piece.size());
      if (Error error = copiesIn.copyToDevice(slot.places.staged[index] + done, piece))
        return error;
    }
  }
  return copiesIn.record(slot.copied);
}

Error CudaExecutor::retire(const Batch &batch, Slot &slot) {
  Group group = std::exchange(slot.group, Group());
  if (group.images == 0)
    return Error::success();
  if (Error error = slot.resultsEnd.wait(device))
    return error;
  for (uint32_t index : program.outputs) {
    const Buffer &buffer = program.buffers[index];
    copyOnHost(*pool, imageAt(batch.outputs[buffer.slot], buffer, group.first), slot.host[index].data(),
               buffer.bytesPerImage * uint64_t(group.images));
  }
  for (auto [sum, begin, end] : {std::tuple(&times.copiesIn, &slot.copyBegins, &slot.copied),
                                 {&times.launches, &slot.launchesBegin, &slot.launchesEnd},
                                 {&times.copiesOut, &slot.resultsBegin, &slot.resultsEnd}}) {
    Expected<double> seconds = end->secondsSince(device, *begin);
    if (!seconds)
      return std::move(seconds.error());
    *sum += *seconds;
  }
  return Error::success();
}

Error CudaExecutor::runPipeline(const Batch &batch, int64_t groups) {
  for (int64_t i = 0; i < groups; ++i) {
    Slot &slot = slots[size_t(i % int64_t(slots.size()))];
    if (Error error = retire(batch, slot))
      return error;
    int64_t first = batch.images * i / groups, end = batch.images * (i + 1) / groups;
    slot.group = {first, end - first};
    if (Error error = copyIn(batch, slot.group, slot))
      return error;
    // Behind the copies in, and behind the copies out of what the slot's outputs held before, which retire has waited for.
    if (Error error = compute.waitFor(slot.copied))
      return error;
    if (Error error = compute.record(slot.launchesBegin))
      return error;
    if (Error error =
            slot.graphs.run(slot.group.images, compute, [&] { return launches.startAll(slot.group.images, slot.places, compute); }))
      return error;
    if (Error error = compute.record(slot.launchesEnd))
      return error;
    if (Error error = copiesOut.waitFor(slot.launchesEnd))
      return error;
    if (Error error = copiesOut.record(slot.resultsBegin))
      return error;
    for (uint32_t index : program.outputs) {
      std::span<std::byte> to = slot.host[index].first(program.buffers[index].bytesPerImage * uint64_t(slot.group.images));
      if (Error error = copiesOut.copyToHost(to, slot.places.staged[index]))
        return error;
    }
    if (Error error = copiesOut.record(slot.resultsEnd))
      return error;
  }
  for (int64_t i = groups; i < groups + int64_t(slots.size()); ++i)
    if (Error error = retire(batch, slots[size_t(i % int64_t(slots.size()))]))
      return error;
  return Error::success();
}

Error CudaExecutor::runObserved(const Batch &batch, const Group &group) {
  Slot &slot = slots[0];
  auto named = [&](const Error &error) { return makeError(error.status, "{}: {}", model.artifact().name(), error.message); };
  if (Error error = copyIn(batch, group, slot))
    return named(error);
  if (Error error = copiesIn.wait())
    return named(error);
  if (Error error = launches.observe(group.first, group.images, slot.places, compute, *batch.observer))
    return error;
  for (uint32_t index : program.outputs) {
    const Buffer &buffer = program.buffers[index];
    const uint64_t bytes = buffer.bytesPerImage * uint64_t(group.images);
    if (Error error = compute.copyToHost(slot.host[index].first(bytes), slot.places.staged[index]))
      return named(error);
    if (Error error = compute.wait())
      return named(error);
    copyOnHost(*pool, reinterpret_cast<std::byte *>(batch.outputs[buffer.slot]) + uint64_t(group.first) * buffer.bytesPerImage,
               slot.host[index].data(), bytes);
  }
  return Error::success();
}

Error CudaExecutor::run(const Batch &batch) {
  const std::string &name = model.artifact().name();
  auto named = [&](const Error &error) { return makeError(error.status, "{}: {}", name, error.message); };
  if (Error error = device.makeCurrent())
    return named(error);
  if (Error error = reserve(std::min(groupImages, batch.images)))
    return named(error);
  times = DeviceTimes{.code = launches.origin()};
  const int64_t groups = (batch.images + capacity - 1) / capacity;
  if (batch.observer) {
    for (int64_t i = 0; i < groups; ++i) {
      int64_t first = batch.images * i / groups, end = batch.images * (i + 1) / groups;
      if (Error error = runObserved(batch, {first, end - first}))
        return error;
    }
    return Error::success();
  }
  Error error = runPipeline(batch, groups);
  if (!error)
    return error;
  // What was started still reads and writes memory that the next run, or the caller, has other plans for.
  for (Stream *stream : {&copiesIn, &compute, &copiesOut})
    (void)stream->wait();
  for (Slot &slot : slots)
    slot.group = Group();
  bool saysWhere = error.message.starts_with(name);
  return saysWhere
             ? error
             : makeError(error.status, "{}; vit-run compare runs launch by launch and names the one that fails", named(error).message);
}
