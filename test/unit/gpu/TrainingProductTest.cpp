//===- TrainingProductTest.cpp - products of training on a GPU against sums in double precision ---*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "DeviceHarness.h"

#include "compiler/codegen/gpu/WarpgroupProduct.h"
#include "test/unit/codegen/Numbers.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fmt/format.h>
#include <numbers>
#include <variant>

using namespace vitc;
using namespace vitc::gpu;
using namespace vitc::test;
using mlir::ModuleOp;

namespace {

/// Which operands lie by columns: forward, the gradient of the input, that of the weight.
enum class Kind { Forward, Input, Weight };

struct Case {
  std::variant<ProductSchedule, WarpgroupSchedule> tile;
  Kind kind;
  int64_t rows, outputs, depth; ///< of an image: rows, or of a weight's gradient K
  int64_t images = 1;
  enum class Operands { Rounded, Stored } operands = Operands::Stored; ///< f32, or bf16 in memory
  bool epilogue = false;                                               ///< bias, gelu and its derivative, a factor, a residual
  bool shortResult = false;                                            ///< of bf16, and so a factor and derivatives

  bool inputByColumns() const { return kind == Kind::Weight; }
  bool weightByColumns() const { return kind != Kind::Forward; }
  int64_t parts() const {
    return std::visit([](const auto &schedule) { return schedule.parts; }, tile);
  }
  bool isStored() const { return operands == Operands::Stored; }
  int64_t allRows() const { return inputByColumns() ? rows : rows * images; }
  int64_t allDepth() const { return inputByColumns() ? depth * images : depth; }
  std::string tileText() const {
    return std::visit([](const auto &schedule) { return schedule.text(); }, tile);
  }
};

std::ostream &operator<<(std::ostream &os, const Case &c) {
  return os << fmt::format("{} {}x{}x{} {} images of {}{}{}{}",
                           c.kind == Kind::Forward ? "forward"
                           : c.kind == Kind::Input ? "input"
                                                   : "weight",
                           c.rows, c.outputs, c.depth, c.images, c.tileText(), c.isStored() ? "" : " rounded",
                           c.epilogue ? " epilogue" : "", c.shortResult ? " short" : "");
}

KernelInfo emit(ModuleOp module, llvm::StringRef symbol, const Case &c) {
  mlir::MLIRContext *context = module.getContext();
  Type f32 = mlir::Float32Type::get(context), bf16 = mlir::BFloat16Type::get(context), operand = c.isStored() ? bf16 : f32;
  Product product;
  product.outputs = c.outputs;
  product.rounded = !c.isStored();
  product.inputByColumns = c.inputByColumns();
  product.weightByColumns = c.weightByColumns();
  product.segment = vectorFor(c.inputByColumns() ? c.rows : c.depth, operand);

  llvm::SmallVector<Type> types{operand, operand};
  const Type result = c.shortResult ? bf16 : f32;
  if (c.epilogue)
    types.append({f32, f32, result});
  types.append(c.epilogue ? 2 : 1, result);
  const auto *small = std::get_if<ProductSchedule>(&c.tile);
  DeviceFunction f(module, symbol, module.getLoc(), withParts(types, c.parts()),
                   std::visit([](const auto &schedule) { return schedule.threads(); }, c.tile));
  ImplicitLocOpBuilder &b = f.b;
  if (c.inputByColumns()) {
    product.fixedRows = c.rows;
    product.rows = constant(b, c.rows);
    product.steps = mul(b, f.images, c.depth);
  } else {
    product.rows = mul(b, f.images, c.rows);
    product.depth = c.depth;
  }
  product.input = [&](Value row, Value k) {
    return c.inputByColumns() ? Place{rowOf(b, f.operand(0), k, c.rows), row} : Place{rowOf(b, f.operand(0), row, c.depth), k};
  };
  product.weight = f.operand(1);
  if (c.epilogue) {
    product.activation = vit::Activation::GeluErf;
    product.bias = f.operand(2);
    product.biasSegment = 1;
    product.residual = rowMajor(b, f.operand(3), c.outputs);
    product.factor = rowMajor(b, f.operand(4), c.outputs);
    product.derivative = rowMajor(b, f.operand(6), c.outputs);
  }
  product.result = rowMajor(b, f.operand(c.epilogue ? 5 : 2), c.outputs);
  takeParts(product, f, c.parts(), types.size());
  KernelInfo info;
  info.symbol = symbol.str();
  const int64_t rowsPerImage = c.inputByColumns() ? c.depth : c.rows;
  if (small) {
    emitProduct(f, product, *small);
    describeProduct(info, f, product, *small, rowsPerImage);
  } else {
    emitWarpgroupProduct(f, product, std::get<WarpgroupSchedule>(c.tile), rowsPerImage, info);
  }
  return info;
}

/// What the product is of the rounded operands: the result, the activation's derivatives.
struct Expected {
  std::vector<double> values, derivatives;
};

Expected expected(const Case &c, const std::vector<std::vector<float>> &operands) {
  const int64_t rows = c.allRows(), depth = c.allDepth();
  Expected result;
  for (int64_t m = 0; m < rows; ++m)
    for (int64_t n = 0; n < c.outputs; ++n) {
      double sum = 0;
      for (int64_t k = 0; k < depth; ++k)
        sum += double(roundedToBf16(operands[0][static_cast<size_t>(c.inputByColumns() ? k * rows + m : m * depth + k)])) *
               roundedToBf16(operands[1][static_cast<size_t>(c.weightByColumns() ? k * c.outputs + n : n * depth + k)]);
      if (c.epilogue) {
        const auto at = static_cast<size_t>(m * c.outputs + n);
        double x = sum + operands[2][static_cast<size_t>(n)], normal = std::erfc(-x / std::numbers::sqrt2) / 2;
        result.derivatives.push_back(normal + x * std::exp(-x * x / 2) * std::numbers::inv_sqrtpi / std::numbers::sqrt2);
        sum = x * normal * (c.shortResult ? roundedToBf16(operands[4][at]) : operands[4][at]) + operands[3][at];
      }
      result.values.push_back(sum);
    }
  return result;
}

std::vector<float> bf16Padded(std::vector<float> values) {
  values.resize((values.size() + 1) / 2 * 2);
  return bf16Words(values);
}

class TrainingProduct : public testing::TestWithParam<Case> {};

TEST_P(TrainingProduct, MatchesDouble) {
  const Case &c = GetParam();
  std::optional<DeviceKernel> kernel =
      compileDevice([&](ModuleOp module, llvm::StringRef symbol) -> mlir::FailureOr<KernelInfo> { return emit(module, symbol, c); });
  ASSERT_TRUE(kernel);
  const auto elements = static_cast<size_t>(c.allRows() * c.outputs);
  std::vector<std::vector<float>> operands{
      randomFloats(static_cast<size_t>(c.allRows() * c.allDepth()), 1),
      randomFloats(static_cast<size_t>(c.outputs * c.allDepth()), 2, 1 / std::sqrt(float(c.allDepth())))};
  if (c.epilogue)
    operands.insert(operands.end(),
                    {randomFloats(static_cast<size_t>(c.outputs), 3), randomFloats(elements, 4), randomFloats(elements, 5)});
  const Expected correct = expected(c, operands);
  if (c.isStored())
    for (size_t i = 0; i < 2; ++i)
      operands[i] = bf16Padded(operands[i]);
  if (c.epilogue && c.shortResult)
    operands[4] = bf16Padded(operands[4]);
  const std::vector<size_t> sizes(c.epilogue ? 2 : 1, c.shortResult ? (elements + 1) / 2 : elements);
  std::vector<std::vector<float>> results = kernel->run(operands, sizes, c.images, /*seed=*/5);
  if (c.shortResult)
    for (std::vector<float> &result : results) {
      result = fromBf16Words(result);
      result.resize(elements);
    }
  const double tolerance = 4e-7 * std::sqrt(double(c.allDepth())) + 1e-6 + (c.shortResult ? 0x1p-8 : 0);
  expectClose(results.front(), correct.values, tolerance);
  if (c.epilogue)
    expectClose(results.back(), correct.derivatives, tolerance);
}

constexpr ProductSchedule kMultiplyAdds{.rows = 64, .columns = 64, .depth = 16};
constexpr ProductSchedule kTiles[] = {
    {.rows = 128, .columns = 128, .depth = 32, .warpsDown = 2, .warpsAcross = 4, .stages = 4},
    {.rows = 64, .columns = 64, .depth = 32, .warpsDown = 2, .warpsAcross = 2, .stages = 3},
    {.rows = 16, .columns = 32, .depth = 64, .warpsDown = 1, .warpsAcross = 2, .stages = 2},
};
constexpr WarpgroupSchedule kLarge{2, 256, 4}, kWide{2, 192, 5}, kSquare{2, 128, 6}, kTall{2, 64, 8}, kFlat{1, 256, 5}, kMiddle{1, 128, 8},
    kSmall{1, 64, 8};

template <typename Schedule> Schedule inParts(Schedule schedule, int64_t parts) {
  schedule.parts = parts;
  return schedule;
}

std::vector<Case> cases() {
  using enum Kind;
  constexpr auto rounded = Case::Operands::Rounded, stored = Case::Operands::Stored;
  std::vector<Case> all;
  for (const ProductSchedule &tile : kTiles) {
    ProductSchedule two = tile;
    two.stages = 2;
    all.push_back({two, Forward, 37, 60, 100, 1, rounded});
    all.push_back({two, Input, 50, 33, 66, 1, rounded});
    all.push_back({two, Weight, 40, 72, 1, 197, rounded});
    all.push_back({two, Weight, 35, 21, 5, 1, rounded});
    all.push_back({inParts(two, 3), Weight, 35, 21, 50, 4, rounded});
    all.push_back({two, Forward, 70, 43, 29, 1, rounded, /*epilogue=*/true});
    all.push_back({two, Input, 21, 136, 64, 1, rounded, /*epilogue=*/true});
    all.push_back({tile, Input, 17, 96, 40, 3});
    all.push_back({tile, Input, 50, 34, 66});
    all.push_back({tile, Input, 21, 136, 64, 1, stored, /*epilogue=*/true, /*shortResult=*/true});
    all.push_back({tile, Weight, 40, 72, 197, 2});
    all.push_back({tile, Weight, 36, 22, 5});
    all.push_back({inParts(tile, 3), Weight, 130, 72, 50, 5});
    all.push_back({inParts(tile, 8), Weight, 24, 40, 17, 3});
  }
  all.push_back({kMultiplyAdds, Weight, 70, 65, 50, 5});
  for (const WarpgroupSchedule &tile : {kLarge, kWide, kSquare, kTall, kFlat, kMiddle, kSmall}) {
    all.push_back({tile, Input, 65, tile.columns + 8, 72, 2});
    all.push_back({tile, Weight, 72, tile.columns - 24, 50, 3});
  }
  all.push_back({kSquare, Forward, 197, 130, 136, 1, stored, /*epilogue=*/true});
  all.push_back({kLarge, Forward, 70, 258, 64, 1, stored, /*epilogue=*/true, /*shortResult=*/true});
  all.push_back({kFlat, Input, 65, 264, 320, 1, stored, /*epilogue=*/true});
  all.push_back({kTall, Input, 5, 64, 8, 1, stored, false, /*shortResult=*/true});
  all.push_back({kLarge, Weight, 768, 256, 197, 1});
  all.push_back({inParts(kSquare, 4), Weight, 192, 136, 197, 3});
  all.push_back({inParts(kMiddle, 8), Weight, 8, 64, 1, 5});
  return all;
}

INSTANTIATE_TEST_SUITE_P(Sizes, TrainingProduct, testing::ValuesIn(cases()),
                         [](const auto &info) { return parameterName(testing::PrintToString(info.param)); });

/// A weight's copy for products, once a step: it is no row of images.
TEST(TrainingProduct, ReadsWeightsThatAreRounded) {
  for (auto [rows, width] : {std::pair(5, 24), std::pair(3, 7), std::pair(64, 50), std::pair(1, 1000)}) {
    std::optional<DeviceKernel> kernel = compileDeviceLaunch(
        fmt::format("func.func @f(%x: tensor<{0}x{1}xf32>) -> tensor<{0}x{1}xbf16> {{\n"
                    "  %0 = kernel.convert %x : tensor<{0}x{1}xf32> -> tensor<{0}x{1}xbf16>\n  return %0 : tensor<{0}x{1}xbf16>\n}}",
                    rows, width));
    ASSERT_TRUE(kernel);
    const auto elements = static_cast<size_t>(rows * width);
    const std::vector<float> weight = randomFloats(elements, 1);
    std::vector<float> rounded = fromBf16Words(kernel->run({weight}, {(elements + 1) / 2}, /*images=*/1).front());
    rounded.resize(elements);
    EXPECT_EQ(rounded, roundedToBf16(weight));
  }
}

/// The bits of a weight's gradient do not depend on the tile.
TEST(TrainingProduct, HasTheSameBitsInEveryTile) {
  std::vector<float> input = bf16Words(randomFloats(72 * 130, 1)), weight = bf16Words(randomFloats(72 * 64, 2));
  auto run = [&](const auto &tile) {
    std::optional<DeviceKernel> kernel = compileDevice([&](ModuleOp module, llvm::StringRef symbol) -> mlir::FailureOr<KernelInfo> {
      return emit(module, symbol, {tile, Kind::Weight, 130, 64, 36, 2});
    });
    return kernel ? kernel->run({input, weight}, {130 * 64}, 2).front() : std::vector<float>();
  };
  for (size_t i = 1; i < std::size(kTiles); ++i)
    EXPECT_EQ(run(kTiles[0]), run(kTiles[i]));
  for (const WarpgroupSchedule &tile : {kWide, kSquare, kTall, kSmall})
    EXPECT_EQ(run(kLarge), run(tile)) << tile.text();
}

/// The largest tiles of warpgroups, for operands as large as models have.
TEST(TrainingProduct, TakesNoSpills) {
  if (!hasPtxas())
    GTEST_SKIP() << "no ptxas";
  std::unique_ptr<mlir::MLIRContext> context = makeContext();
  mlir::OwningOpRef<ModuleOp> module = ModuleOp::create(mlir::UnknownLoc::get(context.get()));
  size_t count = 0;
  auto add = [&](Case c) { emit(*module, fmt::format("product_{}", count++), c); };
  constexpr auto stored = Case::Operands::Stored;
  for (const WarpgroupSchedule &tile : {kLarge, kWide, kFlat}) {
    add({tile, Kind::Forward, 197, 3072, 768, 1, stored, /*epilogue=*/true, /*shortResult=*/true});
    add({tile, Kind::Input, 197, 768, 3072, 1, stored, /*epilogue=*/true});
    add({inParts(tile, tile.rows() * tile.columns < 128 * 256 ? 4 : 1), Kind::Weight, 3072, 768, 197});
  }
  std::map<std::string, Resources> kernels = assemble(*module, "sm_90a");
  EXPECT_EQ(kernels.size(), count);
  for (const auto &[name, resources] : kernels)
    EXPECT_EQ(resources.spilledBytes, 0) << name << " with " << resources.registers << " registers";
}

} // namespace
