//===- EmulatedHopperTest.cpp - the emulator's barriers, copy engine and products, in C++ -*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// As EmulatorTest.cpp: without a compiler, for the sanitizers. More of it, as the compiler emits it, is in test/unit/gpu.
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/device/emulator/Emulator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <vector>

using namespace vitrt;
using namespace vitrt::emulator;

namespace {

enum Bug : int64_t {
  None,
  NoFence,
  NoBarrier,
  NoExpectation,
  NoWait,
  EarlyRelease,
  WrongParity,
  NoProductWait,
  HalfAProduct,
  BothWrite,
  ReadsAnother
};

constexpr int32_t kSteps = 3;
constexpr int64_t kBarriers = 2 * 8192 + 2 * 1024; ///< behind two stages of both operands

/// sums[64, 8] = a [64, 192] w [8, 192]^T in three steps of 64 through two stages; the last thread copies, the first 128 multiply.
void product(ThreadState *self, void *const *buffers, int64_t bug) {
  const Calls &calls = *self->calls;
  auto *result = static_cast<float *>(buffers[2]);
  std::array<const TensorMap *, 2> maps = {static_cast<const TensorMap *>(buffers[3]), static_cast<const TensorMap *>(buffers[4])};
  auto full = [&](int32_t stage) { return self->shared + kBarriers + 8 * stage; };
  auto empty = [&](int32_t stage) { return self->shared + kBarriers + 16 + 8 * stage; };
  if (self->thread == 0) {
    for (int32_t stage = 0; stage < 2; ++stage) {
      calls.mbarrierInit(self, full(stage), 1, "mbarrier_init 1");
      calls.mbarrierInit(self, empty(stage), 4, "mbarrier_init 2");
    }
    if (bug != NoFence)
      calls.mbarrierFence(self);
  }
  if (bug != NoBarrier)
    calls.barrier(self, "barrier 3");
  if (self->thread == 159)
    for (int32_t step = 0; step < kSteps; ++step) {
      int32_t stage = step % 2;
      calls.mbarrierWait(self, empty(stage), (step / 2 & 1) ^ 1, "mbarrier_wait 4");
      calls.mbarrierArrive(self, full(stage), bug == NoExpectation ? 0 : 8192 + 1024, "mbarrier_expect 5");
      std::array<int32_t, 2> at = {64 * step, 0};
      calls.tensorCopy(self, maps[0], at.data(), self->shared + 8192 * stage, full(stage), "tensor_copy 6");
      calls.tensorCopy(self, maps[1], at.data(), self->shared + 16384 + 1024 * stage, full(stage), "tensor_copy 7");
    }
  if (self->thread >= 128)
    return;
  std::array<float, 4> values = {};
  int32_t sums = calls.wgmmaBegin(self, values.data(), 8);
  for (int32_t step = 0; step < kSteps; ++step) {
    int32_t stage = step % 2;
    if (bug != NoWait)
      calls.mbarrierWait(self, full(stage), (step / 2 & 1) ^ (bug == WrongParity ? 1 : 0), "mbarrier_wait 8");
    for (int32_t k = 0; k < 4; ++k) {
      if (bug == HalfAProduct && k == 3 && self->thread >= 64)
        continue;
      Product one = {self->shared + 8192 * stage + 32 * k, self->shared + 16384 + 1024 * stage + 32 * k, {128, 0, 0}, {128, 0, 0}, 0, Operands::Bf16, 0};
      sums = calls.wgmma(self, sums, &one, "wgmma 9");
    }
    calls.wgmmaCommit(self, "wgmma_commit 10");
    if (bug != NoProductWait)
      calls.wgmmaWait(self, bug == EarlyRelease ? 1 : 0, "wgmma_wait 11");
    if (self->thread % 32 == 0)
      calls.mbarrierArrive(self, empty(stage), 0, "mbarrier_arrive 12");
  }
  if (bug == EarlyRelease)
    calls.wgmmaWait(self, 0, "wgmma_wait 13");
  calls.wgmmaTake(self, sums, values.data(), "wgmma_wait 14");
  int32_t row = self->thread / 32 * 16 + self->thread % 32 / 4, column = 2 * (self->thread % 4);
  for (int32_t i = 0; i < 4; ++i) {
    float *to = result + 8 * (row + 8 * (i / 2)) + column + i % 2;
    calls.access(self, to, 4, /*write=*/1, "store 15");
    *to = values[size_t(i)];
  }
}

/// Each block adds 1 to its own element and to a common one.
void count(ThreadState *self, void *const *buffers, int64_t bug) {
  auto *result = static_cast<float *>(buffers[0]);
  if (self->thread != 0)
    return;
  self->calls->atomicAdd(self, result, 1, "atomic_add 1");
  float *own = result + (bug == BothWrite ? 1 : 1 + self->block);
  self->calls->access(self, own, 4, /*write=*/1, "store 2");
  *own = 1;
  if (bug == ReadsAnother)
    self->calls->access(self, result + 1 + (self->block ^ 1), 4, /*write=*/0, "load 3");
}

struct Outcome {
  std::string error;
  bool right;
};

Outcome multiply(Bug bug, uint64_t seed) {
  constexpr int64_t kDepth = 64 * kSteps;
  struct alignas(64) Line {
    uint16_t numbers[32];
  };
  std::vector<Line> a(64 * kDepth / 32), w(8 * kDepth / 32);
  std::vector<float> result(64 * 8);
  auto number = [](std::vector<Line> &lines, int64_t i) -> uint16_t & { return lines[size_t(i / 32)].numbers[i % 32]; };
  auto value = [](int64_t i) { return float(i % 7) - 3; };
  for (int64_t i = 0; i < 64 * kDepth; ++i)
    number(a, i) = uint16_t(std::bit_cast<uint32_t>(value(i)) >> 16);
  for (int64_t i = 0; i < 8 * kDepth; ++i)
    number(w, i) = uint16_t(std::bit_cast<uint32_t>(value(3 * i)) >> 16);
  auto map = [&](std::vector<Line> &lines, int64_t rows) {
    return TensorMap{reinterpret_cast<std::byte *>(lines.data()), 2, 2, {kDepth, rows}, {2, 2 * kDepth}, {64, int32_t(rows)}, 128};
  };
  std::array maps = {map(a, 64), map(w, 8)};
  std::array operands = {Operand{reinterpret_cast<std::byte *>(a.data()), a.size() * 64, false},
                         Operand{reinterpret_cast<std::byte *>(w.data()), w.size() * 64, false},
                         Operand{reinterpret_cast<std::byte *>(result.data()), result.size() * 4, true}};
  LaunchShape launch = {"kernel", "layer", product, 160, kBarriers + 32, nullptr, 1, maps};
  Outcome outcome = {Emulator(seed).run(launch, operands, bug, 0, 1).message, true};
  for (int64_t row = 0; row < 64; ++row)
    for (int64_t column = 0; column < 8; ++column) {
      float sum = 0;
      for (int64_t k = 0; k < kDepth; ++k)
        sum += value(row * kDepth + k) * value(3 * (column * kDepth + k));
      outcome.right &= result[size_t(8 * row + column)] == sum;
    }
  return outcome;
}

TEST(EmulatedHopper, Multiplies) {
  for (uint64_t seed = 0; seed < 10; ++seed) {
    Outcome outcome = multiply(None, seed);
    EXPECT_EQ(outcome.error, "");
    EXPECT_TRUE(outcome.right);
  }
}

TEST(EmulatedHopper, FindsWhatIsWrong) {
  struct Case {
    Bug bug;
    const char *sentence;
  };
  for (const Case &c : std::initializer_list<Case>{
           {NoFence, "no fence has made known to the copy engine"},
           {NoBarrier,
            "there is no barrier at byte|was initialized by thread 0 in 'mbarrier_init [12]' with no barrier of the block between"},
           {NoExpectation, "which the copy engine copies to in 'tensor_copy [67]' and has not been waited for|wait for ever"},
           {NoWait, "which the copy engine copies to in 'tensor_copy [67]' and has not been waited for|which nobody has written|the copy "
                    "engine wrote"},
           {EarlyRelease, "'tensor_copy [67]': copies to byte [0-9]+ of shared memory, which warp [0-3]'s products read in 'wgmma 9'"},
           {WrongParity, "which the copy engine copies to|which nobody has written|wait for ever|the copy engine wrote"},
           {NoProductWait, "which warp [0-3]'s products read in 'wgmma 9'|uses sums that [0-9]+ products are still adding to"},
           {HalfAProduct,
            "another warp of its warpgroup is at 'wgmma 9', or has other operands|warp [0-3] started [0-9]+ products of its warpgroup's"},
       })
    for (uint64_t seed = 0; seed < 5; ++seed)
      EXPECT_THAT(multiply(c.bug, seed).error, testing::ContainsRegex(c.sentence)) << "bug " << c.bug << ", seed " << seed;
}

TEST(EmulatedHopper, FindsBlocksThatMeetInGlobalMemory) {
  auto run = [](Bug bug) {
    std::vector<float> result(9);
    Operand operand = {reinterpret_cast<std::byte *>(result.data()), result.size() * 4, true};
    std::string error = Emulator().run({"kernel", "layer", count, 32, 0, nullptr, 8}, {&operand, 1}, bug, 0, 8).message;
    return std::pair(error, result);
  };
  EXPECT_EQ(run(None), std::pair(std::string(), std::vector<float>{8, 1, 1, 1, 1, 1, 1, 1, 1}));
  EXPECT_THAT(run(BothWrite).first,
              testing::HasSubstr("block 1, thread 0, 'store 2': writes byte 4 of operand 0, which thread 0 of block 0 wrote in the "
                                 "same launch with nothing that orders the two"));
  EXPECT_THAT(run(ReadsAnother).first,
              testing::ContainsRegex(
                  "'(load 3|store 2)': (reads|writes) byte [0-9]+ of operand 0, which thread 0 of block [0-9]+ (wrote|read) in the same"));
}

} // namespace
