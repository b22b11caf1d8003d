//===- Stream.h - work that a GPU does in order --------------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_RUNTIME_DEVICE_CUDA_STREAM_H
#define VITC_RUNTIME_DEVICE_CUDA_STREAM_H

#include "runtime/device/cuda/Memory.h"
#include "runtime/device/cuda/Module.h"

#include <functional>

namespace vitrt::cuda {

/// A moment in a stream's work, with its time.
class Event {
public:
  static Expected<Event> create(const Device &device);
  Event() = default;

  api::Event get() const { return handle.get(); }
  /// Waits on the host; at once if the event was never recorded. An error of any work before it comes out here.
  Error wait(const Device &device) const;
  /// From `begin` to this one, both of which have been waited for.
  Expected<double> secondsSince(const Device &device, const Event &begin) const;

private:
  Handle<api::Event, &api::Functions::eventDestroy> handle;
};

/// Launches recorded once, started by one call.
class Graph {
public:
  Graph() = default;
  explicit operator bool() const { return bool(handle); }

private:
  friend class Stream;
  Handle<api::GraphExec, &api::Functions::graphExecDestroy> handle;
};

/// A grid of blocks in one dimension.
struct KernelLaunch {
  Function function;
  unsigned blocks, threads;
  uint64_t sharedBytes;
  std::span<const void *const> arguments; ///< where the values of the kernel's arguments are; read before the call returns
  bool early = false;                     ///< may begin before the launch before it is over: the kernel waits itself
};

/// Copies and launches are done in the order in which they were given, later than the calls return.
class Stream {
public:
  static Expected<Stream> create(const Device &device);
  Stream() = default;

  api::Stream get() const { return handle.get(); }

  /// Pinned memory to the GPU's and back; the host leaves it alone until the copy is done.
  Error copyToDevice(api::DevicePointer to, std::span<const std::byte> from);
  Error copyToHost(std::span<std::byte> to, api::DevicePointer from);
  /// Zeroes `bytes`, a multiple of 4.
  Error zero(api::DevicePointer begin, uint64_t bytes);
  /// What follows waits until `event`, as it was recorded last, has happened; for nothing if it never was.
  Error waitFor(const Event &event);
  Error record(const Event &event);
  /// Waits on the host until everything is done.
  Error wait();

  /// What `work` gives to this stream, as a graph; nothing of it is done.
  Expected<Graph> capture(const std::function<Error()> &work);
  Error launch(const Graph &graph);
  Error launch(const KernelLaunch &launch);

private:
  const Device *device = nullptr;
  Handle<api::Stream, &api::Functions::streamDestroy> handle;
};

} // namespace vitrt::cuda

#endif // VITC_RUNTIME_DEVICE_CUDA_STREAM_H
