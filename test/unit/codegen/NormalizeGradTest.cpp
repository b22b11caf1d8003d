//===- NormalizeGradTest.cpp - gradients of normalization, sums of rows ---------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "KernelHarness.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

using namespace vitc::test;

namespace {

struct Case {
  int64_t tokens, width;
  bool layer, gain, residual, statistics;
  double eps;
};

std::string gradText(const Case &c, const Level &level) {
  std::string tokens = fmt::format("tensor<?x{}x{}xf32>", c.tokens, c.width), vector = fmt::format("tensor<{}xf32>", c.width);
  std::string pairs = fmt::format("tensor<?x{}x2xf32>", c.tokens);
  return fmt::format("func.func @f(%x: {0}, %u: {0}, %g: {1}, %r: {0}) -> {0} {{\n"
                     "  %y{2} = kernel.normalize_grad %x, %u {3} {4} {{kind = #vit.norm<{5}>, eps = {6:e} : f32, "
                     "schedule = #kernel.row_schedule<rows_per_task = 3, vector = {7}>}} : {0} -> {0}{8}\n  return %y{9} : {0}\n}}",
                     tokens, vector, c.statistics ? ":2" : "", c.gain ? "gain(%g : " + vector + ")" : "",
                     c.residual ? "residual(%r : " + tokens + ")" : "", c.layer ? "layer" : "rms", c.eps, level.target.vectorLanes,
                     c.statistics ? ", " + pairs : "", c.statistics ? "#0" : "");
}

/// Mean and 1 / deviation of each row.
std::vector<double> statisticsOf(const std::vector<float> &x, int64_t width, bool layer, double eps) {
  std::vector<double> result;
  for (size_t row = 0; row < x.size(); row += width) {
    double mean = 0, squares = 0;
    for (int64_t i = 0; layer && i < width; ++i)
      mean += x[row + i] / double(width);
    for (int64_t i = 0; i < width; ++i)
      squares += (x[row + i] - mean) * (x[row + i] - mean);
    result.insert(result.end(), {mean, 1 / std::sqrt(squares / double(width) + eps)});
  }
  return result;
}

/// By the chain rule, step by step: y = d r, d = x - mean, r = (mean of squares of d + eps)^(-1/2).
std::vector<double> differentiated(const Case &c, const std::vector<float> &x, const std::vector<float> &upstream,
                                   const std::vector<float> &gain, const std::vector<float> &residual) {
  std::vector<double> statistics = statisticsOf(x, c.width, c.layer, c.eps), result(x.size()), deviations(c.width);
  for (size_t row = 0; row < x.size(); row += c.width) {
    double mean = statistics[row / c.width * 2], r = statistics[row / c.width * 2 + 1], byFactor = 0, byMean = 0;
    auto weighted = [&](int64_t i) { return upstream[row + i] * (gain.empty() ? 1.0 : gain[i]); };
    for (int64_t i = 0; i < c.width; ++i)
      byFactor += weighted(i) * (x[row + i] - mean);
    for (int64_t i = 0; i < c.width; ++i) {
      deviations[i] = weighted(i) * r - byFactor * r * r * r * (x[row + i] - mean) / double(c.width);
      byMean += deviations[i] / double(c.width);
    }
    for (int64_t i = 0; i < c.width; ++i)
      result[row + i] = deviations[i] - (c.layer ? byMean : 0) + (residual.empty() ? 0.0 : residual[row + i]);
  }
  return result;
}

class NormalizeGradTest : public testing::TestWithParam<Level> {};

TEST_P(NormalizeGradTest, AgreesWithDoublePrecision) {
  const Case cases[] = {{5, 1, true, true, true, true, 1e-6},     {3, 5, true, true, true, false, 1e-6},
                        {7, 18, true, false, true, true, 1e-5},   {1, 192, true, true, false, true, 1e-6},
                        {65, 48, true, true, true, true, 1e-6},   {2, 200, true, false, false, false, 1e-12},
                        {3, 1408, true, true, true, true, 1e-6},  {6, 16, false, true, false, true, 1e-6},
                        {3, 197, false, true, true, false, 1e-6}, {2, 64, false, false, false, true, 1e-5}};
  const int64_t images = 3;
  for (const Case &c : cases) {
    SCOPED_TRACE(fmt::format("{} tokens of width {}, {}", c.tokens, c.width, c.layer ? "layer" : "rms"));
    std::optional<Kernel> kernel = compileLaunch(gradText(c, GetParam()), GetParam().target);
    ASSERT_TRUE(kernel);
    std::vector<float> x = randomFloats(images * c.tokens * c.width, 1, 3.0f), upstream = randomFloats(x.size(), 2);
    for (float &value : x)
      value += 10.0f;
    std::vector<float> gain = c.gain ? randomFloats(c.width, 3) : std::vector<float>();
    std::vector<float> residual = c.residual ? randomFloats(x.size(), 4) : std::vector<float>();
    std::vector<std::vector<float>> operands{x, upstream};
    for (const std::vector<float> &optional : {gain, residual})
      if (!optional.empty())
        operands.push_back(optional);
    std::vector<size_t> sizes{x.size()};
    if (c.statistics)
      sizes.push_back(images * c.tokens * 2);

    std::vector<std::vector<float>> results = runGuarded(*kernel, operands, sizes, images);
    expectClose(results[0], differentiated(c, x, upstream, gain, residual), 2e-5);
    if (c.statistics)
      expectClose(results[1], statisticsOf(x, c.width, c.layer, c.eps), 1e-5);
    std::mt19937 random(1);
    EXPECT_EQ(results, runGuarded(*kernel, operands, sizes, images, Guard::Before, &random)) << "the bits depend on the split into tasks";
  }
}

TEST_P(NormalizeGradTest, MayWriteOverTheResidual) {
  Case c{7, 100, true, true, true, false, 1e-6};
  std::optional<Kernel> kernel = compileLaunch(gradText(c, GetParam()), GetParam().target);
  ASSERT_TRUE(kernel);
  std::vector<float> x = randomFloats(c.tokens * c.width, 1), upstream = randomFloats(x.size(), 2), gain = randomFloats(c.width, 3);
  std::vector<float> residual = randomFloats(x.size(), 4), apart = runGuarded(*kernel, {x, upstream, gain, residual}, x.size(), 1);
  kernel->run({x.data(), upstream.data(), gain.data(), residual.data(), residual.data()}, 1);
  EXPECT_EQ(residual, apart);
}

//===--------------------------------------------------------------------------------------===//
// Sums over all rows
//===--------------------------------------------------------------------------------------===//

class ColumnSumsTest : public testing::TestWithParam<Level> {
protected:
  /// Expects initial + sums of each result, and the same bits from any split into tasks.
  void expectAdded(const Kernel &kernel, const std::vector<std::vector<float>> &operands, std::vector<std::vector<double>> sums,
                   int64_t images) {
    std::vector<std::vector<float>> initial;
    for (std::vector<double> &sum : sums) {
      initial.push_back(randomFloats(sum.size(), 9));
      for (size_t i = 0; i < sum.size(); ++i)
        sum[i] += initial.back()[i];
    }
    std::vector<std::vector<float>> results = runAdding(kernel, operands, initial, images);
    for (size_t i = 0; i < sums.size(); ++i)
      expectClose(results[i], sums[i], 1e-5);
    std::mt19937 random(1);
    EXPECT_EQ(results, runAdding(kernel, operands, initial, images, Guard::Before, &random)) << "the bits depend on the split into tasks";
  }

