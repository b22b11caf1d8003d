//===- KernelArguments.h - what a device kernel takes ---------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_RUNTIME_DEVICE_CUDA_KERNELARGUMENTS_H
#define VITC_RUNTIME_DEVICE_CUDA_KERNELARGUMENTS_H

#include "runtime/device/cuda/TensorMap.h"

#include <cstdint>
#include <vector>

namespace vitrt::cuda {

/// The arguments of a launch of a kernel of a `.vitx` (docs/abi.md, "Kernels of a GPU").
struct KernelArguments {
  std::vector<api::DevicePointer> operands;
  bool hasParts = false; ///< whether it takes counters and partial sums
  api::DevicePointer counters = 0, parts = 0;
  int32_t images = 0;
  std::vector<api::TensorMap> maps;
  api::DevicePointer scratch = 0;
  uint64_t scratchBytes = 0; ///< of a block; 0: it takes none

  /// Their addresses, in the ABI's order. Valid as long as this is neither changed nor moved.
  std::vector<const void *> pointers() const {
    std::vector<const void *> all;
    for (const api::DevicePointer &operand : operands)
      all.push_back(&operand);
    if (hasParts)
      all.insert(all.end(), {&counters, &parts});
    all.push_back(&images);
    for (const api::TensorMap &map : maps)
      all.push_back(&map);
    if (scratchBytes > 0)
      all.insert(all.end(), {&scratch, &scratchBytes});
    return all;
  }
};

} // namespace vitrt::cuda

#endif // VITC_RUNTIME_DEVICE_CUDA_KERNELARGUMENTS_H
