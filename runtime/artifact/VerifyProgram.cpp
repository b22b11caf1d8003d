//===- VerifyProgram.cpp - bounds checks of the programs in a manifest --------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/artifact/ManifestVerifier.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <set>

using namespace vitrt;

/// Bytes of an element.
static uint64_t bytesOf(fb::NumberType type) {
  switch (type) {
  case fb::NumberType::F32:
  case fb::NumberType::TF32:
    return 4;
  case fb::NumberType::BF16:
  case fb::NumberType::F16:
    return 2;
  case fb::NumberType::I8:
    break;
  }
  return 1;
}

bool ManifestVerifier::checkBuffer(const fb::Target &target, const fb::Program &program, uint32_t index, const std::string &where) {
  const fb::Buffer &buffer = *program.buffers()->Get(index);
  if (buffer.kind() > fb::BufferKind::MAX || buffer.kind() < fb::BufferKind::MIN)
    return fail("{}.kind is {}", where, int(buffer.kind()));
  if (buffer.kind() == fb::BufferKind::Weight)
    return checkIndex(buffer.weight(), sizeOf(target.weights()), where + ".weight", "weights");

  if (buffer.type() > fb::NumberType::MAX || buffer.type() < fb::NumberType::MIN)
    return fail("{}.type is {}", where, int(buffer.type()));
  uint64_t elements = countElements(buffer.shape()), bytes = buffer.bytes_per_image(), size = bytesOf(buffer.type());
  const bool ofCaller = buffer.kind() == fb::BufferKind::Input || buffer.kind() == fb::BufferKind::Output;
  const bool pixels = buffer.kind() == fb::BufferKind::Input && buffer.type() == fb::NumberType::I8;
  if (elements == 0 || bytes == 0 || bytes > kMaxBytes || (bytes % sizeof(float) != 0 && !pixels) || elements * size > bytes)
    return fail("{} has {} bytes an image for {} elements", where, bytes, elements);
  if (ofCaller) {
    if (buffer.type() != fb::NumberType::F32 && !pixels)
      return fail("{} is of type {}; an output is f32, an input f32 or bytes", where, int(buffer.type()));
    if (pixels && (buffer.scale() != 1 || buffer.zero_point() != 0))
      return fail("{} is bytes on a grid of {} from {}; a picture's are the numbers themselves", where, buffer.scale(),
                  buffer.zero_point());
    return (checkName(buffer.name(), where + ".name") && elements * size == bytes) ||
           fail("{} has {} bytes an image for {} elements, and an input or output has no padding", where, bytes, elements);
  }

  if (buffer.kind() >= fb::BufferKind::Parameter) {
    if (!program.name()->string_view().starts_with("train"))
      return fail("{} is a place in the training state, of which '{}' knows nothing", where, program.name()->str());
    const fb::Training *training = target.training();
    uint64_t size = !training                                    ? 0
                    : buffer.kind() == fb::BufferKind::Parameter ? training->parameter_bytes()
                    : buffer.kind() == fb::BufferKind::Gradient  ? training->gradient_bytes()
                                                                 : training->derived_bytes();
    uint64_t offset = buffer.offset_per_image();
    return (offset % sizeof(float) == 0 && offset <= size && bytes <= size - offset) ||
           fail("{} has {} bytes from byte {} of {} of the training state", where, bytes, offset, size);
  }

  // Offsets and the arena are multiples of 64 an image, so for n images offset * n + alignTo(bytes * n, 64) stays below arena * n.
  uint64_t arena = program.arena_bytes_per_image(), offset = buffer.offset_per_image();
  if (offset % kBufferAlignment != 0 || offset > arena || bytes > arena - offset)
    return fail("{} has {} bytes an image from byte {}, which must be a multiple of {}, of an arena of {}", where, bytes, offset,
                kBufferAlignment, arena);
  return true;
}

static bool writesState(const fb::Program &program) {
  return std::any_of(program.buffers()->begin(), program.buffers()->end(),
                     [](const fb::Buffer *buffer) { return buffer->kind() >= fb::BufferKind::Parameter; });
}

