//===- WarpgroupAttentionTest.cpp - attention on a GPU by products of a warpgroup -*- C++ -*-===//
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

constexpr ShortAttention kWarpgroups = {gpu::hasWarpgroupAttention, gpu::emitWarpgroupAttention};

TEST(WarpgroupAttention, AgreesWithDoublePrecision) {
  // All keys at once; one and two consumers.
  for (const Case &c :
       {Case{17, 16, 2}, {50, 32, 3, 1, true}, {50, 72}, {64, 24, 2}, {197, 64, 2}, {197, 80, 1, 1, true}, {197, 128}, {256, 8}})
    expectShort(kWarpgroups, c, kBf16, c.tokens % 2 == 1);
  // In tiles, of which the last one is partial but once.
  for (const Case &c : {Case{257, 64}, {257, 128, 1, 1, true}, {577, 40}, {352, 96}, {785, 16, 2}})
    expectShort(kWarpgroups, c, kBf16, c.tokens % 2 == 1);
  for (const Case &c : {Case{50, 48, 2}, {197, 88}, {257, 104}, {577, 112}})
    expectShort(kWarpgroups, c, kF16, c.tokens % 2 == 1);
}

TEST(WarpgroupAttention, ComputesSomeQueriesAlone) {
  for (const Case &c : {Case{50, 24, 1, 1, true, 7, 30}, {300, 16, 2, 1, true, 0, 70, true}, {300, 64, 2, 1, false, 11, 200}})
    expectShort(kWarpgroups, c, kBf16, true);
}

TEST(WarpgroupAttention, StaysWithinWindows) {
  expectShort(kWarpgroups, {49, 32, 2, 3}, kBf16, true);
  expectShort(kWarpgroups, {49, 32, 2, 3, true}, kF16, true);
}

TEST(WarpgroupAttention, KeepsExtremeScores) {
  expectExtremes(kWarpgroups, {40, 16, 1, 1, true});
  expectExtremes(kWarpgroups, {260, 16, 1, 1, true});
}

TEST(WarpgroupAttention, SpillsNoRegisters) {
  if (!hasPtxas())
    GTEST_SKIP() << "there is no ptxas";
  std::unique_ptr<mlir::MLIRContext> context = makeContext();
  mlir::OwningOpRef<mlir::ModuleOp> module = mlir::ModuleOp::create(mlir::UnknownLoc::get(context.get()));
  mlir::Type bf16 = mlir::BFloat16Type::get(context.get());
  std::map<std::string, gpu::KernelInfo> infos;
  for (int64_t width : kWidths)
    for (int64_t tokens : {50, 197, 257, 577}) {
      std::string symbol = fmt::format("width_{}_tokens_{}", width, tokens);
      infos[symbol] = gpu::emitWarpgroupAttention(*module, module->getLoc(), shapeOf({tokens, width}, bf16, bf16), symbol);
    }
  std::map<std::string, Resources> kernels = assemble(*module, "sm_90a");
  EXPECT_EQ(kernels.size(), 4 * std::size(kWidths));
  for (const auto &[symbol, resources] : kernels) {
    EXPECT_EQ(resources.spilledBytes, 0) << symbol;
    EXPECT_LE(infos[symbol].sharedBytes, 227 << 10) << symbol;
  }
}

} // namespace
