//===- ReducedGemmTest.cpp - kernel.gemm of bf16 and i8 against double precision -*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Operands are rounded first, so that what is expected is what the product of these numbers is: errors are those of the sums alone.
//
//===--------------------------------------------------------------------------------------===//

#include "KernelHarness.h"
#include "Numbers.h"

#include <cmath>
#include <cstring>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <numbers>
#include <sstream>

using namespace vitc::test;

namespace {

enum class Kind { Bf16, Bf16Weights, Int8 };

struct Case {
  Kind kind;
  int64_t tokens, outputs, depth;
  bool gelu = false, bias = true, residual = false, bf16Result = false;
  int64_t kBlock = 768;    ///< in words
  int64_t rowBlock = 0;    ///< 0: 198 rows, or the next multiple of the tile's
  bool inputGrid = false;  ///< of Int8: one scale and zero point for all rows
  bool byteResult = false; ///< on a grid, with a multiple of four outputs

  int64_t perWord() const { return kind == Kind::Int8 ? 4 : 2; }
  int64_t words() const { return depth / perWord(); }
  int64_t wordsPerBlock() const { return std::min(words(), kBlock); }
  const char *inputElement() const { return kind == Kind::Int8 ? "i8" : kind == Kind::Bf16 ? "bf16" : "f32"; }
  const char *weightElement() const { return kind == Kind::Int8 ? "i8" : "bf16"; }
  const char *resultElement() const { return byteResult ? "i8" : bf16Result ? "bf16" : "f32"; }
};

constexpr float inputScale = 0.0125f, inputZero = 77, resultScale = 0.02f, resultZero = 130;

std::ostream &operator<<(std::ostream &os, const Case &c) {
  return os << fmt::format("{} {} {}x{}x{}{}{}{} to {} k{} r{}", c.inputElement(), c.weightElement(), c.tokens, c.outputs, c.depth,
                           c.gelu ? " gelu" : "", c.bias ? " bias" : "", c.residual ? " residual" : "", c.resultElement(), c.kBlock,
                           c.rowBlock)
            << (c.inputGrid ? " grid" : "");
}

std::string ir(const Case &c, const Level &level) {
  int64_t rowBlock = c.rowBlock ? c.rowBlock : (198 + level.rows - 1) / level.rows * level.rows, kBlock = c.wordsPerBlock();
  std::string weight = fmt::format("tensor<{}x{}x{}x{}x{}x{}>", (c.words() + kBlock - 1) / kBlock,
                                   (c.outputs + level.columns - 1) / level.columns, kBlock, level.columns, c.perWord(), c.weightElement());
  std::string input = fmt::format("tensor<?x{}x{}x{}>", c.tokens, c.depth, c.inputElement());
  std::string result = fmt::format("tensor<?x{}x{}x{}>", c.tokens, c.outputs, c.resultElement());
  std::string bias = fmt::format("tensor<{}xf32>", c.outputs);
  std::string rowScales = fmt::format("tensor<?x{}x2xf32>", c.tokens), columnScales = fmt::format("tensor<2x{}xf32>", c.outputs);
  std::string grids = (c.inputGrid ? fmt::format("input_grid = array<f32: {:e}, {:e}>, ", inputScale, inputZero) : "") +
                      (c.byteResult ? fmt::format("result_grid = array<f32: {:e}, {:e}>, ", resultScale, resultZero) : "") +
                      "activation = #vit.activation<";
  return fmt::format("func.func @f(%x: {0}, %w: {1}, %b: {2}, %r: {3}, %s: {4}, %t: {5}) {{\n  %y = kernel.gemm %x, %w{6}{7}{8} "
                     "{{{9}>, schedule = #kernel.gemm_schedule<rows = {10}, columns = {11}, k_block = {12}, "
                     "row_block = {13}, prefetch = 8, vector = {14}>}} : {0}, {1} -> {3}\n  return\n}}\n",
                     input, weight, bias, result, rowScales, columnScales, c.bias ? fmt::format(" bias(%b : {})", bias) : "",
                     c.residual ? fmt::format(" residual(%r : {})", result) : "",
                     (c.kind == Kind::Int8 && !c.inputGrid ? fmt::format(" row_scales(%s : {})", rowScales) : "") +
                         (c.kind == Kind::Int8 ? fmt::format(" column_scales(%t : {})", columnScales) : ""),
                     grids + (c.gelu ? "gelu_erf" : "none"), level.rows, level.columns, kBlock, rowBlock, level.target.vectorLanes);
}

/// kernel.pack's layout of weight [outputs, depth], as words.
template <typename T> std::vector<float> pack(const std::vector<T> &weight, const Case &c, const Level &level) {
  int64_t columns = level.columns, kBlock = c.wordsPerBlock(), panels = (c.outputs + columns - 1) / columns, e = c.perWord();
  std::vector<T> packed((c.words() + kBlock - 1) / kBlock * panels * kBlock * columns * e);
  for (int64_t n = 0; n < c.outputs; ++n)
    for (int64_t k = 0; k < c.depth; ++k) {
      int64_t word = k / e;
      packed[(((word / kBlock * panels + n / columns) * kBlock + word % kBlock) * columns + n % columns) * e + k % e] =
          weight[n * c.depth + k];
    }
  return toWords(packed);
}

/// The operands of a product and what it is of them.
struct Problem {
  std::vector<std::vector<float>> operands; ///< in the launch's order, the weight not packed
  std::vector<uint16_t> bf16Weight;
  std::vector<int8_t> byteWeight;
  std::vector<double> expected, bound;
};

/// Sums of size 1 in K roundings: ten times what those add up to at random, a thousandth of what a wrong index does.
double sumBound(int64_t depth) { return 4e-7 * std::sqrt(double(depth)) + 1e-6; }

Problem makeProblem(const Case &c, int64_t images) {
  const int64_t rows = images * c.tokens;
  Problem p;
  std::vector<double> input(rows * c.depth), weight(c.outputs * c.depth), rowFactor(rows, 1), columnFactor(c.outputs, 1);
  std::vector<float> rowScales, columnScales(2 * c.outputs), inputWords;
  if (c.kind == Kind::Int8) {
    std::mt19937 random(1);
    std::vector<uint8_t> bytes(rows * c.depth);
    for (uint8_t &byte : bytes)
      byte = random();
    for (int64_t m = 0; m < rows; ++m) {
      int64_t zero = c.inputGrid ? int64_t(inputZero) : random() % 256;
      rowFactor[m] = c.inputGrid ? inputScale : float(0.01 + random() % 100 * 1e-4);
      rowScales.insert(rowScales.end(), {float(rowFactor[m]), float(zero)});
      for (int64_t k = 0; k < c.depth; ++k)
        input[m * c.depth + k] = bytes[m * c.depth + k] - zero;
    }
    inputWords = toWords(bytes);
    p.byteWeight.resize(weight.size());
    for (int64_t n = 0; n < c.outputs; ++n) {
      columnFactor[n] = columnScales[n] = float((0.005 + random() % 100 * 1e-5) / std::sqrt(double(c.depth)));
      for (int64_t k = 0; k < c.depth; ++k) {
        int value = static_cast<int>(random() % 255) - 127;
        p.byteWeight[n * c.depth + k] = static_cast<int8_t>(value);
        weight[n * c.depth + k] = value;
        columnScales[c.outputs + n] += value;
      }
    }
  } else {
    std::vector<float> x = randomFloats(input.size(), 1), w = randomFloats(weight.size(), 2, 1 / std::sqrt(float(c.depth)));
    inputWords = c.kind == Kind::Bf16 ? bf16Words(x) : x;
    for (size_t i = 0; i < x.size(); ++i)
      input[i] = c.kind == Kind::Bf16 ? roundedToBf16(x[i]) : x[i];
    for (size_t i = 0; i < w.size(); ++i) {
      p.bf16Weight.push_back(bf16Bits(w[i]));
      weight[i] = fromBf16(p.bf16Weight[i]);
    }
  }
  std::vector<float> bias = randomFloats(c.outputs, 3), residual = randomFloats(rows * c.outputs, 4, 4.0f);
  if (c.bf16Result)
    residual = roundedToBf16(residual);
  p.operands = {inputWords, {}};
  if (c.bias)
    p.operands.push_back(bias);
  if (c.residual)
    p.operands.push_back(c.bf16Result ? bf16Words(residual) : residual);
  if (c.kind == Kind::Int8) {
    if (!c.inputGrid)
      p.operands.push_back(rowScales);
    p.operands.push_back(columnScales);
  }

  for (int64_t m = 0; m < rows; ++m)
    for (int64_t n = 0; n < c.outputs; ++n) {
      double sum = 0;
      for (int64_t k = 0; k < c.depth; ++k)
        sum += input[m * c.depth + k] * weight[n * c.depth + k];
      double value = sum * rowFactor[m] * columnFactor[n] + (c.bias ? bias[n] : 0);
      if (c.gelu)
        value = value / 2 * std::erfc(-value / std::numbers::sqrt2);
      value += c.residual ? residual[m * c.outputs + n] : 0;
      if (c.byteResult) {
        // Half a step more than rounding: GELU's own error may lie on either side of a half.
        p.expected.push_back(std::clamp(value / resultScale + resultZero, 0.0, 255.0));
        p.bound.push_back(0.51);
        continue;
      }
      p.expected.push_back(value);
      // Sums of bytes are exact; a result of bf16 has 8 bits, and a GELU that is accurate to 8e-5.
      double bound = (c.kind == Kind::Int8 ? 2e-6 : sumBound(c.depth)) * (1 + std::abs(value)) + (c.gelu && c.bf16Result ? 8e-5 : 0);
      p.bound.push_back(bound + (c.bf16Result ? std::ldexp(std::abs(value) + bound, -8) : 0));
    }
  return p;
}

class ReducedGemm : public testing::TestWithParam<Case> {
protected:
  static std::vector<Level> levels(Kind kind) {
    if (kind == Kind::Bf16Weights)
      return runnableLevels();
    std::optional<Level> level = levelWith(kind == Kind::Int8 ? "avx512vnni" : "avx512bf16");
    return level ? std::vector<Level>{*level} : std::vector<Level>{};
  }
};

TEST_P(ReducedGemm, MatchesDoubleOnEveryLevel) {
  const Case &c = GetParam();
  const int64_t images = 3;
  std::vector<Level> runnable = levels(c.kind);
  if (runnable.empty())
    GTEST_SKIP() << "this machine has no products of " << c.weightElement();
  Problem p = makeProblem(c, images);
  const size_t resultWords = p.expected.size() / (c.byteResult ? 4 : c.bf16Result ? 2 : 1);
  for (const Level &level : runnable) {
    SCOPED_TRACE(level.name);
    std::optional<Kernel> kernel = compileLaunch(ir(c, level), level.target);
    ASSERT_TRUE(kernel);
    p.operands[1] = c.kind == Kind::Int8 ? pack(p.byteWeight, c, level) : pack(p.bf16Weight, c, level);
    std::vector<float> words = runGuarded(*kernel, p.operands, resultWords, images);
    std::vector<float> result = c.byteResult ? fromByteWords(words) : c.bf16Result ? fromBf16Words(words) : words;
    for (size_t i = 0; i < result.size(); ++i)
      ASSERT_LE(std::abs(result[i] - p.expected[i]), p.bound[i])
          << "row " << i / c.outputs << ", output " << i % c.outputs << " is " << result[i] << ", expected " << p.expected[i];

    std::mt19937 random(1);
    std::vector<float> split = runGuarded(*kernel, p.operands, resultWords, images, Guard::Before, &random);
    EXPECT_EQ(std::memcmp(words.data(), split.data(), words.size() * sizeof(float)), 0) << "the bits depend on the split into tasks";

    // Image by image, with the residual in the result's memory.
    std::vector<float> again = c.residual ? p.operands[c.bias ? 3 : 2] : std::vector<float>(resultWords, NAN);
    for (int64_t image = 0; image < images; ++image) {
      auto at = [&](std::vector<float> &words) { return &words[image * (words.size() / images)]; };
      std::vector<float *> buffers{at(p.operands[0]), p.operands[1].data()};
      size_t operand = 2;
      if (c.bias)
        buffers.push_back(p.operands[operand++].data());
      if (c.residual)
        buffers.push_back(at(again)), ++operand;
      if (c.kind == Kind::Int8) {
        if (!c.inputGrid)
          buffers.push_back(at(p.operands[operand++]));
        buffers.push_back(p.operands[operand].data());
      }
      buffers.push_back(at(again));
      kernel->run(buffers, 1, &random);
    }
    EXPECT_EQ(std::memcmp(words.data(), again.data(), words.size() * sizeof(float)), 0) << "the bits depend on the group of images";
  }
}

std::vector<Case> cases(Kind kind) {
  std::vector<Case> cases;
  for (int64_t tokens : {1, 5, 7, 50})
    for (int64_t outputs : {1, 10, 65, 200})
      cases.push_back({kind, tokens, outputs, 48});
  for (int64_t depth : {4, 20, 192, 260, 768})
    cases.push_back({kind, 7, 65, depth, false, true, true});
  for (int64_t tokens : {197, 198})
    cases.push_back({kind, tokens, 192, 192, false, true, true});
  cases.push_back({kind, 7, 72, 64, true, true, true});
  cases.push_back({kind, 7, 72, 64, false, false, false});
  cases.push_back({kind, 7, 72, 64, true, false, false, true});
  cases.push_back({kind, 6, 70, 64, true, true, true, true});
  cases.push_back({kind, 50, 192, 3072, false, true, true});
  // Small blocks of everything: many row blocks, k-blocks that divide nothing.
  cases.push_back({kind, 29, 200, 76, false, true, true, false, 8, 12});
  cases.push_back({kind, 30, 200, 100, true, true, true, true, 7, 12});
  cases.push_back({kind, 13, 70, 20, false, false, false, false, 3, 12});
  return cases;
}

/// Ranges known beforehand: of the input, of the result, of both.
std::vector<Case> grids() {
  std::vector<Case> cases;
  for (bool input : {false, true})
    for (bool result : {false, true})
      for (bool gelu : {false, true})
        for (int64_t depth : {64, 260})
          if (input || result)
            cases.push_back({Kind::Int8, 7, 72, depth, gelu, depth == 64, !result, false, 24, 0, input, result});
  cases.push_back({Kind::Bf16, 50, 200, 192, true, true, false, false, 768, 0, false, true});
  return cases;
}

std::string name(const testing::TestParamInfo<Case> &info) {
  std::ostringstream os;
  os << info.param;
  return parameterName(os.str());
}

INSTANTIATE_TEST_SUITE_P(Bf16, ReducedGemm, testing::ValuesIn(cases(Kind::Bf16)), name);
INSTANTIATE_TEST_SUITE_P(Bf16Weights, ReducedGemm, testing::ValuesIn(cases(Kind::Bf16Weights)), name);
INSTANTIATE_TEST_SUITE_P(Int8, ReducedGemm, testing::ValuesIn(cases(Kind::Int8)), name);
INSTANTIATE_TEST_SUITE_P(Grids, ReducedGemm, testing::ValuesIn(grids()), name);

} // namespace
