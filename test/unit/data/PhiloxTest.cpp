//===- PhiloxTest.cpp - random numbers by counter ---*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/data/Philox.h"

#include <gmock/gmock.h>
#include <vector>

using namespace vitrt;
using testing::ElementsAre;

namespace {

// Random123 1.14, examples/kat_vectors, philox4x32 with 10 rounds.
TEST(PhiloxTest, knownAnswers) {
  EXPECT_THAT(philox({0, 0, 0, 0}, {0, 0}), ElementsAre(0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8));
  uint32_t ones = 0xffffffff;
  EXPECT_THAT(philox({ones, ones, ones, ones}, {ones, ones}), ElementsAre(0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd));
  EXPECT_THAT(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
              ElementsAre(0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1));
}

TEST(PhiloxTest, streamsAreTheirCounters) {
  RandomStream stream(0x0123456789abcdef, 7, 42, Place::Jitter);
  for (uint32_t block : {0u, 1u})
    for (uint32_t word : philox({block, 42, 7, uint32_t(Place::Jitter)}, {0x89abcdef, 0x01234567}))
      EXPECT_EQ(stream.bits(), word);
}

TEST(PhiloxTest, wholeNumbersAreEquallyLikely) {
  RandomStream stream(1, 0, 0, Place::Order);
  std::vector<int> counts(7);
  constexpr int draws = 70000;
  for (int i = 0; i < draws; ++i)
    ++counts[stream.below(7)];
  for (int count : counts)
    EXPECT_NEAR(count, draws / 7.0, 5 * std::sqrt(draws / 7.0));
  EXPECT_EQ(stream.below(1), 0u);
}

TEST(PhiloxTest, realNumbersHaveTheirMoments) {
  RandomStream stream(2, 0, 0, Place::Order);
  constexpr int draws = 100000;
  double uniform = 0, normal = 0, square = 0;
  for (int i = 0; i < draws; ++i) {
    double u = stream.uniform(), n = stream.normal();
    ASSERT_TRUE(u > 0 && u < 1);
    uniform += u / draws;
    normal += n / draws;
    square += n * n / draws;
  }
  EXPECT_NEAR(uniform, 0.5, 0.005);
  EXPECT_NEAR(normal, 0.0, 0.02);
  EXPECT_NEAR(square, 1.0, 0.03);
}

} // namespace
