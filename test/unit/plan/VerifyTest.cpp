//===- VerifyTest.cpp - each fault of a plan has its sentence -----------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "TwoLaunches.h"

#include <functional>
#include <gtest/gtest.h>

using namespace vitc::plan;
using namespace vitc::test;

namespace {

/// What is said of the plan of two launches after a change.
std::string faultOf(const std::function<void(Program &)> &change) {
  Program program = twoLaunches();
  change(program);
  return verify(program);
}

TEST(Verify, AConsistentPlanHasNoFault) {
  EXPECT_EQ(verify(twoLaunches()), "");
  EXPECT_EQ(verify(Program()), "");
}

TEST(Verify, PlacesLieInTheArenaAtMultiplesOf64) {
  std::string sentence = "buffer 'hidden' at {} with 80 bytes lies outside the arena of 128";
  for (int64_t offset : {-64, 32, 64, 128}) {
    std::string expected = sentence;
    expected.replace(expected.find("{}"), 2, std::to_string(offset));
    EXPECT_EQ(faultOf([&](Program &p) { p.buffers[2].offsetPerImage = offset; }), expected);
  }
  // 80 bytes take 128.
  EXPECT_EQ(faultOf([](Program &p) { p.arenaBytesPerImage = 80; }), "buffer 'hidden' at 0 with 80 bytes lies outside the arena of 80");
}

TEST(Verify, BuffersThatAreAliveTogetherDoNotOverlap) {
  auto withSecond = [](int64_t firstLaunch, int64_t lastLaunch, int64_t offset) {
    return faultOf([=](Program &p) {
      p.arenaBytesPerImage = 256;
      p.buffers.push_back(arenaBuffer("second", 16, firstLaunch, lastLaunch, offset));
    });
  };
  EXPECT_EQ(withSecond(1, 2, 0), "buffers 'hidden' and 'second' are alive together and overlap");
  EXPECT_EQ(withSecond(0, 0, 64), "buffers 'hidden' and 'second' are alive together and overlap"); // in the padding of the first
  EXPECT_EQ(withSecond(1, 2, 128), "");
  EXPECT_EQ(withSecond(2, 3, 0), "");
}

TEST(Verify, LaunchesNameKernelsAndBuffersThatExist) {
  EXPECT_EQ(faultOf([](Program &p) { p.launches[1].kernel = 1; }), "launch 'head' names kernel 1 of 1 and 1 results of 3 operands");
  EXPECT_EQ(faultOf([](Program &p) { p.launches[1].results = 0; }), "launch 'head' names kernel 0 of 1 and 0 results of 3 operands");
  EXPECT_EQ(faultOf([](Program &p) { p.launches[1].results = 4; }), "launch 'head' names kernel 0 of 1 and 4 results of 3 operands");
  EXPECT_EQ(faultOf([](Program &p) { p.launches[0].operands[0] = 4; }), "launch 'patch_embed' names buffer 4 of 4");
  EXPECT_EQ(faultOf([](Program &p) { p.launches[0].operands[2] = ~0u; }), "launch 'patch_embed' names buffer 4294967295 of 4");
}

TEST(Verify, BuffersAreWrittenBeforeTheyAreRead) {
  EXPECT_EQ(faultOf([](Program &p) { p.launches[0].operands[0] = 2; }), "launch 'patch_embed' reads buffer 'hidden' before it is written");
  EXPECT_EQ(faultOf([](Program &p) { std::swap(p.launches[0], p.launches[1]); }),
            "launch 'head' reads buffer 'hidden' before it is written");
}

TEST(Verify, InputsAndWeightsAreNotWritten) {
  EXPECT_EQ(faultOf([](Program &p) { p.launches[1].operands[2] = 0; }),
            "launch 'head' writes buffer 'images', which is an input or a weight");
  EXPECT_EQ(faultOf([](Program &p) { p.launches[1].operands[2] = 1; }),
            "launch 'head' writes buffer 'weight', which is an input or a weight");
}

TEST(Verify, AResultMayTakeTheMemoryOfAnOperand) {
  EXPECT_EQ(faultOf([](Program &p) {
              p.launches.insert(p.launches.begin() + 1, Launch{"blocks.0", 0, {2, 1, 2}, 1, 0});
              p.buffers[2].lastLaunch = 2;
              p.buffers[1].lastLaunch = 2;
            }),
            "");
}

TEST(Verify, LaunchesUseBuffersDuringTheirLives) {
  // Lives are what the places in the arena rest on.
  EXPECT_EQ(faultOf([](Program &p) { p.buffers[2].lastLaunch = 0; }),
            "launch 'head' uses buffer 'hidden' outside its life of launches 0 to 0");
  EXPECT_EQ(faultOf([](Program &p) { p.buffers[2].firstLaunch = 1; }),
            "launch 'patch_embed' uses buffer 'hidden' outside its life of launches 1 to 1");
}

TEST(Verify, InputsAndOutputsOfTheProgramAreWhatTheySay) {
  EXPECT_EQ(faultOf([](Program &p) { p.inputs = {0, 4}; }), "input 1 names buffer 4 of 4, expected one that the caller gives");
  EXPECT_EQ(faultOf([](Program &p) { p.inputs = {2}; }), "input 0 names buffer 2 of 4, expected one that the caller gives");
  EXPECT_EQ(faultOf([](Program &p) { p.launches.pop_back(); }), "output buffer 3 is never written");
  EXPECT_EQ(faultOf([](Program &p) { p.outputs = {4}; }), "output buffer 4 is never written");
}

} // namespace
