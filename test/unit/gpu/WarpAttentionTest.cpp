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

constexpr ShortAttention kWarps = {gpu::hasWarpAttention, gpu::emitWarpAttention};

TEST(WarpAttention, AgreesWithDoublePrecision) {
  // All keys at once.
  for (const Case &c : {Case{1, 32, 2}, {5, 20, 2}, {50, 72, 1, 1, true}, {197, 64}, {197, 80, 1, 1, true}, {256, 128}})
    expectShort(kWarps, c, kBf16, c.tokens % 2 == 1);
  // Through a ring: whole tiles and a partial one.
  for (const Case &c : {Case{257, 32, 1, 1, true}, {320, 16}, {257, 96}, {577, 64}, {300, 6, 3, 1, true}, {385, 104}})
    expectShort(kWarps, c, kBf16, c.tokens % 2 == 1);
  for (const Case &c : {Case{50, 48, 2}, {197, 64}, {197, 40, 1, 1, true}, {257, 88}, {577, 64}})
    expectShort(kWarps, c, kF16, c.tokens % 2 == 1);
  // Keys and values of 32 bits fill shared memory earlier; an odd number of pairs, and of half operands.
  for (const Case &c : {Case{1, 32, 2},
                        {5, 20, 2},
                        {50, 72, 1, 1, true},
                        {197, 64},
                        {197, 80, 1, 1, true},
                        {256, 88},
                        {200, 128},
                        {257, 32, 1, 1, true},
                        {320, 16},
                        {577, 64},
                        {300, 6, 3, 1, true},
                        {385, 104}})
    expectShort(kWarps, c, kTf32, c.tokens % 2 == 1);
}

TEST(WarpAttention, ComputesSomeQueriesAlone) {
  for (const Case &c :
       {Case{197, 64, 2, 1, false, 0, 1}, {50, 24, 1, 1, true, 7, 30}, {300, 16, 2, 1, true, 0, 5, true}, {300, 64, 2, 1, false, 11, 200}})
    for (const ShortNumber &number : {kBf16, kTf32})
      expectShort(kWarps, c, number, true);
}

TEST(WarpAttention, StaysWithinWindows) {
  expectShort(kWarps, {49, 32, 2, 3}, kBf16, true);
  expectShort(kWarps, {49, 32, 2, 3, true}, kF16, true);
  expectShort(kWarps, {49, 32, 2, 3, true}, kTf32, true);
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
  std::map<std::string, gpu::KernelInfo> infos;
  for (const ShortNumber &number : {kBf16, kTf32})
    for (int64_t width : kWidths)
      for (int64_t tokens : {50, 197, 577}) {
        std::string symbol = fmt::format("{}_width_{}_tokens_{}", number.name, width, tokens);
        mlir::Type type = number.type(context.get());
        infos[symbol] = gpu::emitWarpAttention(*module, module->getLoc(), shapeOf({tokens, width}, type, type), symbol);
      }
  std::map<std::string, Resources> kernels = assemble(*module);
  EXPECT_EQ(kernels.size(), 6 * std::size(kWidths));
  for (const auto &[symbol, resources] : kernels) {
    EXPECT_EQ(resources.spilledBytes, 0) << symbol;
    EXPECT_LE(infos[symbol].sharedBytes, 163 << 10) << symbol;
    testing::Test::RecordProperty(symbol, fmt::format("{} registers, {} threads, {} bytes shared", resources.registers,
                                                      infos[symbol].threads, infos[symbol].sharedBytes));
  }
}

} // namespace
