//===- TwoLaunches.h - a small plan for tests, by hand --------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_TEST_UNIT_PLAN_TWOLAUNCHES_H
#define VITC_TEST_UNIT_PLAN_TWOLAUNCHES_H

#include "compiler/plan/Plan.h"

namespace vitc::test {

inline plan::Buffer makeBuffer(std::string name, plan::BufferKind kind, int64_t floats, int64_t firstLaunch, int64_t lastLaunch,
                               int64_t offset = 0) {
  plan::Buffer buffer;
  buffer.name = std::move(name);
  buffer.kind = kind;
  buffer.shape = {floats};
  buffer.offsetPerImage = offset;
  buffer.bytesPerImage = floats * static_cast<int64_t>(sizeof(float));
  buffer.firstLaunch = firstLaunch;
  buffer.lastLaunch = lastLaunch;
  return buffer;
}

inline plan::Buffer arenaBuffer(std::string name, int64_t floats, int64_t firstLaunch, int64_t lastLaunch, int64_t offset = 0) {
  return makeBuffer(std::move(name), plan::BufferKind::Arena, floats, firstLaunch, lastLaunch, offset);
}

/// A consistent plan: images (0) and weight (1) give hidden (2); hidden and weight give logits (3).
inline plan::Program twoLaunches() {
  plan::Program program;
  program.name = "infer";
  program.buffers = {makeBuffer("images", plan::BufferKind::Input, 192, -1, 0), makeBuffer("weight", plan::BufferKind::Weight, 64, -1, 1),
                     arenaBuffer("hidden", 20, 0, 1), makeBuffer("logits", plan::BufferKind::Output, 10, 1, 2)};
  program.kernels = {{"k0_gemm", "gemm", "rows 6", 128, 5, 2, 3}};
  program.launches = {{"patch_embed", 0, {0, 1, 2}, 1, 2'500'000}, {"head", 0, {2, 1, 3}, 1, 0}};
  program.inputs = {0};
  program.outputs = {3};
  program.arenaBytesPerImage = 128;
  program.groupImages = 4;
  return program;
}

} // namespace vitc::test

#endif // VITC_TEST_UNIT_PLAN_TWOLAUNCHES_H
