//===- AttentionGradTest.cpp - kernel.attention_grad against double precision ---*- C++ -*-===//
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

using namespace vitc::test;

namespace {

struct Case {
  int64_t tokens, heads, width;
  double scale = 0.125;
  std::string element = "f32"; ///< of qkv

  int64_t inner() const { return heads * width; }
};

std::string weightsType(const Case &c) { return fmt::format("tensor<?x{}x{}x{}xf32>", c.heads, c.tokens, (c.tokens + 15) / 16 * 16); }

std::string gradText(const Case &c, const Level &level, bool withWeights = false) {
  std::string qkv = fmt::format("tensor<?x{}x{}x{}>", c.tokens, 3 * c.inner(), c.element);
  std::string gradient = fmt::format("tensor<?x{}x{}xf32>", c.tokens, 3 * c.inner());
  std::string upstream = fmt::format("tensor<?x{}x{}xf32>", c.tokens, c.inner());
  return fmt::format("func.func @f(%x: {0}, %u: {1}, %w: {6}) -> {8} {{\n  %y = kernel.attention_grad %x, %u {7} {{heads = {2} : i64, "
                     "scale = {3:e} : f32, schedule = #kernel.attention_schedule<rows = {4}, vector = {5}>}} : {0}, {1} -> {8}\n"
                     "  return %y : {8}\n}}",
                     qkv, upstream, c.heads, c.scale, level.rows, level.target.vectorLanes, weightsType(c),
                     withWeights ? "weights(%w : " + weightsType(c) + ")" : "", gradient);
}

/// kernel.attention of the same qkv that keeps its weights.
std::string attentionText(const Case &c, const Level &level) {
  std::string qkv = fmt::format("tensor<?x{}x{}x{}>", c.tokens, 3 * c.inner(), c.element);
  std::string value = fmt::format("tensor<?x{}x{}xf32>", c.tokens, c.inner());
  return fmt::format("func.func @f(%x: {0}) -> {1} {{\n  %y, %w = kernel.attention %x {{heads = {2} : i64, scale = {3:e} : f32, "
                     "schedule = #kernel.attention_schedule<rows = {4}, vector = {5}>}} : {0} -> {1}, {6}\n  return %y : {1}\n}}",
                     qkv, value, c.heads, c.scale, level.rows, level.target.vectorLanes, weightsType(c));
}

/// The gradient of the sum of upstream * attention, by the derivatives of each step.
std::vector<double> differentiated(const Case &c, const std::vector<float> &qkv, const std::vector<float> &upstream, int64_t images) {
  std::vector<double> result(qkv.size());
  for (int64_t image = 0; image < images; ++image)
    for (int64_t head = 0; head < c.heads; ++head) {
      auto place = [&](int64_t token, int64_t part, int64_t k) {
        return ((image * c.tokens + token) * 3 + part) * c.inner() + head * c.width + k;
      };
      for (int64_t query = 0; query < c.tokens; ++query) {
        const float *du = &upstream[(image * c.tokens + query) * c.inner() + head * c.width];
        std::vector<double> weights(c.tokens), gradients(c.tokens);
        double most = -INFINITY, sum = 0, mean = 0;
        for (int64_t key = 0; key < c.tokens; ++key) {
          for (int64_t k = 0; k < c.width; ++k) {
            weights[key] += c.scale * qkv[place(query, 0, k)] * qkv[place(key, 1, k)];
            gradients[key] += double(du[k]) * qkv[place(key, 2, k)];
          }
          most = std::max(most, weights[key]);
        }
        for (double &weight : weights)
          sum += weight = std::exp(weight - most);
        for (int64_t key = 0; key < c.tokens; ++key)
          mean += (weights[key] /= sum) * gradients[key];
        for (int64_t key = 0; key < c.tokens; ++key) {
          double score = c.scale * weights[key] * (gradients[key] - mean);
          for (int64_t k = 0; k < c.width; ++k) {
            result[place(query, 0, k)] += score * qkv[place(key, 1, k)];
            result[place(key, 1, k)] += score * qkv[place(query, 0, k)];
            result[place(key, 2, k)] += weights[key] * du[k];
          }
        }
      }
    }
  return result;
}

class AttentionGradTest : public testing::TestWithParam<Level> {};

TEST_P(AttentionGradTest, AgreesWithDoublePrecision) {
  const int64_t images = 2;
  for (const Case &c : {Case{1, 2, 5},
                        {5, 3, 18},
                        {17, 2, 72, 0.3},
                        {65, 1, 48},
                        {197, 2, 64},
                        {197, 1, 5, 0.5},
                        {33, 2, 104},
                        {64, 3, 16, 1.0},
                        {6, 1, 64},
                        {256, 1, 24}}) {
    SCOPED_TRACE(fmt::format("{} tokens, {} heads of {}", c.tokens, c.heads, c.width));
    std::optional<Kernel> kernel = compileLaunch(gradText(c, GetParam()), GetParam().target);
    ASSERT_TRUE(kernel);
    std::vector<float> qkv = randomFloats(images * c.tokens * 3 * c.inner(), 1), upstream = randomFloats(images * c.tokens * c.inner(), 2);
    expectKernel(*kernel, {qkv, upstream}, differentiated(c, qkv, upstream, images), images, 1e-5);
  }
}

/// The weights that the forward pass keeps are those that the gradient would compute again: the same bits come of both.
TEST_P(AttentionGradTest, TakesTheWeightsOfTheForwardPass) {
  const int64_t images = 2;
  for (const Case &c : {Case{1, 2, 5}, {5, 3, 18}, {17, 2, 72, 0.3}, {197, 2, 64}, {208, 1, 16}, {400, 1, 16}}) {
    SCOPED_TRACE(fmt::format("{} tokens, {} heads of {}", c.tokens, c.heads, c.width));
    std::optional<Kernel> forward = compileLaunch(attentionText(c, GetParam()), GetParam().target);
    std::optional<Kernel> backward = compileLaunch(gradText(c, GetParam(), true), GetParam().target);
    std::optional<Kernel> alone = compileLaunch(gradText(c, GetParam()), GetParam().target);
    ASSERT_TRUE(forward && backward && alone);
    EXPECT_LE(backward->info.scratchBytes, alone->info.scratchBytes);
    size_t rows = images * c.tokens;
    std::vector<float> qkv = randomFloats(rows * 3 * c.inner(), 1), upstream = randomFloats(rows * c.inner(), 2);
    std::mt19937 random(1);
    std::vector<size_t> sizes{rows * c.inner(), rows * c.heads * ((c.tokens + 15) / 16 * 16)};
    std::vector<std::vector<float>> kept = runGuarded(*forward, {qkv}, sizes, images, Guard::Before, &random);
    expectKernel(*backward, {qkv, upstream, kept[1]}, differentiated(c, qkv, upstream, images), images, 1e-5);
    std::vector<float> results = runGuarded(*backward, {qkv, upstream, kept[1]}, qkv.size(), images);
    EXPECT_EQ(results, runGuarded(*alone, {qkv, upstream}, qkv.size(), images));
  }
}

/// Several blocks of queries, the last one shorter: keys' gradients are added up over them.
TEST_P(AttentionGradTest, AddsUpBlocksOfQueries) {
  for (const Case &c : {Case{577, 1, 64}, {785, 1, 20}}) {
    SCOPED_TRACE(fmt::format("{} tokens", c.tokens));
    std::optional<Kernel> kernel = compileLaunch(gradText(c, GetParam()), GetParam().target);
    ASSERT_TRUE(kernel);
    // P and its gradient for every pair of tokens would be larger.
    EXPECT_LT(kernel->info.scratchBytes, 2 * c.tokens * c.tokens * int64_t(sizeof(float)));
    std::vector<float> qkv = randomFloats(c.tokens * 3 * c.inner(), 1), upstream = randomFloats(c.tokens * c.inner(), 2);
    expectKernel(*kernel, {qkv, upstream}, differentiated(c, qkv, upstream, 1), 1, 1e-5);
  }
}

/// Scores that would overflow exp; a head's NaN that must not get lost, nor reach the other head.
TEST_P(AttentionGradTest, KeepsExtremeScores) {
  Case c{9, 2, 16, 1.0};
  std::optional<Kernel> kernel = compileLaunch(gradText(c, GetParam()), GetParam().target);
  ASSERT_TRUE(kernel);
  std::vector<float> qkv = randomFloats(c.tokens * 3 * c.inner(), 1, 20.0f), upstream = randomFloats(c.tokens * c.inner(), 2);
  expectKernel(*kernel, {qkv, upstream}, differentiated(c, qkv, upstream, 1), 1, 1e-3);

  upstream[2 * c.inner()] = NAN; // query 2 of head 0
  std::vector<float> result = runGuarded(*kernel, {qkv, upstream}, qkv.size(), 1);
  for (size_t i = 0; i < result.size(); ++i) {
    int64_t token = int64_t(i) / (3 * c.inner()), part = int64_t(i) / c.inner() % 3, head = int64_t(i) / c.width % c.heads;
    if (head == 1 || (part == 0 && token != 2))
      EXPECT_FALSE(std::isnan(result[i])) << "element " << i;
    if (head == 0 && (part == 1 || (part == 0 && token == 2)))
      EXPECT_TRUE(std::isnan(result[i])) << "element " << i;
  }
}

TEST_P(AttentionGradTest, IsOneTaskAHead) {
  std::optional<Kernel> kernel = compileLaunch(gradText({197, 3, 64}, GetParam()), GetParam().target);
  ASSERT_TRUE(kernel);
  EXPECT_EQ(kernel->info.kind, "attention_grad");
  EXPECT_EQ(kernel->tasks(4), 12);
  EXPECT_EQ(kernel->info.scratchBytes % 64, 0);
  EXPECT_LT(kernel->info.scratchBytes, 1 << 20);
}

INSTANTIATE_TEST_SUITE_P(Levels, AttentionGradTest, testing::ValuesIn(runnableLevels()),
                         [](const auto &info) { return parameterName(info.param.name); });

class ReducedAttentionGrad : public testing::Test {
protected:
  void SetUp() override {
    level = levelWith("avx512bf16");
    if (!level)
      GTEST_SKIP() << "this machine does not multiply bf16";
  }

