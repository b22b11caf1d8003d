//===- Device.h - one of NVIDIA's GPUs ----------------------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_RUNTIME_DEVICE_CUDA_DEVICE_H
#define VITC_RUNTIME_DEVICE_CUDA_DEVICE_H

#include "runtime/device/cuda/Driver.h"

namespace vitrt::cuda {

/// A GPU and its primary context, which this process' other users of the GPU share.
class Device {
public:
  /// `ordinal` as the driver counts them, from 0.
  static Expected<std::shared_ptr<const Device>> open(std::shared_ptr<const Driver> driver, int ordinal);
  ~Device();
  Device(const Device &) = delete;
  Device &operator=(const Device &) = delete;

  const Driver &driver() const { return *theDriver; }
  /// "GPU 0 ('NVIDIA H100 80GB HBM3')", for messages.
  std::string describe() const { return fmt::format("GPU {} ('{}')", ordinal, name); }

  /// Compute capability: 9 and 0 of an H100.
  int major() const { return capabilityMajor; }
  int minor() const { return capabilityMinor; }
  int multiprocessors() const { return multiprocessorCount; }
  /// The most shared memory that a block may have.
  uint64_t sharedBytes() const { return maxSharedBytes; }

  /// Makes the GPU the one that the calling thread's driver calls are about. Everything else here, and all of Memory.h, Stream.h and Module.h,
  /// wants that done once on its thread.
  Error makeCurrent() const;

  struct Memory {
    size_t free, total;
  };
  Expected<Memory> memory() const;

private:
  explicit Device(std::shared_ptr<const Driver> driver, int ordinal) : theDriver(std::move(driver)), ordinal(ordinal) {}
  Error initialize();

  std::shared_ptr<const Driver> theDriver;
  int ordinal;
  std::string name;
  int capabilityMajor = 0, capabilityMinor = 0, multiprocessorCount = 0;
  uint64_t maxSharedBytes = 0;
  api::Device handle = 0;
  api::Context context = nullptr;
};

/// What the driver made and destroys by `Destroy`, a member of api::Functions.
template <typename T, auto Destroy> class Handle {
public:
  Handle() = default;
  Handle(const Device &device, T value) : device(&device), value(value) {}
  Handle(Handle &&other) noexcept : device(other.device), value(std::exchange(other.value, T())) {}
  Handle &operator=(Handle &&other) noexcept {
    std::swap(device, other.device);
    std::swap(value, other.value);
    return *this;
  }
  /// After a kernel has failed nothing can be destroyed, and the process' end does it: the result says nothing new.
  ~Handle() {
    if (value)
      (void)(device->driver().operator->()->*Destroy)(value);
  }

  T get() const { return value; }
  explicit operator bool() const { return value != T(); }

private:
  const Device *device = nullptr;
  T value = T();
};

} // namespace vitrt::cuda

#endif // VITC_RUNTIME_DEVICE_CUDA_DEVICE_H
