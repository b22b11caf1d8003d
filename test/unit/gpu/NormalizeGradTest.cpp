//===- NormalizeGradTest.cpp - a normalization's gradient on a GPU -------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "DeviceHarness.h"

#include "test/unit/codegen/Numbers.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>

using namespace vitc::test;

namespace {

constexpr int64_t kImages = 2;
constexpr double kEps = 1e-5;

struct Case {
  int64_t rows, width;
  bool isCentred = true;

  std::string text() const {
    const std::string shape = fmt::format("tensor<?x{}x{}x", rows, width), f32 = shape + "f32>";
    return fmt::format("func.func @f(%x: {0}, %u: {0}, %g: tensor<{1}xf32>, %r: {0}) {{\n"
                       "  %d, %s, %b = kernel.normalize_grad %x, %u gain(%g : tensor<{1}xf32>) residual(%r : {0}) {{eps = {2:e} : f32{3}}} "
                       ": {0} -> {0}, tensor<?x{4}x2xf32> rounded {5}bf16>\n  return\n}}",
                       f32, width, kEps, isCentred ? "" : ", kind = #vit.norm<rms>", rows, shape);
  }
};

std::ostream &operator<<(std::ostream &os, const Case &c) {
  return os << fmt::format("{} rows of {}{}", c.rows, c.width, c.isCentred ? "" : " rms");
}

class NormalizeGrad : public testing::TestWithParam<Case> {};

TEST_P(NormalizeGrad, MatchesDoubleAndIsRoundedOnce) {
  const Case &c = GetParam();
  std::optional<DeviceKernel> kernel = compileDeviceLaunch(c.text());
  ASSERT_TRUE(kernel) << c.text();
  const auto rows = static_cast<size_t>(kImages * c.rows), width = static_cast<size_t>(c.width), elements = rows * width;
  const std::vector<float> input = randomFloats(elements, 1), upstream = randomFloats(elements, 2), gain = randomFloats(width, 3),
                           residual = randomFloats(elements, 4);
  const std::vector<std::vector<float>> results =
      kernel->run({input, upstream, gain, residual}, {elements, 2 * rows, (elements + 1) / 2}, kImages, /*seed=*/9);

  std::vector<double> gradients, statistics;
  for (size_t row = 0; row < rows; ++row) {
    auto meanOf = [&](auto term) {
      double sum = 0;
      for (size_t i = 0; i < width; ++i)
        sum += term(row * width + i, i);
      return sum / static_cast<double>(width);
    };
    const double mean = c.isCentred ? meanOf([&](size_t at, size_t) { return double(input[at]); }) : 0;
    const double inverse = 1 / std::sqrt(meanOf([&](size_t at, size_t) { return (input[at] - mean) * (input[at] - mean); }) + kEps);
    auto normal = [&](size_t at) { return (input[at] - mean) * inverse; };
    auto weighted = [&](size_t at, size_t i) { return double(upstream[at]) * gain[i]; };
    const double weightedMean = c.isCentred ? meanOf(weighted) : 0;
    const double correlation = meanOf([&](size_t at, size_t i) { return weighted(at, i) * normal(at); });
    for (size_t i = 0; i < width; ++i) {
      const size_t at = row * width + i;
      gradients.push_back(residual[at] + inverse * (weighted(at, i) - weightedMean - normal(at) * correlation));
    }
    statistics.insert(statistics.end(), {mean, inverse});
  }
  expectClose(results[0], gradients, 5e-6);
  expectClose(results[1], statistics, 5e-6);
  std::vector<float> rounded = fromBf16Words(results[2]);
  rounded.resize(elements);
  EXPECT_EQ(rounded, roundedToBf16(results[0]));
}

INSTANTIATE_TEST_SUITE_P(Sizes, NormalizeGrad,
                         testing::Values(Case{1, 2}, Case{5, 6}, Case{3, 50}, Case{5, 64, false}, Case{7, 192}, Case{2, 768},
                                         Case{1, 1026, false}, Case{3, 1280}),
                         [](const auto &info) { return parameterName(testing::PrintToString(info.param)); });

} // namespace
