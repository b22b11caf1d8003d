//===- Stream.cpp - work that a GPU does in order -----------------------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/device/cuda/Stream.h"

using namespace vitrt;
using namespace vitrt::cuda;

Expected<Event> Event::create(const Device &device) {
  api::Event created = nullptr;
  const Driver &driver = device.driver();
  if (Error error = driver.check(driver->eventCreate(&created, api::kEventDefault), "{} makes no event", device.describe()))
    return error;
  Event event;
  event.handle = {device, created};
  return event;
}

Error Event::wait(const Device &device) const {
  const Driver &driver = device.driver();
  return driver.check(driver->eventSynchronize(get()), "{} failed at its work", device.describe());
}

Expected<double> Event::secondsSince(const Device &device, const Event &begin) const {
  float milliseconds = 0;
  const Driver &driver = device.driver();
  if (Error error = driver.check(driver->eventElapsedTime(&milliseconds, begin.get(), get()), "{} does not tell times", device.describe()))
    return error;
  return double(milliseconds) * 1e-3;
}

Expected<Stream> Stream::create(const Device &device) {
  api::Stream created = nullptr;
  const Driver &driver = device.driver();
  if (Error error = driver.check(driver->streamCreate(&created, api::kStreamNonBlocking), "{} makes no stream", device.describe()))
    return error;
  Stream stream;
  stream.device = &device;
  stream.handle = {device, created};
  return stream;
}

Error Stream::copyToDevice(api::DevicePointer to, std::span<const std::byte> from) {
  const Driver &driver = device->driver();
  return driver.check(driver->memcpyHtoDAsync(to, from.data(), from.size(), get()), "{} bytes cannot be copied to {}", from.size(),
                      device->describe());
}

Error Stream::copyToHost(std::span<std::byte> to, api::DevicePointer from) {
  const Driver &driver = device->driver();
  return driver.check(driver->memcpyDtoHAsync(to.data(), from, to.size(), get()), "{} bytes cannot be copied from {}", to.size(),
                      device->describe());
}

Error Stream::zero(api::DevicePointer begin, uint64_t bytes) {
  if (bytes == 0)
    return Error::success();
  const Driver &driver = device->driver();
  return driver.check(driver->memsetD32Async(begin, 0, bytes / sizeof(uint32_t), get()), "{} bytes of {} cannot be zeroed", bytes,
                      device->describe());
}

Error Stream::waitFor(const Event &event) {
  const Driver &driver = device->driver();
  return driver.check(driver->streamWaitEvent(get(), event.get(), 0), "a stream of {} cannot wait", device->describe());
}

Error Stream::record(const Event &event) {
  const Driver &driver = device->driver();
  return driver.check(driver->eventRecord(event.get(), get()), "{} records no event", device->describe());
}

Error Stream::wait() {
  const Driver &driver = device->driver();
  return driver.check(driver->streamSynchronize(get()), "{} failed at its work", device->describe());
}

Expected<Graph> Stream::capture(const std::function<Error()> &work) {
  const Driver &driver = device->driver();
  // Of this thread alone: what other threads do with the GPU meanwhile is no part of it.
  if (Error error = driver.check(driver->streamBeginCapture(get(), api::CaptureThreadLocal), "{} records no graph", device->describe()))
    return error;
  Error failed = work();
  api::Graph recorded = nullptr;
  api::Result ended = driver->streamEndCapture(get(), &recorded);
  Handle<api::Graph, &api::Functions::graphDestroy> owner(*device, recorded);
  // A launch that was refused ends the recording too, which then is no news.
  if (failed)
    return failed;
  if (Error error = driver.check(ended, "{} records no graph", device->describe()))
    return error;
  api::GraphExec instance = nullptr;
  if (Error error = driver.check(driver->graphInstantiate(&instance, recorded, 0), "{} makes no graph of the launches", device->describe()))
    return error;
  Graph graph;
  graph.handle = {*device, instance};
  return graph;
}

Error Stream::launch(const Graph &graph) {
  const Driver &driver = device->driver();
  return driver.check(driver->graphLaunch(graph.handle.get(), get()), "{} does not start the launches", device->describe());
}

Error Stream::launch(const KernelLaunch &launch) {
  const Driver &driver = device->driver();
  api::LaunchAttribute attribute = {.id = api::ProgrammaticStreamSerialization, .value = {.allowed = 1}};
  api::LaunchConfig config = {launch.blocks,         1, 1, launch.threads, 1, 1, unsigned(launch.sharedBytes), get(), &attribute,
                              launch.early ? 1u : 0u};
  return driver.check(driver->launchKernelEx(&config, launch.function.handle, const_cast<void **>(launch.arguments.data()), nullptr),
                      "{} refuses {} blocks of {} threads with {} bytes of shared memory", device->describe(), launch.blocks,
                      launch.threads, launch.sharedBytes);
}
