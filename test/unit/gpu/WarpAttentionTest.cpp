//===- WarpAttentionTest.cpp - attention on a GPU by products of a warp -------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "AttentionProblem.h"

#include <gtest/gtest.h>

using namespace vitc;
using namespace vitc::test;

namespace {

/// The result is of 16 bits too, or f32.
std::optional<DeviceKernel> compileWarps(const Case &c, const Half &half, bool halfResult) {
  return compileDevice([&](mlir::ModuleOp module, llvm::StringRef symbol) {
    mlir::Type element = half.type(module.getContext()), f32 = mlir::Float32Type::get(module.getContext());
    gpu::AttentionShape shape = shapeOf(c, element, halfResult ? element : f32);
    EXPECT_TRUE(gpu::hasWarpAttention(shape));
    return gpu::emitWarpAttention(module, module.getLoc(), shape, symbol);
  });
}

void expectWarps(const Case &c, const Half &half, bool halfResult) {
  SCOPED_TRACE(fmt::format("{} to {}: {}", half.name, halfResult ? half.name : "f32", name(c)));
  std::optional<DeviceKernel> kernel = compileWarps(c, half, halfResult);
  ASSERT_TRUE(kernel);
  const int64_t images = c.tokens < 100 ? 2 : 1;
  Problem p = makeProblem(c, images, [&](float value) { return half.round(value); });
  std::vector<float> result = kernel
                                  ->run(operandsOf(p, [&](const std::vector<float> &values) { return half.words(values); }),
                                        {p.expected.size() / (halfResult ? 2 : 1)}, images, /*seed=*/1)
                                  .front();
  if (halfResult)
    result = half.numbers(result);
  ASSERT_EQ(result.size(), p.expected.size());
  double worst = 0;
  for (size_t i = 0; i < result.size(); ++i) {
    double error = std::abs(result[i] - p.expected[i]),
           bound = half.tolerance + (halfResult ? half.ofResult * std::abs(p.expected[i]) : 0.0);
    ASSERT_TRUE(error <= bound) << "element " << i << " is " << result[i] << ", expected " << p.expected[i];
    worst = std::max(worst, error);
  }
  testing::Test::RecordProperty(parameterName(fmt::format("{}_{}", half.name, name(c))), fmt::format("{:.1e}", worst));
}

TEST(WarpAttention, AgreesWithDoublePrecision) {
  // All keys at once.
  for (const Case &c : {Case{1, 32, 2}, {5, 20, 2}, {50, 72, 1, 1, true}, {197, 64}, {197, 80, 1, 1, true}, {256, 128}})
    expectWarps(c, kBf16, c.tokens % 2 == 1);
  // Through a ring: whole tiles and a partial one.
  for (const Case &c : {Case{257, 32, 1, 1, true}, {320, 16}, {257, 96}, {577, 64}, {300, 6, 3, 1, true}, {385, 104}})
    expectWarps(c, kBf16, c.tokens % 2 == 1);
  for (const Case &c : {Case{50, 48, 2}, {197, 64}, {197, 40, 1, 1, true}, {257, 88}, {577, 64}})
    expectWarps(c, kF16, c.tokens % 2 == 1);
}

TEST(WarpAttention, ComputesSomeQueriesAlone) {
  for (const Case &c :
       {Case{197, 64, 2, 1, false, 0, 1}, {50, 24, 1, 1, true, 7, 30}, {300, 16, 2, 1, true, 0, 5, true}, {300, 64, 2, 1, false, 11, 200}})
    expectWarps(c, kBf16, true);
}

TEST(WarpAttention, StaysWithinWindows) {
  expectWarps({49, 32, 2, 3}, kBf16, true);
  expectWarps({49, 32, 2, 3, true}, kF16, true);
}

/// Keys that a bias takes out, a whole tile of them first; scores that would overflow exp; a NaN that must not get lost or spread.
void expectExtremes(const Case &c) {
  SCOPED_TRACE(name(c));
  std::optional<DeviceKernel> kernel = compileWarps(c, kBf16, false);
  ASSERT_TRUE(kernel);
  Problem p = makeProblem(c, 1, [](float value) { return kBf16.round(value); });
  for (float &value : p.keys)
    value *= 16;
  // Each query sees one key alone, so it gets that token's value.
  auto only = [&](int64_t query) { return (query * 7 + c.tokens - 3) % c.tokens; };
  for (int64_t query = 0; query < c.tokens; ++query)
    for (int64_t key = 0; key < c.tokens; ++key)
      p.bias[query * c.tokens + key] = key == only(query) ? 0.0f : -INFINITY;
  auto words = [](const std::vector<float> &values) { return bf16Words(values); };
  auto valueOf = [&](int64_t query, int64_t i) { return p.keys[only(query) * c.columns() + 2 * c.inner() + i]; };
  std::vector<float> result = kernel->run(operandsOf(p, words), {p.expected.size()}, 1).front();
  for (int64_t i = 0; i < c.tokens * c.width; ++i)
    ASSERT_EQ(result[i], valueOf(i / c.width, i % c.width)) << "element " << i;

  p.keys[2 * c.columns()] = NAN; // query 2
  result = kernel->run(operandsOf(p, words), {p.expected.size()}, 1).front();
  for (int64_t i = 0; i < c.tokens * c.width; ++i)
    ASSERT_EQ(std::isnan(result[i]), i / c.width == 2) << "element " << i;
}

TEST(WarpAttention, KeepsExtremeScores) {
  expectExtremes({40, 16, 1, 1, true});
  expectExtremes({260, 16, 1, 1, true});
}

/// One tile of all keys, few and many, and a ring.
TEST(WarpAttention, SpillsNoRegisters) {
  if (!hasPtxas())
    GTEST_SKIP() << "there is no ptxas";
  std::unique_ptr<mlir::MLIRContext> context = makeContext();
  mlir::OwningOpRef<mlir::ModuleOp> module = mlir::ModuleOp::create(mlir::UnknownLoc::get(context.get()));
  mlir::Type bf16 = mlir::BFloat16Type::get(context.get());
  std::map<std::string, gpu::KernelInfo> infos;
  for (int64_t width : kWidths)
    for (int64_t tokens : {50, 197, 577}) {
      std::string symbol = fmt::format("width_{}_tokens_{}", width, tokens);
      infos[symbol] = gpu::emitWarpAttention(*module, module->getLoc(), shapeOf({tokens, width}, bf16, bf16), symbol);
    }
  std::map<std::string, Resources> kernels = assemble(*module);
  EXPECT_EQ(kernels.size(), 3 * std::size(kWidths));
  for (const auto &[symbol, resources] : kernels) {
    EXPECT_EQ(resources.spilledBytes, 0) << symbol;
    EXPECT_LE(infos[symbol].sharedBytes, 163 << 10) << symbol;
    testing::Test::RecordProperty(symbol, fmt::format("{} registers, {} threads, {} bytes shared", resources.registers,
                                                      infos[symbol].threads, infos[symbol].sharedBytes));
  }
}

} // namespace
