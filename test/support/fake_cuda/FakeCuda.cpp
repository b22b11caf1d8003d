//===- FakeCuda.cpp - the functions of NVIDIA's driver, without a GPU ---------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the runtime calls of libcuda.so.1, for tests: named by VITRT_CUDA_DRIVER, told by FAKE_CUDA (Settings.h) what to pretend. Kernels are
// found in PTX, which is read for their arguments, and run by the emulator from the code that Settings::code names. Calls that the real driver
// would refuse are refused; those that would be wrong or slow on it without being refused (a copy from memory that is not pinned) as well.
//
//===--------------------------------------------------------------------------------------===//

#include "test/support/fake_cuda/Driver.h"

#include <cstdio>
#include <cstring>

using namespace fakecuda;

// Never destroyed: the host's objects may outlive it.
Driver &fakecuda::driver() {
  static auto *one = new Driver;
  return *one;
}

api::Result fakecuda::enqueue(Driver &d, api::Stream handle, Work work) {
  auto *stream = to<Stream>(handle);
  if (!d.streams.has(stream))
    return api::InvalidValue;
  if (stream->capturing)
    stream->capturing->work.push_back(std::move(work));
  else
    stream->queue.push_back(std::move(work));
  return api::Success;
}

//===--------------------------------------------------------------------------------------===//
// The driver and its devices
//===--------------------------------------------------------------------------------------===//

api::Result calls::init(unsigned) {
  Driver &d = driver();
  std::scoped_lock lock(d.mutex);
  d.settings = Settings::read();
  d.random.seed(d.settings.seed);
  d.failure = api::Success;
  if (d.settings.timedLaunches)
    d.streams.pretend(std::chrono::nanoseconds(0));
  if (d.settings.initFails)
    return api::Result(999);
  d.ready = d.settings.devices > 0;
  return d.ready ? api::Success : api::NoDevice;
}

api::Result calls::driverGetVersion(int *version) { return *version = 13000, api::Success; }

static const std::pair<api::Result, std::pair<const char *, const char *>> kErrors[] = {
    {api::InvalidValue, {"CUDA_ERROR_INVALID_VALUE", "invalid argument"}},
    {api::OutOfMemory, {"CUDA_ERROR_OUT_OF_MEMORY", "out of memory"}},
    {api::NoDevice, {"CUDA_ERROR_NO_DEVICE", "no CUDA-capable device is detected"}},
    {api::InvalidDevice, {"CUDA_ERROR_INVALID_DEVICE", "invalid device ordinal"}},
    {api::InvalidImage, {"CUDA_ERROR_INVALID_IMAGE", "device kernel image is invalid"}},
    {api::Result(201), {"CUDA_ERROR_INVALID_CONTEXT", "invalid device context"}},
    {api::NoBinaryForGpu, {"CUDA_ERROR_NO_BINARY_FOR_GPU", "no kernel image is available for execution on the device"}},
    {api::InvalidPtx, {"CUDA_ERROR_INVALID_PTX", "a PTX JIT compilation failed"}},
    {api::NotFound, {"CUDA_ERROR_NOT_FOUND", "named symbol not found"}},
    {api::NotReady, {"CUDA_ERROR_NOT_READY", "device not ready"}},
    {api::IllegalAddress, {"CUDA_ERROR_ILLEGAL_ADDRESS", "an illegal memory access was encountered"}},
    {api::CaptureUnsupported, {"CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED", "operation not permitted when stream is capturing"}},
};

api::Result calls::getErrorName(api::Result result, const char **text) {
  for (const auto &[code, texts] : kErrors)
    if (code == result)
      return *text = texts.first, api::Success;
  return api::InvalidValue;
}

api::Result calls::getErrorString(api::Result result, const char **text) {
  for (const auto &[code, texts] : kErrors)
    if (code == result)
      return *text = texts.second, api::Success;
  return api::InvalidValue;
}

api::Result calls::deviceGetCount(int *count) { return *count = driver().settings.devices, api::Success; }

api::Result calls::deviceGet(api::Device *device, int ordinal) {
  *device = ordinal;
  return ordinal >= 0 && ordinal < driver().settings.devices ? api::Success : api::InvalidDevice;
}

api::Result calls::deviceGetName(char *name, int length, api::Device) {
  std::snprintf(name, size_t(length), "Fake GPU");
  return api::Success;
}

api::Result calls::deviceGetAttribute(int *value, api::DeviceAttribute attribute, api::Device) {
  const Settings &settings = driver().settings;
  switch (attribute) {
  case api::MultiprocessorCount:
    *value = settings.multiprocessors;
    return api::Success;
  case api::ComputeCapabilityMajor:
    *value = settings.major;
    return api::Success;
  case api::ComputeCapabilityMinor:
    *value = settings.minor;
    return api::Success;
  case api::MaxSharedMemoryPerBlockOptin:
    *value = int(settings.sharedBytes);
    return api::Success;
  }
  return api::InvalidValue;
}

api::Result calls::devicePrimaryCtxRetain(api::Context *context, api::Device) {
  *context = from<api::Context>(&driver());
  return api::Success;
}
api::Result calls::devicePrimaryCtxRelease(api::Device) { return api::Success; }
api::Result calls::ctxSetCurrent(api::Context context) {
  contextIsCurrent = context != nullptr;
  return api::Success;
}

extern "C" __attribute__((visibility("default"))) api::Result cuGetProcAddress_v2(const char *symbol, void **function, int version,
                                                                                  uint64_t, api::AddressStatus *status) {
  *function = nullptr;
#define X(member, name, parameters)                                                                                                        \
  if (std::strcmp(symbol, #name) == 0)                                                                                                     \
    *function = reinterpret_cast<void *>(&calls::member);
  VITRT_CUDA_FUNCTIONS(X)
#undef X
  if (version != api::kApiVersion || Settings::read().missing == symbol)
    *function = nullptr;
  *status = *function ? api::AddressFound : api::AddressNotFound;
  return *function ? api::Success : api::NotFound;
}
