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

constexpr HalfAttention kWarps = {gpu::hasWarpAttention, gpu::emitWarpAttention};

TEST(WarpAttention, AgreesWithDoublePrecision) {
  // All keys at once.
  for (const Case &c : {Case{1, 32, 2}, {5, 20, 2}, {50, 72, 1, 1, true}, {197, 64}, {197, 80, 1, 1, true}, {256, 128}})
    expectHalves(kWarps, c, kBf16, c.tokens % 2 == 1);
  // Through a ring: whole tiles and a partial one.
  for (const Case &c : {Case{257, 32, 1, 1, true}, {320, 16}, {257, 96}, {577, 64}, {300, 6, 3, 1, true}, {385, 104}})
    expectHalves(kWarps, c, kBf16, c.tokens % 2 == 1);
  for (const Case &c : {Case{50, 48, 2}, {197, 64}, {197, 40, 1, 1, true}, {257, 88}, {577, 64}})
    expectHalves(kWarps, c, kF16, c.tokens % 2 == 1);
}

TEST(WarpAttention, ComputesSomeQueriesAlone) {
  for (const Case &c :
       {Case{197, 64, 2, 1, false, 0, 1}, {50, 24, 1, 1, true, 7, 30}, {300, 16, 2, 1, true, 0, 5, true}, {300, 64, 2, 1, false, 11, 200}})
    expectHalves(kWarps, c, kBf16, true);
}

TEST(WarpAttention, StaysWithinWindows) {
  expectHalves(kWarps, {49, 32, 2, 3}, kBf16, true);
  expectHalves(kWarps, {49, 32, 2, 3, true}, kF16, true);
}

TEST(WarpAttention, KeepsExtremeScores) {
  expectExtremes(kWarps, {40, 16, 1, 1, true});
  expectExtremes(kWarps, {260, 16, 1, 1, true});
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
