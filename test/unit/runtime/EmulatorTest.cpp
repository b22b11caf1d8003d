//===- EmulatorTest.cpp - device code in C++, right and wrong -----------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Kernels that call the emulator as generated code does, so that it is tested without a compiler, under sanitizers above all. Each is right
// but for the one thing that its number of images asks for.
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/device/emulator/Emulator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <numeric>
#include <thread>
#include <vector>

using namespace vitrt;
using namespace vitrt::emulator;

namespace {

enum Bug : int64_t {
  None,
  NoBarrier,       // before a read
  NoBarrierBehind, // before an overwrite
  BeyondOperand,   // a read
  BeyondShared,    // a write
  WritesInput,
  Misaligned,
  HalfAtBarrier,
  OtherBarrier,
  HalfAtShuffle,
  OtherShuffle,
  NotWritten,
  NoWait,
  WeakWait,
  NoCommit,
  CopiesTooMuch,
  CopiesMoreThanBytes,
  CopiesIntoWhatIsRead,
};

/// A thread's operations, as the compiler emits them.
struct Device {
  ThreadState *self;

  float load(const float *from, const char *site) const {
    self->calls->access(self, const_cast<float *>(from), 4, /*write=*/0, site);
    return *from;
  }
  void store(float value, float *to, const char *site) const {
    self->calls->access(self, to, 4, /*write=*/1, site);
    *to = value;
  }
  void barrier(const char *site) const { self->calls->barrier(self, site); }
  float shuffle(float value, int32_t mask, const char *site) const {
    return std::bit_cast<float>(self->calls->shuffle(self, std::bit_cast<uint32_t>(value), mask, site));
  }
};

/// Reverses each block's 64 elements through shared memory, twice, and adds the neighbour's.
void reverse(ThreadState *self, void *const *buffers, int64_t bug) {
  Device device{self};
  auto *from = static_cast<float *>(buffers[0]) + 64 * self->block;
  auto *to = static_cast<float *>(buffers[1]) + 64 * self->block;
  auto *shared = reinterpret_cast<float *>(self->shared);
  int32_t thread = self->thread;
  float value = device.load(from + thread + (bug == BeyondOperand ? 128 : 0), "load 1");
  if (bug == Misaligned)
    self->calls->access(self, from + 1, 16, /*write=*/0, "load 2");
  if (bug != NotWritten || thread != 5)
    device.store(value, shared + thread + (bug == BeyondShared ? 1 : 0), "store 3");
  if (bug != NoBarrier && (bug != HalfAtBarrier || thread < 32))
    device.barrier(bug == OtherBarrier && thread >= 32 ? "barrier 5" : "barrier 4");
  value = device.load(shared + 63 - thread, "load 6");
  if (bug != NoBarrierBehind)
    device.barrier("barrier 7");
  device.store(value, shared + thread, "store 8");
  device.barrier("barrier 9");
  value = device.load(shared + thread, "load 10");
  if (bug != HalfAtShuffle || thread % 32 < 16)
    value += device.shuffle(value, 1, bug == OtherShuffle && thread % 32 == 3 ? "shuffle 12" : "shuffle 11");
  device.store(value, (bug == WritesInput ? from : to) + thread, "store 13");
}

/// Adds three 16-byte pieces of each thread, copied one after the other while the one before is added; the last of all has 12 bytes.
void copies(ThreadState *self, void *const *buffers, int64_t bug) {
  const Calls &calls = *self->calls;
  Device device{self};
  auto *from = static_cast<const float *>(buffers[0]);
  auto *to = static_cast<float *>(buffers[1]);
  auto *shared = reinterpret_cast<float *>(self->shared);
  int32_t thread = self->thread;
  auto start = [&](int32_t piece) {
    bool last = piece == 2 && thread == 63;
    calls.copyAsync(self, from + 4 * (64 * piece + thread), shared + 4 * (64 * (piece % 2) + thread), 16,
                    bug == CopiesMoreThanBytes     ? 20
                    : last && bug != CopiesTooMuch ? 12
                                                   : 16,
                    "copy_async 1");
    if (bug != NoCommit)
      calls.copyCommit(self);
  };
  float sum = 0;
  start(0);
  start(1);
  for (int32_t piece = 0; piece < 3; ++piece) {
    if (bug != NoWait)
      calls.copyWait(self, bug == WeakWait || piece < 2 ? 1 : 0);
    device.barrier("barrier 2");
    // Another thread's piece.
    for (int32_t i = 0; i < 4; ++i)
      sum += device.load(shared + 4 * (64 * (piece % 2) + 63 - thread) + i, "load 3");
    if (bug != CopiesIntoWhatIsRead)
      device.barrier("barrier 4");
    if (piece == 0)
      start(2);
  }
  device.store(sum, to + thread, "store 5");
}

/// Adds all numbers to one.
void sum(ThreadState *self, void *const *buffers, int64_t) {
  auto *from = static_cast<float *>(buffers[0]) + 64 * self->block;
  float value = Device{self}.load(from + self->thread, "load 1");
  self->calls->atomicAdd(self, static_cast<float *>(buffers[1]), value, "atomic_add 2");
}

struct Outcome {
  std::string error;
  std::vector<float> result;
};

/// Two blocks of 64 threads, of which `kernel` makes `results` elements.
Outcome run(Kernel kernel, size_t inputs, size_t results, int64_t blocks, uint64_t sharedBytes, Bug bug, uint64_t seed) {
  struct alignas(64) Line {
    float values[16];
  };
  // What is read beyond the inputs is not a result.
  constexpr size_t kGap = 64;
  std::vector<Line> memory((inputs + 15) / 16 + kGap + (results + 15) / 16);
  float *input = memory.front().values, *result = memory[(inputs + 15) / 16 + kGap].values;
  std::iota(input, input + inputs, 0.0f);
  Emulator emulator(seed);
  LaunchShape launch = {"kernel", "layer", kernel, 64, sharedBytes, nullptr};
  Operand operands[] = {{reinterpret_cast<std::byte *>(input), inputs * 4, false},
                        {reinterpret_cast<std::byte *>(result), results * 4, true}};
  Error error = emulator.run(launch, operands, bug, 0, blocks);
  return {error.message, {result, result + results}};
}

Outcome runReverse(Bug bug, uint64_t seed = 0) { return run(&reverse, 128, 128, 2, 256, bug, seed); }
Outcome runCopies(Bug bug, uint64_t seed = 0) { return run(&copies, 4 * 64 * 3 - 1, 64, 1, 2 * 1024, bug, seed); }

TEST(Emulator, RunsWhatIsRight) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    Outcome reversed = runReverse(None, seed);
    EXPECT_EQ(reversed.error, "");
    for (int32_t i = 0; i < 128; ++i) {
      auto element = [](int32_t at) { return float(at / 64 * 64 + 63 - at % 64); };
      EXPECT_EQ(reversed.result[size_t(i)], element(i) + element(i ^ 1)) << i;
    }
    Outcome copied = runCopies(None, seed);
    EXPECT_EQ(copied.error, "");
    for (int32_t i = 0; i < 64; ++i) {
      float expected = 0;
      for (int32_t piece = 0; piece < 3; ++piece)
        for (int32_t k = 0; k < 4; ++k)
          if (int32_t at = 4 * (64 * piece + 63 - i) + k; at < 4 * 64 * 3 - 1)
            expected += float(at);
      EXPECT_EQ(copied.result[size_t(i)], expected) << i;
    }
    Outcome added = run(&sum, 256, 1, 4, 0, None, seed);
    EXPECT_EQ(added.error, "");
    EXPECT_EQ(added.result.front(), 255 * 256 / 2);
  }
}

