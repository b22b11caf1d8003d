//===- CudaTrainingSetup.cpp - a GPU that trains a model: kernels and memory -*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/train/CudaTraining.h"

#include "runtime/artifact/FileFormat.h"

#include <algorithm>

using namespace vitrt;
using namespace vitrt::cuda;

namespace {

double megabytes(uint64_t bytes) { return double(bytes) / (1 << 20); }

/// Losses of so many images may wait for the host: those of a step, or nearly.
constexpr uint64_t kWaitingLosses = 4096;

bool isStaged(const Buffer &buffer) { return buffer.kind == fb::BufferKind::Input || buffer.kind == fb::BufferKind::Output; }

uint64_t place(uint64_t &end, uint64_t bytes) { return std::exchange(end, alignTo(end + bytes, kDeviceAlignment)); }

} // namespace

struct CudaTraining::Places {
  uint64_t arena = 0, scratch = 0, counters = 0, countersBytes = 0, parts = 0, squares = 0, scalars = 0, deviceEnd = 0;
  uint64_t lossesHost = 0, squaresHost = 0, scalarsHost = 0, hostEnd = 0;
  uint64_t squaresBytes = 0, scalarsBytes = 0, lossesBytes = 0;
  std::array<std::vector<std::pair<uint64_t, uint64_t>>, 2> staged; ///< by slot and buffer: on the device, on the host
};

Expected<std::unique_ptr<TrainingExecutor>> CudaTraining::create(const Model &model, const StateSizes &sizes, int64_t groupImages,
                                                                 const TrainingSessionOptions &options) {
  std::unique_ptr<CudaTraining> executor(new CudaTraining(model, sizes, groupImages));
  if (Error error = executor->initialize(options))
    return executor->named(error);
  return std::unique_ptr<TrainingExecutor>(std::move(executor));
}

CudaTraining::~CudaTraining() {
  // Another thread may destroy than the one that ran; and what was begun reads and writes memory that is freed now. After a kernel has failed
  // neither says anything new.
  (void)device.makeCurrent();
  for (Stream *stream : {&copiesIn, &compute})
    if (stream->get())
      (void)stream->wait();
}

Error CudaTraining::initialize(const TrainingSessionOptions &options) {
  withAverages = options.averages;
  if (Error error = device.makeCurrent())
    return error;
  Expected<std::unique_ptr<ThreadPool>> started = ThreadPool::create(options.threads);
  if (!started)
    return std::move(started.error());
  pool = std::move(*started);
  if (Error error = loadPrograms(options))
    return error;
  if (Error error = makeStreams())
    return error;
  if (Error error = checkMemory())
    return error;
  return allocate();
}

Error CudaTraining::loadPrograms(const TrainingSessionOptions &options) {
  const Artifact &artifact = model.artifact();
  Expected<std::shared_ptr<const Module>> code = loadCode(model);
  if (!code)
    return std::move(code.error());
  for (const fb::Program *program : *artifact.target().programs()) {
    std::string_view name = program->name()->string_view();
    LoadedProgram *slot = name == "train"           ? &programs[Train]
                          : name == "train.prepare" ? &programs[Prepare]
                          : name == "train.finish"  ? &programs[Finish]
                                                    : nullptr;
    if (!slot)
      continue;
    Expected<Program> resolved = Program::resolve(artifact, *program);
    if (!resolved)
      return std::move(resolved.error());
    slot->plan = std::move(*resolved);
    Expected<CudaLaunches> launches = CudaLaunches::load(model, slot->plan, *code, options.dependentLaunch);
    if (!launches)
      return std::move(launches.error());
    slot->launches.emplace(std::move(*launches));
  }
  for (uint32_t index : train().inputs)
    if (train().buffers[index].name == "images")
      imagesBuffer = index;
  for (const fb::Update *update : *training.updates()) {
    Expected<Kernel> kernel = kernelOf(**code, update->kernel());
    if (!kernel)
      return std::move(kernel.error());
    updates.push_back(*kernel);
  }
  Expected<Kernel> kernel = kernelOf(**code, training.square_sum());
  if (!kernel)
    return std::move(kernel.error());
  squareSum = *kernel;
  return Error::success();
}

