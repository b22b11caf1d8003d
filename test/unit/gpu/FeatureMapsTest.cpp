//===- FeatureMapsTest.cpp - GPU kernels on feature maps against double precision -*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "DeviceHarness.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <limits>

using namespace vitc::test;

namespace {

constexpr int64_t kImages = 2;

std::string map(int64_t pixels, int64_t channels) { return fmt::format("tensor<?x{}x{}xf32>", pixels, channels); }

void expectLaunch(const std::string &text, const std::vector<std::vector<float>> &operands, const std::vector<double> &expected,
                  double tolerance) {
  std::optional<DeviceKernel> kernel = compileDeviceLaunch(text);
  ASSERT_TRUE(kernel) << text;
  expectClose(kernel->run(operands, {expected.size()}, kImages, /*seed=*/3).front(), expected, tolerance);
}

/// Windows of size x size pixels over a map of height x width with as many zeros above, below, left and right as said.
struct Case {
  int64_t height, width, channels, size = 1, stride = 1;
  int64_t top = 0, bottom = 0, left = 0, right = 0;

  int64_t paddedHeight() const { return top + height + bottom; }
  int64_t paddedWidth() const { return left + width + right; }
  int64_t down() const { return (paddedHeight() - size) / stride + 1; }
  int64_t across() const { return (paddedWidth() - size) / stride + 1; }
  std::string attributes() const {
    return fmt::format("grid = array<i64: {}, {}>, padding = array<i64: {}, {}, {}, {}>", height, width, top, bottom, left, right);
  }
};

TEST(GpuFeatureMaps, PaddingIsZero) {
  for (const Case &c : {Case{5, 7, 3, 1, 1, 1, 1, 1, 1}, Case{4, 4, 64, 1, 1, 2, 3, 2, 3}, Case{3, 5, 18, 1, 1, 0, 1, 0, 1},
                        Case{1, 1, 1, 1, 1, 3, 0, 0, 2}}) {
    std::vector<float> x = randomFloats(kImages * c.height * c.width * c.channels, 1);
    std::vector<double> expected(kImages * c.paddedHeight() * c.paddedWidth() * c.channels, 0.0);
    for (int64_t row = 0; row < kImages * c.height; ++row)
      for (int64_t i = 0; i < c.width * c.channels; ++i)
        expected[((row / c.height * c.paddedHeight() + row % c.height + c.top) * c.paddedWidth() + c.left) * c.channels + i] =
            x[row * c.width * c.channels + i];
    expectLaunch(fmt::format("func.func @f(%x: {0}) -> {1} {{\n  %y = kernel.pad_rows %x {{{2}}} : {0} -> {1}\n  return %y : {1}\n}}",
                             map(c.height * c.width, c.channels), map(c.paddedHeight() * c.paddedWidth(), c.channels), c.attributes()),
                 {x}, expected, 0);
  }
}

TEST(GpuFeatureMaps, PoolingSeesNoPadding) {
  for (const Case &c :
       {Case{8, 8, 64, 3, 2, 0, 1, 0, 1}, Case{7, 9, 5, 3, 2, 1, 1, 1, 1}, Case{5, 7, 34, 2, 2, 0, 1, 0, 1}, Case{3, 3, 1, 3, 1}})
    for (bool isMax : {true, false}) {
      std::vector<float> x = randomFloats(kImages * c.height * c.width * c.channels, 1);
      for (float &value : x)
        value -= 10.0f; // so that a padding of zeros would win
      std::vector<double> expected;
      for (int64_t image = 0; image < kImages; ++image)
        for (int64_t window = 0; window < c.down() * c.across(); ++window)
          for (int64_t channel = 0; channel < c.channels; ++channel) {
            double best = -std::numeric_limits<double>::infinity(), sum = 0, count = 0;
            for (int64_t i = 0; i < c.size * c.size; ++i) {
              int64_t y = window / c.across() * c.stride - c.top + i / c.size, at = window % c.across() * c.stride - c.left + i % c.size;
              if (y < 0 || at < 0 || y >= c.height || at >= c.width)
                continue;
              double value = x[((image * c.height + y) * c.width + at) * c.channels + channel];
              best = std::max(best, value);
              sum += value;
              ++count;
            }
            expected.push_back(isMax ? best : sum / count);
          }
      expectLaunch(fmt::format("func.func @f(%x: {0}) -> {1} {{\n  %y = kernel.pool_rows %x {{kind = #vit.window_pool<{2}>, {3}, window = "
                               "array<i64: {4}, {4}>, stride = array<i64: {5}, {5}>}} : {0} -> {1}\n  return %y : {1}\n}}",
                               map(c.height * c.width, c.channels), map(c.down() * c.across(), c.channels), isMax ? "max" : "avg",
                               c.attributes(), c.size, c.stride),
                   {x}, expected, 1e-6);
    }
}

struct GroupCase {
  int64_t pixels, channels, groups;
  bool gain, shift, residual, relu;
};

TEST(GpuFeatureMaps, GroupNorm) {
  for (const GroupCase &c : {GroupCase{49, 64, 32, true, true, false, true}, GroupCase{300, 96, 3, true, true, true, true},
                             GroupCase{7, 15, 3, false, true, true, false}, GroupCase{1, 128, 1, true, false, false, false}}) {
    // Far from zero, where a variance from the mean of squares would have lost its digits.
    std::vector<float> x = randomFloats(kImages * c.pixels * c.channels, 1, 3.0f);
    for (float &value : x)
      value += 50.0f;
    std::vector<float> gain = randomFloats(c.channels, 2), shift = randomFloats(c.channels, 3), residual = randomFloats(x.size(), 4);
    const int64_t width = c.channels / c.groups;
    std::vector<double> expected(x.size());
    for (int64_t image = 0; image < kImages; ++image)
      for (int64_t group = 0; group < c.groups; ++group) {
        auto at = [&](int64_t i) { return (image * c.pixels + i / width) * c.channels + group * width + i % width; };
        double count = double(c.pixels * width), mean = 0, squares = 0;
        for (int64_t i = 0; i < c.pixels * width; ++i)
          mean += x[at(i)] / count;
        for (int64_t i = 0; i < c.pixels * width; ++i)
          squares += (x[at(i)] - mean) * (x[at(i)] - mean);
        for (int64_t i = 0; i < c.pixels * width; ++i) {
          int64_t channel = at(i) % c.channels;
          double value = (x[at(i)] - mean) / std::sqrt(squares / count + 1e-5) * (c.gain ? gain[channel] : 1.0) +
                         (c.shift ? shift[channel] : 0.0) + (c.residual ? residual[at(i)] : 0.0);
          expected[at(i)] = c.relu ? std::max(value, 0.0) : value;
        }
      }
    std::vector<std::vector<float>> operands{x};
    if (c.gain)
      operands.push_back(gain);
    if (c.shift)
      operands.push_back(shift);
    if (c.residual)
      operands.push_back(residual);
    std::string rows = map(c.pixels, c.channels), vector = fmt::format("tensor<{}xf32>", c.channels);
    expectLaunch(
        fmt::format("func.func @f(%x: {0}, %g: {1}, %s: {1}, %r: {0}) -> {0} {{\n  %y = kernel.group_norm %x {2} {3} {4} {{activation = "
                    "#vit.activation<{5}>, groups = {6} : i64, eps = 1.0e-5 : f32}} : {0} -> {0}\n  return %y : {0}\n}}",
                    rows, vector, c.gain ? "gain(%g : " + vector + ")" : "", c.shift ? "shift(%s : " + vector + ")" : "",
                    c.residual ? "residual(%r : " + rows + ")" : "", c.relu ? "relu" : "none", c.groups),
        operands, expected, 3e-5);
  }
}

} // namespace