TEST(Emulator, FindsWhatIsWrong) {
  using testing::AllOf, testing::ContainsRegex, testing::HasSubstr;
  struct Case {
    Bug bug;
    Outcome (*run)(Bug, uint64_t);
    const char *sentence; ///< a regular expression
  };
  for (const Case &c : std::initializer_list<Case>{
           {NoBarrier, runReverse,
            "'load 6': reads byte [0-9]+ of shared memory, which nobody has written|'store 8': writes byte [0-9]+ of "
            "shared memory, which thread [0-9]+ (wrote in 'store 3'|read in 'load 6') with no barrier between|'load 6': "
            "reads byte [0-9]+ of shared memory, which thread [0-9]+ wrote in 'store 3' with no barrier between"},
           {NoBarrierBehind, runReverse, "which thread [0-9]+ (read in 'load 6'|wrote in 'store 8') with no barrier between"},
           {BeyondOperand, runReverse, "'load 1': reads 4 bytes [0-9]+ bytes from the beginning of operand 0, which has 512"},
           {BeyondShared, runReverse, "thread 63, 'store 3': writes 4 bytes 256 bytes from the beginning of shared memory, which has 256"},
           {WritesInput, runReverse, "'store 13': writes to operand 0, which the kernel only reads"},
           {Misaligned, runReverse, "'load 2': reads 16 bytes at an address that is no multiple of that"},
           {HalfAtBarrier, runReverse,
            "threads wait for ever, the first of them thread [0-9]+ at 'barrier 4'; the others do not come there|"
            "reads byte [0-9]+ of shared memory, which|at 'barrier 4'; all meet at one barrier"},
           {OtherBarrier, runReverse, "'barrier [45]': other threads of the block are at 'barrier [45]'; all meet at one barrier"},
           {HalfAtShuffle, runReverse,
            "32 of 64 threads wait for ever, the first of them thread 0 at 'shuffle 11'; the others do not come there"},
           {OtherShuffle, runReverse, "'shuffle 1[12]': others of its warp are at 'shuffle 1[12]'; a warp does this together"},
           {NotWritten, runReverse, "thread 58, 'load 6': reads byte 20 of shared memory, which nobody has written"},
           {NoWait, runCopies,
            "'load 3': reads byte [0-9]+ of shared memory, which thread [0-9]+ copies to in 'copy_async 1' and has not waited for"},
           {WeakWait, runCopies,
            "'load 3': reads byte [0-9]+ of shared memory, which thread [0-9]+ copies to in 'copy_async 1' and has not waited for"},
           {NoCommit, runCopies,
            "'load 3': reads byte [0-9]+ of shared memory, which thread [0-9]+ copies to in 'copy_async 1' and has not waited for"},
           {CopiesTooMuch, runCopies,
            "thread 63, 'copy_async 1': reads 16 bytes 3056 bytes from the beginning of operand 0, which has 3068"},
           {CopiesMoreThanBytes, runCopies, "'copy_async 1': copies 20 bytes of 16"},
           {CopiesIntoWhatIsRead, runCopies,
            "'copy_async 1': writes byte [0-9]+ of shared memory, which thread [0-9]+ read in 'load 3' with no "
            "barrier between|'load 3': reads byte [0-9]+ of shared memory, which thread [0-9]+ copies to"},
       })
    for (uint64_t seed = 0; seed < 5; ++seed)
      EXPECT_THAT(c.run(c.bug, seed).error, AllOf(HasSubstr("kernel kernel (layer layer), block 0"), ContainsRegex(c.sentence)))
          << "bug " << c.bug << ", seed " << seed;
}

