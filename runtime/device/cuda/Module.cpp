//===- Module.cpp - kernels loaded to a GPU -----------------------------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/device/cuda/Module.h"

#include <algorithm>
#include <array>
#include <cstring>

using namespace vitrt;
using namespace vitrt::cuda;

namespace {

/// What the driver's compiler complains of, on one line.
std::string firstLine(const char *log) {
  std::string_view text(log);
  text = text.substr(0, text.find('\0'));
  text = text.substr(0, text.find('\n'));
  return text.empty() ? "" : fmt::format("; its compiler says: {}", text);
}

} // namespace

Expected<Module> Module::load(const Device &device, std::span<const std::byte> cubin, std::span<const std::byte> ptx) {
  const Driver &driver = device.driver();
  Module module;
  module.device = &device;
  api::Module loaded = nullptr;
  api::Result machineCode = api::NoBinaryForGpu;
  if (!cubin.empty()) {
    machineCode = driver->moduleLoadDataEx(&loaded, cubin.data(), 0, nullptr, nullptr);
    if (machineCode == api::Success) {
      module.handle = {device, loaded};
      return module;
    }
  }
  // A driver that is older than the toolkit refuses its machine code, and may still compile the text.
  if (ptx.empty())
    return driver.check(machineCode, "{} does not take the kernels' machine code, and there is no PTX", device.describe());
  // The driver reads a string.
  std::string text(reinterpret_cast<const char *>(ptx.data()), ptx.size());
  std::array<char, 8192> log = {};
  api::JitOption options[] = {api::ErrorLogBuffer, api::ErrorLogBufferSizeBytes};
  void *values[] = {log.data(), reinterpret_cast<void *>(log.size() - 1)};
  api::Result result = driver->moduleLoadDataEx(&loaded, text.c_str(), std::size(options), options, values);
  if (Error error = driver.check(result, "{} does not take the kernels", device.describe()))
    return makeError(error.status, "{}{}", error.message, firstLine(log.data()));
  module.handle = {device, loaded};
  module.codeOrigin = "PTX, compiled by the driver";
  if (!cubin.empty())
    module.codeOrigin += ", which did not take the machine code: " + driver.describe(machineCode);
  return module;
}

Expected<Function> Module::function(const std::string &symbol, unsigned threads, uint64_t sharedBytes) const {
  const Driver &driver = device->driver();
  if (sharedBytes > device->sharedBytes())
    return makeError(VITRT_ERROR_DEVICE, "kernel '{}' needs {} bytes of shared memory, but a block of {} has {} at most", symbol,
                     sharedBytes, device->describe(), device->sharedBytes());
  Function function;
  if (Error error = driver.check(driver->moduleGetFunction(&function.handle, handle.get(), symbol.c_str()),
                                 "there is no kernel '{}' in the file's code", symbol))
    return error;
  if (Error error = driver.check(driver->funcSetAttribute(function.handle, api::MaxDynamicSharedSizeBytes, int(sharedBytes)),
                                 "kernel '{}' does not get its {} bytes of shared memory", symbol, sharedBytes))
    return error;
  if (Error error = driver.check(
          driver->occupancyMaxActiveBlocksPerMultiprocessor(&function.blocksPerMultiprocessor, function.handle, int(threads), sharedBytes),
          "kernel '{}' cannot be measured", symbol))
    return error;
  if (function.blocksPerMultiprocessor < 1)
    return makeError(VITRT_ERROR_DEVICE, "kernel '{}' in blocks of {} threads with {} bytes of shared memory does not fit on {}", symbol,
                     threads, sharedBytes, device->describe());
  return function;
}
