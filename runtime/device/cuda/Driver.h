//===- Driver.h - NVIDIA's driver, loaded when it is asked for ----------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_RUNTIME_DEVICE_CUDA_DRIVER_H
#define VITC_RUNTIME_DEVICE_CUDA_DRIVER_H

#include "runtime/Error.h"
#include "runtime/device/cuda/DriverApi.h"

#include <memory>

namespace vitrt::cuda {

/// The functions of libcuda.so.1. The library stays loaded once it is: it keeps threads of its own.
class Driver {
public:
  /// Loads and initializes `path`; empty: what the environment's VITRT_CUDA_DRIVER names, without it the system's libcuda.so.1.
  /// VITRT_ERROR_DEVICE if there is no driver, if it is too old, or finds no GPU.
  static Expected<std::shared_ptr<const Driver>> load(const std::string &path = "");

  const api::Functions *operator->() const { return &functions; }

  /// How many GPUs there are, at least 1.
  int devices() const { return deviceCount; }
  /// The newest CUDA version that the driver knows: 12040 is 12.4.
  int version() const { return cudaVersion; }

  /// "an illegal memory access was encountered (CUDA_ERROR_ILLEGAL_ADDRESS)".
  std::string describe(api::Result result) const;

  /// Success, or "WHAT: why not", VITRT_ERROR_DEVICE, VITRT_ERROR_MEMORY where there is too little of it.
  template <typename... Args> Error check(api::Result result, fmt::format_string<Args...> what, Args &&...args) const {
    if (result == api::Success) [[likely]]
      return Error::success();
    return makeError(result == api::OutOfMemory ? VITRT_ERROR_MEMORY : VITRT_ERROR_DEVICE, "{}: {}",
                     fmt::format(what, std::forward<Args>(args)...), describe(result));
  }

private:
  Driver() = default;
  Error open(const std::string &path);

  api::Functions functions;
  int deviceCount = 0, cudaVersion = 0;
};

} // namespace vitrt::cuda

#endif // VITC_RUNTIME_DEVICE_CUDA_DRIVER_H
