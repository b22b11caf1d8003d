//===- EmulatedTasks.cpp - blocks of device kernels among a pool's workers ----------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/plan/EmulatedTasks.h"

using namespace vitrt;

EmulatedTasks::EmulatedTasks(unsigned workers, uint64_t seed) {
  // Each has its own order of threads: no result may depend on one.
  for (unsigned i = 0; i < workers; ++i)
    emulators.push_back(std::make_unique<emulator::Emulator>(seed + i));
}

int64_t EmulatedTasks::blocks(const Launch &launch, int64_t images) {
  // Few of a persistent kernel, so that each has several tiles.
  constexpr int64_t resident = 3;
  return launch.kernelFor(images).blocks(images, resident);
}

/// How the copy engine sees an operand of a group.
static emulator::TensorMap tensorMap(const fb::TensorMap &from, const std::byte *data, int64_t images) {
  emulator::TensorMap map = {data, int32_t(from.element_bytes()), int32_t(from.sizes()->size()), {}, {}, {}, int32_t(from.swizzle())};
  map.strides[0] = map.elementBytes;
  for (int32_t axis = 0; axis < map.rank; ++axis) {
    map.sizes[axis] = int64_t(from.sizes()->Get(uint32_t(axis))) * (from.per_image() && axis + 1 == map.rank ? images : 1);
    map.box[axis] = int32_t(from.box()->Get(uint32_t(axis)));
    if (axis > 0)
      map.strides[axis] = int64_t(from.strides()->Get(uint32_t(axis - 1)));
  }
  return map;
}

void EmulatedTasks::run(unsigned worker, const emulator::LaunchShape &shape, std::span<const emulator::Operand> operands, int64_t images,
                        int64_t begin, int64_t end) {
  if (failed)
    return;
  Error error = emulators[worker]->run(shape, operands, images, begin, end);
  std::scoped_lock lock(failing);
  if (!error || failed)
    return;
  failure = std::move(error);
  failed = true;
}

void EmulatedTasks::run(unsigned worker, const Program &program, const Launch &launch, void *const *operands, int64_t images, int64_t begin,
                        int64_t end, std::byte *scratch, const PartMemory &parts) {
  std::vector<emulator::Operand> memory;
  for (size_t i = 0; i < launch.operands.size(); ++i)
    memory.push_back({static_cast<std::byte *>(operands[i]), program.buffers[launch.operands[i]].bytes(images),
                      i + launch.results >= launch.operands.size()});
  const LaunchKernel &chosen = launch.kernelFor(images);
  const fb::Kernel &kernel = *chosen.kernel;
  if (kernel.part_bytes() > 0) {
    const auto tasks = uint64_t(chosen.tasks(images));
    memory.push_back({parts.counters, tasks * chosen.counterBytes(), true});
    memory.push_back({parts.sums, tasks * kernel.part_bytes(), true});
  }
  std::vector<emulator::TensorMap> maps;
  for (uint32_t i = 0; kernel.tensor_maps() && i < kernel.tensor_maps()->size(); ++i) {
    const fb::TensorMap &map = *kernel.tensor_maps()->Get(i);
    maps.push_back(tensorMap(map, static_cast<const std::byte *>(operands[map.operand()]), images));
  }
  run(worker,
      {kernel.symbol()->string_view(), launch.name, chosen.deviceFunction, int32_t(kernel.threads()), kernel.shared_bytes(), scratch,
       int32_t(blocks(launch, images)), maps, kernel.scratch_bytes()},
      memory, images, begin, end);
}

Error EmulatedTasks::takeFailure(std::string_view artifact) {
  std::scoped_lock lock(failing);
  if (!failed.exchange(false))
    return Error::success();
  return makeError(failure.status, "{}: {}", artifact, failure.message);
}
