//===- DecodeTest.cpp - decoding against Pillow's pixels ------------------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "test/unit/image/ImageTestUtils.h"

#include <gmock/gmock.h>

using namespace vitrt;
using namespace vitc::test;
using testing::HasSubstr;

namespace {

std::string errorOf(const std::vector<uint8_t> &bytes) {
  auto image = decodeImage(bytes, "picture");
  EXPECT_FALSE(bool(image));
  if (image)
    return "";
  EXPECT_EQ(image.error().status, VITRT_ERROR_FORMAT);
  return image.error().message;
}

TEST(DecodeTest, everyKindOfPngHasPillowsPixels) {
  std::ifstream table(dataPath("image/decode.tsv"));
  std::string name;
  uint32_t width, height, channels, crc, cases = 0;
  for (; table >> name >> width >> height >> channels >> crc; ++cases) {
    Image image = decodeFile(dataPath("image/" + name));
    EXPECT_EQ(image.width, width) << name;
    EXPECT_EQ(image.height, height) << name;
    EXPECT_EQ(image.channels, channels) << name;
    EXPECT_EQ(checksum(image), crc) << name;
  }
  EXPECT_EQ(cases, 12u);
}

TEST(DecodeTest, everyKindOfJpegHasPillowsPixels) {
  int cases = 0;
  for (const auto &entry : std::filesystem::directory_iterator(dataPath("image/jpeg"))) {
    if (entry.path().extension() != ".jpg")
      continue;
    std::filesystem::path expected = entry.path();
    EXPECT_LE(maxDifference(decodeFile(entry.path()), decodeFile(expected.replace_extension(".png"))), 1) << entry.path();
    ++cases;
  }
  EXPECT_EQ(cases, 12);
}

TEST(DecodeTest, orientationCanBeLeftAlone) {
  Image turned = decodeFile(dataPath("image/jpeg/exif-6.jpg"));
  EXPECT_EQ(turned.width, 21u);
  EXPECT_EQ(turned.height, 29u);
  Image stored = decodeFile(dataPath("image/jpeg/exif-6.jpg"), {.applyOrientation = false});
  EXPECT_EQ(maxDifference(stored, decodeFile(dataPath("image/jpeg/exif-1.jpg"))), 0);
}

TEST(DecodeTest, damagedOrientationIsNone) {
  EXPECT_EQ(readOrientation({}), 1u);
  std::vector<uint8_t> tiff = {'I', 'I', 42, 0, 8, 0, 0, 0, 1, 0, 0x12, 1, 3, 0, 1, 0, 0, 0, 6, 0, 0, 0};
  EXPECT_EQ(readOrientation(tiff), 6u);
  for (size_t size = 0; size < 18; ++size)
    EXPECT_EQ(readOrientation(std::span(tiff).first(size)), 1u) << size;
  tiff[18] = 9;
  EXPECT_EQ(readOrientation(tiff), 1u);
  tiff[4] = tiff[5] = tiff[6] = tiff[7] = 0xff;
  EXPECT_EQ(readOrientation(tiff), 1u);
}

TEST(DecodeTest, truncatedFilesAreErrors) {
  for (const char *name :
       {"image/jpeg/ycc420.jpg", "image/jpeg/ycc444-progressive.jpg", "image/rgb8-interlaced.png", "image/palette4.png"}) {
    std::vector<uint8_t> bytes = readBytes(dataPath(name));
    // The end marker of a JPEG is two bytes that decoders do not miss.
    for (size_t size = 8; size + 16 < bytes.size(); size += 7)
      EXPECT_NE(errorOf(std::vector<uint8_t>(bytes.begin(), bytes.begin() + size)), "") << name << " " << size;
  }
  std::vector<uint8_t> bytes = readBytes(dataPath("image/jpeg/ycc420.jpg"));
  bytes.resize(bytes.size() - 100);
  EXPECT_THAT(errorOf(bytes), HasSubstr("picture: truncated JPEG"));
}

TEST(DecodeTest, changedBytesNeverCrash) {
  for (const char *name :
       {"image/jpeg/cmyk.jpg", "image/jpeg/ycc444-progressive.jpg", "image/rgb8-interlaced.png", "image/palette4-transparent.png"}) {
    const std::vector<uint8_t> bytes = readBytes(dataPath(name));
    for (size_t i = 0; i < bytes.size(); ++i) {
      std::vector<uint8_t> changed = bytes;
      changed[i] ^= uint8_t(1u << i % 8);
      auto image = decodeImage(changed, "picture");
      EXPECT_TRUE(image ? !image->pixels.empty() : !image.error().message.empty());
    }
  }
}

TEST(DecodeTest, otherFilesAreNamed) {
  EXPECT_EQ(errorOf({}), "picture: expected a JPEG or PNG image, the file is empty");
  EXPECT_THAT(errorOf({'G', 'I', 'F', '8', '9', 'a'}), HasSubstr("a GIF image"));
  EXPECT_THAT(errorOf({'h', 'e', 'l', 'l', 'o'}), HasSubstr("no image"));
}

TEST(DecodeTest, hugePicturesAreRefusedBeforeTheyTakeMemory) {
  std::vector<uint8_t> bytes = readBytes(dataPath("image/rgb8-interlaced.png"));
  for (size_t i : {16, 17, 20, 21}) // high bytes of width and height in IHDR
    bytes[i] = i % 4 ? 0xff : 0x00;
  uint32_t crc = uint32_t(crc32(0, &bytes[12], 17));
  for (int i = 0; i < 4; ++i)
    bytes[29 + i] = uint8_t(crc >> 8 * (3 - i));
  EXPECT_THAT(errorOf(bytes), HasSubstr("more than the limit"));
}

TEST(DecodeTest, pngRoundTrip) {
  for (const char *name : {"image/picture.png", "image/grey8.png"}) {
    Image image = decodeFile(dataPath(name));
    auto bytes = encodePng(image);
    ASSERT_TRUE(bool(bytes));
    auto again = decodeImage(*bytes, "copy");
    ASSERT_TRUE(bool(again));
    EXPECT_EQ(maxDifference(image, *again), 0) << name;
  }
}

} // namespace
