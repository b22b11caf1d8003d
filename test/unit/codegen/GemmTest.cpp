//===- GemmTest.cpp - kernel.gemm against sums in double precision ------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "KernelHarness.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <numbers>

using namespace vitc::test;

namespace {

struct Case {
  int64_t tokens, outputs, depth;
  std::string activation = "none";
  bool bias = true, residual = false;
  int64_t kBlock = 768;
  int64_t rowBlock = 0; ///< 0: 198 rows, or the next multiple of the tile's
};

std::ostream &operator<<(std::ostream &os, const Case &c) {
  return os << fmt::format("{}x{}x{} {}{}{} k{} r{}", c.tokens, c.outputs, c.depth, c.activation, c.bias ? " bias" : "",
                           c.residual ? " residual" : "", c.kBlock, c.rowBlock);
}

double activate(const std::string &kind, double x) {
  if (kind == "relu")
    return std::max(x, 0.0);
  if (kind == "gelu_erf")
    return x / 2 * std::erfc(-x / std::numbers::sqrt2);
  if (kind == "gelu_tanh")
    return x / 2 * (1 + std::tanh(std::sqrt(2 / std::numbers::pi) * (x + 0.044715 * x * x * x)));
  if (kind == "quick_gelu")
    return x / (1 + std::exp(-1.702 * x));
  if (kind == "silu")
    return x / (1 + std::exp(-x));
  if (kind == "tanh")
    return std::tanh(x);
  if (kind == "sigmoid")
    return 1 / (1 + std::exp(-x));
  return x;
}

class Gemm : public testing::TestWithParam<Case> {
protected:
  static std::string ir(const Case &c, const Level &level) {
    int64_t rowBlock = c.rowBlock ? c.rowBlock : (198 + level.rows - 1) / level.rows * level.rows, kBlock = std::min(c.depth, c.kBlock);
    std::string weight = fmt::format("tensor<{}x{}x{}x{}xf32>", (c.depth + kBlock - 1) / kBlock,
                                     (c.outputs + level.columns - 1) / level.columns, kBlock, level.columns);
    std::string bias = fmt::format("tensor<{}xf32>", c.outputs), result = fmt::format("tensor<?x{}x{}xf32>", c.tokens, c.outputs);
    std::string input = fmt::format("tensor<?x{}x{}xf32>", c.tokens, c.depth);
    return fmt::format("func.func @f(%x: {0}, %w: {1}, %b: {2}, %r: {3}) {{\n  %y = kernel.gemm %x, %w{4}{5} {{activation = "
                       "#vit.activation<{6}>, schedule = "
                       "#kernel.gemm_schedule<rows = {7}, columns = {8}, k_block = {9}, row_block = {10}, prefetch = 8, vector = {11}>}} : "
                       "{0}, {1} -> {3}\n  "
                       "return\n}}\n",
                       input, weight, bias, result, c.bias ? fmt::format(" bias(%b : {})", bias) : "",
                       c.residual ? fmt::format(" residual(%r : {})", result) : "", c.activation, level.rows, level.columns, kBlock,
                       rowBlock, level.target.vectorLanes);
  }

