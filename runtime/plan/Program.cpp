//===- Program.cpp - a plan with its kernels' addresses -----------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/plan/Program.h"
#include "runtime/artifact/FileFormat.h"

#include <algorithm>

using namespace vitrt;

uint64_t Buffer::bytes(int64_t images) const {
  switch (kind) {
  case fb::BufferKind::Weight:
    return weightBytes;
  case fb::BufferKind::Parameter:
  case fb::BufferKind::Gradient:
  case fb::BufferKind::Derived:
    return bytesPerImage; // of the whole tensor
  case fb::BufferKind::Input:
  case fb::BufferKind::Output:
  case fb::BufferKind::Arena:
    break;
  }
  return bytesPerImage * uint64_t(images);
}

bool Program::onDevice() const { return std::ranges::any_of(launches, &Launch::onDevice); }

PartBytes Program::partBytes(int64_t images) const {
  PartBytes most;
  for (const Launch &launch : launches)
    for (size_t choice = 0; choice <= launch.larger.size(); ++choice) {
      const LaunchKernel &kernel = launch.chosen(choice);
      most.add(uint64_t(kernel.tasks(launch.mostImages(choice, images))), kernel.kernel->part_counters(), kernel.kernel->part_bytes());
    }
  return most;
}

Expected<Program> Program::resolve(const Artifact &artifact, const fb::Program &program) {
  const fb::Target &target = artifact.target();
  const bool onGpu = target.name()->string_view() == kCudaTarget;
  Program result;
  result.name = program.name()->str();
  result.arenaBytesPerImage = program.arena_bytes_per_image();
  result.groupImages = int64_t(program.group_images());
  result.scratchBytes = 0;

  for (const fb::Buffer *from : *program.buffers()) {
    Buffer buffer = {from->name() ? from->name()->str() : "",
                     from->kind(),
                     {},
                     from->offset_per_image(),
                     from->bytes_per_image(),
                     0,
                     0,
                     0,
                     from->type(),
                     from->scale(),
                     from->zero_point()};
    if (from->shape())
      buffer.shape.assign(from->shape()->begin(), from->shape()->end());
    if (from->kind() == fb::BufferKind::Weight) {
      buffer.weightOffset = target.weights()->Get(from->weight())->offset();
      buffer.weightBytes = target.weights()->Get(from->weight())->size();
    }
    result.buffers.push_back(std::move(buffer));
  }
  // An empty list is not in the file: a program that works on memory alone has neither.
  if (program.inputs())
    result.inputs.assign(program.inputs()->begin(), program.inputs()->end());
  if (program.outputs())
    result.outputs.assign(program.outputs()->begin(), program.outputs()->end());
  for (uint32_t slot = 0; slot < result.inputs.size(); ++slot)
    result.buffers[result.inputs[slot]].slot = slot;
  for (uint32_t slot = 0; slot < result.outputs.size(); ++slot)
    result.buffers[result.outputs[slot]].slot = slot;

  for (const fb::Launch *from : *program.launches()) {
    auto load = [&](int64_t fromImages, uint32_t number) -> Expected<LaunchKernel> {
      const fb::Kernel *kernel = target.kernels()->Get(number);
      // A GPU's kernels are in code that its driver loads.
      Expected<void *> function = onGpu ? Expected<void *>(nullptr) : artifact.code().get<void *>(kernel->symbol()->c_str());
      if (!function)
        return makeError(function.error().status, "{}: {}", artifact.name(), function.error().message);
      bool onDevice = kernel->threads() > 0;
      result.scratchBytes = std::max(result.scratchBytes, kernel->scratch_bytes());
      return LaunchKernel{fromImages, onDevice ? nullptr : reinterpret_cast<KernelFunction>(*function),
                          onDevice ? reinterpret_cast<emulator::Kernel>(*function) : nullptr, kernel};
    };
    Expected<LaunchKernel> first = load(1, from->kernel());
    if (!first)
      return std::move(first.error());
    Launch launch = {*first,          from->name()->str(),    {from->operands()->begin(), from->operands()->end()},
                     from->results(), from->flop_per_image(), {}};
    for (uint32_t i = 0; from->larger() && i < from->larger()->size(); ++i) {
      Expected<LaunchKernel> other = load(int64_t(from->larger()->Get(i)->images()), from->larger()->Get(i)->kernel());
      if (!other)
        return std::move(other.error());
      launch.larger.push_back(*other);
    }
    result.launches.push_back(std::move(launch));
  }
  return result;
}