TEST(Emulator, GoesOnAfterAnError) {
  float value = 0;
  Emulator emulator;
  Operand operand = {reinterpret_cast<std::byte *>(&value), 4, true};
  auto kernel = [](ThreadState *self, void *const *buffers, int64_t bug) {
    if (bug)
      Device{self}.load(static_cast<float *>(buffers[0]) + 1, "load 1");
    self->calls->atomicAdd(self, static_cast<float *>(buffers[0]), 1, "atomic_add 2");
  };
  LaunchShape launch = {"kernel", "layer", kernel, 1024, 0, nullptr};
  EXPECT_TRUE(emulator.run(launch, {&operand, 1}, 1, 0, 1));
  EXPECT_EQ(emulator.run(launch, {&operand, 1}, 0, 0, 3).message, "");
  EXPECT_EQ(value, 3 * 1024);
}

/// Each block's threads pass numbers on through scratch memory, which the next block has anew.
TEST(Emulator, WatchesScratchMemory) {
  alignas(64) float scratch[64], results[64];
  Operand operand = {reinterpret_cast<std::byte *>(results), sizeof(results), true};
  auto kernel = [](ThreadState *self, void *const *buffers, int64_t bug) {
    Device device{self};
    auto *own = reinterpret_cast<float *>(self->scratch);
    device.store(float(self->thread), own + self->thread + (bug == BeyondOperand ? 1 : 0), "store 1");
    if (bug != NoBarrier)
      device.barrier("barrier 2");
    float value = device.load(own + 63 - self->thread, "load 3");
    if (self->block == 1)
      device.store(value, static_cast<float *>(buffers[0]) + self->thread, "store 4");
  };
  LaunchShape launch = {"kernel", "layer", kernel, 64, 0, reinterpret_cast<std::byte *>(scratch), 2, {}, sizeof(scratch)};
  auto run = [&](Bug bug) { return Emulator(3).run(launch, {&operand, 1}, bug, 0, 2).message; };
  EXPECT_EQ(run(None), "");
  EXPECT_EQ(results[5], 58);
  EXPECT_THAT(run(NoBarrier), testing::ContainsRegex("of scratch memory, which thread [0-9]+ of block 0 (wrote|read) in the same launch"));
  EXPECT_THAT(run(BeyondOperand), testing::HasSubstr("writes 4 bytes 256 bytes from the beginning of scratch memory, which has 256"));
}

TEST(EmulatorThreads, AddToTheSameMemory) {
  float value = 0;
  auto blocks = [&] {
    Emulator emulator;
    Operand operand = {reinterpret_cast<std::byte *>(&value), 4, true};
    auto kernel = [](ThreadState *self, void *const *buffers, int64_t) {
      self->calls->barrier(self, "barrier 1");
      self->calls->atomicAdd(self, static_cast<float *>(buffers[0]), 1, "atomic_add 2");
    };
    EXPECT_EQ(emulator.run({"kernel", "layer", kernel, 64, 0, nullptr}, {&operand, 1}, 1, 0, 50).message, "");
  };
  std::thread other(blocks);
  blocks();
  other.join();
  EXPECT_EQ(value, 2 * 50 * 64);
}

} // namespace
