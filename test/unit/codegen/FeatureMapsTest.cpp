//===- FeatureMapsTest.cpp - kernels on feature maps against double precision --*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "KernelHarness.h"
#include "Numbers.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

using namespace vitc::test;

namespace {

/// Windows of size x size pixels over a padded grid.
struct Case {
  int64_t height, width, channels, size = 1, stride = 1;
  int64_t top = 0, bottom = 0, left = 0, right = 0;

  int64_t paddedHeight() const { return top + height + bottom; }
  int64_t paddedWidth() const { return left + width + right; }
  int64_t down() const { return (paddedHeight() - size) / stride + 1; }
  int64_t across() const { return (paddedWidth() - size) / stride + 1; }
  std::string padding() const { return fmt::format("array<i64: {}, {}, {}, {}>", top, bottom, left, right); }
  std::string map(int64_t pixels, int64_t columns) const { return fmt::format("tensor<?x{}x{}xf32>", pixels, columns); }
};

std::ostream &operator<<(std::ostream &os, const Case &c) {
  return os << fmt::format("{}x{} pixels of {}, windows of {} by {}", c.height, c.width, c.channels, c.size, c.stride);
}

constexpr int64_t images = 3;

class FeatureMaps : public testing::TestWithParam<Level> {
protected:
  /// Compiles a function of one launch and compares it.
  void expectLaunch(const std::string &text, const std::vector<std::vector<float>> &operands, const std::vector<double> &expected,
                    double tolerance) const {
    std::optional<Kernel> kernel = compileLaunch(text, GetParam().target);
    ASSERT_TRUE(kernel);
    expectKernel(*kernel, operands, expected, images, tolerance);
  }
  int64_t lanes() const { return GetParam().target.vectorLanes; }
};

TEST_P(FeatureMaps, PaddingIsZero) {
  const Case cases[] = {
      {5, 7, 3, 1, 1, 1, 1, 1, 1}, {4, 4, 64, 1, 1, 2, 3, 2, 3}, {3, 5, 17, 1, 1, 0, 1, 0, 1}, {1, 1, 1, 1, 1, 3, 0, 0, 2}};
  for (const Case &c : cases) {
    SCOPED_TRACE(c);
    std::vector<float> x = randomFloats(images * c.height * c.width * c.channels, 1);
    std::vector<double> expected(images * c.paddedHeight() * c.paddedWidth() * c.channels, 0.0);
    for (int64_t row = 0; row < images * c.height; ++row)
      for (int64_t i = 0; i < c.width * c.channels; ++i)
        expected[((row / c.height * c.paddedHeight() + row % c.height + c.top) * c.paddedWidth() + c.left) * c.channels + i] =
            x[row * c.width * c.channels + i];
    std::string from = c.map(c.height * c.width, c.channels), to = c.map(c.paddedHeight() * c.paddedWidth(), c.channels);
    expectLaunch(fmt::format("func.func @f(%x: {0}) -> {1} {{\n  %y = kernel.pad_rows %x {{grid = array<i64: {2}, {3}>, padding = {4}, "
                             "schedule = #kernel.row_schedule<rows_per_task = 2, vector = {5}>}} : {0} -> {1}\n  return %y : {1}\n}}",
                             from, to, c.height, c.width, c.padding(), lanes()),
                 {x}, expected, 0);
  }
}

TEST_P(FeatureMaps, PoolingSeesNoPadding) {
  const Case cases[] = {{8, 8, 64, 3, 2, 0, 1, 0, 1}, {7, 9, 5, 3, 2, 1, 1, 1, 1}, {5, 7, 33, 2, 2, 0, 1, 0, 1}, {3, 3, 1, 3, 1}};
  for (const Case &c : cases)
    for (bool isMax : {true, false}) {
      SCOPED_TRACE(c);
      std::vector<float> x = randomFloats(images * c.height * c.width * c.channels, 1);
      for (float &value : x)
        value -= 10.0f; // so that a padding of zeros would win
      std::vector<double> expected;
      for (int64_t image = 0; image < images; ++image)
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
      std::string from = c.map(c.height * c.width, c.channels), to = c.map(c.down() * c.across(), c.channels);
      expectLaunch(fmt::format("func.func @f(%x: {0}) -> {1} {{\n  %y = kernel.pool_rows %x {{kind = #vit.window_pool<{2}>, "
                               "grid = array<i64: {3}, {4}>, window = array<i64: {5}, {5}>, stride = array<i64: {6}, {6}>, padding = {7}, "
                               "schedule = #kernel.row_schedule<rows_per_task = 2, vector = {8}>}} : {0} -> {1}\n  return %y : {1}\n}}",
                               from, to, isMax ? "max" : "avg", c.height, c.width, c.size, c.stride, c.padding(), lanes()),
                   {x}, expected, 1e-6);
    }
}

/// What a product of windows multiplies.
enum class Kind { F32, Bf16Weights, Bf16 };

void expectProductOfWindows(const Case &c, int64_t blocks, Kind kind, const Level &level) {
  constexpr int64_t outputs = 21;
  int64_t perWord = kind == Kind::F32 ? 1 : 2, depth = c.size * c.size * c.channels, kBlock = (depth / perWord + blocks - 1) / blocks,
          panels = (outputs + level.columns - 1) / level.columns;
  std::vector<float> x = randomFloats(images * c.height * c.width * c.channels, 1);
  std::vector<float> weight = randomFloats(outputs * depth, 2, 1 / std::sqrt(float(depth))),
                     packed(blocks * panels * kBlock * level.columns * perWord);
  if (kind == Kind::Bf16)
    x = roundedToBf16(x);
  if (kind != Kind::F32)
    weight = roundedToBf16(weight);
  for (int64_t n = 0; n < outputs; ++n)
    for (int64_t k = 0; k < depth; ++k) {
      int64_t word = k / perWord, panel = word / kBlock * panels + n / level.columns;
      packed[((panel * kBlock + word % kBlock) * level.columns + n % level.columns) * perWord + k % perWord] = weight[n * depth + k];
    }
  std::vector<float> residual = randomFloats(images * c.down() * c.across() * outputs, 3);
  std::vector<double> expected(residual.size());
  for (int64_t row = 0; row < images * c.down() * c.across(); ++row)
    for (int64_t n = 0; n < outputs; ++n) {
      int64_t image = row / (c.down() * c.across()), window = row % (c.down() * c.across());
      double sum = residual[row * outputs + n];
      for (int64_t k = 0; k < depth; ++k) {
        int64_t y = window / c.across() * c.stride + k / (c.size * c.channels);
        int64_t at = window % c.across() * c.stride + k / c.channels % c.size;
        sum += double(x[((image * c.height + y) * c.width + at) * c.channels + k % c.channels]) * weight[n * depth + k];
      }
      expected[row * outputs + n] = std::max(sum, 0.0); // activation_last
    }
  std::string from = fmt::format("tensor<?x{}x{}x{}>", c.height * c.width, c.channels, kind == Kind::Bf16 ? "bf16" : "f32");
  std::string to = c.map(c.down() * c.across(), outputs);
  std::string weights = fmt::format("tensor<{}x{}x{}x{}x{}>", blocks, panels, kBlock, level.columns, kind == Kind::F32 ? "f32" : "2xbf16");
  std::optional<Kernel> kernel =
      compileLaunch(fmt::format("func.func @f(%x: {0}, %w: {1}, %r: {2}) -> {2} {{\n  %y = kernel.gemm %x, %w residual(%r : {2}) "
                                "{{activation = #vit.activation<relu>, activation_last, window = #kernel.window<height = {3}, width = {4}, "
                                "rows = {5}, columns = {5}, stride_y = {6}, stride_x = {6}>, schedule = #kernel.gemm_schedule<rows = {7}, "
                                "columns = {8}, k_block = {9}, row_block = {10}, prefetch = 8, vector = {11}>}} : {0}, {1} -> {2}\n"
                                "  return %y : {2}\n}}",
                                from, weights, to, c.height, c.width, c.size, c.stride, level.rows, level.columns, kBlock, 4 * level.rows,
                                level.target.vectorLanes),
                    level.target);
  ASSERT_TRUE(kernel);
  expectKernel(*kernel, {kind == Kind::Bf16 ? bf16Words(x) : x, kind == Kind::F32 ? packed : bf16Words(packed), residual}, expected, images,
               4e-7 * std::sqrt(double(depth)) + 1e-6);
}

TEST_P(FeatureMaps, ProductsOfWindows) {
  // The last windows leave pixels over; a k-block may end within a window's row.
  for (const Case &c : {Case{6, 7, 5, 3, 1}, {9, 8, 3, 3, 2}, {11, 13, 3, 7, 2}, {6, 6, 16, 2, 2}, {5, 7, 8, 1, 2}})
    for (int64_t blocks : {1, 2}) {
      SCOPED_TRACE(c);
      expectProductOfWindows(c, blocks, Kind::F32, GetParam());
    }
}

TEST_P(FeatureMaps, ProductsOfWindowsByBf16) {
  std::optional<Level> bf16 = levelWith("avx512bf16");
  for (const Case &c : {Case{6, 7, 6, 3, 1}, {9, 8, 2, 3, 2}, {6, 6, 16, 2, 2}})
    for (int64_t blocks : {1, 2}) {
      SCOPED_TRACE(c);
      expectProductOfWindows(c, blocks, Kind::Bf16Weights, GetParam());
      if (bf16)
        expectProductOfWindows(c, blocks, Kind::Bf16, *bf16);
    }
}

struct GroupCase {
  int64_t pixels, channels, groups, groupsPerTask;
  bool gain, shift, residual, relu;
};

TEST_P(FeatureMaps, GroupNorm) {
  const GroupCase cases[] = {{49, 64, 32, 16, true, true, false, true},   {200, 96, 32, 8, true, true, true, true},
                             {65, 32, 32, 32, true, false, false, false}, {7, 15, 3, 1, false, true, true, false},
                             {64, 10, 2, 2, false, false, false, true},   {1, 128, 1, 1, true, true, false, false},
                             {130, 70, 5, 5, true, true, true, false}};
  for (const GroupCase &c : cases) {
    SCOPED_TRACE(fmt::format("{} pixels of {} channels in {} groups", c.pixels, c.channels, c.groups));
    // Far from zero, where a variance from the mean of squares would have lost its digits.
    std::vector<float> x = randomFloats(images * c.pixels * c.channels, 1, 3.0f);
    for (float &value : x)
      value += 50.0f;
    std::vector<float> gain = randomFloats(c.channels, 2), shift = randomFloats(c.channels, 3), residual = randomFloats(x.size(), 4);
    int64_t width = c.channels / c.groups;
    std::vector<double> expected(x.size());
    for (int64_t image = 0; image < images; ++image)
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
    std::string map = fmt::format("tensor<?x{}x{}xf32>", c.pixels, c.channels), vector = fmt::format("tensor<{}xf32>", c.channels);
    std::vector<std::vector<float>> operands{x};
    if (c.gain)
      operands.push_back(gain);
    if (c.shift)
      operands.push_back(shift);
    if (c.residual)
      operands.push_back(residual);
    std::string text =
        fmt::format("func.func @f(%x: {0}, %g: {1}, %s: {1}, %r: {0}) -> {0} {{\n  %y = kernel.group_norm %x {2} {3} {4} {{activation = "
                    "#vit.activation<{5}>, groups = {6} : i64, eps = 1.0e-5 : f32, schedule = #kernel.group_schedule<groups_per_task = "
                    "{7}, vector = {8}>}} "
                    ": {0} -> {0}\n  return %y : {0}\n}}",
                    map, vector, c.gain ? "gain(%g : " + vector + ")" : "", c.shift ? "shift(%s : " + vector + ")" : "",
                    c.residual ? "residual(%r : " + map + ")" : "", c.relu ? "relu" : "none", c.groups, c.groupsPerTask, lanes());
    expectLaunch(text, operands, expected, 3e-5);

    // In the input's memory the numbers are the same.
    std::optional<Kernel> kernel = compileLaunch(text, GetParam().target);
    ASSERT_TRUE(kernel);
    std::vector<float> inPlace = x;
    std::vector<float *> buffers{inPlace.data()};
    for (size_t i = 1; i < operands.size(); ++i)
      buffers.push_back(operands[i].data());
    buffers.push_back(inPlace.data());
    kernel->run(buffers, images);
    expectClose(inPlace, expected, 3e-5);
  }
}

INSTANTIATE_TEST_SUITE_P(Levels, FeatureMaps, testing::ValuesIn(runnableLevels()),
                         [](const auto &info) { return parameterName(info.param.name); });

} // namespace
