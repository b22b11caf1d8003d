//===- ResizeTest.cpp - resampling against Pillow's bytes ------------------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/image/Resize.h"
#include "test/unit/image/ImageTestUtils.h"

#include <map>

using namespace vitrt;
using namespace vitc::test;

namespace {

TEST(ResizeTest, everyFilterHasPillowsBytes) {
  const std::map<std::string, Filter> filters = {{"nearest", Filter::Nearest}, {"bilinear", Filter::Bilinear},
                                                 {"bicubic", Filter::Bicubic}, {"lanczos", Filter::Lanczos},
                                                 {"box", Filter::Box},         {"hamming", Filter::Hamming}};
  Image picture = decodeFile(dataPath("image/picture.png"));
  std::ifstream table(dataPath("image/resize.tsv"));
  std::string filter;
  uint32_t width, height, crc, cases = 0;
  for (; table >> filter >> width >> height >> crc; ++cases) {
    Image resized = resize(picture, width, height, filters.at(filter));
    EXPECT_EQ(resized.width, width);
    EXPECT_EQ(resized.height, height);
    EXPECT_EQ(checksum(resized), crc) << filter << " " << width << " x " << height;
  }
  EXPECT_EQ(cases, 42u);
}

TEST(ResizeTest, greyIsResampledAsColour) {
  Image picture = convertChannels(decodeFile(dataPath("image/picture.png")), 1);
  Image grey = resize(picture, 16, 90, Filter::Bicubic), colour = resize(convertChannels(picture, 3), 16, 90, Filter::Bicubic);
  EXPECT_EQ(maxDifference(convertChannels(grey, 3), colour), 0);
}

TEST(ResizeTest, passOrderMattersOnlyWhereBothAxesShrink) {
  Image picture = decodeFile(dataPath("image/picture.png"));
  auto difference = [&](uint32_t width, uint32_t height) {
    return maxDifference(resize(picture, width, height, Filter::Bicubic, PassOrder::Pillow13),
                         resize(picture, width, height, Filter::Bicubic, PassOrder::HorizontalFirst));
  };
  EXPECT_EQ(difference(80, 100), 0);
  EXPECT_EQ(difference(16, 40), 0);
  EXPECT_GT(difference(36, 9), 0);
}

} // namespace
