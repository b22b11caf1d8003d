//===- WarpgroupProductTest.cpp - products of warpgroups on the emulator ------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/codegen/gpu/WarpgroupProduct.h"
#include "test/unit/gpu/DeviceHarness.h"
#include "test/unit/gpu/ShortNumbers.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>

using namespace mlir;
using namespace vitc;
using namespace vitc::gpu;

namespace {

struct Case {
  WarpgroupSchedule schedule;
  int64_t rows, outputs, depth, images; ///< rows of an image
  bool bias, residual, gelu;
  const test::ShortNumber *number;
  bool shortResult;
};

std::string nameOf(const testing::TestParamInfo<Case> &info) {
  const Case &c = info.param;
  return fmt::format("tile{}x{}x{}_M{}x{}_N{}_K{}{}{}{}_{}{}", c.schedule.rows(), c.schedule.columns, c.schedule.parts, c.images, c.rows,
                     c.outputs, c.depth, c.bias ? "_bias" : "", c.residual ? "_residual" : "", c.gelu ? "_gelu" : "", c.number->name,
                     c.shortResult ? "_short" : "");
}

/// The tile for operands of a type: its steps of K are as many bytes whatever that is.
WarpgroupSchedule tileOf(WarpgroupSchedule schedule, const test::ShortNumber &number) {
  schedule.bytes = number.bytes;
  return schedule;
}

/// Numbers from -1 to 1 as words.
std::vector<float> draw(std::mt19937 &random, int64_t count, const test::ShortNumber &number, std::vector<double> &values) {
  std::vector<float> numbers(static_cast<size_t>(count));
  for (float &drawn : numbers)
    values.push_back(drawn = number.round(std::uniform_real_distribution<float>(-1, 1)(random)));
  return number.words(numbers);
}

class WarpgroupProducts : public testing::TestWithParam<Case> {};

FailureOr<KernelInfo> emitCase(const Case &c, ModuleOp module, StringRef symbol) {
  MLIRContext *context = module.getContext();
  Type f32 = Float32Type::get(context), element = c.number->type(context);
  const WarpgroupSchedule schedule = tileOf(c.schedule, *c.number);
  SmallVector<Type> elements{element, element};
  if (c.bias)
    elements.push_back(f32);
  if (c.residual)
    elements.push_back(f32);
  elements.push_back(c.shortResult ? element : f32);
  DeviceFunction f(module, symbol, UnknownLoc::get(context), withParts(elements, schedule.parts), schedule.threads());
  ImplicitLocOpBuilder &b = f.b;
  Product product;
  takeParts(product, f, c.schedule.parts, elements.size());
  product.outputs = c.outputs;
  product.depth = c.depth;
  product.segment = 16 / c.number->bytes;
  product.rows = mul(b, f.images, c.rows);
  product.activation = c.gelu ? vit::Activation::GeluErf : vit::Activation::None;
  product.weight = f.operand(1);
  unsigned operand = 2;
  auto rowMajor = [&b, &c](Value memory) {
    return [&b, &c, memory](Value row, Value column) { return Place{rowOf(b, memory, row, c.outputs), column}; };
  };
  if (c.bias)
    product.bias = f.operand(operand++);
  if (c.residual)
    product.residual = rowMajor(f.operand(operand++));
  product.result = rowMajor(f.operand(operand));
  KernelInfo info;
  info.symbol = symbol.str();
  emitWarpgroupProduct(f, product, schedule, c.rows, info);
  return info;
}

TEST_P(WarpgroupProducts, AgreeWithDoubles) {
  const Case &c = GetParam();
  std::optional<test::DeviceKernel> kernel =
      test::compileDevice([&](ModuleOp module, StringRef symbol) { return emitCase(c, module, symbol); });
  ASSERT_TRUE(kernel);
  std::mt19937 random(7);
  std::vector<double> input, weight, bias, residual;
  std::vector<std::vector<float>> operands{draw(random, c.images * c.rows * c.depth, *c.number, input),
                                           draw(random, c.outputs * c.depth, *c.number, weight)};
  auto drawLong = [&](int64_t count, std::vector<double> &values) {
    std::vector<float> words(static_cast<size_t>(count));
    for (float &word : words)
      values.push_back(word = std::uniform_real_distribution<float>(-1, 1)(random));
    operands.push_back(std::move(words));
  };
  if (c.bias)
    drawLong(c.outputs, bias);
  if (c.residual)
    drawLong(c.images * c.rows * c.outputs, residual);
  const int64_t count = c.images * c.rows * c.outputs;
  for (uint64_t seed = 0; seed < 2; ++seed) {
    std::vector<float> words =
        kernel->run(operands, {c.shortResult ? c.number->wordsOf(static_cast<size_t>(count)) : static_cast<size_t>(count)}, c.images, seed)
            .front();
    if (c.shortResult)
      words = c.number->numbers(words);
    double worst = 0;
    for (int64_t row = 0; row < c.images * c.rows; ++row)
      for (int64_t column = 0; column < c.outputs; ++column) {
        double sum = 0;
        for (int64_t k = 0; k < c.depth; ++k)
          sum += input[static_cast<size_t>(row * c.depth + k)] * weight[static_cast<size_t>(column * c.depth + k)];
        sum += c.bias ? bias[static_cast<size_t>(column)] : 0;
        if (c.gelu)
          sum = sum / 2 * std::erfc(-sum / std::sqrt(2.0));
        const auto at = static_cast<size_t>(row * c.outputs + column);
        sum += c.residual ? residual[at] : 0;
        double error = std::abs(words[at] - sum) / (1 + std::abs(sum));
        // A NaN is the worst.
        worst = error > worst || std::isnan(error) ? error : worst;
      }
    EXPECT_LE(worst, 1e-6 + 4e-9 * static_cast<double>(c.depth) + (c.shortResult ? c.number->rounding : 0));
  }
}

constexpr WarpgroupSchedule kLarge{2, 256, 4}, kWide{2, 192, 5}, kSquare{2, 128, 6}, kTall{2, 64, 8}, kSmall{1, 64, 8}, kFlat{1, 256, 5},
    kMiddle{1, 128, 8}, kLeast{1, 32, 8}, kSmallInParts{1, 64, 8, 3}, kSquareInParts{2, 128, 6, 2}, kLeastInParts{1, 32, 8, 8};

INSTANTIATE_TEST_SUITE_P(Sizes, WarpgroupProducts,
                         testing::Values(Case{kLarge, 197, 768, 64, 1, true, false, true, &test::kBf16, true},
                                         Case{kLarge, 50, 300, 200, 3, true, true, false, &test::kBf16, false},
                                         Case{kWide, 197, 192, 192, 1, true, true, false, &test::kBf16, false},
                                         Case{kWide, 5, 194, 72, 1, false, false, false, &test::kF16, true},
                                         Case{kSquare, 257, 130, 136, 1, true, false, false, &test::kBf16, false},
                                         Case{kSquare, 1, 1000, 768, 4, true, false, false, &test::kF16, false},
                                         Case{kTall, 197, 62, 8, 1, false, true, false, &test::kBf16, false},
                                         Case{kSmall, 577, 66, 40, 1, true, false, true, &test::kBf16, true},
                                         Case{kFlat, 65, 514, 320, 1, false, false, true, &test::kF16, false},
                                         Case{kMiddle, 90, 202, 264, 2, true, true, false, &test::kBf16, true},
                                         Case{kLeast, 1, 2, 1024, 1, true, true, false, &test::kBf16, false},
                                         Case{kLeast, 17, 34, 576, 5, true, true, true, &test::kF16, false},
                                         // Several tasks for a tile.
                                         Case{kSmallInParts, 197, 130, 456, 1, true, true, true, &test::kBf16, false},
                                         Case{kSquareInParts, 150, 260, 192, 1, true, false, true, &test::kBf16, true},
                                         Case{kLeastInParts, 1, 34, 1024, 3, true, true, false, &test::kF16, false},
                                         Case{kLeastInParts, 197, 66, 512, 1, false, false, false, &test::kBf16, true},
                                         Case{kLarge, 50, 300, 100, 3, true, true, false, &test::kTf32, false},
                                         Case{kWide, 197, 192, 192, 1, true, true, false, &test::kTf32, false},
                                         Case{kSquare, 130, 130, 36, 1, true, false, true, &test::kTf32, true},
                                         Case{kTall, 65, 62, 4, 1, false, true, false, &test::kTf32, false},
                                         Case{kSmall, 90, 66, 264, 2, true, false, true, &test::kTf32, true},
                                         Case{kLeast, 17, 34, 576, 5, true, true, true, &test::kTf32, false},
                                         Case{kSmallInParts, 197, 130, 228, 1, true, true, true, &test::kTf32, false},
                                         Case{kLeastInParts, 1, 34, 1024, 3, true, true, false, &test::kTf32, true}),
                         nameOf);

/// So images have the same results in every group whose number of images chooses a tile of as many parts.
class WarpgroupBits : public testing::TestWithParam<const test::ShortNumber *> {};

TEST_P(WarpgroupBits, AreTheSameInEveryTile) {
  const test::ShortNumber &number = *GetParam();
  std::mt19937 random(3);
  std::vector<double> unused;
  const int64_t rows = 130, outputs = 72, depth = 200;
  std::vector<std::vector<float>> operands{draw(random, rows * depth, number, unused), draw(random, outputs * depth, number, unused)},
      first;
  for (const WarpgroupSchedule &schedule : {kLarge, kWide, kSquare, kTall, kSmall, kFlat, kMiddle, kLeast}) {
    Case c{schedule, rows, outputs, depth, 1, false, false, true, &number, false};
    std::optional<test::DeviceKernel> kernel =
        test::compileDevice([&](ModuleOp module, StringRef symbol) { return emitCase(c, module, symbol); });
    ASSERT_TRUE(kernel);
    std::vector<std::vector<float>> result = kernel->run(operands, {static_cast<size_t>(rows * outputs)}, 1);
    if (first.empty())
      first = result;
    EXPECT_EQ(result, first) << schedule.text();
  }
}

INSTANTIATE_TEST_SUITE_P(Products, WarpgroupBits, testing::Values(&test::kBf16, &test::kTf32),
                         [](const auto &info) { return info.param->name; });

/// Every tile of the table, for operands as large as models have.
TEST(WarpgroupProduct, TakesNoSpills) {
  if (!test::hasPtxas())
    GTEST_SKIP() << "no ptxas";
  std::unique_ptr<MLIRContext> context = test::makeContext();
  OwningOpRef<ModuleOp> module = ModuleOp::create(UnknownLoc::get(context.get()));
  for (const test::ShortNumber *number : {&test::kBf16, &test::kTf32})
    for (bool shortResult : {false, true})
      for (const WarpgroupSchedule &schedule :
           {kLarge, kWide, kSquare, kTall, kSmall, kFlat, kMiddle, kLeast, kSmallInParts, kSquareInParts}) {
        std::string symbol =
            fmt::format("product_{}_{}x{}x{}_{}", number->name, schedule.rows(), schedule.columns, schedule.parts, shortResult);
        Case c{schedule, 197, 3072, 768, 1, true, !shortResult, shortResult, number, shortResult};
        ASSERT_TRUE(succeeded(emitCase(c, *module, symbol)));
      }
  std::map<std::string, test::Resources> kernels = test::assemble(*module, "sm_90a");
  EXPECT_EQ(kernels.size(), 40u);
  for (const auto &[name, resources] : kernels)
    EXPECT_EQ(resources.spilledBytes, 0) << name << " with " << resources.registers << " registers";
}

ProductShape shapeOf(MLIRContext &context, int64_t rows, int64_t outputs, int64_t depth, int64_t together = 8) {
  Type bf16 = BFloat16Type::get(&context);
  return {rows, outputs, depth, together, bf16, bf16};
}

/// One image's second layer of an MLP has few tiles and a long K, many images' has enough.
TEST(WarpgroupProduct, DividesKWhereTilesAreFew) {
  MLIRContext context;
  DeviceTarget hopper = *parseArchitecture("sm_90a");
  ProductShape shape = shapeOf(context, 197, 768, 3072);
  hopper.images = 1;
  EXPECT_EQ(chooseWarpgroupProduct(shape, hopper)->parts, 1) << "only where it is said that it may be";
  shape.partable = true;
  EXPECT_GT(chooseWarpgroupProduct(shape, hopper)->parts, 1);
  hopper.images = 64;
  EXPECT_EQ(chooseWarpgroupProduct(shape, hopper)->parts, 1);
  shape.depth = 64;
  for (const WarpgroupSchedule &candidate : warpgroupCandidates(shape))
    EXPECT_EQ(candidate.parts, 1) << "each has a step of K at least";
}

TEST(WarpgroupProduct, ChoosesTilesThatFillTheChip) {
  MLIRContext context;
  const DeviceTarget hopper = *parseArchitecture("sm_90a");
  std::optional<WarpgroupSchedule> wide = chooseWarpgroupProduct(shapeOf(context, 197, 3072, 768), hopper);
  std::optional<WarpgroupSchedule> narrow = chooseWarpgroupProduct(shapeOf(context, 1, 10, 192), hopper);
  ASSERT_TRUE(wide && narrow);
  EXPECT_GT(wide->rows() * wide->columns, narrow->rows() * narrow->columns);
  EXPECT_FALSE(chooseWarpgroupProduct(shapeOf(context, 197, 3072, 768), DeviceTarget()));
  EXPECT_FALSE(chooseWarpgroupProduct(shapeOf(context, 197, 3072, 588, 4), hopper)) << "rows of 1176 bytes";
  EXPECT_FALSE(chooseWarpgroupProduct(shapeOf(context, 197, 7, 768), hopper)) << "an odd number of columns";
}

} // namespace
