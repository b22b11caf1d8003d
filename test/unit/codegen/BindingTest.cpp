//===- BindingTest.cpp - bind functions and number conversions -----------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "KernelHarness.h"
#include "Numbers.h"

#include "dialects/kernel/KernelDialect.h"

#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>

using namespace mlir;
using namespace vitc;
using namespace vitc::test;

namespace {

/// As docs/abi.md has it.
struct Source {
  const float *data;
  int64_t strides[5];
};

/// The level that bind functions are compiled for.
cpu::CpuTarget baseline() { return runnableLevels().back().target; }

/// Runs the bind function of the binding in `text`; the sources are read and the result is written next to guard pages.
std::vector<float> bind(const std::string &text, const std::vector<Source> &sources, size_t resultSize) {
  std::unique_ptr<MLIRContext> context = makeContext();
  OwningOpRef<ModuleOp> source = parseSourceString<ModuleOp>(text, context.get());
  if (!source)
    throw std::runtime_error("the test's binding does not parse: " + text);
  OwningOpRef<ModuleOp> module = ModuleOp::create(source->getLoc());
  FailureOr<int64_t> scratchBytes = cpu::emitBinding(*module, *source->getOps<kernel::BindingOp>().begin(), "test_bind");
  std::unique_ptr<LoadedCode> code = succeeded(scratchBytes) ? load(*module, baseline()) : nullptr;
  if (!code)
    throw std::runtime_error("no code for " + text);
  GuardedBuffer packed(resultSize), scratch(*scratchBytes / sizeof(float), Guard::After, 64);
  packed.fill(NAN);
  scratch.fill(NAN);
  code->find<void(void *, const Source *, void *)>("test_bind")(packed.data(), sources.data(), scratch.data());
  return {packed.begin(), packed.end()};
}

/// A tensor between guard pages, seen through axes that lie in memory in any order.
struct StridedTensor {
  GuardedBuffer buffer;
  Source source;

  /// `order`: the axes from the one that varies slowest to the one that varies fastest; `gap` unused elements follow each run of the fastest.
  StridedTensor(const std::vector<int64_t> &shape, const std::vector<int64_t> &order, int64_t gap, uint32_t seed)
      : buffer(size(shape, order, gap)) {
    std::mt19937 random(seed);
    buffer.fill(random);
    source = {buffer.data(), {}};
    int64_t stride = 1;
    for (size_t i = order.size(); i-- > 0;) {
      source.strides[order[i]] = stride;
      stride *= shape[order[i]] + (i + 1 == order.size() ? gap : 0);
    }
  }

  static size_t size(const std::vector<int64_t> &shape, const std::vector<int64_t> &order, int64_t gap) {
    size_t runs = 1;
    for (size_t i = 0; i + 1 < order.size(); ++i)
      runs *= shape[order[i]];
    return runs * (shape[order.back()] + gap) - gap;
  }

