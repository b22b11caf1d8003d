//===- AttentionTest.cpp - attention on a GPU by multiply-adds of f32 ---------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Every kernel runs thread by thread on the emulator; ptxas says what it takes of a GPU.
//
//===--------------------------------------------------------------------------------------===//

#include "AttentionProblem.h"

#include <gtest/gtest.h>

using namespace vitc;
using namespace vitc::test;

namespace {

std::optional<DeviceKernel> compileThreads(const Case &c) {
  return compileDevice([&](mlir::ModuleOp module, llvm::StringRef symbol) {
    mlir::Type f32 = mlir::Float32Type::get(module.getContext());
    return gpu::emitThreadAttention(module, module.getLoc(), shapeOf(c, f32, f32), symbol);
  });
}

void expectThreads(const Case &c, int64_t images, double tolerance) {
  SCOPED_TRACE(name(c));
  std::optional<DeviceKernel> kernel = compileThreads(c);
  ASSERT_TRUE(kernel);
  Problem p = makeProblem(c, images);
  auto operands = operandsOf(p, [](const std::vector<float> &values) { return values; });
  expectClose(kernel->run(operands, {p.expected.size()}, images).front(), p.expected, tolerance);
}

TEST(ThreadAttention, AgreesWithDoublePrecision) {
  for (const Case &c : {Case{1, 32}, {5, 20, 2}, {50, 40, 1, 1, true}, {65, 72}, {197, 64}, {197, 128}, {257, 16, 1, 1, true}, {577, 48}})
    expectThreads(c, c.tokens < 100 ? 2 : 1, 1e-5);
}

TEST(ThreadAttention, ComputesSomeQueriesAlone) {
  for (const Case &c : {Case{197, 64, 2, 1, false, 0, 1}, {50, 24, 1, 1, true, 7, 30}, {70, 16, 2, 1, true, 0, 5, true}})
    expectThreads(c, 2, 1e-5);
}

TEST(ThreadAttention, AddsDistancesWithinWindows) {
  for (const Case &c : {Case{1, 5, 1, 1, false, 0, 0, false, 1},
                        {6, 6, 2, 3, false, 0, 0, false, 2},
                        {196, 16, 1, 2, false, 0, 0, false, 14},
                        {85, 16, 1, 1, false, 0, 0, false, 17},
                        {9, 64, 2, 4, true, 0, 0, false, 3, 0.5}})
    expectThreads(c, 2, 1e-5);
}

/// A whole tile of keys that a bias takes out before the first one that is left.
TEST(ThreadAttention, KeepsKeysBehindATileWithoutOne) {
  Case c{130, 8, 1, 1, true};
  std::optional<DeviceKernel> kernel = compileThreads(c);
  ASSERT_TRUE(kernel);
  Problem p = makeProblem(c, 1);
  for (int64_t query = 0; query < c.tokens; ++query)
    for (int64_t key = 0; key < c.tokens; ++key)
      p.bias[query * c.tokens + key] = key == 129 - query % 60 ? 0.0f : -INFINITY;
  std::vector<float> result = kernel->run({p.keys, p.bias}, {p.expected.size()}, 1).front();
  for (int64_t i = 0; i < c.tokens * c.width; ++i)
    ASSERT_EQ(result[i], p.keys[(129 - i / c.width % 60) * c.columns() + 2 * c.inner() + i % c.width]) << "element " << i;
}

TEST(ThreadAttention, RefusesDistancesThatDoNotFit) {
  std::unique_ptr<mlir::MLIRContext> context = makeContext();
  std::string said;
  mlir::ScopedDiagnosticHandler handler(context.get(), [&](mlir::Diagnostic &diagnostic) { said += diagnostic.str(); });
  mlir::OwningOpRef<mlir::ModuleOp> module = mlir::ModuleOp::create(mlir::UnknownLoc::get(context.get()));
  mlir::Type f32 = mlir::Float32Type::get(context.get());
  Case c{4096, 64};
  c.height = 4096;
  EXPECT_TRUE(failed(gpu::emitThreadAttention(*module, module->getLoc(), shapeOf(c, f32, f32), "k")));
  EXPECT_NE(said.find("on a grid of 4096 x 1 takes"), std::string::npos) << said;
}

/// One tile of keys, whose loop has one turn, and more than one.
TEST(ThreadAttention, SpillsNoRegisters) {
  if (!hasPtxas())
    GTEST_SKIP() << "there is no ptxas";
  std::unique_ptr<mlir::MLIRContext> context = makeContext();
  mlir::OwningOpRef<mlir::ModuleOp> module = mlir::ModuleOp::create(mlir::UnknownLoc::get(context.get()));
  mlir::Type f32 = mlir::Float32Type::get(context.get());
  for (int64_t width : kWidths)
    for (int64_t tokens : {17, 197}) {
      std::string symbol = fmt::format("width_{}_tokens_{}", width, tokens);
      ASSERT_TRUE(succeeded(gpu::emitThreadAttention(*module, module->getLoc(), shapeOf({tokens, width}, f32, f32), symbol)));
    }
  std::map<std::string, Resources> kernels = assemble(*module);
  EXPECT_EQ(kernels.size(), 2 * std::size(kWidths));
  for (const auto &[symbol, resources] : kernels) {
    EXPECT_EQ(resources.spilledBytes, 0) << symbol;
    // Two blocks of 256 threads have their registers on a multiprocessor.
    EXPECT_LE(resources.registers, 128) << symbol;
    testing::Test::RecordProperty(symbol, fmt::format("{} registers", resources.registers));
  }
}

} // namespace