Expected<CudaTraining::Kernel> CudaTraining::kernelOf(const Module &code, uint32_t index) const {
  const fb::Kernel &kernel = *model.artifact().target().kernels()->Get(index);
  Expected<Function> function = code.function(kernel.symbol()->str(), kernel.threads(), kernel.shared_bytes());
  if (!function)
    return std::move(function.error());
  return Kernel{&kernel, *function};
}

Error CudaTraining::makeStreams() {
  for (Stream *stream : {&copiesIn, &compute}) {
    Expected<Stream> created = Stream::create(device);
    if (!created)
      return std::move(created.error());
    *stream = std::move(*created);
  }
  std::vector<Event *> events = {&scalarsCopied, &stepBegin, &stepEnd};
  for (Slot &slot : slots)
    events.insert(events.end(), {&slot.imagesBegin, &slot.imagesEnd, &slot.copied, &slot.computed});
  for (Event *event : events) {
    Expected<Event> created = Event::create(device);
    if (!created)
      return std::move(created.error());
    *event = std::move(*created);
  }
  return Error::success();
}

uint64_t CudaTraining::groupBytes(int64_t images, Places *places) const {
  Places here;
  Places &at = places ? *places : here;
  uint64_t arena = 0, scratch = 0;
  PartBytes parts = {};
  for (const LoadedProgram &program : programs)
    if (program.launches) {
      const int64_t count = &program == &programs[Train] ? images : 1;
      arena = std::max(arena, program.plan.arenaBytesPerImage * uint64_t(count));
      scratch = std::max(scratch, program.launches->scratchBytes(count));
      const PartBytes wanted = program.plan.partBytes(count);
      parts = {std::max(parts.counters, wanted.counters), std::max(parts.sums, wanted.sums)};
    }
  at.arena = place(at.deviceEnd, arena);
  at.scratch = place(at.deviceEnd, scratch);
  at.countersBytes = parts.counters;
  at.counters = place(at.deviceEnd, parts.counters);
  at.parts = place(at.deviceEnd, parts.sums);
  // A run of parameters is one of them or several; each may have one task that is not whole.
  const uint64_t most = training.parameters()->size();
  at.squaresBytes = (sizes.parameters / sizeof(float) / updateTaskElements + most) * sizeof(float);
  at.scalarsBytes = most * sizeof(UpdateArray);
  at.lossesBytes = std::max(kWaitingLosses, uint64_t(images)) * sizeof(float);
  at.squares = place(at.deviceEnd, at.squaresBytes);
  at.scalars = place(at.deviceEnd, at.scalarsBytes);
  at.squaresHost = place(at.hostEnd, at.squaresBytes);
  at.scalarsHost = place(at.hostEnd, at.scalarsBytes);
  at.lossesHost = place(at.hostEnd, at.lossesBytes);
  for (auto &offsets : at.staged)
    for (const Buffer &buffer : train().buffers) {
      const uint64_t bytes = isStaged(buffer) ? buffer.bytes(images) : 0;
      offsets.emplace_back(place(at.deviceEnd, bytes), place(at.hostEnd, bytes));
    }
  return at.deviceEnd;
}