  float operator()(int64_t i, int64_t j = 0, int64_t k = 0) const {
    return source.data[i * source.strides[0] + j * source.strides[1] + k * source.strides[2]];
  }
};

TEST(Binding, PacksAnyLayoutIntoPanels) {
  // Row-major, transposed as in Flax, and with rows apart.
  for (auto [order, gap] : {std::pair(std::vector<int64_t>{0, 1}, 0), {{1, 0}, 0}, {{0, 1}, 5}}) {
    const int64_t outputs = 21, depth = 13, columns = 8, kBlock = 5;
    StridedTensor weight({outputs, depth}, order, gap, 1);
    std::vector<float> packed =
        bind("kernel.binding @packed [@w] {\n^bb0(%w: tensor<21x13xf32>):\n  %p = kernel.pack %w : tensor<21x13xf32> -> "
             "tensor<3x3x5x8xf32>\n  kernel.yield %p : tensor<3x3x5x8xf32>\n}",
             {weight.source}, 3 * 3 * 5 * 8);
    for (int64_t i = 0; i < 3 * 3 * 5 * 8; ++i) {
      int64_t n = i / (kBlock * columns) % 3 * columns + i % columns, k = i / (3 * kBlock * columns) * kBlock + i / columns % kBlock;
      EXPECT_EQ(packed[i], n < outputs && k < depth ? weight(n, k) : 0.0f) << "element " << i;
    }
  }
}

/// Any number of outputs and inputs fills up whole panels and words with zeros, in one panel and in several.
TEST(Binding, PacksRoundedWeightsInWords) {
  for (auto [outputs, depth, columns, kBlock] : {std::array<int64_t, 4>{21, 13, 8, 5}, {42, 42, 64, 21}, {64, 96, 64, 48}}) {
    SCOPED_TRACE(fmt::format("{} x {} in panels of {} and blocks of {}", outputs, depth, columns, kBlock));
    StridedTensor weight({outputs, depth}, {0, 1}, 0, 1);
    // Ties, to the even neighbour.
    weight.buffer[0] = 1.00390625f;
    weight.buffer[1] = 1.01171875f;
    int64_t panels = (outputs + columns - 1) / columns, blocks = ((depth + 1) / 2 + kBlock - 1) / kBlock;
    std::string type = fmt::format("tensor<{}x{}x", outputs, depth);
    std::string packedType = fmt::format("tensor<{}x{}x{}x{}x2xbf16>", blocks, panels, kBlock, columns);
    std::vector<float> words =
        bind(fmt::format("kernel.binding @packed [@w] {{\n^bb0(%w: {0}f32>):\n  %c = kernel.convert_weight %w : {0}f32> "
                         "-> {0}bf16>\n  %p = kernel.pack %c : {0}bf16> -> {1}\n  kernel.yield %p : {1}\n}}",
                         type, packedType),
             {weight.source}, blocks * panels * kBlock * columns);
    std::vector<uint16_t> packed = fromWords<uint16_t>(words);
    for (int64_t i = 0; i < static_cast<int64_t>(packed.size()); ++i) {
      int64_t word = i / 2, n = word / (kBlock * columns) % panels * columns + word % columns;
      int64_t k = (word / (panels * kBlock * columns) * kBlock + word / columns % kBlock) * 2 + i % 2;
      EXPECT_EQ(packed[i], n < outputs && k < depth ? bf16Bits(weight(n, k)) : 0) << "element " << i;
    }
  }
}

/// Numbers of every exponent, and those around where f16 and tf32 round, overflow and become subnormal.
std::vector<float> roundedNumbers() {
  std::vector<float> values;
  std::mt19937 random(1);
  for (uint32_t exponent = 0; exponent < 256; ++exponent)
    for (int i = 0; i < 14; ++i)
      values.push_back(std::bit_cast<float>(static_cast<uint32_t>(random() & 0x807fffff) | exponent << 23));
  for (float value : {1.0F, 1.00048828F, 1.00146484F, 65504.0F, 65519.99F, 65520.0F, 0x1p-14F, 0x1.ffcp-15F, 0x1p-24F, 0x1p-25F, 0x1.8p-25F,
                      0.0F, 3.4028235e38F, INFINITY, NAN, 1e-42F})
    for (float sign : {1.0F, -1.0F})
      for (int32_t ulps : {-1, 0, 1})
        values.push_back(std::bit_cast<float>(static_cast<uint32_t>(std::bit_cast<int32_t>(sign * value) + ulps)));
  values.resize(64 * 64);
  return values;
}

/// The numbers as a weight that is rounded to `element`, its bytes as words.
std::vector<float> bindRounded(std::vector<float> &values, const char *element, size_t words) {
  std::string text =
      fmt::format("kernel.binding @rounded [@w] {{\n^bb0(%w: tensor<64x64xf32>):\n  %c = kernel.convert_weight %w : tensor<64x64xf32> "
                  "-> tensor<64x64x{0}>\n  kernel.yield %c : tensor<64x64x{0}>\n}}",
                  element);
  return bind(text, {{values.data(), {64, 1}}}, words);
}

TEST(Binding, RoundsToF16AsTheHardwareDoes) {
  std::vector<float> values = roundedNumbers();
  std::vector<uint16_t> rounded = fromWords<uint16_t>(bindRounded(values, "f16", 64 * 32));
  for (size_t i = 0; i < values.size(); ++i) {
    const float result = static_cast<float>(std::bit_cast<_Float16>(rounded[i]));
    if (std::isnan(values[i]))
      EXPECT_TRUE(std::isnan(result)) << i;
    else
      EXPECT_EQ(rounded[i], std::bit_cast<uint16_t>(static_cast<_Float16>(values[i]))) << values[i];
  }
}

/// To 10 bits of significand, from the middle away from zero.
TEST(Binding, RoundsToTf32AsTheHardwareDoes) {
  std::vector<float> values = roundedNumbers(), rounded = bindRounded(values, "tf32", 64 * 64);
  for (size_t i = 0; i < values.size(); ++i) {
    if (!std::isfinite(values[i])) {
      EXPECT_EQ(std::bit_cast<uint32_t>(rounded[i]), std::bit_cast<uint32_t>(values[i]));
      continue;
    }
    EXPECT_EQ(std::bit_cast<uint32_t>(rounded[i]) & 0x1fff, 0U) << values[i];
    int exponent;
    std::frexp(values[i], &exponent);
    const double unit = std::ldexp(1.0, std::max(exponent, -125) - 11);
    const double expected = std::copysign(std::floor(std::abs(double(values[i])) / unit + 0.5) * unit, values[i]);
    EXPECT_EQ(rounded[i], static_cast<float>(expected)) << values[i];
  }
}

/// Bytes of the outputs, and what a product needs to give them their meaning back.
class QuantizedBinding : public testing::Test {
protected:
  static constexpr int64_t outputs = 9, depth = 6;

