//===- ImageTestUtils.h - reading the tests' pictures --------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_TEST_UNIT_IMAGE_IMAGETESTUTILS_H
#define VITC_TEST_UNIT_IMAGE_IMAGETESTUTILS_H

#include "runtime/data/Files.h"
#include "runtime/image/Decode.h"
#include "test/unit/TestPaths.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <gtest/gtest.h>
#include <string>
#include <vector>
#include <zlib.h>

namespace vitc::test {

inline std::vector<uint8_t> readBytes(const std::filesystem::path &path) {
  auto bytes = vitrt::readFile(path.string());
  EXPECT_TRUE(bool(bytes)) << path;
  return bytes ? *bytes : std::vector<uint8_t>();
}

inline vitrt::Image decodeFile(const std::filesystem::path &path, vitrt::DecodeOptions options = {}) {
  std::vector<uint8_t> bytes = readBytes(path);
  auto image = vitrt::decodeImage(bytes, path.string(), options);
  EXPECT_TRUE(bool(image)) << (image ? "" : image.error().message);
  return image ? std::move(*image) : vitrt::Image();
}

inline uint32_t checksum(const vitrt::Image &image) { return uint32_t(crc32(0, image.pixels.data(), uInt(image.pixels.size()))); }

/// Largest difference of two images of one shape; 256 if the shapes differ.
inline int maxDifference(const vitrt::Image &a, const vitrt::Image &b) {
  if (a.width != b.width || a.height != b.height || a.channels != b.channels)
    return 256;
  int result = 0;
  for (size_t i = 0; i < a.pixels.size(); ++i)
    result = std::max(result, std::abs(a.pixels[i] - b.pixels[i]));
  return result;
}

} // namespace vitc::test

#endif // VITC_TEST_UNIT_IMAGE_IMAGETESTUTILS_H
