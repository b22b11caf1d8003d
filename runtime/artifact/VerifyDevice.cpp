//===- VerifyDevice.cpp - what a manifest says of a device's kernels ----------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/artifact/ManifestVerifier.h"

#include "runtime/artifact/GpuArchitecture.h"

using namespace vitrt;

bool ManifestVerifier::checkDeviceCode(const fb::Target &target, const std::string &where) {
  if (target.name()->string_view() != kCudaTarget)
    return (!target.architecture() && !target.ptx() && !target.cubin()) ||
           fail("{} has code of a GPU, which only a target '{}' has", where, kCudaTarget);
  if (!checkName(target.architecture(), where + ".architecture"))
    return false;
  if (!GpuArchitecture::parse(target.architecture()->string_view()))
    return fail("{}.architecture is '{}', expected a name as 'sm_80' or 'sm_90a'", where, target.architecture()->str());
  if (!target.ptx() || target.ptx()->size() == 0)
    return fail("{}.ptx is missing or empty", where);
  if (!checkSection(target.ptx(), where + ".ptx") || (target.cubin() && !checkSection(target.cubin(), where + ".cubin")))
    return false;
  if (target.cubin() && target.cubin()->size() == 0)
    return fail("{}.cubin is empty", where);
  for (uint32_t i = 0; i < sizeOf(target.kernels()); ++i)
    if (target.kernels()->Get(i)->threads() == 0)
      return fail("{}.kernels[{}] has blocks of no threads, and is for a GPU", where, i);
  return true;
}

/// The limits of cuTensorMapEncodeTiled (CUDA driver API, 6.29) that an emulated launch relies on as well.
bool ManifestVerifier::checkTensorMap(const fb::TensorMap &map, const std::string &where) {
  const uint32_t rank = sizeOf(map.sizes());
  if (rank < 2 || rank > 5 || sizeOf(map.strides()) != rank - 1 || sizeOf(map.box()) != rank)
    return fail("{} has {} sizes, {} strides and {} sides of a box; of 2 to 5 directions each but the innermost has a stride", where, rank,
                sizeOf(map.strides()), sizeOf(map.box()));
  if (map.element_bytes() != 2 && map.element_bytes() != 4)
    return fail("{} has elements of {} bytes, expected 2 or 4", where, map.element_bytes());
  const uint32_t swizzle = map.swizzle(), row = map.box()->Get(0) * map.element_bytes();
  if (swizzle != 0 && swizzle != 32 && swizzle != 64 && swizzle != 128)
    return fail("{}.swizzle is {}, expected 0, 32, 64 or 128", where, swizzle);
  for (uint32_t i = 0; i < rank; ++i) {
    if (map.sizes()->Get(i) == 0 || map.sizes()->Get(i) > kMaxCount)
      return fail("{}.sizes[{}] is {}, expected from 1 to {}", where, i, map.sizes()->Get(i), kMaxCount);
    if (map.box()->Get(i) == 0 || map.box()->Get(i) > 256)
      return fail("{}.box[{}] is {}, expected from 1 to 256", where, i, map.box()->Get(i));
    if (i + 1 < rank && (map.strides()->Get(i) == 0 || map.strides()->Get(i) % 16 != 0 || map.strides()->Get(i) > kMaxBytes))
      return fail("{}.strides[{}] is {}, expected a multiple of 16", where, i, map.strides()->Get(i));
  }
  return (row % 16 == 0 && (swizzle == 0 || row <= swizzle)) ||
         fail("{} moves rows of {} bytes in a swizzle of {}; rows are multiples of 16 bytes and no longer than the swizzle", where, row,
              swizzle);
}

bool ManifestVerifier::checkTensorMaps(const fb::Target &target, const fb::Program &program, const fb::Launch &launch,
                                       const std::string &where) {
  if (!checkTensorMaps(target, program, launch, *target.kernels()->Get(launch.kernel()), where))
    return false;
  for (uint32_t i = 0; i < sizeOf(launch.larger()); ++i)
    if (!checkTensorMaps(target, program, launch, *target.kernels()->Get(launch.larger()->Get(i)->kernel()), where))
      return false;
  return true;
}

bool ManifestVerifier::checkTensorMaps(const fb::Target &target, const fb::Program &program, const fb::Launch &launch,
                                       const fb::Kernel &kernel, const std::string &where) {
  for (uint32_t i = 0; i < sizeOf(kernel.tensor_maps()); ++i) {
    const fb::TensorMap &map = *kernel.tensor_maps()->Get(i);
    if (!checkIndex(map.operand(), sizeOf(launch.operands()),
                    fmt::format("{}: kernel '{}'.tensor_maps[{}].operand", where, kernel.symbol()->string_view(), i), "operands"))
      return false;
    const fb::Buffer &buffer = *program.buffers()->Get(launch.operands()->Get(map.operand()));
    const bool weight = buffer.kind() == fb::BufferKind::Weight;
    if (map.per_image() && weight)
      return fail("{} sees the weight in buffer {} as images", where, launch.operands()->Get(map.operand()));
    uint64_t bytes = weight ? target.weights()->Get(buffer.weight())->size() : buffer.bytes_per_image();
    unsigned __int128 end = (unsigned __int128)map.sizes()->Get(0) * map.element_bytes();
    for (uint32_t axis = 1; axis < sizeOf(map.sizes()); ++axis)
      end += (unsigned __int128)(map.sizes()->Get(axis) - 1) * map.strides()->Get(axis - 1);
    if (map.per_image() && map.sizes()->Get(sizeOf(map.sizes()) - 1) * map.strides()->Get(sizeOf(map.strides()) - 1) != bytes)
      return fail("{}: kernel '{}' sees images of {} bytes in buffer {}, where they have {}", where, kernel.symbol()->string_view(),
                  map.sizes()->Get(sizeOf(map.sizes()) - 1) * map.strides()->Get(sizeOf(map.strides()) - 1),
                  launch.operands()->Get(map.operand()), bytes);
    if (end > bytes)
      return fail("{}: kernel '{}' sees more of buffer {} than its {} bytes", where, kernel.symbol()->string_view(),
                  launch.operands()->Get(map.operand()), bytes);
  }
  return true;
}
