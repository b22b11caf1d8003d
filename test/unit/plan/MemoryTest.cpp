//===- MemoryTest.cpp - offsets in the arena ----------------------------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "TwoLaunches.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <random>

using namespace vitc::plan;
using namespace vitc::test;

namespace {

int64_t end(const Buffer &buffer) { return buffer.offsetPerImage + (buffer.bytesPerImage + 63) / 64 * 64; }

bool aliveTogether(const Buffer &a, const Buffer &b) { return a.firstLaunch <= b.lastLaunch && b.firstLaunch <= a.lastLaunch; }

TEST(AssignOffsets, WithoutBuffersTheArenaIsEmpty) {
  std::vector<Buffer> none, outside = {makeBuffer("images", BufferKind::Input, 100, -1, 0)};
  EXPECT_EQ(assignOffsets(none), 0);
  EXPECT_EQ(assignOffsets(outside), 0);
}

TEST(AssignOffsets, PlacesAreMultiplesOf64BytesAndLivesThatMeetAreApart) {
  // 17 floats take two lines of 64 bytes.
  std::vector<Buffer> buffers = {arenaBuffer("a", 17, 0, 1), arenaBuffer("b", 1, 1, 2), arenaBuffer("c", 16, 1, 1)};
  EXPECT_EQ(assignOffsets(buffers), 128 + 64 + 64);
  EXPECT_EQ(buffers[0].offsetPerImage, 0); // the largest comes first
  EXPECT_EQ(buffers[2].offsetPerImage, 128);
  EXPECT_EQ(buffers[1].offsetPerImage, 192);
}

TEST(AssignOffsets, ABufferMayTakeThePlaceOfOneThatIsNoLongerRead) {
  // A chain, in which each launch reads what the one before wrote: two places serve however long it is.
  std::vector<Buffer> buffers;
  for (int64_t i = 0; i < 9; ++i)
    buffers.push_back(arenaBuffer("x" + std::to_string(i), 32, i, i + 1));
  EXPECT_EQ(assignOffsets(buffers), 2 * 128);
}

TEST(AssignOffsets, ASmallBufferFillsTheGapUnderALongLife) {
  // b has to lie above a; when a has ended, c and d fit below b.
  std::vector<Buffer> buffers = {arenaBuffer("a", 256, 0, 1), arenaBuffer("b", 128, 1, 3), arenaBuffer("c", 64, 2, 3),
                                 arenaBuffer("d", 32, 2, 3)};
  EXPECT_EQ(assignOffsets(buffers), 1024 + 512);
  EXPECT_EQ(buffers[1].offsetPerImage, 1024);
  EXPECT_EQ(buffers[2].offsetPerImage, 0);
  EXPECT_EQ(buffers[3].offsetPerImage, 256);
}

TEST(AssignOffsets, BuffersOutsideTheArenaAreLeftAlone) {
  std::vector<Buffer> buffers = {makeBuffer("images", BufferKind::Input, 100, -1, 3, 7), makeBuffer("w", BufferKind::Weight, 100, -1, 3, 7),
                                 makeBuffer("logits", BufferKind::Output, 100, 0, 3, 7), arenaBuffer("a", 16, 0, 3, 7)};
  EXPECT_EQ(assignOffsets(buffers), 64);
  for (size_t i = 0; i < 3; ++i)
    EXPECT_EQ(buffers[i].offsetPerImage, 7);
  EXPECT_EQ(buffers[3].offsetPerImage, 0);
}

TEST(AssignOffsets, HoldsForAnyLives) {
  std::mt19937 random(1); // its numbers are the same everywhere
  for (int round = 0; round < 200; ++round) {
    std::vector<Buffer> buffers;
    for (size_t i = 0, count = 1 + random() % 40; i < count; ++i) {
      int64_t first = random() % 20;
      buffers.push_back(arenaBuffer("x" + std::to_string(i), 1 + random() % 500, first, first + random() % 6));
    }
    int64_t total = assignOffsets(buffers), highest = 0;
    for (size_t a = 0; a < buffers.size(); ++a) {
      EXPECT_GE(buffers[a].offsetPerImage, 0);
      EXPECT_EQ(buffers[a].offsetPerImage % 64, 0);
      highest = std::max(highest, end(buffers[a]));
      for (size_t b = a + 1; b < buffers.size(); ++b)
        if (aliveTogether(buffers[a], buffers[b]))
          EXPECT_TRUE(end(buffers[a]) <= buffers[b].offsetPerImage || end(buffers[b]) <= buffers[a].offsetPerImage)
              << "round " << round << ", buffers " << a << " and " << b;
    }
    EXPECT_EQ(total, highest) << "round " << round;
  }
}

} // namespace
