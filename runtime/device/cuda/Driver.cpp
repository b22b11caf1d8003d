//===- Driver.cpp - NVIDIA's driver, loaded when it is asked for --------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/device/cuda/Driver.h"

#include <cstdlib>
#include <dlfcn.h>

using namespace vitrt;
using namespace vitrt::cuda;

namespace {

std::string pathOf(const std::string &given) {
  if (!given.empty())
    return given;
  const char *named = std::getenv("VITRT_CUDA_DRIVER");
  return named && *named ? named : "libcuda.so.1";
}

} // namespace

Expected<std::shared_ptr<const Driver>> Driver::load(const std::string &path) {
  std::shared_ptr<Driver> driver(new Driver);
  if (Error error = driver->open(pathOf(path)))
    return error;
  return std::shared_ptr<const Driver>(std::move(driver));
}

Error Driver::open(const std::string &path) {
  void *library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    const char *reason = dlerror();
    return makeError(VITRT_ERROR_DEVICE,
                     "there is no driver for NVIDIA GPUs on this machine: '{}' cannot be loaded ({}); --device=cpu needs none", path,
                     reason ? reason : "no reason given");
  }
  auto getProcAddress = reinterpret_cast<api::GetProcAddress>(dlsym(library, "cuGetProcAddress_v2"));
  if (!getProcAddress)
    return makeError(VITRT_ERROR_DEVICE,
                     "the driver '{}' has no cuGetProcAddress_v2: it is older than CUDA 12.0; update it to version 525 or newer", path);
  auto find = [&](auto &function, const char *name) -> Error {
    void *address = nullptr;
    api::AddressStatus status = api::AddressFound;
    api::Result result = getProcAddress(name, &address, api::kApiVersion, 0, &status);
    if (result != api::Success || status != api::AddressFound || !address)
      return makeError(VITRT_ERROR_DEVICE, "the driver '{}' has no {}, which every driver of CUDA 12.0 or newer has; update it", path,
                       name);
    function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(address);
    return Error::success();
  };
#define X(member, name, parameters)                                                                                                        \
  if (Error error = find(functions.member, #name))                                                                                         \
    return error;
  VITRT_CUDA_FUNCTIONS(X)
#undef X

  if (api::Result result = functions.init(0); result == api::NoDevice)
    return makeError(VITRT_ERROR_DEVICE, "the driver '{}' finds no NVIDIA GPU that this process may use", path);
  else if (Error error = check(result, "the driver '{}' cannot be initialized", path))
    return error;
  if (Error error = check(functions.driverGetVersion(&cudaVersion), "the driver '{}' does not say its version", path))
    return error;
  if (Error error = check(functions.deviceGetCount(&deviceCount), "the driver '{}' cannot count its GPUs", path))
    return error;
  if (deviceCount < 1)
    return makeError(VITRT_ERROR_DEVICE, "the driver '{}' finds no NVIDIA GPU that this process may use", path);
  return Error::success();
}

std::string Driver::describe(api::Result result) const {
  const char *text = nullptr, *name = nullptr;
  bool known =
      functions.getErrorString(result, &text) == api::Success && functions.getErrorName(result, &name) == api::Success && text && name;
  return known ? fmt::format("{} ({})", text, name) : fmt::format("error {}, which the driver has no name for", int(result));
}