/// Inputs and outputs are listed once each, all of them, and by different names.
bool ManifestVerifier::checkSignature(const fb::Program &program, const flatbuffers::Vector<uint32_t> *list, fb::BufferKind kind,
                                      const std::string &where) {
  std::set<uint32_t> seen;
  std::set<std::string_view> names;
  for (uint32_t i = 0; i < sizeOf(list); ++i) {
    uint32_t index = list->Get(i);
    if (!checkIndex(index, sizeOf(program.buffers()), fmt::format("{}[{}]", where, i), "buffers"))
      return false;
    if (program.buffers()->Get(index)->kind() != kind || !seen.insert(index).second)
      return fail("{}[{}] names buffer {}, which is of another kind or listed twice", where, i, index);
    if (std::string_view name = program.buffers()->Get(index)->name()->string_view(); !names.insert(name).second)
      return fail("{}[{}] is called '{}', as another one is", where, i, name);
  }
  for (uint32_t i = 0; i < sizeOf(program.buffers()); ++i)
    if (program.buffers()->Get(i)->kind() == kind && !seen.count(i))
      return fail("{} leaves out buffer {}, which is of that kind", where, i);
  // What works on the training state alone has neither inputs nor outputs.
  return !seen.empty() || writesState(program) || fail("{} is empty", where);
}

bool ManifestVerifier::checkLaunches(const fb::Target &target, const fb::Program &program, const std::string &where) {
  // A buffer may be read once something has written it; inputs and weights are there from the start and stay as they are.
  std::vector<bool> written(sizeOf(program.buffers()));
  auto kindOf = [&](uint32_t index) { return program.buffers()->Get(index)->kind(); };
  for (uint32_t i = 0; i < sizeOf(program.buffers()); ++i)
    written[i] = kindOf(i) == fb::BufferKind::Input || kindOf(i) >= fb::BufferKind::Weight;

  for (uint32_t l = 0; l < sizeOf(program.launches()); ++l) {
    const fb::Launch &launch = *program.launches()->Get(l);
    std::string at = fmt::format("{}.launches[{}]", where, l);
    if (!checkName(launch.name(), at + ".name") || !checkIndex(launch.kernel(), sizeOf(target.kernels()), at + ".kernel", "kernels"))
      return false;
    for (uint32_t i = 0; i < sizeOf(launch.larger()); ++i) {
      const fb::KernelChoice &choice = *launch.larger()->Get(i);
      uint64_t before = i > 0 ? launch.larger()->Get(i - 1)->images() : 1;
      if (!checkIndex(choice.kernel(), sizeOf(target.kernels()), fmt::format("{}.larger[{}].kernel", at, i), "kernels"))
        return false;
      if (choice.images() <= before || choice.images() > kMaxGroup)
        return fail("{}.larger[{}] is for {} images, expected more than {} and at most {}", at, i, choice.images(), before, kMaxGroup);
    }
    uint32_t operands = sizeOf(launch.operands());
    if (launch.results() == 0 || launch.results() > operands)
      return fail("{} writes {} of its {} operands", at, launch.results(), operands);
    for (uint32_t i = 0; i < operands; ++i) {
      uint32_t index = launch.operands()->Get(i);
      if (!checkIndex(index, sizeOf(program.buffers()), fmt::format("{}.operands[{}]", at, i), "buffers"))
        return false;
      bool result = i >= operands - launch.results();
      if (result &&
          (kindOf(index) == fb::BufferKind::Input || kindOf(index) == fb::BufferKind::Weight || kindOf(index) == fb::BufferKind::Parameter))
        return fail("{} ('{}') writes buffer {}, an input or a weight", at, launch.name()->str(), index);
      if (!result && !written[index])
        return fail("{} ('{}') reads buffer {} before anything has written it", at, launch.name()->str(), index);
      if (result)
        written[index] = true;
    }
    if (!checkScales(program, launch, at) || !checkTensorMaps(target, program, launch, at))
      return false;
  }
  for (uint32_t i = 0; i < sizeOf(program.outputs()); ++i)
    if (!written[program.outputs()->Get(i)])
      return fail("{}.outputs[{}] is never written", where, i);
  return true;
}