  QuantizedBinding() : weight({outputs, depth}, {0, 1}, 0, 1) {
    setRow(0, {127, 0.5f, 1.5f, 2.5f, -0.5f, -126.5f}); // a scale of one: ties to even
    setRow(1, {0, 0, -0.0f, 0, 0, 0});
    setRow(2, {-3, 0, 0, 0, 0, 0}); // the greatest is negative
    setRow(3, {1e-44f, -1e-43f, 0, 1e-40f, 0, 0});
    setRow(4, {1, NAN, 1, 1, 1, 1});
    setRow(5, {1, 2, -INFINITY, 1, 1, 1});
    setRow(6, {3e38f, -3e38f, 1, 0, 0, 1e38f});
  }

  void setRow(int64_t row, const std::array<float, depth> &values) { std::ranges::copy(values, &weight.buffer[row * depth]); }

  std::vector<float> bindQuantized(bool scales) {
    std::string type = scales ? "tensor<2x9xf32>" : "tensor<1x2x2x8x4xi8>";
    std::string yielded = scales ? "%s" : "%p";
    return bind(fmt::format("kernel.binding @packed [@w] {{\n^bb0(%w: tensor<9x6xf32>):\n  %q, %s = kernel.quantize_weight %w : "
                            "tensor<9x6xf32> -> tensor<9x6xi8>, tensor<2x9xf32>\n  %p = kernel.pack %q : tensor<9x6xi8> -> "
                            "tensor<1x2x2x8x4xi8>\n  kernel.yield {} : {}\n}}",
                            yielded, type),
                {weight.source}, scales ? 2 * outputs : 2 * 2 * 8);
  }

