//===- CudaObserved.cpp - launches one by one, for who wants to see them ------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/plan/CudaLaunches.h"

#include <algorithm>

using namespace vitrt;
using namespace vitrt::cuda;

using Clock = LaunchEvent::Clock;

static Clock::duration fromSeconds(double seconds) {
  return std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
}

/// A group that somebody looks at.
struct CudaLaunches::Observed {
  int64_t firstImage, images;
  const Places &places;
  Stream &stream;
  LaunchObserver &observer;
};

Error CudaLaunches::observe(int64_t firstImage, int64_t images, const Places &places, Stream &stream, LaunchObserver &observer) const {
  const Observed observed = {firstImage, images, places, stream, observer};
  return observer.readsResults() ? observeResults(observed) : observeTimes(observed);
}

/// Launches follow each other as they do without an observer, with events between them.
Error CudaLaunches::observeTimes(const Observed &o) const {
  const Device &device = *model->gpu();
  auto named = [&](const Error &error) { return makeError(error.status, "{}: {}", model->artifact().name(), error.message); };
  std::vector<Event> moments;
  for (size_t i = 0; i <= size(); ++i) {
    Expected<Event> moment = Event::create(device);
    if (!moment)
      return named(moment.error());
    moments.push_back(std::move(*moment));
  }
  if (Error error = o.stream.record(moments[0]))
    return named(error);
  if (Error error = moments[0].wait(device))
    return named(error);
  const Clock::time_point origin = Clock::now();
  for (size_t i = 0; i < size(); ++i) {
    if (Error error = start(i, o.images, o.places, o.stream))
      return error;
    if (Error error = o.stream.record(moments[i + 1]))
      return named(error);
  }
  if (Error error = o.stream.wait())
    return named(error);
  std::vector<void *> nothing;
  double begin = 0;
  for (size_t i = 0; i < size(); ++i) {
    Expected<double> end = moments[i + 1].secondsSince(device, moments[0]);
    if (!end)
      return named(end.error());
    const Launch &launch = program->launches[i];
    nothing.resize(std::max(nothing.size(), launch.operands.size()));
    o.observer.launched({*program, i, launch, /*worker=*/0, /*split=*/false, o.firstImage, o.images, origin + fromSeconds(begin),
                         origin + fromSeconds(*end), nothing.data()});
    begin = *end;
  }
  return Error::success();
}

/// Each launch is waited for, and its results copied: what fails is known by name.
Error CudaLaunches::observeResults(const Observed &o) const {
  auto resultsOf = [](const Launch &launch) { return std::span(launch.operands).last(launch.results); };
  auto bytesOf = [&](uint32_t index) { return program->buffers[index].bytes(o.images); };
  uint64_t room = 0;
  for (const Launch &launch : program->launches) {
    uint64_t bytes = 0;
    for (uint32_t index : resultsOf(launch))
      bytes += bytesOf(index);
    room = std::max(room, bytes);
  }
  Expected<PinnedMemory> results = PinnedMemory::allocate(*model->gpu(), room, "a launch's results");
  if (!results)
    return makeError(results.error().status, "{}: {}", model->artifact().name(), results.error().message);
  for (size_t i = 0; i < size(); ++i) {
    const Launch &launch = program->launches[i];
    const Clock::time_point begin = Clock::now();
    if (Error error = start(i, o.images, o.places, o.stream))
      return error;
    if (Error error = o.stream.wait())
      return describe(i, o.images, error);
    const Clock::time_point end = Clock::now();
    std::vector<void *> operands(launch.operands.size());
    std::span<std::byte> rest = results->bytes();
    for (size_t r = 0; r < launch.results; ++r) {
      const uint32_t index = resultsOf(launch)[r];
      std::span<std::byte> here = rest.first(bytesOf(index));
      rest = rest.subspan(here.size());
      operands[launch.operands.size() - launch.results + r] = here.data();
      if (Error error = o.stream.copyToHost(here, address(o.places, index, o.images)))
        return describe(i, o.images, error);
    }
    if (Error error = o.stream.wait())
      return describe(i, o.images, error);
    o.observer.launched({*program, i, launch, /*worker=*/0, /*split=*/false, o.firstImage, o.images, begin, end, operands.data()});
  }
  return Error::success();
}