/// Rows of bytes lie on the buffer's grid, or the launch writes two numbers for each of them after it.
bool ManifestVerifier::checkScales(const fb::Program &program, const fb::Launch &launch, const std::string &where) {
  uint32_t operands = sizeOf(launch.operands());
  for (uint32_t i = operands - launch.results(); i < operands; ++i) {
    const fb::Buffer &bytes = *program.buffers()->Get(launch.operands()->Get(i));
    if (bytes.type() != fb::NumberType::I8)
      continue;
    if (bytes.scale() != 0) {
      if (!(bytes.scale() > 0 && std::isfinite(bytes.scale()) && bytes.zero_point() >= 0 && bytes.zero_point() <= 255))
        return fail("{} ('{}') writes bytes of scale {} and zero point {}, which are no grid", where, launch.name()->str(), bytes.scale(),
                    bytes.zero_point());
      continue;
    }
    if (sizeOf(bytes.shape()) == 0)
      return fail("{} ('{}') writes bytes without axes, expected rows", where, launch.name()->str());
    const fb::Buffer *scales = i + 1 < operands ? program.buffers()->Get(launch.operands()->Get(i + 1)) : nullptr;
    uint64_t rows = countElements(bytes.shape()) / bytes.shape()->Get(sizeOf(bytes.shape()) - 1);
    if (!scales || scales->type() != fb::NumberType::F32 || countElements(scales->shape()) != 2 * rows)
      return fail("{} ('{}') writes {} rows of bytes without two f32 for each after them", where, launch.name()->str(), rows);
  }
  return true;
}

bool ManifestVerifier::checkProgram(const fb::Target &target, const fb::Program &program, const std::string &where) {
  if (!checkName(program.name(), where + ".name"))
    return false;
  if (program.group_images() == 0 || program.group_images() > kMaxGroup)
    return fail("{}.group_images is {}, expected 1 to {}", where, program.group_images(), kMaxGroup);
  if (program.arena_bytes_per_image() > kMaxBytes || program.arena_bytes_per_image() % kBufferAlignment != 0)
    return fail("{}.arena_bytes_per_image is {}, expected a multiple of {}", where, program.arena_bytes_per_image(), kBufferAlignment);
  for (uint32_t i = 0; i < sizeOf(program.buffers()); ++i)
    if (!checkBuffer(target, program, i, fmt::format("{}.buffers[{}]", where, i)))
      return false;
  return checkSignature(program, program.inputs(), fb::BufferKind::Input, where + ".inputs") &&
         checkSignature(program, program.outputs(), fb::BufferKind::Output, where + ".outputs") && checkLaunches(target, program, where) &&
         checkMemory(target, program, where) && (program.name()->string_view() != "infer" || checkImages(program, where));
}

/// What a worker holds for the largest group: arena, copies of inputs and outputs, scratch. No sum of them that the runtime takes
/// overflows.
bool ManifestVerifier::checkMemory(const fb::Target &target, const fb::Program &program, const std::string &where) {
  unsigned __int128 bytes = program.arena_bytes_per_image();
  for (const fb::Buffer *buffer : *program.buffers())
    if (buffer->kind() == fb::BufferKind::Input || buffer->kind() == fb::BufferKind::Output)
      bytes += buffer->bytes_per_image() + kBufferAlignment;
  bytes *= program.group_images();
  uint64_t scratch = 0;
  for (const fb::Launch *launch : *program.launches())
    scratch = std::max(scratch, scratchOf(target, *launch));
  return bytes + scratch <= kMaxBytes ||
         fail("{} needs more than {} bytes for a group of {} images", where, kMaxBytes, program.group_images());
}

/// Inference takes the images that the model describes, and nothing else: callers prepare them by the description.
bool ManifestVerifier::checkImages(const fb::Program &program, const std::string &where) {
  const fb::Model &model = *manifest.model();
  bool matches = sizeOf(program.inputs()) == 1;
  if (matches) {
    const fb::Buffer &input = *program.buffers()->Get(program.inputs()->Get(0));
    std::vector<uint64_t> expected = {model.channels(), model.height(), model.width()};
    if (input.type() == fb::NumberType::I8)
      expected = {model.height(), model.width(), model.channels()};
    const auto *shape = input.shape();
    matches = sizeOf(shape) == expected.size() && std::equal(shape->begin(), shape->end(), expected.begin());
  }
  return matches || fail("{} is inference, but does not take one input of the model's images {} x {} x {}, or of their pixels", where,
                         model.channels(), model.height(), model.width());
}
