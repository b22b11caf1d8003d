//===- Geometry.cpp - where an image's pixels come from ------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/image/Geometry.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace vitrt {

Image cropRegion(const Image &image, int64_t x, int64_t y, uint32_t width, uint32_t height) {
  Image result(width, height, image.channels);
  int64_t left = std::max<int64_t>(x, 0), right = std::min<int64_t>(x + width, image.width);
  int64_t top = std::max<int64_t>(y, 0), bottom = std::min<int64_t>(y + height, image.height);
  if (left < right)
    for (int64_t row = top; row < bottom; ++row)
      std::copy_n(image.row(uint32_t(row)) + size_t(left) * image.channels, size_t(right - left) * image.channels,
                  result.row(uint32_t(row - y)) + size_t(left - x) * image.channels);
  return result;
}

void flipHorizontally(Image &image) {
  for (uint32_t y = 0; y < image.height; ++y) {
    uint8_t *left = image.row(y), *right = left + image.rowSamples() - image.channels;
    for (; left < right; left += image.channels, right -= image.channels)
      std::swap_ranges(left, left + image.channels, right);
  }
}

Image transformAffine(const Image &image, const std::array<double, 6> &inverse) {
  auto [a, b, c, d, e, f] = inverse;
  auto fixed = [](double value) { return int64_t(std::floor(value * 65536.0 + 0.5)); };
  int64_t stepX = fixed(a), stepY = fixed(d), rowX = fixed(b), rowY = fixed(e);
  int64_t startX = fixed(c + a * 0.5 + b * 0.5), startY = fixed(f + d * 0.5 + e * 0.5);
  Image result(image.width, image.height, image.channels);
  for (uint32_t y = 0; y < result.height; ++y, startX += rowX, startY += rowY) {
    uint8_t *to = result.row(y);
    int64_t fromX = startX, fromY = startY;
    for (uint32_t x = 0; x < result.width; ++x, to += image.channels, fromX += stepX, fromY += stepY) {
      int64_t u = fromX >> 16, v = fromY >> 16;
      if (u >= 0 && u < image.width && v >= 0 && v < image.height)
        std::copy_n(image.row(uint32_t(v)) + size_t(u) * image.channels, image.channels, to);
    }
  }
  return result;
}

std::array<double, 6> shearMatrix(double x, double y) {
  // _get_inverse_affine_matrix of torchvision/transforms/functional.py without rotation, scale, translation and centre.
  double b = -std::cos(-y) * std::tan(x) / std::cos(y), c = std::sin(-y) / std::cos(y);
  double d = -std::sin(-y) * std::tan(x) / std::cos(y) + 1.0;
  return {d, -b, 0.0, -c, 1.0, 0.0};
}

std::array<double, 6> shiftMatrix(int x, int y) { return {1.0, 0.0, double(-x), 0.0, 1.0, double(-y)}; }

std::array<double, 6> rotationMatrix(double degrees, uint32_t width, uint32_t height) {
  double turn = std::fmod(degrees, 360.0), angle = -(turn < 0 ? turn + 360.0 : turn) * (std::numbers::pi / 180.0);
  double cosine = std::cos(angle), sine = std::sin(angle), centreX = width / 2.0, centreY = height / 2.0;
  return {cosine, sine, -cosine * centreX - sine * centreY + centreX, -sine, cosine, sine * centreX - cosine * centreY + centreY};
}

} // namespace vitrt
