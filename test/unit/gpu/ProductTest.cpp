//===- ProductTest.cpp - products on a GPU against sums in double precision ---*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "DeviceHarness.h"
#include "ShortNumbers.h"

#include "compiler/codegen/gpu/Product.h"
#include "test/unit/codegen/Numbers.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fmt/format.h>
#include <numbers>

using namespace vitc;
using namespace vitc::gpu;
using namespace vitc::test;
using mlir::ModuleOp;

namespace {

//===--------------------------------------------------------------------------------------===//
// Products
//===--------------------------------------------------------------------------------------===//

constexpr ProductSchedule kTiles[] = {
    {.rows = 128, .columns = 128, .depth = 32, .warpsDown = 2, .warpsAcross = 4, .stages = 4},
    {.rows = 64, .columns = 64, .depth = 32, .warpsDown = 2, .warpsAcross = 2, .stages = 3},
    {.rows = 16, .columns = 32, .depth = 64, .warpsDown = 1, .warpsAcross = 2, .stages = 2},
};

enum class Epilogue { Nothing, Bias, Gelu, GeluResidual, ResidualRelu, Everything };

struct Case {
  ProductSchedule tile;
  int64_t rows, outputs, depth;
  Epilogue epilogue = Epilogue::Bias;
  const ShortNumber *number = &kBf16; ///< operands
  bool sameResult = false;            ///< as the operands; f32 otherwise

