//===- CudaMemory.h - what a GPU copies and keeps for a program ----------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_RUNTIME_PLAN_CUDAMEMORY_H
#define VITC_RUNTIME_PLAN_CUDAMEMORY_H

#include "runtime/device/cpu/ThreadPool.h"
#include "runtime/device/cuda/Stream.h"
#include "runtime/plan/Model.h"

#include <array>
#include <map>
#include <string>

namespace vitrt {

/// Offsets within an allocation of a GPU's memory: what the driver aligns allocations to.
inline constexpr uint64_t kDeviceAlignment = 256;

/// The GPU begins to copy once so much is in pinned memory, and the rest follows meanwhile.
inline constexpr uint64_t kCopyPiece = 32 << 20;

/// Copies within the host's memory, by several threads where it is much.
void copyOnHost(ThreadPool &pool, std::byte *to, const std::byte *from, uint64_t bytes);

/// Takes memory of any size to a GPU and back, through two pieces of pinned memory: one is filled while the other is copied.
class CudaTransfer {
public:
  /// `most`: the bytes of the largest copy that comes often; larger ones go in parts. `pool` outlives this.
  static Expected<CudaTransfer> create(const cuda::Device &device, ThreadPool &pool, uint64_t most);

  /// Behind what `stream` does already; done when the call returns.
  Error toDevice(cuda::api::DevicePointer to, std::span<const std::byte> from, cuda::Stream &stream);
  Error toHost(std::span<std::byte> to, cuda::api::DevicePointer from, cuda::Stream &stream);

private:
  CudaTransfer(const cuda::Device &device, ThreadPool &pool) : device(&device), pool(&pool) {}

  const cuda::Device *device;
  ThreadPool *pool;
  cuda::PinnedMemory pinned;
  uint64_t piece = 0;
  std::array<cuda::Event, 2> copied;
};

/// The packed weights that some of a model's programs read, on its GPU: of a training artifact's file not the parameters.
class CudaWeights {
public:
  static Expected<CudaWeights> allocate(const Model &model, std::span<const Program *const> programs);
  CudaWeights() = default;

  /// Copies them from the model; waits.
  Error upload(const Model &model, ThreadPool &pool, cuda::Stream &stream) const;
  /// Where the first of all the model's weights would be.
  cuda::api::DevicePointer begin() const { return memory.begin() - first; }
  uint64_t bytes() const { return memory.bytes(); }

private:
  uint64_t first = 0; ///< byte of the model's weights that the memory begins with
  cuda::DeviceMemory memory;
};

/// Launches that are started again and again, by what they depend on: a number of images. They become a graph when they come for the second
/// time.
class CudaGraphs {
public:
  /// Has `start` give launches to `stream`, or starts those that it gave for `key` before.
  Error run(int64_t key, cuda::Stream &stream, const std::function<Error()> &start);
  /// For launches that are no longer the same. What runs must be over.
  void clear() { graphs.clear(); }

private:
  std::map<int64_t, cuda::Graph> graphs; ///< empty after the first time
};

/// "1 image", "64 images"
std::string countImages(int64_t images);

} // namespace vitrt

#endif // VITC_RUNTIME_PLAN_CUDAMEMORY_H
