//===- Memory.h - memory of a GPU, and of the host for copies ------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_RUNTIME_DEVICE_CUDA_MEMORY_H
#define VITC_RUNTIME_DEVICE_CUDA_MEMORY_H

#include "runtime/device/cuda/Device.h"

#include <span>

namespace vitrt::cuda {

/// A GPU's memory, aligned to 256 bytes; what is in it is not known.
class DeviceMemory {
public:
  /// VITRT_ERROR_MEMORY says how much `what` ("the weights") needs, and how much is free.
  static Expected<DeviceMemory> allocate(const Device &device, uint64_t bytes, const std::string &what);
  DeviceMemory() = default;

  api::DevicePointer begin() const { return handle.get(); }
  uint64_t bytes() const { return size; }

private:
  Handle<api::DevicePointer, &api::Functions::memFree> handle;
  uint64_t size = 0;
};

/// Memory of the host that the GPU reads and writes by itself, without the driver copying in between.
class PinnedMemory {
public:
  static Expected<PinnedMemory> allocate(const Device &device, uint64_t bytes, const std::string &what);
  PinnedMemory() = default;

  std::span<std::byte> bytes() const { return {static_cast<std::byte *>(handle.get()), size}; }

private:
  Handle<void *, &api::Functions::memFreeHost> handle;
  uint64_t size = 0;
};

} // namespace vitrt::cuda

#endif // VITC_RUNTIME_DEVICE_CUDA_MEMORY_H