  bool hasBias() const { return epilogue != Epilogue::Nothing && epilogue != Epilogue::ResidualRelu; }
  bool hasResidual() const { return epilogue >= Epilogue::GeluResidual; }
  bool activationLast() const { return epilogue == Epilogue::ResidualRelu || epilogue == Epilogue::Everything; }
  vit::Activation activation() const {
    switch (epilogue) {
    case Epilogue::Nothing:
    case Epilogue::Bias:
      return vit::Activation::None;
    case Epilogue::ResidualRelu:
      return vit::Activation::Relu;
    default:
      return vit::Activation::GeluErf;
    }
  }
};

std::ostream &operator<<(std::ostream &os, const Case &c) {
  return os << fmt::format("{}x{}x{} of {}x{}x{} epilogue {} {}{}", c.rows, c.outputs, c.depth, c.tile.rows, c.tile.columns, c.tile.parts,
                           static_cast<int>(c.epilogue), c.number->name, c.sameResult ? " throughout" : "");
}

/// Steps of K are as many bytes whatever is multiplied.
ProductSchedule tileOf(const Case &c) {
  ProductSchedule tile = c.tile;
  tile.depth = tile.depth * tile.bytes / c.number->bytes;
  tile.bytes = c.number->bytes;
  return tile;
}

/// One row of the result is an image.
KernelInfo emit(ModuleOp module, llvm::StringRef symbol, const Case &c) {
  mlir::MLIRContext *context = module.getContext();
  Type operand = c.number->type(context), f32 = mlir::Float32Type::get(context);
  const ProductSchedule tile = tileOf(c);
  Product product;
  product.outputs = c.outputs;
  product.depth = c.depth;
  product.segment = vectorFor(c.depth, operand);
  product.activation = c.activation();
  product.activationLast = c.activationLast();
  llvm::SmallVector<Type> types{operand, operand};
  if (c.hasBias())
    types.push_back(f32);
  if (c.hasResidual())
    types.push_back(f32);
  types.push_back(c.sameResult ? operand : f32);

  DeviceFunction f(module, symbol, module.getLoc(), withParts(types, tile.parts), tile.threads());
  takeParts(product, f, tile.parts, types.size());
  product.rows = f.images;
  auto rowMajor = [&](unsigned number, int64_t width) {
    return [&f, number, width](Value row, Value column) { return Place{rowOf(f.b, f.operand(number), row, width), column}; };
  };
  product.input = rowMajor(0, c.depth);
  product.weight = f.operand(1);
  unsigned number = 2;
  if (c.hasBias())
    product.bias = f.operand(number++);
  if (c.hasResidual())
    product.residual = rowMajor(number++, c.outputs);
  product.result = rowMajor(number, c.outputs);
  emitProduct(f, product, tile);

  KernelInfo info;
  info.symbol = symbol.str();
  describeProduct(info, f, product, tile, 1);
  return info;
}

/// What the product is of the rounded operands.
std::vector<double> expected(const Case &c, const std::vector<float> &input, const std::vector<float> &weight,
                             const std::vector<float> &bias, const std::vector<float> &residual) {
  std::vector<double> values;
  auto activate = [&](double x) {
    return c.activation() == vit::Activation::None   ? x
           : c.activation() == vit::Activation::Relu ? std::max(x, 0.0)
                                                     : x / 2 * std::erfc(-x / std::numbers::sqrt2);
  };
  for (int64_t m = 0; m < c.rows; ++m)
    for (int64_t n = 0; n < c.outputs; ++n) {
      double sum = c.hasBias() ? bias[static_cast<size_t>(n)] : 0;
      for (int64_t k = 0; k < c.depth; ++k)
        sum += double(input[static_cast<size_t>(m * c.depth + k)]) * weight[static_cast<size_t>(n * c.depth + k)];
      if (!c.activationLast())
        sum = activate(sum);
      if (c.hasResidual())
        sum += residual[static_cast<size_t>(m * c.outputs + n)];
      values.push_back(c.activationLast() ? activate(sum) : sum);
    }
  return values;
}

class WarpProduct : public testing::TestWithParam<Case> {};

TEST_P(WarpProduct, MatchesDouble) {
  const Case &c = GetParam();
  std::optional<DeviceKernel> kernel =
      compileDevice([&](ModuleOp module, llvm::StringRef symbol) -> mlir::FailureOr<KernelInfo> { return emit(module, symbol, c); });
  ASSERT_TRUE(kernel);
  auto rounded = [&](int64_t count, uint32_t seed, float deviation) {
    std::vector<float> values = randomFloats(static_cast<size_t>(count), seed, deviation);
    std::ranges::transform(values, values.begin(), [&](float value) { return c.number->round(value); });
    return values;
  };
  std::vector<float> input = rounded(c.rows * c.depth, 1, 1), weight = rounded(c.outputs * c.depth, 2, 1 / std::sqrt(float(c.depth)));
  std::vector<float> bias = randomFloats(static_cast<size_t>(c.outputs), 3),
                     residual = randomFloats(static_cast<size_t>(c.rows * c.outputs), 4, 4);
  std::vector<std::vector<float>> operands{c.number->words(input), c.number->words(weight)};
  if (c.hasBias())
    operands.push_back(bias);
  if (c.hasResidual())
    operands.push_back(residual);
  const auto elements = static_cast<size_t>(c.rows * c.outputs);
  std::vector<float> result = kernel->run(operands, {c.sameResult ? c.number->wordsOf(elements) : elements}, c.rows, /*seed=*/7).front();
  if (c.sameResult) {
    result = c.number->numbers(result);
    result.resize(elements);
  }
  // Sums of size 1 in K roundings, as on the CPU; then one rounding of the result, and of bf16 a gelu that is no more exact than that.
  double rounding = c.sameResult ? c.number->rounding : 0;
  expectClose(result, expected(c, input, weight, bias, residual), 4e-7 * std::sqrt(double(c.depth)) + 1e-6 + rounding);
}

std::vector<Case> cases() {
  std::vector<Case> all;
  for (const ProductSchedule &tile : kTiles) {
    for (int64_t rows : {1, 5, 50, 197})
      all.push_back({tile, rows, 72, 96});
    for (int64_t outputs : {1, 2, 3, 7, 12, 65, 130, 200})
      all.push_back({tile, 33, outputs, 64, Epilogue::GeluResidual});
    for (int64_t depth : {2, 8, 20, 30, 100, 264})
      for (const ShortNumber *number : {&kBf16, &kF16, &kTf32})
        all.push_back({tile, 21, 40, depth, Epilogue::Everything, number});
    // Words alone lie together.
    for (int64_t depth : {1, 3, 7, 37})
      all.push_back({tile, 21, 40, depth, Epilogue::Everything, &kTf32});
    for (Epilogue epilogue :
         {Epilogue::Nothing, Epilogue::Bias, Epilogue::Gelu, Epilogue::GeluResidual, Epilogue::ResidualRelu, Epilogue::Everything})
      for (const ShortNumber *number : {&kBf16, &kF16, &kTf32})
        all.push_back({tile, 70, 136, 48, epilogue, number, /*sameResult=*/true});
  }
  for (const ShortNumber *number : {&kBf16, &kTf32})
    all.push_back({kTiles[0], 257, 192, 192, Epilogue::GeluResidual, number});
  // Several blocks for a tile, of a K that they cannot have equal parts of; and of hardly any.
  for (ProductSchedule tile : kTiles)
    for (int64_t parts : {2, 3, 8}) {
      tile.parts = parts;
      all.push_back({tile, 70, 136, 600, Epilogue::GeluResidual});
      all.push_back({tile, 70, 136, 300, Epilogue::GeluResidual, &kTf32});
      all.push_back({tile, 5, 40, tile.depth * parts - 2, Epilogue::Everything, &kF16, /*sameResult=*/true});
    }
  return all;
}

INSTANTIATE_TEST_SUITE_P(Sizes, WarpProduct, testing::ValuesIn(cases()),
                         [](const auto &info) { return parameterName(testing::PrintToString(info.param)); });

/// The bits of a result depend neither on the tile nor on the rows around it.
class Bits : public testing::TestWithParam<const ShortNumber *> {};

TEST_P(Bits, AreTheSameInEveryTile) {
  const ShortNumber &number = *GetParam();
  const int64_t rows = 70, outputs = 72, depth = 144;
  const std::vector<float> input = randomFloats(rows * depth, 1), weight = randomFloats(outputs * depth, 2);
  std::vector<float> first;
  for (const ProductSchedule &tile : kTiles) {
    Case c = {tile, rows, outputs, depth, Epilogue::Nothing, &number};
    std::optional<DeviceKernel> kernel =
        compileDevice([&](ModuleOp module, llvm::StringRef symbol) -> mlir::FailureOr<KernelInfo> { return emit(module, symbol, c); });
    ASSERT_TRUE(kernel);
    std::vector<float> result = kernel->run({number.words(input), number.words(weight)}, {rows * outputs}, rows).front();
    std::vector<float> last(input.end() - depth, input.end());
    std::vector<float> alone = kernel->run({number.words(last), number.words(weight)}, {outputs}, 1).front();
    EXPECT_EQ(std::vector<float>(result.end() - outputs, result.end()), alone);
    if (first.empty())
      first = result;
    EXPECT_EQ(first, result);
  }
}

INSTANTIATE_TEST_SUITE_P(Product, Bits, testing::Values(&kBf16, &kTf32), [](const auto &info) { return info.param->name; });

//===--------------------------------------------------------------------------------------===//
// Schedules
//===--------------------------------------------------------------------------------------===//

class Schedules : public testing::Test {
protected:
  std::unique_ptr<mlir::MLIRContext> context = makeContext();
  Type bf16 = mlir::BFloat16Type::get(context.get()), f16 = mlir::Float16Type::get(context.get()),
       f32 = mlir::Float32Type::get(context.get()), tf32 = mlir::FloatTF32Type::get(context.get());
  DeviceTarget target;