  static constexpr std::pair<int64_t, int64_t> shapes[] = {{1, 5},   {5, 16},  {17, 18}, {65, 72},   {197, 192},
                                                           {3, 200}, {50, 63}, {2, 1},   {11, 1000}, {8, 130}};
};

TEST_P(ColumnSumsTest, SumsRows) {
  const int64_t images = 3;
  for (auto [tokens, width] : shapes) {
    SCOPED_TRACE(fmt::format("{} tokens of width {}", tokens, width));
    std::string type = fmt::format("tensor<?x{}x{}xf32>", tokens, width), vector = fmt::format("tensor<{}xf32>", width);
    std::optional<Kernel> kernel =
        compileLaunch(fmt::format("func.func @f(%x: {0}) -> {1} {{\n  %y = kernel.sum_rows %x {{schedule = #kernel.row_schedule<"
                                  "rows_per_task = 16, vector = {2}>}} : {0} -> {1}\n  return %y : {1}\n}}",
                                  type, vector, GetParam().target.vectorLanes),
                      GetParam().target);
    ASSERT_TRUE(kernel);
    EXPECT_EQ(kernel->tasks(1), (width + 63) / 64);
    EXPECT_EQ(kernel->tasks(5000), kernel->tasks(1));
    std::vector<float> x = randomFloats(images * tokens * width, 1);
    std::vector<double> sums(width);
    for (size_t i = 0; i < x.size(); ++i)
      sums[i % width] += x[i];
    expectAdded(*kernel, {x}, {sums}, images);
  }
}

/// Tables of positions, and rows too wide for their totals to be kept all at a time.
TEST_P(ColumnSumsTest, SumsImages) {
  for (auto [tokens, width, axes] :
       {std::tuple(5, 16, "5x16"), {7, 9, "7x9"}, {257, 18, "257x18"}, {3, 4096, "3x4096"}, {2, 4111, "4111"}}) {
    SCOPED_TRACE(fmt::format("{} tokens of width {}", tokens, width));
    std::string type = fmt::format("tensor<?x{}x{}xf32>", tokens, width), table = fmt::format("tensor<{}xf32>", axes);
    std::optional<Kernel> kernel =
        compileLaunch(fmt::format("func.func @f(%x: {0}) -> {1} {{\n  %y = kernel.sum_rows %x {{schedule = #kernel.row_schedule<"
                                  "rows_per_task = 16, vector = {2}>}} : {0} -> {1}\n  return %y : {1}\n}}",
                                  type, table, GetParam().target.vectorLanes),
                      GetParam().target);
    ASSERT_TRUE(kernel);
    const bool isTable = std::string_view(axes).find('x') != std::string_view::npos;
    const size_t columns = isTable ? tokens * width : width;
    for (int64_t images : {1, 11}) {
      std::vector<float> x = randomFloats(images * tokens * width, 1);
      std::vector<double> sums(columns);
      for (size_t i = 0; i < x.size(); ++i)
        sums[i % columns] += x[i];
      expectAdded(*kernel, {x}, {sums}, images);
    }
  }
}

TEST_P(ColumnSumsTest, SumsGradientsOfGainAndShift) {
  const int64_t images = 3;
  for (auto [tokens, width] : shapes) {
    SCOPED_TRACE(fmt::format("{} tokens of width {}", tokens, width));
    std::string type = fmt::format("tensor<?x{}x{}xf32>", tokens, width), vector = fmt::format("tensor<{}xf32>", width);
    std::string pairs = fmt::format("tensor<?x{}x2xf32>", tokens);
    std::optional<Kernel> kernel = compileLaunch(
        fmt::format("func.func @f(%x: {0}, %u: {0}, %s: {2}) -> {1} {{\n  %g, %b = kernel.normalize_weight_grad %x, %u, %s {{schedule = "
                    "#kernel.row_schedule<rows_per_task = 16, vector = {3}>}} : {0}, {2} -> {1}, {1}\n  return %g : {1}\n}}",
                    type, vector, pairs, GetParam().target.vectorLanes),
        GetParam().target);
    ASSERT_TRUE(kernel);
    std::vector<float> x = randomFloats(images * tokens * width, 1), upstream = randomFloats(x.size(), 2);
    for (float &value : x)
      value += 5.0f;
    std::vector<float> statistics(images * tokens * 2);
    std::ranges::copy(statisticsOf(x, width, true, 1e-6), statistics.begin());
    std::vector<double> gain(width), shift(width);
    for (size_t i = 0; i < x.size(); ++i) {
      gain[i % width] += upstream[i] * (double(x[i]) - statistics[i / width * 2]) * statistics[i / width * 2 + 1];
      shift[i % width] += upstream[i];
    }
    expectAdded(*kernel, {x, upstream, statistics}, {gain, shift}, images);
  }
}

INSTANTIATE_TEST_SUITE_P(Levels, NormalizeGradTest, testing::ValuesIn(runnableLevels()),
                         [](const auto &info) { return parameterName(info.param.name); });
INSTANTIATE_TEST_SUITE_P(Levels, ColumnSumsTest, testing::ValuesIn(runnableLevels()),
                         [](const auto &info) { return parameterName(info.param.name); });

} // namespace
