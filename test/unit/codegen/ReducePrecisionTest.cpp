//===- ReducePrecisionTest.cpp - rows rounded to bf16 and to bytes -------------*- C++ -*-===//
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
#include <limits>

using namespace vitc::test;

namespace {

constexpr int64_t kImages = 3;

/// AVX-512, AVX2 and the portable level, and the one whose own instruction rounds to bf16.
std::vector<Level> levels() {
  std::vector<Level> result = runnableLevels();
  if (std::optional<Level> bf16 = levelWith("avx512bf16"))
    result.push_back(*bf16);
  return result;
}

std::string rowSchedule(const Level &level) {
  return fmt::format("schedule = #kernel.row_schedule<rows_per_task = 4, vector = {}>", level.target.vectorLanes);
}

/// The same bits from any split into tasks; what one call of all tasks gave.
std::vector<std::vector<float>> runAll(const Kernel &kernel, const std::vector<std::vector<float>> &operands,
                                       const std::vector<size_t> &resultSizes) {
  std::vector<std::vector<float>> whole = runGuarded(kernel, operands, resultSizes, kImages);
  std::mt19937 random(1);
  std::vector<std::vector<float>> split = runGuarded(kernel, operands, resultSizes, kImages, Guard::Before, &random);
  for (size_t i = 0; i < whole.size(); ++i)
    EXPECT_EQ(std::memcmp(whole[i].data(), split[i].data(), whole[i].size() * sizeof(float)), 0)
        << "result " << i << " depends on the split";
  return whole;
}

class ReducePrecision : public testing::TestWithParam<Level> {};

TEST_P(ReducePrecision, ConvertsToTheNearestBf16) {
  for (auto [tokens, width] : {std::pair<int64_t, int64_t>{7, 18}, {2, 192}, {4, 5}, {6, 1}}) {
    SCOPED_TRACE(fmt::format("{} rows of {}", tokens, width));
    std::string input = fmt::format("tensor<?x{}x{}xf32>", tokens, width), result = fmt::format("tensor<?x{}x{}xbf16>", tokens, width);
    std::optional<Kernel> kernel =
        compileLaunch(fmt::format("func.func @f(%x: {0}) -> {1} {{\n  %y = kernel.convert %x {{{2}}} : {0} -> {1}\n  return %y : {1}\n}}",
                                  input, result, rowSchedule(GetParam())),
                      GetParam().target);
    ASSERT_TRUE(kernel);
    EXPECT_EQ(kernel->info.kind, "convert");
    std::vector<float> x = randomFloats(kImages * tokens * width, 1);
    // Ties to an even mantissa below and above, the carry into the exponent, the greatest numbers, infinities, zeros.
    const float special[] = {1.00390625f, 1.01171875f, -1.00390625f, 1.00390637f, 1.9999999f, std::numeric_limits<float>::max(),
                             3.3895e38f,  INFINITY,    -INFINITY,    -0.0f,       0.0f,       std::numeric_limits<float>::min()};
    std::copy(std::begin(special), std::end(special), x.begin());
    std::vector<float> words = runAll(*kernel, {x}, {x.size() / 2}).front();
    std::vector<uint16_t> halves = fromWords<uint16_t>(words);
    for (size_t i = 0; i < x.size(); ++i)
      EXPECT_EQ(halves[i], bf16Bits(x[i])) << x[i] << " became " << fromBf16(halves[i]);

    x[3] = NAN;
    EXPECT_TRUE(std::isnan(fromBf16Words(runAll(*kernel, {x}, {x.size() / 2}).front())[3]));
  }
}

//===--------------------------------------------------------------------------------------===//
// Bytes
//===--------------------------------------------------------------------------------------===//

struct QuantizedRows {
  std::vector<uint8_t> bytes;
  std::vector<float> scales;
};

/// What every quantized row is: zero exact, bytes within half a step of the numbers, the step no coarser than it has to be.
void expectQuantized(const QuantizedRows &rows, const std::vector<double> &x, size_t width, double slack) {
  for (size_t r = 0; r < x.size() / width; ++r) {
    double least = 0, greatest = 0;
    for (size_t k = 0; k < width; ++k) {
      least = std::min(least, x[r * width + k]);
      greatest = std::max(greatest, x[r * width + k]);
    }
    double scale = rows.scales[2 * r], zero = rows.scales[2 * r + 1], step = (greatest - least) / 255;
    EXPECT_NEAR(scale, step ? step : 1, slack * (step ? step : 1)) << "row " << r;
    EXPECT_EQ(zero, std::round(zero)) << "row " << r;
    EXPECT_GE(zero, 0) << "row " << r;
    EXPECT_LE(zero, 255) << "row " << r;
    // At an end of the range the zero point's own rounding adds up to half a step.
    for (size_t k = 0; k < width; ++k) {
      double value = x[r * width + k], error = std::abs(scale * (rows.bytes[r * width + k] - zero) - value);
      bool inside = value / scale + zero > 0.5 && value / scale + zero < 254.5;
      EXPECT_LE(error, (inside ? 0.5 : 1.0) * scale * (1 + slack) + slack * std::abs(value))
          << "row " << r << " element " << k << ", " << value;
    }
  }
}

struct Shape {
  int64_t tokens, width;
};

constexpr Shape kShapes[] = {{3, 4}, {5, 16}, {4, 7}, {7, 20}, {2, 192}, {3, 196}, {1, 1028}};

QuantizedRows quantize(const Level &level, Shape shape, const std::vector<float> &x, bool bf16) {
  std::string input = fmt::format("tensor<?x{}x{}x{}>", shape.tokens, shape.width, bf16 ? "bf16" : "f32");
  std::string bytes = fmt::format("tensor<?x{}x{}xi8>", shape.tokens, shape.width);
  std::string scales = fmt::format("tensor<?x{}x2xf32>", shape.tokens);
  std::optional<Kernel> kernel =
      compileLaunch(fmt::format("func.func @f(%x: {0}) -> {1} {{\n  %y, %s = kernel.quantize %x {{{3}}} : {0} -> {1}, {2}\n  return %y : "
                                "{1}\n}}",
                                input, bytes, scales, rowSchedule(level)),
                    level.target);
  EXPECT_TRUE(kernel);
  if (!kernel)
    return {};
  EXPECT_EQ(kernel->info.kind, "quantize");
  size_t rows = kImages * shape.tokens;
  std::vector<std::vector<float>> results = runAll(*kernel, {bf16 ? bf16Words(x) : x}, {rows * shape.width / 4, rows * 2});
  return {fromWords<uint8_t>(results[0]), results[1]};
}

TEST_P(ReducePrecision, QuantizesRowsWithinHalfAStep) {
  for (const Shape &shape : kShapes)
    for (bool bf16 : {false, true}) {
      if (bf16 && shape.tokens * shape.width % 2 != 0)
        continue;
      SCOPED_TRACE(fmt::format("{} rows of {}{}", shape.tokens, shape.width, bf16 ? ", bf16" : ""));
      size_t rows = kImages * shape.tokens, width = shape.width;
      std::vector<float> x = randomFloats(rows * width, 1, 3.0f);
      for (size_t k = 0; k < width; ++k) {
        x[k] = 0;                                            // nothing to scale by
        x[width + k] = -2.5f;                                // no positive number: zero is the end of the range
        x[2 * width + k] = std::abs(x[2 * width + k]) + 100; // far from zero, which must be in the range all the same
      }
      x = roundedToBf16(x);
      QuantizedRows quantized = quantize(GetParam(), shape, x, bf16);
      ASSERT_EQ(quantized.bytes.size(), x.size());
      expectQuantized(quantized, {x.begin(), x.end()}, width, 1e-6);
      EXPECT_EQ(quantized.scales[0], 1.0f);
      EXPECT_EQ(quantized.scales[3], 255.0f);
      EXPECT_EQ(quantized.scales[5], 0.0f);
    }
}

/// Each row's result must not be a plausible number where its input is none.
TEST_P(ReducePrecision, QuantizesNoNumbersToNoNumbers) {
  const Shape shape{8, 20};
  std::vector<float> x = randomFloats(kImages * shape.tokens * shape.width, 1);
  auto at = [&](int64_t row, int64_t k) -> float & { return x[row * shape.width + k]; };
  at(0, 0) = NAN;
  at(1, 19) = NAN; // in the last vector, which is not full
  at(2, 7) = INFINITY;
  at(3, 17) = -INFINITY;
  at(4, 3) = INFINITY, at(4, 4) = -INFINITY;
  for (int64_t k = 0; k < shape.width; ++k)
    at(6, k) = NAN;
  QuantizedRows quantized = quantize(GetParam(), shape, x, false);
  ASSERT_EQ(quantized.bytes.size(), x.size());
  for (int64_t row = 0; row < shape.tokens; ++row)
    EXPECT_EQ(std::isnan(quantized.scales[2 * row]), row != 5 && row != 7) << "row " << row;
}

/// The reciprocal of a scale must not overflow: what is too small to be told apart is zero.
TEST_P(ReducePrecision, QuantizesTheSmallestNumbersToZero) {
  const Shape shape{4, 20};
  std::vector<float> x(kImages * shape.tokens * shape.width);
  const float sizes[] = {1e-44f, 1e-40f, 1e-37f, 1e-35f};
  for (size_t i = 0; i < x.size(); ++i)
    x[i] = sizes[i / shape.width % 4] * (i % 2 ? 1 : -1);
  QuantizedRows quantized = quantize(GetParam(), shape, x, false);
  ASSERT_EQ(quantized.bytes.size(), x.size());
  for (size_t i = 0; i < x.size(); ++i) {
    float scale = quantized.scales[i / shape.width * 2], zero = quantized.scales[i / shape.width * 2 + 1];
    EXPECT_NEAR(scale * (quantized.bytes[i] - zero), x[i], 1e-36f) << "element " << i;
  }
}

//===--------------------------------------------------------------------------------------===//
// Normalization
//===--------------------------------------------------------------------------------------===//

std::string normalizeText(Shape shape, bool layer, bool vectors, const std::string &element, const Level &level) {
  std::string input = fmt::format("tensor<?x{}x{}xf32>", shape.tokens, shape.width), vector = fmt::format("tensor<{}xf32>", shape.width);
  std::string result = fmt::format("tensor<?x{}x{}x{}>", shape.tokens, shape.width, element);
  std::string scales = element == "i8" ? fmt::format(", tensor<?x{}x2xf32>", shape.tokens) : "";
  return fmt::format("func.func @f(%x: {0}, %g: {1}, %s: {1}) -> {2} {{\n  %y{3} = kernel.normalize %x {4} {{kind = #vit.norm<{5}>, eps = "
                     "1.0e-6 : f32, {6}}} : {0} -> {2}{7}\n  return %y : {2}\n}}",
                     input, vector, result, scales.empty() ? "" : ", %t",
                     vectors ? fmt::format("gain(%g : {0}) shift(%s : {0})", vector) : "", layer ? "layer" : "rms", rowSchedule(level),
                     scales);
}

std::vector<double> normalized(Shape shape, bool layer, const std::vector<float> &x, const std::vector<float> &gain,
                               const std::vector<float> &shift) {
  std::vector<double> result(x.size());
  for (size_t row = 0; row < x.size(); row += shape.width) {
    double mean = 0, squares = 0;
    for (int64_t i = 0; layer && i < shape.width; ++i)
      mean += x[row + i] / double(shape.width);
    for (int64_t i = 0; i < shape.width; ++i)
      squares += (x[row + i] - mean) * (x[row + i] - mean);
    for (int64_t i = 0; i < shape.width; ++i) {
      double y = (x[row + i] - mean) / std::sqrt(squares / shape.width + 1e-6);
      result[row + i] = gain.empty() ? y : y * gain[i] + shift[i];
    }
  }
  return result;
}

TEST_P(ReducePrecision, NormalizesToBf16AndBytes) {
  for (const Shape &shape : kShapes)
    for (bool layer : {true, false}) {
      bool vectors = layer;
      SCOPED_TRACE(fmt::format("{} rows of {}, {}", shape.tokens, shape.width, layer ? "layer" : "rms"));
      size_t rows = kImages * shape.tokens;
      std::vector<float> x = randomFloats(rows * shape.width, 1, 3.0f);
      std::vector<float> gain = vectors ? randomFloats(shape.width, 2) : std::vector<float>();
      std::vector<float> shift = vectors ? randomFloats(shape.width, 3) : std::vector<float>();
      std::vector<std::vector<float>> operands{x};
      if (vectors)
        operands.insert(operands.end(), {gain, shift});
      std::vector<double> expected = normalized(shape, layer, x, gain, shift);

      std::optional<Kernel> bytes = compileLaunch(normalizeText(shape, layer, vectors, "i8", GetParam()), GetParam().target);
      ASSERT_TRUE(bytes);
      std::vector<std::vector<float>> quantized = runAll(*bytes, operands, {x.size() / 4, rows * 2});
      expectQuantized({fromWords<uint8_t>(quantized[0]), quantized[1]}, expected, shape.width, 2e-3);

      std::optional<Kernel> halves = compileLaunch(normalizeText(shape, layer, vectors, "bf16", GetParam()), GetParam().target);
      ASSERT_TRUE(halves);
      std::vector<float> result = fromBf16Words(runAll(*halves, operands, {x.size() / 2}).front());
      // Half a unit in the last of 8 bits, and the error of f32.
      for (size_t i = 0; i < x.size(); ++i)
        EXPECT_LE(std::abs(result[i] - expected[i]), std::ldexp(std::abs(expected[i]), -8) + 2e-5) << "element " << i;
    }
}

INSTANTIATE_TEST_SUITE_P(Levels, ReducePrecision, testing::ValuesIn(levels()),
                         [](const auto &info) { return parameterName(info.param.name); });

} // namespace
