//===- Device.cpp - one of NVIDIA's GPUs --------------------------------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/device/cuda/Device.h"

using namespace vitrt;
using namespace vitrt::cuda;

Expected<std::shared_ptr<const Device>> Device::open(std::shared_ptr<const Driver> driver, int ordinal) {
  int count = driver->devices();
  if (ordinal < 0 || ordinal >= count)
    return makeError(VITRT_ERROR_DEVICE, "there is no GPU {}: the driver finds {}, counted from 0", ordinal,
                     count == 1 ? "one" : fmt::format("{} of them", count));
  std::shared_ptr<Device> device(new Device(std::move(driver), ordinal));
  if (Error error = device->initialize())
    return error;
  return std::shared_ptr<const Device>(std::move(device));
}

Error Device::initialize() {
  const Driver &d = *theDriver;
  char text[256] = "";
  if (Error error = d.check(d->deviceGet(&handle, ordinal), "GPU {} cannot be opened", ordinal))
    return error;
  if (Error error = d.check(d->deviceGetName(text, sizeof(text) - 1, handle), "GPU {} does not say its name", ordinal))
    return error;
  name = text;
  int shared = 0;
  for (auto [value, attribute] : {std::pair(&capabilityMajor, api::ComputeCapabilityMajor),
                                  {&capabilityMinor, api::ComputeCapabilityMinor},
                                  {&multiprocessorCount, api::MultiprocessorCount},
                                  {&shared, api::MaxSharedMemoryPerBlockOptin}})
    if (Error error = d.check(d->deviceGetAttribute(value, attribute, handle), "{} does not tell what it can do", describe()))
      return error;
  maxSharedBytes = uint64_t(shared);
  if (Error error = d.check(d->devicePrimaryCtxRetain(&context, handle), "{} cannot be used", describe()))
    return error;
  return makeCurrent();
}

Device::~Device() {
  if (context)
    (void)(*theDriver)->devicePrimaryCtxRelease(handle);
}

Error Device::makeCurrent() const { return theDriver->check((*theDriver)->ctxSetCurrent(context), "{} cannot be used", describe()); }

Expected<Device::Memory> Device::memory() const {
  Memory result = {};
  if (Error error =
          theDriver->check((*theDriver)->memGetInfo(&result.free, &result.total), "{} does not tell how much memory it has", describe()))
    return error;
  return result;
}
