//===- Module.h - kernels loaded to a GPU --------------------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_RUNTIME_DEVICE_CUDA_MODULE_H
#define VITC_RUNTIME_DEVICE_CUDA_MODULE_H

#include "runtime/device/cuda/Device.h"

#include <span>

namespace vitrt::cuda {

/// A kernel as the driver knows it.
struct Function {
  api::Function handle = nullptr;
  /// How many blocks of a launch run at the same time on one multiprocessor.
  int blocksPerMultiprocessor = 0;
};

class Module {
public:
  /// Loads machine code (`cubin`) if there is any and the driver takes it; else has the driver compile `ptx`, whose compiler's complaint is
  /// the error. Either may be empty.
  static Expected<Module> load(const Device &device, std::span<const std::byte> cubin, std::span<const std::byte> ptx);
  Module() = default;

  /// A kernel, ready to be launched in blocks of `threads` with `sharedBytes` of shared memory.
  Expected<Function> function(const std::string &symbol, unsigned threads, uint64_t sharedBytes) const;

  /// "machine code"; "PTX, compiled by the driver", and why it took no machine code if it was given some.
  const std::string &origin() const { return codeOrigin; }

private:
  const Device *device = nullptr;
  Handle<api::Module, &api::Functions::moduleUnload> handle;
  std::string codeOrigin = "machine code";
};

} // namespace vitrt::cuda

#endif // VITC_RUNTIME_DEVICE_CUDA_MODULE_H