Error CudaTraining::checkMemory() const {
  Expected<Device::Memory> there = device.memory();
  if (!there)
    return std::move(there.error());
  uint64_t stateBytes = 0;
  for (uint64_t bytes : {sizes.parameters, sizes.gradients, sizes.derived, sizes.first, sizes.second})
    place(stateBytes, bytes);
  if (withAverages)
    place(stateBytes, sizes.parameters);
  const uint64_t values = groupBytes(groupImages);
  if (stateBytes + values <= there->free)
    return Error::success();
  int64_t fewer = groupImages;
  while (fewer > 0 && stateBytes + groupBytes(fewer) > there->free)
    fewer = fewer > 16 ? fewer * 15 / 16 : fewer - 1;
  return makeError(VITRT_ERROR_MEMORY,
                   "training in groups of {} needs {:.1f} MB, {:.1f} of them for parameters, gradients{} and moments, but of the "
                   "{:.1f} MB of {} only {:.1f} MB are free; {}",
                   countImages(groupImages), megabytes(stateBytes + values), megabytes(stateBytes), withAverages ? ", averages" : "",
                   megabytes(there->total), device.describe(), megabytes(there->free),
                   fewer > 0 ? fmt::format("--group={} fits", fewer) : "one image at a time does not fit either");
}

Error CudaTraining::allocate() {
  const Program *plans[] = {&programs[Train].plan, &programs[Prepare].plan, &programs[Finish].plan};
  Expected<CudaWeights> constants = CudaWeights::allocate(model, plans);
  if (!constants)
    return std::move(constants.error());
  weights = std::move(*constants);

  uint64_t end = 0;
  const uint64_t offsets[] = {place(end, sizes.parameters), place(end, sizes.gradients), place(end, sizes.derived), place(end, sizes.first),
                              place(end, sizes.second)};
  Expected<DeviceMemory> allocated = DeviceMemory::allocate(device, end, "parameters, gradients and moments");
  if (!allocated)
    return std::move(allocated.error());
  state = std::move(*allocated);
  api::DevicePointer *begins[] = {&parameters, &gradients, &derived, &first, &second};
  for (size_t i = 0; i < std::size(begins); ++i)
    *begins[i] = state.begin() + offsets[i];
  if (!sizes.second)
    second = 0;
  // What lies between parameters is zero, and stays so.
  if (Error error = compute.zero(state.begin(), end))
    return error;

  Places places;
  Expected<DeviceMemory> values =
      DeviceMemory::allocate(device, groupBytes(groupImages, &places), "the activations and gradients of " + countImages(groupImages));
  if (!values)
    return std::move(values.error());
  memory = std::move(*values);
  Expected<PinnedMemory> host = PinnedMemory::allocate(device, places.hostEnd, "copies of " + countImages(groupImages));
  if (!host)
    return std::move(host.error());
  pinned = std::move(*host);
  Expected<CudaTransfer> created = CudaTransfer::create(device, *pool, end);
  if (!created)
    return std::move(created.error());
  transfer.emplace(std::move(*created));

  for (LoadedProgram &program : programs) {
    program.places.weights = weights.begin();
    program.places.arena = memory.begin() + places.arena;
    program.places.scratch = memory.begin() + places.scratch;
    program.places.counters = memory.begin() + places.counters;
    program.places.parts = memory.begin() + places.parts;
    program.places.parameters = parameters;
    program.places.gradients = gradients;
    program.places.derived = derived;
  }
  squares = memory.begin() + places.squares;
  scalars = memory.begin() + places.scalars;
  squaresHost = pinned.bytes().subspan(places.squaresHost, places.squaresBytes);
  scalarsHost = pinned.bytes().subspan(places.scalarsHost, places.scalarsBytes);
  lossesHost = pinned.bytes().subspan(places.lossesHost, places.lossesBytes);
  for (size_t i = 0; i < slots.size(); ++i)
    for (size_t buffer = 0; buffer < train().buffers.size(); ++buffer) {
      auto [onDevice, onHost] = places.staged[i][buffer];
      const uint64_t bytes = isStaged(train().buffers[buffer]) ? train().buffers[buffer].bytes(groupImages) : 0;
      slots[i].staged.push_back(memory.begin() + onDevice);
      slots[i].host.push_back(pinned.bytes().subspan(onHost, bytes));
    }
  if (Error error = compute.zero(memory.begin() + places.counters, places.countersBytes))
    return error;
  return weights.upload(model, *pool, copiesIn);
}
