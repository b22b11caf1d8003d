//===- MatmulTest.cpp - products of training against sums in double precision --*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "KernelHarness.h"
#include "Numbers.h"

#include <cmath>
#include <cstring>
#include <fmt/format.h>
#include <gtest/gtest.h>

using namespace vitc::test;

namespace {

constexpr int64_t images = 3;

std::string schedule(const Level &level, int64_t kBlock, int64_t rowBlock, int64_t prefetch) {
  return fmt::format("schedule = #kernel.gemm_schedule<rows = {}, columns = {}, k_block = {}, row_block = {}, prefetch = {}, vector = {}>",
                     level.rows, level.columns, kBlock, rowBlock, prefetch, level.target.vectorLanes);
}

/// AVX-512, AVX2 and the portable level with operands of f32; those of bf16 where the machine has them.
struct Arithmetic {
  Level level;
  bool bf16 = false;
  std::string attribute() const { return bf16 ? "bf16, " : ""; }
  std::vector<float> operand(const std::vector<float> &values) const { return bf16 ? roundedToBf16(values) : values; }
};

std::vector<Arithmetic> arithmetics() {
  std::vector<Arithmetic> result;
  for (const Level &level : runnableLevels())
    result.push_back({level});
  if (std::optional<Level> level = levelWith("avx512bf16"))
    result.push_back({*level, true});
  return result;
}

std::string tensor(int64_t rows, int64_t columns) { return fmt::format("tensor<{}x{}xf32>", rows, columns); }
std::string activation(int64_t tokens, int64_t columns) { return fmt::format("tensor<?x{}x{}xf32>", tokens, columns); }

/// Sums of `depth` products of size 1: ten times what their roundings add up to at random, a thousandth of what a wrong index does.
double tolerance(int64_t depth) { return 4e-7 * std::sqrt(double(depth)) + 1e-6; }

struct Matmul {
  int64_t tokens, outputs, depth;
  bool bias = true, residual = true;
  int64_t kBlock = 1024, rowBlock = 192, prefetch = 8;
};

std::ostream &operator<<(std::ostream &os, const Matmul &c) {
  return os << fmt::format("{}x{}x{} {}{} k{} r{} p{}", c.tokens, c.outputs, c.depth, c.bias ? "b" : "", c.residual ? "r" : "", c.kBlock,
                           c.rowBlock, c.prefetch);
}

std::string matmulText(const Matmul &c, const Arithmetic &arithmetic, bool transposed) {
  std::string weight = transposed ? tensor(c.depth, c.outputs) : tensor(c.outputs, c.depth);
  std::string bias = fmt::format("tensor<{}xf32>", c.outputs), result = activation(c.tokens, c.outputs);
  return fmt::format("func.func @f(%x: {0}, %w: {1}, %b: {2}, %r: {3}) {{\n"
                     "  %y = kernel.matmul %x, %w{4}{5} {{{6}{7}{8}}} : {0}, {1} -> {3}\n  return\n}}\n",
                     activation(c.tokens, c.depth), weight, bias, result, c.bias ? fmt::format(" bias(%b : {})", bias) : "",
                     c.residual ? fmt::format(" residual(%r : {})", result) : "", transposed ? "transposed, " : "", arithmetic.attribute(),
                     schedule(arithmetic.level, c.kBlock, c.rowBlock, c.prefetch));
}

class MatmulTest : public testing::TestWithParam<Matmul> {};

TEST_P(MatmulTest, MatchesDoubleOnEveryLevel) {
  const Matmul &c = GetParam();
  const int64_t rows = images * c.tokens;
  std::vector<float> input = randomFloats(rows * c.depth, 1), weight = randomFloats(c.outputs * c.depth, 2, 1 / std::sqrt(float(c.depth))),
                     transposed(weight.size()), bias = randomFloats(c.outputs, 3), residual = randomFloats(rows * c.outputs, 4, 4.0f);
  for (int64_t n = 0; n < c.outputs; ++n)
    for (int64_t k = 0; k < c.depth; ++k)
      transposed[k * c.outputs + n] = weight[n * c.depth + k];
  for (const Arithmetic &arithmetic : arithmetics()) {
    const Level &level = arithmetic.level;
    const std::vector<float> x = arithmetic.operand(input), w = arithmetic.operand(weight);
    std::vector<double> expected(rows * c.outputs);
    for (int64_t m = 0; m < rows; ++m)
      for (int64_t n = 0; n < c.outputs; ++n) {
        double sum = (c.bias ? bias[n] : 0) + (c.residual ? residual[m * c.outputs + n] : 0);
        for (int64_t k = 0; k < c.depth; ++k)
          sum += double(x[m * c.depth + k]) * w[n * c.depth + k];
        expected[m * c.outputs + n] = sum;
      }
    std::vector<float> other;
    for (bool isTransposed : {false, true}) {
      SCOPED_TRACE(level.name + (arithmetic.bf16 ? ", bf16" : "") + (isTransposed ? ", transposed" : ""));
      std::optional<Kernel> kernel = compileLaunch(matmulText(c, arithmetic, isTransposed), level.target);
      ASSERT_TRUE(kernel);
      std::vector<std::vector<float>> operands{input, isTransposed ? transposed : weight};
      if (c.bias)
        operands.push_back(bias);
      if (c.residual)
        operands.push_back(residual);
      expectKernel(*kernel, operands, expected, images, tolerance(c.depth));
      std::vector<float> whole = runGuarded(*kernel, operands, expected.size(), images);
      if (isTransposed)
        EXPECT_EQ(std::memcmp(whole.data(), other.data(), whole.size() * sizeof(float)), 0) << "bits depend on how the weight lies";
      other = whole;
      if (!c.residual)
        continue;

      // Image by image, and with the residual in the result's memory, the bits are the same.
      std::vector<float> again = residual;
      std::mt19937 random(5);
      for (int64_t image = 0; image < images; ++image) {
        float *y = &again[image * c.tokens * c.outputs];
        std::vector<float *> buffers{&operands[0][image * c.tokens * c.depth], operands[1].data()};
        if (c.bias)
          buffers.push_back(bias.data());
        buffers.insert(buffers.end(), {y, y});
        kernel->run(buffers, 1, &random);
      }
      EXPECT_EQ(std::memcmp(whole.data(), again.data(), whole.size() * sizeof(float)), 0) << "image by image, in place";
    }
  }
}

std::vector<Matmul> matmulCases() {
  std::vector<Matmul> cases;
  for (int64_t tokens : {1, 5, 17})
    for (int64_t outputs : {1, 10, 200})
      cases.push_back({tokens, outputs, 48});
  for (int64_t depth : {1, 15, 17, 64, 257})
    cases.push_back({7, 65, depth});
  cases.push_back({1, 100, 192, true, false});
  cases.push_back({7, 66, 32, false, true});
  cases.push_back({7, 66, 32, false, false, 1024, 192, 0});
  // Several k-blocks, of unequal length and not of whole vectors, several row blocks, two bands of them.
  cases.push_back({67, 130, 1000, true, true, 300, 96});
  cases.push_back({50, 70, 75, true, true, 20, 48});
  cases.push_back({50, 70, 75, true, false, 20, 48, 0});
  cases.push_back({197, 64, 96, true, true, 32, 1056});
  return cases;
}

INSTANTIATE_TEST_SUITE_P(Cases, MatmulTest, testing::ValuesIn(matmulCases()),
                         [](const auto &info) { return parameterName(testing::PrintToString(info.param)); });

/// residual + factor * activation(x W' + b), and the activation's derivative: the same bits as of launches one after the other.
TEST(MatmulResults, AreThoseOfSeparateLaunches) {
  const int64_t tokens = 7, outputs = 70, depth = 75, elements = images * tokens * outputs;
  const std::vector<float> input = randomFloats(images * tokens * depth, 1), weight = randomFloats(outputs * depth, 2, 0.2f),
                           bias = randomFloats(outputs, 3), residual = randomFloats(elements, 4), factor = randomFloats(elements, 5);
  const std::string x = activation(tokens, depth), y = activation(tokens, outputs), w = tensor(outputs, depth);
  auto product = [&](const Arithmetic &arithmetic, const std::string &operands, const std::string &attributes, const std::string &results) {
    return compileLaunch(fmt::format("func.func @f(%x: {0}, %w: {1}, %b: tensor<{2}xf32>, %r: {3}, %f: {3}) {{\n"
                                     "  %y{4} = kernel.matmul %x, %w bias(%b : tensor<{2}xf32>) {5} {{{6}{7}{8}}} : {0}, {1} -> {9}\n"
                                     "  return\n}}\n",
                                     x, w, outputs, y, results == y ? "" : ", %d", operands, attributes, arithmetic.attribute(),
                                     schedule(arithmetic.level, 32, 48, 8), results),
                         arithmetic.level.target);
  };
  for (const Arithmetic &arithmetic : arithmetics())
    for (const char *kind : {"gelu_erf", "silu"}) {
      SCOPED_TRACE(fmt::format("{}{} {}", arithmetic.level.name, arithmetic.bf16 ? ", bf16" : "", kind));
      std::optional<Kernel> plain = product(arithmetic, "", "", y);
      std::string attribute = fmt::format("activation = #vit.activation<{}>, ", kind);
      std::optional<Kernel> activated = product(arithmetic, "", attribute, y + ", " + y);
      std::optional<Kernel> whole = product(arithmetic, fmt::format("residual(%r : {0}) factor(%f : {0})", y), attribute, y);
      ASSERT_TRUE(plain && activated && whole);
      auto elementwise = [&](const std::string &operation, const std::vector<std::vector<float>> &operands) {
        std::optional<Kernel> kernel =
            compileLaunch(fmt::format("func.func @f(%x: {0}, %u: {0}) {{\n  %y = kernel.{1} {{kind = #vit.activation<{2}>, schedule = "
                                      "#kernel.row_schedule<rows_per_task = 4, vector = {3}>}} : {0}\n  return\n}}\n",
                                      y, operation, kind, arithmetic.level.target.vectorLanes),
                          arithmetic.level.target);
        return kernel ? runGuarded(*kernel, operands, elements, images) : std::vector<float>();
      };
      const std::vector<float> sums = runGuarded(*plain, {input, weight, bias}, elements, images);
      const std::vector<float> values = elementwise("activation %x", {sums});
      const std::vector<float> derivatives = elementwise("activation_grad %x, %u", {sums, std::vector<float>(elements, 1)});
      std::mt19937 random(6);
      std::vector<std::vector<float>> results =
          runGuarded(*activated, {input, weight, bias}, {size_t(elements), size_t(elements)}, images, Guard::Before, &random);
      EXPECT_EQ(results[0], values);
      EXPECT_EQ(results[1], derivatives);
      std::vector<float> expected(elements);
      for (int64_t i = 0; i < elements; ++i)
        expected[i] = values[i] * factor[i] + residual[i];
      std::vector<float> combined = runGuarded(*whole, {input, weight, bias, residual, factor}, elements, images);
      for (int64_t i = 0; i < elements; ++i)
        ASSERT_NEAR(combined[i], expected[i], 1e-6) << i;

      // In the factor's memory, if there is no residual.
      std::optional<Kernel> scaled = product(arithmetic, fmt::format("factor(%f : {})", y), "", y);
      ASSERT_TRUE(scaled);
      std::vector<float> apart = runGuarded(*scaled, {input, weight, bias, factor}, elements, images), inPlace = factor;
      std::vector<float> operands[] = {input, weight, bias};
      scaled->run({operands[0].data(), operands[1].data(), operands[2].data(), inPlace.data(), inPlace.data()}, images, &random);
      EXPECT_EQ(apart, inPlace);
    }
}

struct Contraction {
  int64_t tokens, outputs, width;
  int64_t kBlock = 528, prefetch = 8;
};

std::ostream &operator<<(std::ostream &os, const Contraction &c) {
  return os << fmt::format("{}x{}x{} k{} p{}", c.tokens, c.outputs, c.width, c.kBlock, c.prefetch);
}

class ContractRowsTest : public testing::TestWithParam<Contraction> {};

TEST_P(ContractRowsTest, AddsToWhatIsThere) {
  const Contraction &c = GetParam();
  const int64_t rows = images * c.tokens;
  std::vector<float> lhs = randomFloats(rows * c.outputs, 1), rhs = randomFloats(rows * c.width, 2, 1 / std::sqrt(float(rows))),
                     start = randomFloats(c.outputs * c.width, 3);
  for (const Arithmetic &arithmetic : arithmetics()) {
    const Level &level = arithmetic.level;
    SCOPED_TRACE(level.name + (arithmetic.bf16 ? ", bf16" : ""));
    const std::vector<float> l = arithmetic.operand(lhs), x = arithmetic.operand(rhs);
    std::vector<double> expected(start.begin(), start.end());
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t n = 0; n < c.outputs; ++n)
        for (int64_t k = 0; k < c.width; ++k)
          expected[n * c.width + k] += double(l[r * c.outputs + n]) * x[r * c.width + k];
    std::string left = activation(c.tokens, c.outputs), right = activation(c.tokens, c.width);
    std::optional<Kernel> kernel = compileLaunch(
        fmt::format("func.func @f(%l: {0}, %r: {1}) {{\n  %y = kernel.contract_rows %l, %r {{{3}{4}}} : {0}, {1} -> {2}\n  return\n}}\n",
                    left, right, tensor(c.outputs, c.width), arithmetic.attribute(), schedule(level, c.kBlock, 192, c.prefetch)),
        level.target);
    ASSERT_TRUE(kernel);
    // As many tasks whatever the number of images.
    EXPECT_EQ(kernel->tasks(1), kernel->tasks(4096));
    std::vector<std::vector<float>> results;
    std::mt19937 random(4);
    for (bool split : {false, true}) {
      Guard guard = split ? Guard::Before : Guard::After;
      GuardedBuffer left(lhs.size(), guard), right(rhs.size(), guard), result(start.size(), guard);
      llvm::copy(lhs, left.begin());
      llvm::copy(rhs, right.begin());
      llvm::copy(start, result.begin());
      kernel->run({left.data(), right.data(), result.data()}, images, split ? &random : nullptr);
      results.emplace_back(result.begin(), result.end());
    }
    expectClose(results[0], expected, tolerance(rows));
    EXPECT_EQ(std::memcmp(results[0].data(), results[1].data(), start.size() * sizeof(float)), 0) << "bits depend on the split into tasks";
  }
}

std::vector<Contraction> contractions() {
  std::vector<Contraction> cases;
  for (int64_t outputs : {1, 6, 10, 49, 101})
    for (int64_t width : {1, 64, 130})
      cases.push_back({7, outputs, width});
  cases.push_back({1, 20, 20});
  cases.push_back({197, 70, 70});
  cases.push_back({197, 70, 70, 100});
  cases.push_back({197, 50, 96, 128, 0});
  return cases;
}

INSTANTIATE_TEST_SUITE_P(Cases, ContractRowsTest, testing::ValuesIn(contractions()),
                         [](const auto &info) { return parameterName(testing::PrintToString(info.param)); });

} // namespace
