//===- TensorMap.cpp - how the copy engine sees memory ------------------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/device/cuda/TensorMap.h"

namespace vitrt::cuda {

static api::TensorSwizzle swizzleOf(uint32_t bytes) {
  switch (bytes) {
  case 128:
    return api::Swizzle128;
  case 64:
    return api::Swizzle64;
  case 32:
    return api::Swizzle32;
  default:
    return api::SwizzleNone;
  }
}

Expected<api::TensorMap> encode(const Device &device, const TensorView &view, api::DevicePointer data, uint32_t operand) {
  const std::vector<uint32_t> steps(view.sizes.size(), 1);
  api::TensorMap result;
  const Driver &driver = device.driver();
  if (Error error = driver.check(
          driver->tensorMapEncodeTiled(&result, view.elementBytes == 2 ? api::TensorUint16 : api::TensorUint32, uint32_t(view.sizes.size()),
                                       reinterpret_cast<void *>(data), view.sizes.data(), view.strides.data(), view.box.data(),
                                       steps.data(), api::InterleaveNone, swizzleOf(view.swizzle), api::Promotion256, api::FillZeros),
          "operand {} cannot be seen through a tensor map", operand))
    return error;
  return result;
}

} // namespace vitrt::cuda
