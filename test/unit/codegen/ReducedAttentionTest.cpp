//===- ReducedAttentionTest.cpp - kernel.attention of bf16 against double precision -*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "KernelHarness.h"
#include "Numbers.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

using namespace vitc::test;

namespace {

/// Queries [first, first + queries) of `tokens`, packed with keys and values or an operand of their own.
struct Case {
  int64_t tokens, heads, width, first, queries;
  bool separate = false, bias = false, bf16Result = true;
  double scale = 0.125;

  int64_t inner() const { return heads * width; }
  int64_t columns() const { return (separate ? 2 : 3) * inner(); }
};

std::string text(const Case &c, const Level &level) {
  std::string qkv = fmt::format("tensor<?x{}x{}xbf16>", c.tokens, c.columns());
  std::string query = fmt::format("tensor<?x{}x{}xbf16>", c.queries, c.inner());
  std::string bias = fmt::format("tensor<{}x{}x{}xf32>", c.heads, c.queries, c.tokens);
  std::string value = fmt::format("tensor<?x{}x{}x{}>", c.queries, c.inner(), c.bf16Result ? "bf16" : "f32");
  return fmt::format("func.func @f(%x: {0}, %q: {1}, %b: {2}) -> {3} {{\n  %y = kernel.attention %x {4} {5} {{heads = {6} : i64, scale = "
                     "{7:e} : f32, first_query = {8} : i64, schedule = #kernel.attention_schedule<rows = {9}, vector = {10}>}} : {0} -> "
                     "{3}\n  return %y : {3}\n}}",
                     qkv, query, bias, value, c.separate ? "query(%q : " + query + ")" : "", c.bias ? "bias(%b : " + bias + ")" : "",
                     c.heads, c.scale, c.separate ? 0 : c.first, level.rows, level.target.vectorLanes);
}

struct Problem {
  std::vector<float> keys, query, bias; ///< bf16 numbers as floats
  std::vector<double> expected;
};

/// The weights are rounded to bf16 between the products, as the kernel does; their sum is that of the weights before.
Problem makeProblem(const Case &c, int64_t images, float deviation) {
  int64_t columns = c.columns(), inner = c.inner();
  Problem p;
  p.keys = roundedToBf16(randomFloats(images * c.tokens * columns, 1, deviation));
  p.query = c.separate ? roundedToBf16(randomFloats(images * c.queries * inner, 2, deviation)) : std::vector<float>();
  p.bias = c.bias ? randomFloats(c.heads * c.queries * c.tokens, 3) : std::vector<float>();
  std::vector<double> weights(c.tokens);
  for (int64_t image = 0; image < images; ++image)
    for (int64_t query = 0; query < c.queries; ++query)
      for (int64_t head = 0; head < c.heads; ++head) {
        const float *q = c.separate ? &p.query[(image * c.queries + query) * inner + head * c.width]
                                    : &p.keys[(image * c.tokens + c.first + query) * columns + head * c.width];
        const float *k = &p.keys[image * c.tokens * columns + (c.separate ? 0 : inner) + head * c.width], *v = k + inner;
        double most = -INFINITY, sum = 0;
        for (int64_t t = 0; t < c.tokens; ++t) {
          double dot = 0;
          for (int64_t i = 0; i < c.width; ++i)
            dot += double(q[i]) * k[t * columns + i];
          weights[t] = c.scale * dot + (c.bias ? p.bias[(head * c.queries + query) * c.tokens + t] : 0.0);
          most = std::max(most, weights[t]);
        }
        for (double &weight : weights)
          sum += weight = std::exp(weight - most);
        for (int64_t i = 0; i < c.width; ++i) {
          double value = 0;
          for (int64_t t = 0; t < c.tokens; ++t)
            value += weights[t] / sum * v[t * columns + i];
          p.expected.push_back(value);
        }
      }
  return p;
}

class ReducedAttention : public testing::Test {
protected:
  void SetUp() override {
    level = levelWith("avx512bf16");
    if (!level)
      GTEST_SKIP() << "this machine does not multiply bf16";
  }