  StridedTensor weight;
};

TEST_F(QuantizedBinding, ScalesEachOutput) {
  std::vector<float> scales = bindQuantized(true), words = bindQuantized(false);
  std::vector<int8_t> bytes = fromWords<int8_t>(words);
  auto byteAt = [&](int64_t n, int64_t k) { return bytes[(((n / 8) * 2 + k / 4) * 8 + n % 8) * 4 + k % 4]; };
  const int8_t ties[] = {127, 0, 2, 2, 0, -126};
  for (int64_t k = 0; k < depth; ++k)
    EXPECT_EQ(byteAt(0, k), ties[k]) << "tie " << k;
  for (int64_t n = 0; n < outputs; ++n) {
    if (n == 4 || n == 5) { // a row with a not-a-number or an infinity has no finite result
      EXPECT_TRUE(std::isnan(scales[n]) || std::isnan(scales[outputs + n])) << "row " << n;
      continue;
    }
    double greatest = 0, sum = 0;
    for (int64_t k = 0; k < depth; ++k)
      greatest = std::max<double>(greatest, std::abs(weight(n, k)));
    EXPECT_NEAR(scales[n], greatest < 1e-36 ? 1 : greatest / 127, scales[n] * 1e-6) << "row " << n;
    for (int64_t k = 0; k < depth; ++k) {
      double quotient = double(weight(n, k)) / scales[n];
      EXPECT_LE(std::abs(byteAt(n, k) - quotient), 0.5 + 1e-5) << "row " << n << ", " << weight(n, k);
      sum += byteAt(n, k);
    }
    EXPECT_EQ(scales[outputs + n], sum) << "row " << n;
  }
  // What fills up panels and words.
  for (int64_t n = 0; n < 16; ++n)
    for (int64_t k = 0; k < 8; ++k)
      if (n >= outputs || k >= depth)
        EXPECT_EQ(byteAt(n, k), 0) << n << ", " << k;
}

/// Query, key and value, each head by head, one below the other, the query's rows scaled: what every attention's first product is bound from.
TEST(Binding, JoinsQueryKeyValue) {
  StridedTensor query({2, 3, 5}, {0, 1, 2}, 0, 1), key({2, 3, 5}, {2, 0, 1}, 0, 2), value({2, 3, 5}, {1, 0, 2}, 3, 3);
  std::vector<float> packed = bind(R"(kernel.binding @qkv [@q, @k, @v] {
    ^bb0(%q: tensor<2x3x5xf32>, %k: tensor<2x3x5xf32>, %v: tensor<2x3x5xf32>):
      %q2 = vit.reshape %q : tensor<2x3x5xf32> -> tensor<6x5xf32>
      %k2 = vit.reshape %k : tensor<2x3x5xf32> -> tensor<6x5xf32>
      %v2 = vit.reshape %v : tensor<2x3x5xf32> -> tensor<6x5xf32>
      %all = vit.concat %q2, %k2, %v2 : (tensor<6x5xf32>, tensor<6x5xf32>, tensor<6x5xf32>) -> tensor<18x5xf32>
      %scaled = vit.scale_rows %all {rows = 6 : i64, factor = 0.5 : f32} : tensor<18x5xf32>
      %p = kernel.pack %scaled : tensor<18x5xf32> -> tensor<1x5x5x4xf32>
      kernel.yield %p : tensor<1x5x5x4xf32>
    })",
                                   {query.source, key.source, value.source}, 100);
  for (int64_t i = 0; i < 100; ++i) {
    int64_t n = i / 20 * 4 + i % 4, k = i / 4 % 5, head = n % 6 / 3, row = n % 3;
    float expected = n >= 18 ? 0.0f : n < 6 ? query(head, row, k) * 0.5f : n < 12 ? key(head, row, k) : value(head, row, k);
    EXPECT_EQ(packed[i], expected) << "element " << i;
  }
}

/// LayerNorm's shift carried through a product, and a key without bias.
TEST(Binding, ComputesABias) {
  StridedTensor matrix({4, 7}, {0, 1}, 0, 1), shift({7}, {0}, 0, 2), bias({4}, {0}, 0, 3);
  std::vector<float> result = bind(R"(kernel.binding @bias [@w, @s, @b] {
    ^bb0(%w: tensor<4x7xf32>, %s: tensor<7xf32>, %b: tensor<4xf32>):
      %z = vit.zeros : tensor<2xf32>
      %carried = vit.matvec %w, %s : tensor<4x7xf32>, tensor<7xf32> -> tensor<4xf32>
      %sum = vit.add %b, %carried : tensor<4xf32>, tensor<4xf32> -> tensor<4xf32>
      %r = vit.concat %sum, %z : (tensor<4xf32>, tensor<2xf32>) -> tensor<6xf32>
      kernel.yield %r : tensor<6xf32>
    })",
                                   {matrix.source, shift.source, bias.source}, 6);
  for (int64_t n = 0; n < 6; ++n) {
    double expected = n < 4 ? bias(n) : 0;
    for (int64_t k = 0; n < 4 && k < 7; ++k)
      expected += double(matrix(n, k)) * shift(k);
    EXPECT_NEAR(result[n], expected, 1e-6);
  }
}

