//===- PartialSumsTest.cpp - blocks that have parts of a sum ----------------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// device.arrive on the emulator: blocks leave numbers, the last warp to come adds up what all have left. Right in every order, and with each planted bug its
// sentence or, where nothing forbids what it does, wrong numbers.
//
//===--------------------------------------------------------------------------------------===//

#include "test/unit/gpu/TextKernel.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

using namespace vitc;
using namespace vitc::test;

namespace {

constexpr int64_t kBlocks = 4, kThreads = 64;

/// y[t] = sum over blocks of x[block, t].
constexpr const char *kSum = R"(
  device.kernel @k(%x: !device.memory<global, f32>, %y: !device.memory<global, f32>, %counters: !device.memory<global, i32>,
                   %parts: !device.memory<global, f32>, %images: i32)
      attributes {threads = 64 : i64, shared_bytes = 0 : i64} {
    %c0 = arith.constant 0 : i32
    %c1 = arith.constant 1 : i32
    %c4 = arith.constant 4 : i32
    %c16 = arith.constant 16 : i32
    %c32 = arith.constant 32 : i32
    %c64 = arith.constant 64 : i32
    %true = arith.constant true
    %zero = arith.constant 0.0 : f32
    %t = device.thread_id
    %block = device.block_id
    %warp = arith.divui %t, %c32 : i32
    %even = arith.andi %t, %c1 : i32
    %few = arith.cmpi ult, %t, %c16 : i32
    %begin = arith.muli %block, %c64 : i32
    %at = arith.addi %begin, %t : i32
    %mine = device.load %x[%at] : !device.memory<global, f32>[i32] -> f32
    device.store %mine, %parts[%at] : f32, !device.memory<global, f32>[i32]
    %last = device.arrive %counters[%warp] of 4 : !device.memory<global, i32>[i32]
    scf.if %last {
      %sum = scf.for %other = %c0 to %c4 step %c1 iter_args(%before = %zero) -> (f32) : i32 {
        %from = arith.muli %other, %c64 : i32
        %place = arith.addi %from, %t : i32
        %theirs = device.load %parts[%place] : !device.memory<global, f32>[i32] -> f32
        %after = arith.addf %before, %theirs : f32
        scf.yield %after : f32
      }
      device.store %sum, %y[%t] : f32, !device.memory<global, f32>[i32]
    }
    device.return
  }
)";

struct Outcome {
  std::string error;
  bool right = true, countersAreZero = true;
};

Outcome sum(const TextKernel &kernel, uint64_t seed) {
  Array<float> x(kBlocks * kThreads), y(kThreads), parts(kBlocks * kThreads);
  Array<uint32_t> counters(2);
  for (size_t i = 0; i < x.count; ++i)
    x[i] = static_cast<float>(i * i % 29), parts[i] = NAN;
  Outcome outcome;
  // Twice: the counters have to be 0 again.
  for (int round = 0; round < 2 && outcome.error.empty(); ++round) {
    for (size_t i = 0; i < y.count; ++i)
      y[i] = NAN;
    outcome.error = kernel.run({x.operand(false), y.operand(true), counters.operand(true), parts.operand(true)}, kBlocks, seed);
    for (size_t t = 0; t < y.count; ++t) {
      float expected = 0;
      for (size_t block = 0; block < kBlocks; ++block)
        expected += x[block * kThreads + t];
      outcome.right &= y[t] == expected;
    }
    outcome.countersAreZero &= counters[0] == 0 && counters[1] == 0;
  }
  return outcome;
}

TEST(PartialSums, AreAddedUpByTheLastOneToCome) {
  TextKernel kernel(kSum);
  for (uint64_t seed = 0; seed < 8; ++seed) {
    Outcome outcome = sum(kernel, seed);
    EXPECT_EQ(outcome.error, "");
    EXPECT_TRUE(outcome.right && outcome.countersAreZero) << seed;
  }
}

TEST(PartialSums, WithBugs) {
  constexpr char race[] =
      "'(load|store) [0-9]+': (reads|writes) byte [0-9]+ of operand 3, which thread [0-9]+ of block [0-9]+ (read|wrote) in "
      "the same launch with nothing that orders the two";
  constexpr char together[] = "others of its warp are at|wait for ever";
  struct Bug {
    const char *from, *to, *sentence; ///< null: wrong numbers, or counters that are not 0
  };
  for (const Bug &bug : std::initializer_list<Bug>{
           {"scf.if %last {", "scf.if %true {", race},
           {"%last = device.arrive %counters[%warp] of 4 : !device.memory<global, i32>[i32]", "%last = arith.cmpi eq, %c0, %c0 : i32",
            race},
           // What is written after the arrival nobody has been told of.
           {R"(    device.store %mine, %parts[%at] : f32, !device.memory<global, f32>[i32]
    %last = device.arrive %counters[%warp] of 4 : !device.memory<global, i32>[i32])",
            R"(    %last = device.arrive %counters[%warp] of 4 : !device.memory<global, i32>[i32]
    device.store %mine, %parts[%at] : f32, !device.memory<global, f32>[i32])",
            race},
           {"of 4 :", "of 3 :", nullptr},
           {"of 4 :", "of 5 :", nullptr},
           // Of the other warp of the block nothing is known.
           {"%counters[%warp]", "%counters[%c0]", "nothing that orders the two"},
           {"%place = arith.addi %from, %t", "%other_warp = arith.xori %t, %c32 : i32\n%place = arith.addi %from, %other_warp", race},
           {"%last = device.arrive %counters[%warp] of 4 : !device.memory<global, i32>[i32]",
            R"(%last = scf.if %few -> i1 {
                 %0 = device.arrive %counters[%warp] of 4 : !device.memory<global, i32>[i32]
                 scf.yield %0 : i1
               } else {
                 %0 = device.arrive %counters[%warp] of 4 : !device.memory<global, i32>[i32]
                 scf.yield %0 : i1
               })",
            together},
           {"%counters[%warp]", "%counters[%even]", "others of its warp are at another counter, or count to another number"},
           {"%counters[%warp]", "%counters[%c4]", "bytes from the beginning of operand 2, which has 8"},
       }) {
    TextKernel kernel(with(kSum, bug.from, bug.to));
    // Some orders hide some bugs.
    bool caught = false;
    std::string said;
    for (uint64_t seed = 0; seed < 8 && !caught; ++seed) {
      Outcome outcome = sum(kernel, seed);
      said = outcome.error;
      caught = bug.sentence ? testing::Value(outcome.error, testing::ContainsRegex(bug.sentence))
                            : !outcome.right || !outcome.countersAreZero || !outcome.error.empty();
    }
    EXPECT_TRUE(caught) << bug.from << " -> " << bug.to << ": " << said;
  }
}

} // namespace