  std::optional<Level> level;
};

TEST_F(ReducedAttention, AgreesWithDoublePrecision) {
  const int64_t images = 2;
  for (Case c : {Case{1, 2, 2, 0, 1},
                 {5, 3, 18, 0, 5},
                 {50, 2, 32, 0, 50, false, false, false},
                 {197, 2, 64, 0, 197},
                 {257, 1, 80, 0, 257, false, false, false, 1.0},
                 {17, 2, 72, 0, 17, false, true},
                 {196, 1, 64, 0, 196, false, true},
                 {33, 2, 104, 0, 33},
                 {577, 1, 88, 0, 577},
                 {197, 2, 64, 0, 1},
                 {50, 3, 6, 11, 9, false, true, true, 1.0},
                 {197, 2, 64, 0, 1, true},
                 {31, 2, 72, 0, 5, true, true, false, 0.5}}) {
    SCOPED_TRACE(fmt::format("{} tokens, {} heads of {}, {} queries from {}{}{}{}", c.tokens, c.heads, c.width, c.queries, c.first,
                             c.separate ? " apart" : "", c.bias ? ", bias" : "", c.bf16Result ? " to bf16" : ""));
    std::optional<Kernel> kernel = compileLaunch(text(c, *level), level->target);
    ASSERT_TRUE(kernel);
    Problem p = makeProblem(c, images, 1.0f);
    std::vector<std::vector<float>> operands{bf16Words(p.keys)};
    if (c.separate)
      operands.push_back(bf16Words(p.query));
    if (c.bias)
      operands.push_back(p.bias);
    size_t words = p.expected.size() / (c.bf16Result ? 2 : 1);
    std::vector<float> bits = runGuarded(*kernel, operands, words, images);
    std::vector<float> result = c.bf16Result ? fromBf16Words(bits) : bits;
    // A weight is off by 2^-8 of itself at most, a mean of values of size 1 far less; a wrong index changes it by a tenth or more.
    for (size_t i = 0; i < result.size(); ++i)
      ASSERT_LE(std::abs(result[i] - p.expected[i]), 8e-3 + std::ldexp(std::abs(p.expected[i]), -8)) << "element " << i;

    std::mt19937 random(1);
    std::vector<float> split = runGuarded(*kernel, operands, words, images, Guard::Before, &random);
    EXPECT_EQ(std::memcmp(bits.data(), split.data(), words * sizeof(float)), 0) << "the bits depend on the split into tasks";
  }
}

/// Scores that would overflow exp, keys masked out by a bias of -infinity, a NaN that must not get lost or spread.
TEST_F(ReducedAttention, KeepsExtremeScores) {
  Case c{9, 1, 16, 0, 9, false, true, false, 1.0};
  std::optional<Kernel> kernel = compileLaunch(text(c, *level), level->target);
  ASSERT_TRUE(kernel);
  Problem p = makeProblem(c, 1, 20.0f);
  std::vector<float> mask(c.tokens * c.tokens, 0.0f);
  for (int64_t query = 0; query < c.tokens; ++query)
    for (int64_t key = 0; key < c.tokens; ++key)
      mask[query * c.tokens + key] = key == (query + 1) % c.tokens ? 0.0f : -INFINITY;
  // Each query sees the next token alone, so it gets that token's value, but for the rounding of its weight.
  std::vector<float> result = runGuarded(*kernel, {bf16Words(p.keys), mask}, c.tokens * c.width, 1);
  for (int64_t i = 0; i < c.tokens * c.width; ++i) {
    float value = p.keys[(i / c.width + 1) % c.tokens * c.columns() + 2 * c.inner() + i % c.width];
    EXPECT_NEAR(result[i], value, std::ldexp(std::abs(value), -8)) << "element " << i;
  }

  p.keys[2 * c.columns()] = NAN; // query 2
  result = runGuarded(*kernel, {bf16Words(p.keys), mask}, c.tokens * c.width, 1);
  for (int64_t i = 0; i < c.tokens * c.width; ++i)
    EXPECT_EQ(std::isnan(result[i]), i / c.width == 2) << "element " << i;
}

} // namespace