  /// kernel.pack's layout.
  static std::vector<float> pack(const std::vector<float> &weight, const Case &c, const Level &level) {
    int64_t columns = level.columns, kBlock = std::min(c.depth, c.kBlock), panels = (c.outputs + columns - 1) / columns;
    std::vector<float> packed((c.depth + kBlock - 1) / kBlock * panels * kBlock * columns);
    for (int64_t n = 0; n < c.outputs; ++n)
      for (int64_t k = 0; k < c.depth; ++k)
        packed[((k / kBlock * panels + n / columns) * kBlock + k % kBlock) * columns + n % columns] = weight[n * c.depth + k];
    return packed;
  }
};

TEST_P(Gemm, MatchesDoubleOnEveryLevel) {
  const Case &c = GetParam();
  const int64_t images = 3, rows = images * c.tokens;
  std::vector<float> input = randomFloats(rows * c.depth, 1), weight = randomFloats(c.outputs * c.depth, 2, 1 / std::sqrt(float(c.depth))),
                     bias = randomFloats(c.outputs, 3), residual = randomFloats(rows * c.outputs, 4, 4.0f);
  std::vector<double> expected(rows * c.outputs);
  for (int64_t m = 0; m < rows; ++m)
    for (int64_t n = 0; n < c.outputs; ++n) {
      double sum = c.bias ? bias[n] : 0;
      for (int64_t k = 0; k < c.depth; ++k)
        sum += double(input[m * c.depth + k]) * weight[n * c.depth + k];
      expected[m * c.outputs + n] = activate(c.activation, sum) + (c.residual ? residual[m * c.outputs + n] : 0);
    }

  for (const Level &level : runnableLevels()) {
    SCOPED_TRACE(level.name);
    std::optional<Kernel> kernel = compileLaunch(ir(c, level), level.target);
    ASSERT_TRUE(kernel);
    std::vector<float> packed = pack(weight, c, level);
    std::vector<std::vector<float>> operands{input, packed};
    if (c.bias)
      operands.push_back(bias);
    if (c.residual)
      operands.push_back(residual);
    // Sums of size 1 in K roundings: ten times what those add up to at random, a thousandth of what a wrong index does.
    expectKernel(*kernel, operands, expected, images, 4e-7 * std::sqrt(double(c.depth)) + 1e-6);
    std::vector<float> whole = runGuarded(*kernel, operands, expected.size(), images);

    // Image by image, and with the residual in the result's memory, the bits are the same.
    std::mt19937 random(5);
    for (bool inPlace : {false, true}) {
      std::vector<float> again = inPlace ? residual : std::vector<float>(residual.size(), NAN);
      for (int64_t image = 0; image < images; ++image) {
        float *x = &input[image * c.tokens * c.depth], *y = &again[image * c.tokens * c.outputs];
        std::vector<float *> buffers{x, packed.data()};
        if (c.bias)
          buffers.push_back(bias.data());
        if (c.residual)
          buffers.push_back(inPlace ? y : &residual[image * c.tokens * c.outputs]);
        buffers.push_back(y);
        kernel->run(buffers, 1, inPlace ? &random : nullptr);
      }
      EXPECT_EQ(std::memcmp(whole.data(), again.data(), whole.size() * sizeof(float)), 0)
          << (inPlace ? "residual in place" : "image by image");
    }
  }
}

std::vector<Case> sizes() {
  std::vector<Case> cases;
  for (int64_t tokens : {1, 2, 5, 6, 7, 50})
    for (int64_t outputs : {1, 10, 64, 65, 200})
      cases.push_back({tokens, outputs, 48});
  for (int64_t depth : {1, 5, 48, 192, 257, 768})
    cases.push_back({7, 65, depth, "none", true, true});
  for (int64_t tokens : {197, 198, 257})
    cases.push_back({tokens, 192, 192, "none", true, true});
  cases.push_back({1, 1000, 768});
  cases.push_back({67, 130, 1000, "none", true, true});
  cases.push_back({7, 192, 1536, "none", true, true});
  cases.push_back({50, 192, 3072, "none", true, true});
  // Small blocks of everything: many row blocks, k-blocks that divide nothing.
  cases.push_back({29, 200, 75, "none", true, true, 32, 12});
  cases.push_back({29, 200, 96, "gelu_erf", true, true, 32, 12});
  cases.push_back({13, 70, 19, "none", false, false, 8, 12});
  return cases;
}

std::vector<Case> epilogues() {
  std::vector<Case> cases;
  for (const char *activation : {"none", "relu", "gelu_erf", "gelu_tanh", "quick_gelu", "silu", "tanh", "sigmoid"})
    cases.push_back({7, 72, 64, activation, true, true});
  cases.push_back({7, 72, 64, "none", false, false});
  cases.push_back({7, 72, 64, "none", false, true});
  cases.push_back({7, 72, 64, "gelu_erf", false, false});
  return cases;
}

std::string name(const testing::TestParamInfo<Case> &info) {
  std::ostringstream os;
  os << info.param;
  return parameterName(os.str());
}

INSTANTIATE_TEST_SUITE_P(Sizes, Gemm, testing::ValuesIn(sizes()), name);
INSTANTIATE_TEST_SUITE_P(Epilogues, Gemm, testing::ValuesIn(epilogues()), name);

} // namespace
