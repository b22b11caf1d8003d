//===- TensorMap.h - how the copy engine sees memory --------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_RUNTIME_DEVICE_CUDA_TENSORMAP_H
#define VITC_RUNTIME_DEVICE_CUDA_TENSORMAP_H

#include "runtime/device/cuda/Device.h"

#include <vector>

namespace vitrt::cuda {

/// The schema's TensorMap for a number of images.
struct TensorView {
  uint32_t elementBytes;
  std::vector<uint64_t> sizes;   ///< elements, the innermost first
  std::vector<uint64_t> strides; ///< bytes, of all directions but the innermost
  std::vector<uint32_t> box;
  uint32_t swizzle; ///< bytes
};

/// A kernel's argument for memory at `data`; `operand` is its number in the launch, for the message.
Expected<api::TensorMap> encode(const Device &device, const TensorView &view, api::DevicePointer data, uint32_t operand);

} // namespace vitrt::cuda

#endif // VITC_RUNTIME_DEVICE_CUDA_TENSORMAP_H
