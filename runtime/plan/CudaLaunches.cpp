//===- CudaLaunches.cpp - a program's launches on a GPU -----------------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/plan/CudaLaunches.h"

#include "runtime/artifact/FileFormat.h"
#include "runtime/device/cuda/KernelArguments.h"

#include <algorithm>
#include <limits>

using namespace vitrt;
using namespace vitrt::cuda;

Expected<std::shared_ptr<const Module>> vitrt::loadCode(const Model &model) {
  const Artifact &artifact = model.artifact();
  const fb::Target &target = artifact.target();
  // Machine code runs on GPUs of the architecture's own major version; others compile the text.
  GpuArchitecture architecture = *GpuArchitecture::parse(target.architecture()->string_view());
  auto section = [&](const fb::Section *from) {
    return from ? artifact.bytes().subspan(from->offset(), from->size()) : std::span<const std::byte>();
  };
  bool isMachines = architecture.major == model.gpu()->major();
  Expected<Module> module =
      Module::load(*model.gpu(), isMachines ? section(target.cubin()) : std::span<const std::byte>(), section(target.ptx()));
  if (!module)
    return makeError(module.error().status, "{}: {}", artifact.name(), module.error().message);
  return std::shared_ptr<const Module>(std::make_shared<Module>(std::move(*module)));
}

Expected<CudaLaunches> CudaLaunches::load(const Model &model, const Program &program, std::shared_ptr<const Module> code,
                                          bool dependentLaunch) {
  CudaLaunches launches(model, program, std::move(code));
  launches.dependentLaunch = dependentLaunch;
  for (size_t i = 0; i < launches.size(); ++i) {
    const Launch &launch = launches.program->launches[i];
    constexpr int64_t mostBlocks = std::numeric_limits<int32_t>::max();
    launches.functions.emplace_back();
    auto add = [&](const LaunchKernel &chosen) -> Error {
      const fb::Kernel &kernel = *chosen.kernel;
      Expected<Function> function = launches.code->function(kernel.symbol()->str(), kernel.threads(), kernel.shared_bytes());
      if (!function)
        return launches.describe(i, chosen.fromImages, function.error());
      if (chosen.tasks(int64_t(kMaxGroup)) > mostBlocks)
        return launches.describe(i, chosen.fromImages,
                                 makeError(VITRT_ERROR_FORMAT, "it has more than {} blocks for {} images", mostBlocks, kMaxGroup));
      launches.functions.back().push_back(*function);
      return Error::success();
    };
    if (Error error = add(launch))
      return error;
    for (const LaunchKernel &other : launch.larger)
      if (Error error = add(other))
        return error;
  }
  return launches;
}

Error CudaLaunches::describe(size_t index, int64_t images, const Error &error) const {
  const Launch &launch = program->launches[index];
  return makeError(error.status, "{}: layer '{}', kernel '{}': {}", model->artifact().name(), launch.name,
                   launch.kernelFor(images).kernel->symbol()->str(), error.message);
}

unsigned CudaLaunches::blocks(size_t index, int64_t images) const {
  // Of a persistent kernel as many as run at the same time.
  int64_t most = int64_t(model->gpu()->multiprocessors()) * function(index, images).blocksPerMultiprocessor;
  return unsigned(program->launches[index].kernelFor(images).blocks(images, most));
}

uint64_t CudaLaunches::scratchBytes(int64_t images) const {
  uint64_t bytes = 0;
  // Fewer images may have another kernel.
  for (size_t i = 0; i < size(); ++i)
    for (size_t choice = 0; choice <= program->launches[i].larger.size(); ++choice)
      if (int64_t count = program->launches[i].mostImages(choice, images))
        bytes = std::max(bytes, alignTo(program->launches[i].chosen(choice).kernel->scratch_bytes(), kBufferAlignment) * blocks(i, count));
  return bytes;
}

api::DevicePointer CudaLaunches::address(const Places &places, size_t index, int64_t images) const {
  const Buffer &buffer = program->buffers[index];
  switch (buffer.kind) {
  case fb::BufferKind::Weight:
    return places.weights + buffer.weightOffset;
  case fb::BufferKind::Arena:
    return places.arena + buffer.offsetPerImage * uint64_t(images);
  case fb::BufferKind::Parameter:
    return places.parameters + buffer.offsetPerImage;
  case fb::BufferKind::Gradient:
    return places.gradients + buffer.offsetPerImage;
  case fb::BufferKind::Derived:
    return places.derived + buffer.offsetPerImage;
  case fb::BufferKind::Input:
  case fb::BufferKind::Output:
    return places.staged[index];
  }
  return 0;
}

Expected<api::TensorMap> CudaLaunches::encode(const fb::TensorMap &map, api::DevicePointer operand, int64_t images) const {
  TensorView view = {map.element_bytes(),
                     {map.sizes()->begin(), map.sizes()->end()},
                     {map.strides()->begin(), map.strides()->end()},
                     {map.box()->begin(), map.box()->end()},
                     map.swizzle()};
  if (map.per_image())
    view.sizes.back() *= uint64_t(images);
  return cuda::encode(*model->gpu(), view, operand, map.operand());
}

Error CudaLaunches::start(size_t index, int64_t images, const Places &places, Stream &stream) const {
  const Launch &launch = program->launches[index];
  const fb::Kernel &kernel = *launch.kernelFor(images).kernel;
  KernelArguments arguments;
  for (uint32_t operand : launch.operands)
    arguments.operands.push_back(address(places, operand, images));
  for (uint32_t i = 0; kernel.tensor_maps() && i < kernel.tensor_maps()->size(); ++i) {
    const fb::TensorMap &map = *kernel.tensor_maps()->Get(i);
    Expected<api::TensorMap> encoded = encode(map, arguments.operands[map.operand()], images);
    if (!encoded)
      return describe(index, images, encoded.error());
    arguments.maps.push_back(*encoded);
  }
  arguments.hasParts = kernel.part_bytes() > 0;
  arguments.counters = places.counters;
  arguments.parts = places.parts;
  arguments.images = int32_t(images);
  arguments.scratch = places.scratch;
  arguments.scratchBytes = alignTo(kernel.scratch_bytes(), kBufferAlignment);
  // What comes before the first one is no launch.
  const bool early = dependentLaunch && kernel.dependent() && index > 0;
  const std::vector<const void *> pointers = arguments.pointers();
  Error error = stream.launch({function(index, images), blocks(index, images), kernel.threads(), kernel.shared_bytes(), pointers, early});
  return error ? describe(index, images, error) : Error::success();
}

Error CudaLaunches::startAll(int64_t images, const Places &places, Stream &stream) const {
  for (size_t i = 0; i < size(); ++i)
    if (Error error = start(i, images, places, stream))
      return error;
  return Error::success();
}
