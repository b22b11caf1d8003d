//===- ResizeTest.cpp - resampling against Pillow's bytes ------------------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/image/Resize.h"
#include "test/unit/image/ImageTestUtils.h"

#include <cstring>
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

TEST(ResizeTest, floatsAreThoseOfTensors) {
  Image picture = decodeFile(dataPath("image/picture.png"));
  std::vector<uint8_t> file = readBytes(dataPath("image/resize-floats.npy"));
  std::ifstream table(dataPath("image/resize-floats.tsv"));
  std::string filter;
  int antialias;
  uint32_t width, height, cases = 0;
  size_t at = 128; // the header's length in a .npy of this size
  for (; table >> filter >> antialias >> width >> height; ++cases) {
    FloatImage resized = resizeToFloats(picture, width, height, filter == "bicubic" ? Filter::Bicubic : Filter::Bilinear, antialias);
    ASSERT_EQ(resized.pixels.size(), size_t(width) * height * 3);
    ASSERT_LE(at + resized.pixels.size() * sizeof(float), file.size());
    float largest = 0;
    for (float value : resized.pixels) {
      float expected;
      std::memcpy(&expected, file.data() + at, sizeof(float));
      at += sizeof(float);
      largest = std::max(largest, std::abs(value - expected));
    }
    EXPECT_LE(largest, 1e-4f) << filter << " " << antialias << " " << width << " x " << height; // of 255
  }
  EXPECT_EQ(cases, 5u);
  EXPECT_EQ(at, file.size());
}

TEST(ResizeTest, withoutAntialiasingBytesAreTheRoundedFloats) {
  Image picture = decodeFile(dataPath("image/picture.png"));
  Image bytes = resize(picture, 9, 53, Filter::Bilinear, PassOrder::Pillow13, /*antialias=*/false);
  FloatImage floats = resizeToFloats(picture, 9, 53, Filter::Bilinear, /*antialias=*/false);
  for (size_t i = 0; i < bytes.pixels.size(); ++i)
    ASSERT_NEAR(bytes.pixels[i], floats.pixels[i], 0.51f) << i;
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
