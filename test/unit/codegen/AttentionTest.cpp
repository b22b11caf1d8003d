//===- AttentionTest.cpp - kernel.attention against double precision -----------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "KernelHarness.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>

using namespace vitc::test;

namespace {

struct Case {
  int64_t tokens, heads, width;
  bool bias = false;
  double scale = 0.125;
};

std::string attentionText(const Case &c, const Level &level) {
  std::string qkv = fmt::format("tensor<?x{}x{}xf32>", c.tokens, 3 * c.heads * c.width);
  std::string value = fmt::format("tensor<?x{}x{}xf32>", c.tokens, c.heads * c.width);
  std::string bias = fmt::format("tensor<{}x{}x{}xf32>", c.heads, c.tokens, c.tokens);
  return fmt::format("func.func @f(%x: {0}, %b: {1}) -> {2} {{\n  %y = kernel.attention %x {3} {{heads = {4} : i64, scale = {5:e} : f32, "
                     "schedule = #kernel.attention_schedule<rows = {6}, vector = {7}>}} : {0} -> {2}\n  return %y : {2}\n}}",
                     qkv, bias, value, c.bias ? "bias(%b : " + bias + ")" : "", c.heads, c.scale, level.rows, level.target.vectorLanes);
}

std::vector<double> attended(const Case &c, const std::vector<float> &qkv, const std::vector<float> &bias, int64_t images) {
  int64_t inner = c.heads * c.width;
  auto at = [&](int64_t image, int64_t token, int64_t part, int64_t head, int64_t k) -> double {
    return qkv[((image * c.tokens + token) * 3 + part) * inner + head * c.width + k];
  };
  std::vector<double> result(images * c.tokens * inner);
  std::vector<double> weights(c.tokens);
  for (int64_t image = 0; image < images; ++image)
    for (int64_t head = 0; head < c.heads; ++head)
      for (int64_t query = 0; query < c.tokens; ++query) {
        double most = -INFINITY, sum = 0;
        for (int64_t key = 0; key < c.tokens; ++key) {
          double dot = 0;
          for (int64_t k = 0; k < c.width; ++k)
            dot += at(image, query, 0, head, k) * at(image, key, 1, head, k);
          weights[key] = c.scale * dot + (c.bias ? bias[(head * c.tokens + query) * c.tokens + key] : 0.0);
          most = std::max(most, weights[key]);
        }
        for (double &weight : weights)
          sum += weight = std::exp(weight - most);
        for (int64_t k = 0; k < c.width; ++k) {
          double value = 0;
          for (int64_t key = 0; key < c.tokens; ++key)
            value += weights[key] / sum * at(image, key, 2, head, k);
          result[(image * c.tokens + query) * inner + head * c.width + k] = value;
        }
      }
  return result;
}

/// Windows of height x width tokens with tables of distances.
struct GridCase {
  int64_t windows, height, across, heads, width;

