//===- AttentionTest.cpp - attention on a GPU against double precision --------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Every kernel runs thread by thread on the emulator; ptxas says what it takes of a GPU.
//
//===--------------------------------------------------------------------------------------===//

#include "DeviceHarness.h"
#include "compiler/codegen/gpu/AttentionOperands.h"
#include "test/unit/codegen/Numbers.h"

#include "mlir/IR/MLIRContext.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>

using namespace vitc;
using namespace vitc::test;

namespace {

/// Queries [first, first + queries) of `tokens`; all of them where that is 0.
struct Case {
  int64_t tokens, width, heads = 1, windows = 1;
  bool bias = false;
  int64_t first = 0, some = 0;
  bool separate = false;
  int64_t height = 0; ///< of the grid of tokens, whose distances have tables then
  double scale = 0.125;

  int64_t queries() const { return some ? some : tokens; }
  int64_t inner() const { return heads * width; }
  int64_t columns() const { return (separate ? 2 : 3) * inner(); }
  int64_t across() const { return height ? tokens / height : 0; }
};

std::string name(const Case &c) {
  return fmt::format("{} tokens, {} heads of {}, {} windows{}, {} queries from {}{}, height {}", c.tokens, c.heads, c.width, c.windows,
                     c.bias ? ", bias" : "", c.queries(), c.first, c.separate ? " apart" : "", c.height);
}

gpu::AttentionShape shapeOf(const Case &c, mlir::Type element, mlir::Type result) {
  return {c.windows, c.tokens, c.queries(), c.heads, c.width, c.first, c.separate, c.scale, element, result, c.bias, c.height, c.across()};
}

struct Problem {
  std::vector<float> keys, query, bias, rows, columns;
  std::vector<double> expected;
};

Problem makeProblem(const Case &c, int64_t images, const std::function<float(float)> &round = [](float x) { return x; }) {
  auto random = [](int64_t count, uint32_t seed) { return randomFloats(static_cast<size_t>(count), seed); };
  Problem p;
  p.keys = random(images * c.windows * c.tokens * c.columns(), 1);
  p.query = random(c.separate ? images * c.windows * c.queries() * c.inner() : 0, 2);
  p.bias = random(c.bias ? c.heads * c.queries() * c.tokens : 0, 3);
  p.rows = random(c.height ? c.width * (2 * c.height - 1) : 0, 4);
  p.columns = random(c.height ? c.width * (2 * c.across() - 1) : 0, 5);
  for (std::vector<float> *numbers : {&p.keys, &p.query})
    std::ranges::transform(*numbers, numbers->begin(), round);
  std::vector<double> weights(c.tokens);
  for (int64_t window = 0; window < images * c.windows; ++window)
    for (int64_t query = 0; query < c.queries(); ++query)
      for (int64_t head = 0; head < c.heads; ++head) {
        const float *q = c.separate ? &p.query[(window * c.queries() + query) * c.inner() + head * c.width]
                                    : &p.keys[(window * c.tokens + c.first + query) * c.columns() + head * c.width];
        const float *k = &p.keys[window * c.tokens * c.columns() + (c.separate ? 0 : c.inner()) + head * c.width], *v = k + c.inner();
        double most = -INFINITY, sum = 0;
        for (int64_t t = 0; t < c.tokens; ++t) {
          double dot = 0, distance = 0;
          for (int64_t i = 0; i < c.width; ++i)
            dot += double(q[i]) * k[t * c.columns() + i];
          if (c.height) {
            int64_t down = t / c.across() - query / c.across() + c.height - 1, right = t % c.across() - query % c.across() + c.across() - 1;
            for (int64_t i = 0; i < c.width; ++i)
              distance += q[i] * (double(p.rows[i * (2 * c.height - 1) + down]) + p.columns[i * (2 * c.across() - 1) + right]);
          }
          weights[t] = c.scale * dot + (c.bias ? p.bias[(head * c.queries() + query) * c.tokens + t] : 0.0) + distance;
          most = std::max(most, weights[t]);
        }
        for (double &weight : weights)
          sum += weight = std::exp(weight - most);
        for (int64_t i = 0; i < c.width; ++i) {
          double value = 0;
          for (int64_t t = 0; t < c.tokens; ++t)
            value += weights[t] / sum * v[t * c.columns() + i];
          p.expected.push_back(value);
        }
      }
  return p;
}

/// The launch's operands; those of the element type by `words`.
std::vector<std::vector<float>> operandsOf(const Problem &p, const std::function<std::vector<float>(const std::vector<float> &)> &words) {
  std::vector<std::vector<float>> operands{words(p.keys)};
  if (!p.query.empty())
    operands.push_back(words(p.query));
  for (const std::vector<float> &other : {p.bias, p.rows, p.columns})
    if (!other.empty())
      operands.push_back(other);
  return operands;
}

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

//===--------------------------------------------------------------------------------------===//
// By multiply-adds
//===--------------------------------------------------------------------------------------===//

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

//===--------------------------------------------------------------------------------------===//
// Registers
//===--------------------------------------------------------------------------------------===//

constexpr int64_t kWidths[] = {16, 32, 48, 64, 72, 80, 88, 96, 104, 112, 128};

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
    if (std::getenv("VITC_PRINT"))
      fmt::print("{}: {}\n", symbol, resources.registers);
  }
}

} // namespace
