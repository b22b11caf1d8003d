//===- Memory.cpp - memory of a GPU, and of the host for copies ---------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/device/cuda/Memory.h"

using namespace vitrt;
using namespace vitrt::cuda;

static double megabytes(uint64_t bytes) { return double(bytes) / (1 << 20); }

Expected<DeviceMemory> DeviceMemory::allocate(const Device &device, uint64_t bytes, const std::string &what) {
  DeviceMemory memory;
  if (bytes == 0)
    return memory;
  const Driver &driver = device.driver();
  api::DevicePointer pointer = 0;
  api::Result result = driver->memAlloc(&pointer, bytes);
  if (result == api::OutOfMemory) {
    Expected<Device::Memory> there = device.memory();
    if (!there)
      return std::move(there.error());
    return makeError(VITRT_ERROR_MEMORY, "{:.1f} MB are needed for {}, but of the {:.1f} MB of {} only {:.1f} MB are free",
                     megabytes(bytes), what, megabytes(there->total), device.describe(), megabytes(there->free));
  }
  if (Error error = driver.check(result, "{} gives no {} bytes for {}", device.describe(), bytes, what))
    return error;
  memory.handle = {device, pointer};
  memory.size = bytes;
  return memory;
}

Expected<PinnedMemory> PinnedMemory::allocate(const Device &device, uint64_t bytes, const std::string &what) {
  PinnedMemory memory;
  if (bytes == 0)
    return memory;
  void *pointer = nullptr;
  const Driver &driver = device.driver();
  if (Error error =
          driver.check(driver->memHostAlloc(&pointer, bytes, 0), "the host's memory for {} ({} bytes) cannot be pinned", what, bytes))
    return error;
  memory.handle = {device, pointer};
  memory.size = bytes;
  return memory;
}
