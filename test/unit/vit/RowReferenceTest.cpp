//===- RowReferenceTest.cpp - feature maps as rows against their formulas -----------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "Operation.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

using namespace vitc::test;

namespace {

/// With a dynamic batch and with a static one.
struct RowReference : testing::TestWithParam<bool> {};

constexpr int64_t height = 7, width = 6, channels = 3;

/// Channel `c` of pixel (y, x) of rows [B, H W, C]; `outside` where the padding is.
double pixel(const Tensor &rows, int64_t image, int64_t y, int64_t x, int64_t c, double outside) {
  bool inside = y >= 0 && x >= 0 && y < height && x < width;
  return inside ? rows.at({image, y * width + x, c}) : outside;
}

TEST_P(RowReference, LayoutsAreTheSameElements) {
  Tensor images = Tensor::random({2, channels, height, width}, 1), rows = Tensor::random({2, height * width, channels}, 2);
  expectFormula(Operation(GetParam(), {images}).run("vit.channels_last %a0", images.type(GetParam()), rows.shape), rows.shape,
                [&](const Position &p) { return images.at({p[0], p[2], p[1] / width, p[1] % width}); });
  expectFormula(Operation(GetParam(), {rows}).run("vit.channels_first %a0", rows.type(GetParam()), images.shape), images.shape,
                [&](const Position &p) { return rows.at({p[0], p[2] * width + p[3], p[1]}); });
}

TEST_P(RowReference, Im2colOfLopsidedPadding) {
  Tensor rows = Tensor::random({2, height * width, channels}, 1);
  Operation op(GetParam(), {rows});
  // Down: (7 + 0 + 1 - 3) / 2 + 1 = 3; across: (6 + 1 + 2 - 2) / 3 + 1 = 3.
  std::string text =
      "vit.im2col %a0 {grid = array<i64: 7, 6>, window = array<i64: 3, 2>, stride = array<i64: 2, 3>, padding = array<i64: 0, 1, 1, 2>}";
  expectFormula(op.run(text, op.type(0), {2, 9, 18}), {2, 9, 18}, [&](const Position &p) {
    int64_t y = p[1] / 3 * 2 + p[2] / (2 * channels), x = p[1] % 3 * 3 + p[2] / channels % 2 - 1;
    return pixel(rows, p[0], y, x, p[2] % channels, 0.0);
  });
}

TEST_P(RowReference, PoolingIgnoresItsPadding) {
  Tensor rows = Tensor::random({2, height * width, channels}, 1);
  for (float &value : rows.data)
    value -= 2.0f; // All are negative, so a padding of zeros would win.
  Operation op(GetParam(), {rows});
  for (bool isMax : {true, false}) {
    std::string text =
        std::string("vit.pool_rows %a0 {kind = #vit.window_pool<") + (isMax ? "max" : "avg") +
        ">, grid = array<i64: 7, 6>, window = array<i64: 3, 2>, stride = array<i64: 2, 2>, padding = array<i64: 1, 1, 0, 1>}";
    expectFormula(op.run(text, op.type(0), {2, 12, channels}), {2, 12, channels}, [&](const Position &p) {
      double best = -std::numeric_limits<double>::infinity(), sum = 0, count = 0;
      for (int64_t i = 0; i < 3; ++i)
        for (int64_t j = 0; j < 2; ++j) {
          int64_t y = p[1] / 3 * 2 + i - 1, x = p[1] % 3 * 2 + j;
          bool inside = y >= 0 && y < height && x < width;
          best = std::max(best, pixel(rows, p[0], y, x, p[2], best));
          sum += pixel(rows, p[0], y, x, p[2], 0.0);
          count += inside ? 1 : 0;
        }
      return isMax ? best : sum / count;
    });
  }
}

TEST_P(RowReference, GroupNormWithItsEpilogue) {
  constexpr int64_t wide = 6, pixels = 11;
  Tensor rows = Tensor::random({2, pixels, wide}, 1), residual = Tensor::random({2, pixels, wide}, 2), gain = Tensor::random({wide}, 3),
         shift = Tensor::random({wide}, 4);
  Operation op(GetParam(), {rows, residual, gain, shift}, 2);
  for (int64_t groups : {1, 3, 6}) {
    int64_t each = wide / groups;
    auto normalized = [&](const Position &p) {
      int64_t first = p[2] / each * each;
      double mean = 0, variance = 0;
      for (int64_t i = 0; i < each * pixels; ++i)
        mean += rows.at({p[0], i / each, first + i % each}) / double(each * pixels);
      for (int64_t i = 0; i < each * pixels; ++i)
        variance += std::pow(rows.at({p[0], i / each, first + i % each}) - mean, 2) / double(each * pixels);
      return (rows.at({p[0], p[1], p[2]}) - mean) / std::sqrt(variance + 1e-3);
    };
    std::string numbers = "groups = " + std::to_string(groups) + " : i64, eps = 1.0e-3 : f32}";
    expectFormula(op.run("vit.group_norm_rows %a0 {" + numbers, op.type(0), rows.shape, false), rows.shape, normalized);
    expectFormula(op.run("vit.group_norm_rows %a0 shift(" + op.typed(3) + ") {activation = #vit.activation<relu>, " + numbers, op.type(0),
                         rows.shape, false),
                  rows.shape, [&](const Position &p) { return std::max(normalized(p) + shift.at({p[2]}), 0.0); });
    expectFormula(op.run("vit.group_norm_rows %a0 gain(" + op.typed(2) + ") shift(" + op.typed(3) + ") residual(" + op.typed(1) +
                             ") {activation = #vit.activation<relu>, " + numbers,
                         op.type(0), rows.shape, false),
                  rows.shape, [&](const Position &p) {
                    double value = normalized(p) * gain.at({p[2]}) + shift.at({p[2]}) + residual.at({p[0], p[1], p[2]});
                    return std::max(value, 0.0);
                  });
  }
}

TEST_P(RowReference, LinearWithItsActivationBehindTheSum) {
  Tensor x = Tensor::random({2, 5, 7}, 1), residual = Tensor::random({2, 5, 4}, 2), weight = Tensor::random({4, 7}, 3),
         bias = Tensor::random({4}, 4);
  Operation op(GetParam(), {x, residual, weight, bias}, 2);
  std::string text =
      "vit.linear %a0, %a2 bias(" + op.typed(3) + ") residual(" + op.typed(1) + ") {activation = #vit.activation<relu>, activation_last}";
  expectFormula(op.run(text, op.type(0) + ", " + op.type(2), residual.shape), residual.shape, [&](const Position &p) {
    double sum = bias.at({p[2]}) + residual.at({p[0], p[1], p[2]});
    for (int64_t k = 0; k < 7; ++k)
      sum += double(x.at({p[0], p[1], k})) * weight.at({p[2], k});
    return std::max(sum, 0.0);
  });
}

INSTANTIATE_TEST_SUITE_P(Batch, RowReference, testing::Bool(), [](const auto &info) { return info.param ? "Dynamic" : "Static"; });

} // namespace
