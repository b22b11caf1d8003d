//===- Memory.cpp - offsets in the arena, and the checks on them ------------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/plan/Plan.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MathExtras.h"

using namespace vitc::plan;

static constexpr int64_t alignment = 64;

static int64_t paddedBytes(const Buffer &buffer) { return llvm::alignTo(buffer.bytesPerImage, alignment); }

static bool aliveTogether(const Buffer &a, const Buffer &b) { return a.firstLaunch <= b.lastLaunch && b.firstLaunch <= a.lastLaunch; }

static bool overlap(const Buffer &a, const Buffer &b) {
  return a.offsetPerImage < b.offsetPerImage + paddedBytes(b) && b.offsetPerImage < a.offsetPerImage + paddedBytes(a);
}

/// Greedy by size: the largest buffer first, each at the lowest offset that is free over its whole life (Pisarchyk and Lee 2020, "Efficient
/// Memory Management for Deep Neural Net Inference", algorithm 3).
int64_t vitc::plan::assignOffsets(std::vector<Buffer> &buffers) {
  std::vector<Buffer *> bySize;
  for (Buffer &buffer : buffers)
    if (buffer.kind == BufferKind::Arena)
      bySize.push_back(&buffer);
  llvm::sort(bySize, [](const Buffer *a, const Buffer *b) {
    return a->bytesPerImage != b->bytesPerImage ? a->bytesPerImage > b->bytesPerImage : a < b;
  });
  int64_t total = 0;
  for (size_t placed = 0; placed < bySize.size(); ++placed) {
    Buffer &buffer = *bySize[placed];
    std::vector<const Buffer *> neighbours;
    for (size_t other = 0; other < placed; ++other)
      if (aliveTogether(buffer, *bySize[other]))
        neighbours.push_back(bySize[other]);
    llvm::sort(neighbours, [](const Buffer *a, const Buffer *b) { return a->offsetPerImage < b->offsetPerImage; });
    int64_t offset = 0;
    for (const Buffer *neighbour : neighbours) {
      if (offset + paddedBytes(buffer) <= neighbour->offsetPerImage)
        break;
      offset = std::max(offset, neighbour->offsetPerImage + paddedBytes(*neighbour));
    }
    buffer.offsetPerImage = offset;
    total = std::max(total, offset + paddedBytes(buffer));
  }
  return total;
}

static std::string verifyLaunches(const Program &program) {
  std::vector<bool> written(program.buffers.size());
  for (size_t i = 0; i < program.buffers.size(); ++i)
    written[i] =
        program.buffers[i].kind == BufferKind::Input || program.buffers[i].kind == BufferKind::Weight || isState(program.buffers[i].kind);
  for (auto [index, launch] : llvm::enumerate(program.launches)) {
    if (launch.kernel >= program.kernels.size() || launch.results == 0 || launch.results > launch.operands.size())
      return llvm::formatv("launch '{0}' names kernel {1} of {2} and {3} results of {4} operands", launch.name, launch.kernel,
                           program.kernels.size(), launch.results, launch.operands.size());
    size_t reads = launch.operands.size() - launch.results;
    for (size_t i = 0; i < launch.operands.size(); ++i) {
      uint32_t buffer = launch.operands[i];
      if (buffer >= program.buffers.size())
        return llvm::formatv("launch '{0}' names buffer {1} of {2}", launch.name, buffer, program.buffers.size());
      BufferKind kind = program.buffers[buffer].kind;
      // The offsets rest on the lives.
      int64_t firstLaunch = program.buffers[buffer].firstLaunch, lastLaunch = program.buffers[buffer].lastLaunch, now = index;
      if (kind == BufferKind::Arena && (now < firstLaunch || now > lastLaunch))
        return llvm::formatv("launch '{0}' uses buffer '{1}' outside its life of launches {2} to {3}", launch.name,
                             program.buffers[buffer].name, firstLaunch, lastLaunch);
      if (i < reads && !written[buffer])
        return llvm::formatv("launch '{0}' reads buffer '{1}' before it is written", launch.name, program.buffers[buffer].name);
      if (i >= reads && (kind == BufferKind::Input || kind == BufferKind::Weight || kind == BufferKind::Parameter))
        return llvm::formatv("launch '{0}' writes buffer '{1}', which is an input or a weight", launch.name, program.buffers[buffer].name);
      if (i >= reads)
        written[buffer] = true;
    }
  }
  for (auto [index, input] : llvm::enumerate(program.inputs))
    if (input >= program.buffers.size() || program.buffers[input].kind != BufferKind::Input)
      return llvm::formatv("input {0} names buffer {1} of {2}, expected one that the caller gives", index, input, program.buffers.size());
  for (uint32_t output : program.outputs)
    if (output >= program.buffers.size() || !written[output])
      return llvm::formatv("output buffer {0} is never written", output);
  return "";
}

std::string vitc::plan::verify(const Program &program) {
  for (const Buffer &buffer : program.buffers)
    if (buffer.kind == BufferKind::Arena && (buffer.offsetPerImage < 0 || buffer.offsetPerImage % alignment != 0 ||
                                             buffer.offsetPerImage + paddedBytes(buffer) > program.arenaBytesPerImage))
      return llvm::formatv("buffer '{0}' at {1} with {2} bytes lies outside the arena of {3}", buffer.name, buffer.offsetPerImage,
                           buffer.bytesPerImage, program.arenaBytesPerImage);
  for (size_t a = 0; a < program.buffers.size(); ++a)
    for (size_t b = a + 1; b < program.buffers.size(); ++b) {
      const Buffer &first = program.buffers[a], &second = program.buffers[b];
      if (first.kind == BufferKind::Arena && second.kind == BufferKind::Arena && aliveTogether(first, second) && overlap(first, second))
        return llvm::formatv("buffers '{0}' and '{1}' are alive together and overlap", first.name, second.name);
    }
  return verifyLaunches(program);
}