  int64_t tokens() const { return height * across; }
  int64_t inner() const { return heads * width; }
};

std::string gridText(const GridCase &c, const Level &level) {
  std::string qkv = fmt::format("tensor<?x{}x{}xf32>", c.windows * c.tokens(), 3 * c.inner());
  std::string value = fmt::format("tensor<?x{}x{}xf32>", c.windows * c.tokens(), c.inner());
  std::string rows = fmt::format("tensor<{}x{}xf32>", c.width, 2 * c.height - 1);
  std::string columns = fmt::format("tensor<{}x{}xf32>", c.width, 2 * c.across - 1);
  return fmt::format("func.func @f(%x: {0}, %r: {1}, %c: {2}) -> {3} {{\n  %y = kernel.attention %x decomposed(%r : {1}, %c : {2}) "
                     "{{heads = {4} : i64, scale = 0.5 : f32, windows = {5} : i64, schedule = #kernel.attention_schedule<rows = {6}, "
                     "vector = {7}>}} : {0} -> {3}\n  return %y : {3}\n}}",
                     qkv, rows, columns, value, c.heads, c.windows, level.rows, level.target.vectorLanes);
}

/// Every window is an image whose queries see a bias of their own.
std::vector<double> attendedGrid(const GridCase &c, const std::vector<float> &qkv, const std::vector<float> &rows,
                                 const std::vector<float> &columns, int64_t images) {
  std::vector<double> result;
  int64_t tokens = c.tokens(), stride = 3 * c.inner();
  for (int64_t window = 0; window < images * c.windows; ++window) {
    std::vector<float> part(qkv.begin() + window * tokens * stride, qkv.begin() + (window + 1) * tokens * stride);
    std::vector<float> bias(c.heads * tokens * tokens);
    for (int64_t head = 0; head < c.heads; ++head)
      for (int64_t query = 0; query < tokens; ++query)
        for (int64_t key = 0; key < tokens; ++key) {
          double score = 0;
          int64_t row = key / c.across - query / c.across + c.height - 1, column = key % c.across - query % c.across + c.across - 1;
          for (int64_t k = 0; k < c.width; ++k)
            score += part[query * stride + head * c.width + k] *
                     (double(rows[k * (2 * c.height - 1) + row]) + columns[k * (2 * c.across - 1) + column]);
          bias[(head * tokens + query) * tokens + key] = static_cast<float>(score);
        }
    std::vector<double> attention = attended({tokens, c.heads, c.width, true, 0.5}, part, bias, 1);
    result.insert(result.end(), attention.begin(), attention.end());
  }
  return result;
}

class AttentionTest : public testing::TestWithParam<Level> {};

TEST_P(AttentionTest, AgreesWithDoublePrecision) {
  const Case cases[] = {
      {1, 2, 5},   {5, 3, 18},        {50, 2, 48},  {197, 2, 64, false, 0.125}, {257, 1, 80, false, 1.0}, {577, 1, 88}, {785, 1, 64},
      {17, 2, 72}, {50, 1, 96, true}, {33, 2, 104}, {5, 2, 64, true},           {197, 1, 5, true, 0.5}};
  const int64_t images = 2;
  for (const Case &c : cases) {
    SCOPED_TRACE(fmt::format("{} tokens, {} heads of {}{}", c.tokens, c.heads, c.width, c.bias ? ", bias" : ""));
    std::optional<Kernel> kernel = compileLaunch(attentionText(c, GetParam()), GetParam().target);
    ASSERT_TRUE(kernel);
    std::vector<float> qkv = randomFloats(images * c.tokens * 3 * c.heads * c.width, 1);
    std::vector<float> bias = c.bias ? randomFloats(c.heads * c.tokens * c.tokens, 2) : std::vector<float>();
    std::vector<std::vector<float>> operands{qkv};
    if (c.bias)
      operands.push_back(bias);
    expectKernel(*kernel, operands, attended(c, qkv, bias, images), images, 1e-5);
  }
}

/// Scores that would overflow exp, keys masked out by a bias of -infinity, a NaN that must not get lost.
TEST_P(AttentionTest, KeepsExtremeScores) {
  Case c{9, 1, 16, true, 1.0};
  std::optional<Kernel> kernel = compileLaunch(attentionText(c, GetParam()), GetParam().target);
  ASSERT_TRUE(kernel);
  std::vector<float> qkv = randomFloats(c.tokens * 3 * c.width, 1, 20.0f), bias(c.tokens * c.tokens, 0.0f);
  for (int64_t query = 0; query < c.tokens; ++query)
    bias[query * c.tokens + (query + 1) % c.tokens] = -INFINITY;
  expectKernel(*kernel, {qkv, bias}, attended(c, qkv, bias, 1), 1, 1e-3);

  qkv[2 * 3 * c.width] = NAN; // query 2
  std::vector<float> result = runGuarded(*kernel, {qkv, bias}, c.tokens * c.width, 1);
  for (int64_t i = 0; i < c.tokens * c.width; ++i)
    EXPECT_EQ(std::isnan(result[i]), i / c.width == 2) << "element " << i;
}

TEST_P(AttentionTest, AddsDistancesWithinWindows) {
  for (const GridCase &c : {GridCase{1, 1, 1, 1, 5}, {3, 2, 3, 2, 6}, {2, 5, 17, 1, 16}, {1, 16, 8, 1, 24}, {4, 3, 3, 2, 64}}) {
    SCOPED_TRACE(fmt::format("{} windows of {} x {}, {} heads of {}", c.windows, c.height, c.across, c.heads, c.width));
    std::optional<Kernel> kernel = compileLaunch(gridText(c, GetParam()), GetParam().target);
    ASSERT_TRUE(kernel);
    std::vector<float> qkv = randomFloats(2 * c.windows * c.tokens() * 3 * c.inner(), 1);
    std::vector<float> rows = randomFloats(c.width * (2 * c.height - 1), 2), columns = randomFloats(c.width * (2 * c.across - 1), 3);
    expectKernel(*kernel, {qkv, rows, columns}, attendedGrid(c, qkv, rows, columns, 2), 2, 1e-5);
    EXPECT_EQ(kernel->tasks(2) % (2 * c.windows * c.heads), 0);
  }
}

/// Queries [first, first + count) of a packed qkv, or as an operand of their own.
struct QueryCase {
  Case all;
  int64_t first, count;
  bool separate;
};

std::string queryText(const QueryCase &c, const Level &level) {
  int64_t inner = c.all.heads * c.all.width;
  std::string keys = fmt::format("tensor<?x{}x{}xf32>", c.all.tokens, (c.separate ? 2 : 3) * inner);
  std::string value = fmt::format("tensor<?x{}x{}xf32>", c.count, inner);
  std::string bias = fmt::format("tensor<{}x{}x{}xf32>", c.all.heads, c.count, c.all.tokens);
  return fmt::format("func.func @f(%x: {0}, %q: {2}, %b: {1}) -> {2} {{\n  %y = kernel.attention %x {3} {4} {{heads = {5} : i64, "
                     "scale = {6:e} : f32, first_query = {7} : i64, schedule = #kernel.attention_schedule<rows = {8}, vector = {9}>}} : "
                     "{0} -> {2}\n  return %y : {2}\n}}",
                     keys, bias, value, c.separate ? "query(%q : " + value + ")" : "", c.all.bias ? "bias(%b : " + bias + ")" : "",
                     c.all.heads, c.all.scale, c.separate ? 0 : c.first, level.rows, level.target.vectorLanes);
}

/// Rows [first, first + count) of every `rows` in `values`, columns [firstColumn, firstColumn + columns) of `width`.
template <typename T>
std::vector<T> part(const std::vector<T> &values, int64_t rows, int64_t width, int64_t first, int64_t count, int64_t firstColumn,
                    int64_t columns) {
  std::vector<T> result;
  for (int64_t row = 0; row * width < static_cast<int64_t>(values.size()); ++row)
    if (row % rows >= first && row % rows < first + count) {
      auto from = values.begin() + row * width + firstColumn;
      result.insert(result.end(), from, from + columns);
    }
  return result;
}

TEST_P(AttentionTest, ComputesSomeQueriesAlone) {
  for (bool separate : {false, true})
    for (QueryCase c : {QueryCase{{197, 2, 64}, 0, 1, false}, {{5, 3, 18, true}, 3, 2, false}, {{50, 1, 5, true}, 11, 9, false}}) {
      c.separate = separate;
      SCOPED_TRACE(fmt::format("{} queries from {} on of {} tokens{}", c.count, c.first, c.all.tokens, separate ? ", apart" : ""));
      std::optional<Kernel> kernel = compileLaunch(queryText(c, GetParam()), GetParam().target);
      ASSERT_TRUE(kernel);
      int64_t images = 3, tokens = c.all.tokens, inner = c.all.heads * c.all.width;
      std::vector<float> qkv = randomFloats(images * tokens * 3 * inner, 1);
      std::vector<float> bias = c.all.bias ? randomFloats(c.all.heads * tokens * tokens, 2) : std::vector<float>();
      std::vector<std::vector<float>> operands{qkv};
      if (separate)
        operands = {part(qkv, tokens, 3 * inner, 0, tokens, inner, 2 * inner), part(qkv, tokens, 3 * inner, c.first, c.count, 0, inner)};
      if (c.all.bias)
        operands.push_back(part(bias, tokens, tokens, c.first, c.count, 0, tokens));
      expectKernel(*kernel, operands, part(attended(c.all, qkv, bias, images), tokens, inner, c.first, c.count, 0, inner), images, 1e-5);
    }
}

TEST_P(AttentionTest, HasTasksForManyWorkers) {
  for (auto [heads, least] : {std::pair<int64_t, int64_t>{3, 24}, {12, 64}, {40, 64}}) {
    std::optional<Kernel> kernel = compileLaunch(attentionText({197, heads, 64}, GetParam()), GetParam().target);
    ASSERT_TRUE(kernel);
    EXPECT_EQ(kernel->info.kind, "attention");
    EXPECT_GE(kernel->tasks(1), least);
    EXPECT_EQ(kernel->tasks(4), 4 * kernel->tasks(1));
    EXPECT_EQ(kernel->info.scratchBytes % 64, 0);
  }
}

TEST_P(AttentionTest, HasOneTaskAHeadForFewQueries) {
  std::optional<Kernel> kernel = compileLaunch(attentionText({17, 3, 64}, GetParam()), GetParam().target);
  ASSERT_TRUE(kernel);
  EXPECT_EQ(kernel->tasks(4), 12);
}

INSTANTIATE_TEST_SUITE_P(Levels, AttentionTest, testing::ValuesIn(runnableLevels()),
                         [](const auto &info) { return parameterName(info.param.name); });

} // namespace