TEST(Binding, PassesASourceOn) {
  StridedTensor token({2, 3}, {1, 0}, 1, 1);
  std::vector<float> result =
      bind("kernel.binding @t [@t0] {\n^bb0(%t: tensor<2x3xf32>):\n  kernel.yield %t : tensor<2x3xf32>\n}", {token.source}, 6);
  for (int64_t i = 0; i < 6; ++i)
    EXPECT_EQ(result[i], token(i / 3, i % 3));
}

//===--------------------------------------------------------------------------------------===//
// Conversions
//===--------------------------------------------------------------------------------------===//

class Conversions : public testing::Test {
protected:
  void SetUp() override {
    std::unique_ptr<MLIRContext> context = makeContext();
    OwningOpRef<ModuleOp> module = ModuleOp::create(UnknownLoc::get(context.get()));
    cpu::emitConversions(*module);
    code = load(*module, baseline());
    ASSERT_TRUE(code);
  }

  template <typename T> std::vector<float> convert(const char *symbol, const std::vector<T> &from) {
    std::vector<float> to(from.size());
    code->find<void(const void *, float *, int64_t)>(symbol)(from.data(), to.data(), from.size());
    return to;
  }

  std::unique_ptr<LoadedCode> code;
};

std::vector<uint16_t> allHalves() {
  std::vector<uint16_t> result(65536);
  for (size_t i = 0; i < result.size(); ++i)
    result[i] = i;
  return result;
}

TEST_F(Conversions, EveryF16) {
  std::vector<float> result = convert("vitc_convert_f16", allHalves());
  for (int bits = 0; bits < 65536; ++bits) {
    int exponent = bits >> 10 & 31, mantissa = bits & 1023;
    double magnitude = exponent == 31  ? (mantissa ? NAN : INFINITY)
                       : exponent == 0 ? std::ldexp(mantissa, -24)
                                       : std::ldexp(1024 + mantissa, exponent - 25);
    double expected = bits >> 15 ? -magnitude : magnitude;
    EXPECT_TRUE(std::isnan(expected) ? std::isnan(result[bits]) : result[bits] == expected) << "f16 " << bits << " became " << result[bits];
    EXPECT_EQ(std::signbit(result[bits]), bool(bits >> 15)) << "f16 " << bits;
  }
}

TEST_F(Conversions, EveryBF16) {
  std::vector<float> result = convert("vitc_convert_bf16", allHalves());
  for (uint32_t bits = 0; bits < 65536; ++bits)
    EXPECT_EQ(std::bit_cast<uint32_t>(result[bits]), bits << 16);
}

TEST_F(Conversions, F64RoundsToNearest) {
  std::vector<double> values{0.0, -0.0, 1.0, 0.1, -1e300, 1e-300, 1e-40, INFINITY, 16777217.0, 16777219.0, 3.14159265358979};
  std::vector<float> result = convert("vitc_convert_f64", values);
  for (size_t i = 0; i < values.size(); ++i)
    EXPECT_EQ(std::bit_cast<uint32_t>(result[i]), std::bit_cast<uint32_t>(static_cast<float>(values[i]))) << values[i];
  EXPECT_TRUE(std::isnan(convert("vitc_convert_f64", std::vector<double>{NAN})[0]));
}

TEST_F(Conversions, NothingOfNothing) { EXPECT_TRUE(convert("vitc_convert_f16", std::vector<uint16_t>()).empty()); }

} // namespace
