//===- StemReferenceTest.cpp - convolutional stems against their formulas -----------------===//
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
struct StemReference : testing::TestWithParam<bool> {};

/// Element (y, x) of a padded image, `outside` where the padding is.
double padded(const Tensor &images, int64_t image, int64_t channel, int64_t y, int64_t x, double outside) {
  bool inside = y >= 0 && x >= 0 && y < images.shape[2] && x < images.shape[3];
  return inside ? images.at({image, channel, y, x}) : outside;
}

TEST_P(StemReference, ConvWithStrideAndLopsidedPadding) {
  Tensor images = Tensor::random({2, 3, 9, 8}, 1), kernel = Tensor::random({5, 3, 3, 2}, 2), bias = Tensor::random({5}, 3);
  Operation op(GetParam(), {images, kernel, bias});
  std::string types = op.type(0) + ", " + op.type(1);
  auto formula = [&](const Position &p, int64_t strideY, int64_t strideX, int64_t top, int64_t left) {
    double sum = 0;
    for (int64_t c = 0; c < 3; ++c)
      for (int64_t i = 0; i < 3; ++i)
        for (int64_t j = 0; j < 2; ++j)
          sum += padded(images, p[0], c, p[2] * strideY + i - top, p[3] * strideX + j - left, 0.0) * kernel.at({p[1], c, i, j});
    return sum;
  };
  // Rows: (9 + 0 + 1 - 3) / 2 + 1 = 4; columns: (8 + 1 + 2 - 2) / 3 + 1 = 4.
  expectFormula(op.run("vit.conv %a0, %a1 bias(" + op.typed(2) + ") {stride = array<i64: 2, 3>, padding = array<i64: 0, 1, 1, 2>}", types,
                       {2, 5, 4, 4}),
                {2, 5, 4, 4}, [&](const Position &p) { return formula(p, 2, 3, 0, 1) + bias.at({p[1]}); });
  expectFormula(op.run("vit.conv %a0, %a1 {stride = array<i64: 1, 1>, padding = array<i64: 0, 0, 0, 0>}", types, {2, 5, 7, 7}),
                {2, 5, 7, 7}, [&](const Position &p) { return formula(p, 1, 1, 0, 0); });
}

TEST_P(StemReference, GroupNorm) {
  Tensor images = Tensor::random({2, 6, 3, 5}, 1), gain = Tensor::random({6}, 2), shift = Tensor::random({6}, 3);
  Operation op(GetParam(), {images, gain, shift});
  for (int64_t groups : {1, 3, 6}) {
    int64_t channels = 6 / groups, count = channels * 15;
    auto formula = [&](const Position &p) {
      int64_t first = p[1] / channels * channels;
      double mean = 0, variance = 0;
      for (int64_t i = 0; i < count; ++i)
        mean += images.at({p[0], first + i / 15, i % 15 / 5, i % 5}) / count;
      for (int64_t i = 0; i < count; ++i)
        variance += std::pow(images.at({p[0], first + i / 15, i % 15 / 5, i % 5}) - mean, 2) / count;
      return (images.at({p[0], p[1], p[2], p[3]}) - mean) / std::sqrt(variance + 1e-3);
    };
    std::string attributes = " {groups = " + std::to_string(groups) + " : i64, eps = 1.0e-3 : f32}";
    expectFormula(
        op.run("vit.group_norm %a0 gain(" + op.typed(1) + ") shift(" + op.typed(2) + ")" + attributes, op.type(0), images.shape, false),
        images.shape, [&](const Position &p) { return formula(p) * gain.at({p[1]}) + shift.at({p[1]}); });
    expectFormula(op.run("vit.group_norm %a0" + attributes, op.type(0), images.shape, false), images.shape, formula);
  }
}

