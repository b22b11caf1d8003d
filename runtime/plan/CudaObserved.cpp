//===- CudaObserved.cpp - launches one by one, for who wants to see them ------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/plan/CudaExecutor.h"

#include <algorithm>

using namespace vitrt;
using namespace vitrt::cuda;

using Clock = LaunchEvent::Clock;

static Clock::duration fromSeconds(double seconds) {
  return std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
}

Error CudaExecutor::runObserved(const Batch &batch, const Group &group) {
  Slot &slot = slots[0];
  auto named = [&](const Error &error) { return makeError(error.status, "{}: {}", model.artifact().name(), error.message); };
  if (Error error = copyIn(batch, group, slot))
    return named(error);
  if (Error error = copiesIn.wait())
    return named(error);
  if (Error error = batch.observer->readsResults() ? observeResults(batch, group) : observeTimes(batch, group))
    return error;
  for (uint32_t index : program.outputs) {
    const Buffer &buffer = program.buffers[index];
    const uint64_t bytes = buffer.bytesPerImage * uint64_t(group.images);
    if (Error error = compute.copyToHost(slot.host[index].first(bytes), slot.places.staged[index]))
      return named(error);
    if (Error error = compute.wait())
      return named(error);
    copy(reinterpret_cast<std::byte *>(batch.outputs[buffer.slot]) + uint64_t(group.first) * buffer.bytesPerImage, slot.host[index].data(),
         bytes);
  }
  return Error::success();
}

/// Launches follow each other as they do without an observer, with events between them.
Error CudaExecutor::observeTimes(const Batch &batch, const Group &group) {
  auto named = [&](const Error &error) { return makeError(error.status, "{}: {}", model.artifact().name(), error.message); };
  std::vector<Event> moments;
  for (size_t i = 0; i <= launches.size(); ++i) {
    Expected<Event> moment = Event::create(device);
    if (!moment)
      return named(moment.error());
    moments.push_back(std::move(*moment));
  }
  if (Error error = compute.record(moments[0]))
    return named(error);
  if (Error error = moments[0].wait(device))
    return named(error);
  const Clock::time_point origin = Clock::now();
  for (size_t i = 0; i < launches.size(); ++i) {
    if (Error error = launches.start(i, group.images, slots[0].places, compute))
      return error;
    if (Error error = compute.record(moments[i + 1]))
      return named(error);
  }
  if (Error error = compute.wait())
    return named(error);
  std::vector<void *> nothing;
  double begin = 0;
  for (size_t i = 0; i < launches.size(); ++i) {
    Expected<double> end = moments[i + 1].secondsSince(device, moments[0]);
    if (!end)
      return named(end.error());
    const Launch &launch = program.launches[i];
    nothing.resize(std::max(nothing.size(), launch.operands.size()));
    batch.observer->launched({program, i, launch, /*worker=*/0, /*split=*/false, group.first, group.images, origin + fromSeconds(begin),
                              origin + fromSeconds(*end), nothing.data()});
    begin = *end;
  }
  return Error::success();
}

/// Each launch is waited for, and its results copied: what fails is known by name.
Error CudaExecutor::observeResults(const Batch &batch, const Group &group) {
  const CudaLaunches::Places &places = slots[0].places;
  auto resultsOf = [](const Launch &launch) { return std::span(launch.operands).last(launch.results); };
  auto bytesOf = [&](uint32_t index) { return program.buffers[index].bytesPerImage * uint64_t(group.images); };
  uint64_t room = 0;
  for (const Launch &launch : program.launches) {
    uint64_t bytes = 0;
    for (uint32_t index : resultsOf(launch))
      bytes += bytesOf(index);
    room = std::max(room, bytes);
  }
  Expected<PinnedMemory> results = PinnedMemory::allocate(device, room, "a launch's results");
  if (!results)
    return makeError(results.error().status, "{}: {}", model.artifact().name(), results.error().message);
  for (size_t i = 0; i < launches.size(); ++i) {
    const Launch &launch = program.launches[i];
    const Clock::time_point begin = Clock::now();
    if (Error error = launches.start(i, group.images, places, compute))
      return error;
    if (Error error = compute.wait())
      return launches.describe(i, group.images, error);
    const Clock::time_point end = Clock::now();
    std::vector<void *> operands(launch.operands.size());
    std::span<std::byte> rest = results->bytes();
    for (size_t r = 0; r < launch.results; ++r) {
      const uint32_t index = resultsOf(launch)[r];
      std::span<std::byte> here = rest.first(bytesOf(index));
      rest = rest.subspan(here.size());
      operands[launch.operands.size() - launch.results + r] = here.data();
      if (Error error = compute.copyToHost(here, launches.address(places, index, group.images)))
        return launches.describe(i, group.images, error);
    }
    if (Error error = compute.wait())
      return launches.describe(i, group.images, error);
    batch.observer->launched({program, i, launch, /*worker=*/0, /*split=*/false, group.first, group.images, begin, end, operands.data()});
  }
  return Error::success();
}