  std::optional<Level> level;
};

/// Of a qkv of bf16; what is rounded besides are P, dO and dS, by 2^-9 of itself each. One block of queries and several, tokens that fill neither
/// tiles nor pairs, heads that fill no vectors.
TEST_F(ReducedAttentionGrad, AgreesWithDoublePrecision) {
  const int64_t images = 2;
  for (Case c : {Case{1, 2, 6},
                 {2, 1, 16},
                 {5, 3, 18},
                 {7, 1, 64},
                 {17, 2, 72, 0.3},
                 {65, 1, 48},
                 {197, 2, 64},
                 {33, 2, 104},
                 {64, 3, 16, 1.0},
                 {6, 1, 64},
                 {256, 1, 24},
                 {785, 1, 20},
                 {901, 1, 64}}) {
    SCOPED_TRACE(fmt::format("{} tokens, {} heads of {}", c.tokens, c.heads, c.width));
    c.element = "bf16";
    std::optional<Kernel> kernel = compileLaunch(gradText(c, *level), level->target);
    ASSERT_TRUE(kernel);
    std::vector<float> qkv = roundedToBf16(randomFloats(images * c.tokens * 3 * c.inner(), 1));
    std::vector<float> upstream = randomFloats(images * c.tokens * c.inner(), 2);
    std::vector<double> expected = differentiated(c, qkv, upstream, images);
    expectKernel(*kernel, {bf16Words(qkv), upstream}, expected, images, 2e-2);
    // Of many tokens single elements are small.
    std::vector<float> result = runGuarded(*kernel, {bf16Words(qkv), upstream}, qkv.size(), images);
    for (int64_t part = 0; part < 3 && c.tokens > 1; ++part) {
      double square = 0, squareOfError = 0;
      for (size_t i = 0; i < expected.size(); ++i)
        if (int64_t(i) / c.inner() % 3 == part) {
          square += expected[i] * expected[i];
          squareOfError += (result[i] - expected[i]) * (result[i] - expected[i]);
        }
      EXPECT_LE(std::sqrt(squareOfError / square), 0.01) << "of Q, K or V: " << part;
    }
  }
}

/// As in f32 the forward pass keeps what the gradient would compute again.
TEST_F(ReducedAttentionGrad, TakesTheWeightsOfTheForwardPass) {
  const int64_t images = 2;
  for (Case c : {Case{1, 2, 6}, {5, 3, 18}, {197, 2, 64}, {208, 1, 16}, {785, 1, 16}}) {
    SCOPED_TRACE(fmt::format("{} tokens, {} heads of {}", c.tokens, c.heads, c.width));
    c.element = "bf16";
    std::optional<Kernel> forward = compileLaunch(attentionText(c, *level), level->target);
    std::optional<Kernel> backward = compileLaunch(gradText(c, *level, true), level->target);
    std::optional<Kernel> alone = compileLaunch(gradText(c, *level), level->target);
    ASSERT_TRUE(forward && backward && alone);
    size_t rows = images * c.tokens;
    std::vector<float> qkv = bf16Words(randomFloats(rows * 3 * c.inner(), 1)), upstream = randomFloats(rows * c.inner(), 2);
    std::vector<size_t> sizes{rows * c.inner(), rows * c.heads * ((c.tokens + 15) / 16 * 16)};
    std::vector<std::vector<float>> kept = runGuarded(*forward, {qkv}, sizes, images);
    std::vector<float> results = runGuarded(*backward, {qkv, upstream, kept[1]}, 2 * qkv.size(), images);
    EXPECT_EQ(results, runGuarded(*alone, {qkv, upstream}, 2 * qkv.size(), images));
  }
}

/// A head's NaN must not get lost, nor reach the other head.
TEST_F(ReducedAttentionGrad, KeepsNotANumbers) {
  Case c{9, 2, 16, 1.0, "bf16"};
  std::optional<Kernel> kernel = compileLaunch(gradText(c, *level), level->target);
  ASSERT_TRUE(kernel);
  std::vector<float> qkv = bf16Words(randomFloats(c.tokens * 3 * c.inner(), 1, 20.0f)), upstream = randomFloats(c.tokens * c.inner(), 2);
  std::vector<float> result = runGuarded(*kernel, {qkv, upstream}, 2 * qkv.size(), 1);
  EXPECT_TRUE(std::ranges::all_of(result, [](float value) { return std::isfinite(value); }));

  upstream[4 * c.inner()] = NAN; // query 4 of head 0, which two tiles have
  result = runGuarded(*kernel, {qkv, upstream}, 2 * qkv.size(), 1);
  for (size_t i = 0; i < result.size(); ++i) {
    int64_t token = int64_t(i) / (3 * c.inner()), part = int64_t(i) / c.inner() % 3, head = int64_t(i) / c.width % c.heads;
    if (head == 1 || (part == 0 && token != 4))
      EXPECT_FALSE(std::isnan(result[i])) << "element " << i;
    if (head == 0 && (part == 1 || (part == 0 && token == 4)))
      EXPECT_TRUE(std::isnan(result[i])) << "element " << i;
  }
}

} // namespace