TEST_P(StemReference, MaxPoolIgnoresItsPadding) {
  Tensor images = Tensor::random({2, 3, 7, 6}, 1);
  for (float &value : images.data)
    value -= 2.0f; // All are negative, so a padding of zeros would win.
  Operation op(GetParam(), {images});
  std::string text = "vit.max_pool %a0 {window = array<i64: 3, 2>, stride = array<i64: 2, 2>, padding = array<i64: 1, 1, 0, 1>}";
  expectFormula(op.run(text, op.type(0), {2, 3, 4, 3}), {2, 3, 4, 3}, [&](const Position &p) {
    double best = -std::numeric_limits<double>::infinity();
    for (int64_t i = 0; i < 3; ++i)
      for (int64_t j = 0; j < 2; ++j)
        best = std::max(best, padded(images, p[0], p[1], p[2] * 2 + i - 1, p[3] * 2 + j, best));
    return best;
  });
}

TEST_P(StemReference, AvgPoolCountsThePixelsThatAreThere) {
  Tensor images = Tensor::random({2, 3, 7, 6}, 1);
  Operation op(GetParam(), {images});
  // torch's ceil_mode=True, count_include_pad=False: the last row of windows has one row of pixels.
  std::string text = "vit.avg_pool %a0 {window = array<i64: 2, 2>, stride = array<i64: 2, 2>, padding = array<i64: 0, 1, 0, 0>}";
  expectFormula(op.run(text, op.type(0), {2, 3, 4, 3}), {2, 3, 4, 3}, [&](const Position &p) {
    int64_t rows = p[2] == 3 ? 1 : 2;
    double sum = 0;
    for (int64_t i = 0; i < rows; ++i)
      for (int64_t j = 0; j < 2; ++j)
        sum += images.at({p[0], p[1], p[2] * 2 + i, p[3] * 2 + j});
    return sum / double(2 * rows);
  });
}

TEST_P(StemReference, BatchNorm) {
  Tensor images = Tensor::random({2, 4, 3, 5}, 1), mean = Tensor::random({4}, 2), variance = Tensor::random({4}, 3),
         gain = Tensor::random({4}, 4), shift = Tensor::random({4}, 5);
  for (float &value : variance.data)
    value = std::abs(value) + 0.1f;
  Operation op(GetParam(), {images, mean, variance, gain, shift});
  std::string statistics = "vit.batch_norm %a0 mean(" + op.typed(1) + ") variance(" + op.typed(2) + ")";
  auto formula = [&](const Position &p) {
    return (images.at({p[0], p[1], p[2], p[3]}) - mean.at({p[1]})) / std::sqrt(variance.at({p[1]}) + 1e-3);
  };
  expectFormula(op.run(statistics + " {eps = 1.0e-3 : f32}", op.type(0), images.shape, false), images.shape, formula);
  expectFormula(
      op.run(statistics + " gain(" + op.typed(3) + ") shift(" + op.typed(4) + ") {eps = 1.0e-3 : f32}", op.type(0), images.shape, false),
      images.shape, [&](const Position &p) { return formula(p) * gain.at({p[1]}) + shift.at({p[1]}); });
}

INSTANTIATE_TEST_SUITE_P(Batch, StemReference, testing::Bool(), [](const auto &info) { return info.param ? "Dynamic" : "Static"; });

TEST(WeightReference, StandardizeByOutputChannel) {
  Tensor kernel = Tensor::random({4, 3, 2, 5}, 1);
  for (bool onDeviation : {false, true}) {
    Tensor y =
        evaluate(std::string("func.func @f(%a: tensor<4x3x2x5xf32>) -> tensor<4x3x2x5xf32> { %0 = vit.standardize %a {eps = 1.0e-1 : f32") +
                     (onDeviation ? ", eps_on_deviation" : "") + "} : tensor<4x3x2x5xf32>\n return %0 : tensor<4x3x2x5xf32> }",
                 {kernel});
    expectFormula(y, kernel.shape, [&](const Position &p) {
      double mean = 0, variance = 0;
      for (int64_t i = 0; i < 30; ++i)
        mean += kernel.data[p[0] * 30 + i] / 30.0;
      for (int64_t i = 0; i < 30; ++i)
        variance += std::pow(kernel.data[p[0] * 30 + i] - mean, 2) / 30;
      double deviation = onDeviation ? std::sqrt(variance) + 0.1 : std::sqrt(variance + 0.1);
      return (kernel.at({p[0], p[1], p[2], p[3]}) - mean) / deviation;
    });
  }
}

} // namespace