  ProductShape shape(int64_t rows, int64_t outputs, int64_t depth) const { return {rows, outputs, depth, 8, bf16, bf16}; }
  ProductShape shapeOfTf32(int64_t rows, int64_t outputs, int64_t depth) const { return {rows, outputs, depth, 4, tf32, tf32}; }
};

TEST_F(Schedules, TensorCoresMultiplyPairsOfEqualTypes) {
  EXPECT_TRUE(chooseProduct({197, 768, 768, 8, bf16, bf16}, target).onTensorCores());
  EXPECT_TRUE(chooseProduct({197, 768, 768, 2, f16, f16}, target).onTensorCores());
  EXPECT_FALSE(chooseProduct({197, 768, 768, 1, bf16, bf16}, target).onTensorCores());
  EXPECT_FALSE(chooseProduct({197, 768, 768, 8, f32, bf16}, target).onTensorCores());
  EXPECT_FALSE(chooseProduct({197, 768, 768, 8, f32, f32}, target).onTensorCores());
  EXPECT_TRUE(chooseProduct({197, 768, 767, 1, tf32, tf32}, target).onTensorCores());
}

TEST_F(Schedules, FewRowsWantSmallTiles) {
  EXPECT_LE(chooseProduct(shape(1, 1000, 768), target).rows, 32);
  EXPECT_GE(chooseProduct(shape(4096, 3072, 768), target).rows * chooseProduct(shape(4096, 3072, 768), target).columns, 128 * 128);
}

TEST_F(Schedules, EveryTileFitsAMultiprocessor) {
  for (int64_t rows : {1, 17, 49, 197, 577, 4096})
    for (int64_t outputs : {1, 10, 192, 768, 3072}) {
      for (const ProductShape &product : {shape(rows, outputs, 768), shapeOfTf32(rows, outputs, 768)}) {
        ProductSchedule s = chooseProduct(product, target);
        EXPECT_GE(s.residentBlocks(), 2) << s.text();
        EXPECT_LE(s.threads(), 1024) << s.text();
      }
    }
}

/// With one more block than a wave holds a product takes longer, with one less it does not take shorter.
TEST_F(Schedules, TimeGoesInWaves) {
  const ProductSchedule &s = kTiles[0];
  auto time = [&](int64_t blocks) { return timeOf(s, shape(blocks * s.rows, s.columns, 768), 1, target); };
  EXPECT_EQ(time(target.multiprocessors - 1), time(target.multiprocessors));
  EXPECT_LT(time(target.multiprocessors), time(target.multiprocessors + 1));
  EXPECT_LT(time(target.multiprocessors * s.residentBlocks()), time(target.multiprocessors * s.residentBlocks() + 1));
}

/// Twice as wide numbers are multiplied and copied half as fast.
TEST_F(Schedules, Tf32TakesTwiceAsLong) {
  ProductSchedule halves = kTiles[0], words = halves;
  words.bytes = 4;
  words.depth /= 2;
  const int64_t rows = 4096, outputs = 3072, depth = 1 << 16;
  EXPECT_NEAR(timeOf(words, shapeOfTf32(rows, outputs, depth), 8, target) / timeOf(halves, shape(rows, outputs, depth), 8, target), 2,
              0.02);
}

} // namespace
