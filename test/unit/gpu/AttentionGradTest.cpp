//===- AttentionGradTest.cpp - attention's gradient on a GPU against double precision -----===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/codegen/gpu/AttentionGrad.h"
#include "AttentionProblem.h"

#include <gtest/gtest.h>

#include <cstring>

using namespace vitc;
using namespace vitc::test;

namespace {

/// Of all tokens' queries, or of `queries` of their own.
struct GradCase {
  int64_t tokens, width, heads = 1;
  double scale = 0.125;
  int64_t queries = 0;

  int64_t inner() const { return heads * width; }
  int64_t stride() const { return (queries ? 2 : 3) * inner(); }
  int64_t rows() const { return queries ? queries : tokens; }
};

std::string name(const GradCase &c) { return fmt::format("{} tokens, {} heads of {}, {} queries", c.tokens, c.heads, c.width, c.rows()); }

/// `result` f32 if it is null.
gpu::AttentionGradShape shapeOf(const GradCase &c, mlir::Type element, mlir::Type result = {}) {
  return {c.tokens, c.heads, c.width, c.scale, element, result ? result : mlir::Float32Type::get(element.getContext())};
}

struct GradProblem {
  std::vector<float> qkv, upstream, query; ///< the query is empty where it is a part of qkv
  std::vector<double> expected, ofQuery;   ///< likewise
};

/// dV = P' dO, dS = P (dO V' - rowsum(P dO V')), dQ = s dS K, dK = s dS' Q (Dao et al. 2022, appendix B.2).
GradProblem makeGradProblem(const GradCase &c, int64_t images, const std::function<float(float)> &round = [](float x) { return x; }) {
  GradProblem p;
  const int64_t stride = c.stride(), queryStride = c.queries ? c.inner() : stride;
  p.qkv = randomFloats(static_cast<size_t>(images * c.tokens * stride), 1);
  p.query = randomFloats(static_cast<size_t>(images * c.queries * c.inner()), 3);
  for (std::vector<float> *numbers : {&p.qkv, &p.query})
    std::ranges::transform(*numbers, numbers->begin(), round);
  p.upstream = randomFloats(static_cast<size_t>(images * c.rows() * c.inner()), 2);
  p.expected.assign(p.qkv.size(), 0);
  p.ofQuery.assign(p.query.size(), 0);
  std::vector<double> weights(c.tokens), gradients(c.tokens);
  for (int64_t image = 0; image < images; ++image)
    for (int64_t head = 0; head < c.heads; ++head) {
      const int64_t first = image * c.tokens * stride + head * c.width, firstOfRows = image * c.rows() * c.inner() + head * c.width;
      const float *q = c.queries ? &p.query[firstOfRows] : &p.qkv[first];
      const float *k = &p.qkv[first] + (c.queries ? 0 : c.inner()), *v = k + c.inner(), *upstream = &p.upstream[firstOfRows];
      double *dq = c.queries ? &p.ofQuery[firstOfRows] : &p.expected[first];
      double *dk = &p.expected[first] + (c.queries ? 0 : c.inner()), *dv = dk + c.inner();
      for (int64_t i = 0; i < c.rows(); ++i) {
        double most = -INFINITY, sum = 0, product = 0;
        for (int64_t t = 0; t < c.tokens; ++t) {
          double score = 0;
          for (int64_t e = 0; e < c.width; ++e)
            score += double(q[i * queryStride + e]) * k[t * stride + e];
          most = std::max(most, weights[t] = c.scale * score);
        }
        for (double &weight : weights)
          sum += weight = std::exp(weight - most);
        for (int64_t t = 0; t < c.tokens; ++t) {
          weights[t] /= sum;
          gradients[t] = 0;
          for (int64_t e = 0; e < c.width; ++e)
            gradients[t] += double(upstream[i * c.inner() + e]) * v[t * stride + e];
          product += weights[t] * gradients[t];
        }
        for (int64_t t = 0; t < c.tokens; ++t) {
          double score = c.scale * weights[t] * (gradients[t] - product);
          for (int64_t e = 0; e < c.width; ++e) {
            dq[i * queryStride + e] += score * k[t * stride + e];
            dk[t * stride + e] += score * q[i * queryStride + e];
            dv[t * stride + e] += weights[t] * upstream[i * c.inner() + e];
          }
        }
      }
    }
  return p;
}

TEST(ThreadAttentionGrad, AgreesWithDoublePrecision) {
  for (const GradCase &c : {GradCase{1, 8, 2}, {5, 13, 2}, {50, 16, 3}, {65, 64}, {197, 20}, {197, 72}, {70, 128}, {130, 96, 1, 0.5}}) {
    SCOPED_TRACE(name(c));
    std::optional<DeviceKernel> kernel = compileDevice([&](mlir::ModuleOp module, llvm::StringRef symbol) {
      return gpu::emitThreadAttentionGrad(module, module.getLoc(), shapeOf(c, mlir::Float32Type::get(module.getContext())), symbol);
    });
    ASSERT_TRUE(kernel);
    const int64_t images = c.tokens < 60 ? 2 : 1;
    GradProblem p = makeGradProblem(c, images);
    std::vector<float> result = kernel->run({p.qkv, p.upstream}, {p.expected.size()}, images).front();
    expectClose(result, p.expected, 1e-5);
    std::vector<float> again = kernel->run({p.qkv, p.upstream}, {p.expected.size()}, images, /*seed=*/7).front();
    EXPECT_EQ(std::memcmp(result.data(), again.data(), result.size() * sizeof(float)), 0) << "the bits depend on the threads' order";
  }
}

TEST(ThreadAttentionGrad, RefusesMoreTokensThanFit) {
  std::unique_ptr<mlir::MLIRContext> context = makeContext();
  std::string said;
  mlir::ScopedDiagnosticHandler handler(context.get(), [&](mlir::Diagnostic &diagnostic) { said += diagnostic.str(); });
  mlir::OwningOpRef<mlir::ModuleOp> module = mlir::ModuleOp::create(mlir::UnknownLoc::get(context.get()));
  GradCase c{20000, 64};
  EXPECT_TRUE(failed(gpu::emitThreadAttentionGrad(*module, module->getLoc(), shapeOf(c, mlir::Float32Type::get(context.get())), "k")));
  EXPECT_NE(said.find("of 20000 tokens with heads of 64 takes"), std::string::npos) << said;
}

void expectWarps(const GradCase &c, const ShortNumber &number) {
  SCOPED_TRACE(fmt::format("{} of {}", number.name, name(c)));
  std::optional<DeviceKernel> kernel = compileDevice([&](mlir::ModuleOp module, llvm::StringRef symbol) {
    gpu::AttentionGradShape shape = shapeOf(c, number.type(module.getContext()));
    EXPECT_TRUE(gpu::hasWarpAttentionGrad(shape));
    return gpu::emitWarpAttentionGrad(module, module.getLoc(), shape, symbol);
  });
  ASSERT_TRUE(kernel);
  const int64_t images = c.tokens < 60 ? 2 : 1;
  GradProblem p = makeGradProblem(c, images, [&](float value) { return number.round(value); });
  std::vector<std::vector<float>> operands{number.words(p.qkv), p.upstream};
  std::vector<float> result = kernel->run(operands, {p.expected.size()}, images).front();
  ASSERT_EQ(result.size(), p.expected.size());
  double worst = 0;
  for (size_t i = 0; i < result.size(); ++i) {
    double error = std::abs(result[i] - p.expected[i]);
    // Probabilities, their gradients and the upstream ones are rounded.
    ASSERT_TRUE(error <= 2 * number.ofAttention + 2 * number.rounding * std::abs(p.expected[i]))
        << "element " << i << " is " << result[i] << ", expected " << p.expected[i];
    worst = std::max(worst, error);
  }
  testing::Test::RecordProperty(parameterName(fmt::format("{}_{}", number.name, name(c))), fmt::format("{:.1e}", worst));
  std::vector<float> again = kernel->run(operands, {p.expected.size()}, images, /*seed=*/7).front();
  EXPECT_EQ(std::memcmp(result.data(), again.data(), result.size() * sizeof(float)), 0) << "the bits depend on the threads' order";
}

TEST(WarpAttentionGrad, AgreesWithDoublePrecision) {
  for (const GradCase &c :
       {GradCase{1, 8, 2}, {5, 14, 2}, {50, 16, 3}, {64, 64}, {197, 64}, {130, 72}, {197, 40}, {100, 128}, {257, 96, 1, 0.1}})
    expectWarps(c, kBf16);
  for (const GradCase &c : {GradCase{50, 32, 2}, {197, 64}, {65, 80}})
    expectWarps(c, kF16);
}

/// A query whose scores are all far below zero: its weights are no larger than others', and queries and keys behind the last one add nothing.
TEST(WarpAttentionGrad, KeepsExtremeScores) {
  GradCase c{70, 16, 1, 1.0};
  std::optional<DeviceKernel> kernel = compileDevice([&](mlir::ModuleOp module, llvm::StringRef symbol) {
    return gpu::emitWarpAttentionGrad(module, module.getLoc(), shapeOf(c, kF16.type(module.getContext())), symbol);
  });
  ASSERT_TRUE(kernel);
  std::vector<float> qkv = randomFloats(static_cast<size_t>(c.tokens * 3 * c.inner()), 1), upstream(c.tokens * c.inner(), 1.0f);
  for (int64_t token = 0; token < c.tokens; ++token)
    for (int64_t e = 0; e < c.width; ++e) {
      qkv[token * 3 * c.inner() + e] = -16;            // every query
      qkv[token * 3 * c.inner() + c.inner() + e] = 16; // every key
    }
  // Scores of -4096 are equal: each value's gradient is the mean of the upstream ones times the number of queries.
  std::vector<float> result = kernel->run({kF16.words(qkv), upstream}, {qkv.size()}, 1).front();
  for (int64_t token = 0; token < c.tokens; ++token)
    for (int64_t e = 0; e < c.width; ++e)
      ASSERT_NEAR(result[token * 3 * c.inner() + 2 * c.inner() + e], 1.0f, 1e-3f) << "token " << token;
  for (float value : result)
    ASSERT_TRUE(std::isfinite(value));
}

/// Sums are those of a result of f32, rounded once; queries' gradients, which are sums over tiles of keys, among them.
void expectRounded(const GradCase &c, decltype(&gpu::emitThreadAttentionGrad) emit) {
  SCOPED_TRACE(name(c));
  GradProblem p = makeGradProblem(c, /*images=*/2, [](float value) { return kBf16.round(value); });
  auto run = [&](bool shortResult, size_t words) {
    std::optional<DeviceKernel> kernel = compileDevice([&](mlir::ModuleOp module, llvm::StringRef symbol) {
      mlir::Type element = kBf16.type(module.getContext());
      return emit(module, module.getLoc(), shapeOf(c, element, shortResult ? element : mlir::Type()), symbol);
    });
    return kernel ? kernel->run({kBf16.words(p.qkv), p.upstream}, {words}, 2).front() : std::vector<float>();
  };
  std::vector<float> exact = run(false, p.expected.size()), rounded = kBf16.numbers(run(true, kBf16.wordsOf(p.expected.size())));
  ASSERT_EQ(rounded.size(), exact.size());
  for (size_t i = 0; i < exact.size(); ++i)
    ASSERT_EQ(rounded[i], kBf16.round(exact[i])) << "element " << i;
}

TEST(WarpAttentionGrad, RoundsItsResult) {
  for (const GradCase &c : {GradCase{5, 14, 2}, {64, 32}, {65, 48, 2}, {130, 64}})
    expectRounded(c, &gpu::emitWarpAttentionGrad);
}

TEST(ThreadAttentionGrad, RoundsItsResult) {
  for (const GradCase &c : {GradCase{5, 14, 2}, {70, 144}})
    expectRounded(c, &gpu::emitThreadAttentionGrad);
}

gpu::QueryGradShape queryShapeOf(const GradCase &c, mlir::Type element, mlir::Type result) {
  return {c.tokens, c.queries, c.heads, c.width, c.scale, element, result, result};
}

/// Of operands and gradients of bf16, or of f32.
void expectQueries(const GradCase &c, bool isShort) {
  SCOPED_TRACE(fmt::format("{}{}", name(c), isShort ? " of bf16" : ""));
  std::optional<DeviceKernel> kernel = compileDevice([&](mlir::ModuleOp module, llvm::StringRef symbol) {
    mlir::Type element = isShort ? kBf16.type(module.getContext()) : mlir::Float32Type::get(module.getContext());
    return gpu::emitQueryAttentionGrad(module, module.getLoc(), queryShapeOf(c, element, element), symbol);
  });
  ASSERT_TRUE(kernel);
  const int64_t images = c.tokens < 60 ? 2 : 1;
  GradProblem p = makeGradProblem(c, images, [&](float value) { return isShort ? kBf16.round(value) : value; });
  auto words = [&](const std::vector<float> &values) { return isShort ? kBf16.words(values) : values; };
  auto wordsOf = [&](size_t count) { return isShort ? kBf16.wordsOf(count) : count; };
  const std::vector<std::vector<float>> operands{words(p.qkv), p.upstream, words(p.query)};
  const std::vector<size_t> results{wordsOf(p.expected.size()), wordsOf(p.ofQuery.size())};
  const std::vector<std::vector<float>> stored = kernel->run(operands, results, images);
  auto expectNear = [&](std::vector<float> result, const std::vector<double> &expected) {
    if (isShort)
      result = kBf16.numbers(result);
    ASSERT_GE(result.size(), expected.size());
    for (size_t i = 0; i < expected.size(); ++i)
      ASSERT_NEAR(result[i], expected[i], 2e-5 + (isShort ? kBf16.rounding * std::abs(expected[i]) : 0.0)) << "element " << i;
  };
  expectNear(stored[0], p.expected);
  expectNear(stored[1], p.ofQuery);
  const std::vector<std::vector<float>> again = kernel->run(operands, results, images, /*seed=*/7);
  for (size_t i = 0; i < stored.size(); ++i)
    EXPECT_EQ(std::memcmp(stored[i].data(), again[i].data(), stored[i].size() * sizeof(float)), 0)
        << "the bits of result " << i << " depend on the threads' order";
}

TEST(QueryAttentionGrad, AgreesWithDoublePrecision) {
  for (const GradCase &c : {GradCase{1, 1, 2, 0.5, 1},
                            {5, 6, 3, 0.5, 2},
                            {50, 16, 2, 0.25, 3},
                            {197, 64, 2, 0.125, 1},
                            {257, 72, 1, 0.125, 2},
                            {577, 80, 1, 0.1, 1},
                            {65, 128, 2, 0.1, 12},
                            {33, 144, 1, 0.1, 2},
                            {9, 67, 1, 0.1, 1},
                            {4096, 8, 1, 0.3, 4}})
    expectQueries(c, /*isShort=*/false);
  for (const GradCase &c :
       {GradCase{1, 2, 1, 0.5, 1}, {5, 6, 3, 0.5, 2}, {197, 64, 2, 0.125, 1}, {577, 72, 1, 0.125, 2}, {50, 128, 1, 0.1, 3}})
    expectQueries(c, /*isShort=*/true);
}

/// Scores that would overflow exp, and such as leave one key alone with a weight.
TEST(QueryAttentionGrad, KeepsExtremeScores) {
  GradCase c{70, 16, 1, 1.0, 2};
  std::optional<DeviceKernel> kernel = compileDevice([&](mlir::ModuleOp module, llvm::StringRef symbol) {
    mlir::Type f32 = mlir::Float32Type::get(module.getContext());
    return gpu::emitQueryAttentionGrad(module, module.getLoc(), queryShapeOf(c, f32, f32), symbol);
  });
  ASSERT_TRUE(kernel);
  std::vector<float> keys(c.tokens * c.stride(), 0.0f), query(c.queries * c.inner(), 16.0f), upstream(query.size(), 1.0f);
  const int64_t chosen = 66;
  for (int64_t e = 0; e < c.width; ++e) {
    keys[chosen * c.stride() + e] = 16;
    query[c.inner() + e] = -16; // of the second query all weights but that key's are equal
  }
  std::vector<float> result = kernel->run({keys, upstream, query}, {keys.size(), query.size()}, 1).front();
  for (int64_t token = 0; token < c.tokens; ++token)
    ASSERT_NEAR(result[token * c.stride() + c.inner()], token == chosen ? 1.0f : 1.0f / (c.tokens - 1), 1e-6f) << "token " << token;
}

/// Registers of `emit`'s kernels of all widths, whose qkv has elements of `element`, as the gradient has; that is f32 if it is null.
void expectNoSpills(mlir::Type element, decltype(&gpu::emitThreadAttentionGrad) emit, mlir::Type result = {}) {
  mlir::OwningOpRef<mlir::ModuleOp> module = mlir::ModuleOp::create(mlir::UnknownLoc::get(element.getContext()));
  std::map<std::string, gpu::KernelInfo> infos;
  for (int64_t width : kWidths)
    for (int64_t tokens : {17, 197}) {
      std::string symbol = fmt::format("width_{}_tokens_{}", width, tokens);
      infos[symbol] = *emit(*module, module->getLoc(), shapeOf({tokens, width}, element, result), symbol);
    }
  std::map<std::string, Resources> kernels = assemble(*module);
  EXPECT_EQ(kernels.size(), 2 * std::size(kWidths));
  for (const auto &[symbol, resources] : kernels) {
    EXPECT_EQ(resources.spilledBytes, 0) << symbol;
    testing::Test::RecordProperty(symbol, fmt::format("{} registers, {} threads, {} bytes shared", resources.registers,
                                                      infos[symbol].threads, infos[symbol].sharedBytes));
  }
}

TEST(ThreadAttentionGrad, SpillsNoRegisters) {
  if (!hasPtxas())
    GTEST_SKIP() << "there is no ptxas";
  std::unique_ptr<mlir::MLIRContext> context = makeContext();
  expectNoSpills(mlir::Float32Type::get(context.get()), &gpu::emitThreadAttentionGrad);
}

TEST(QueryAttentionGrad, SpillsNoRegisters) {
  if (!hasPtxas())
    GTEST_SKIP() << "there is no ptxas";
  std::unique_ptr<mlir::MLIRContext> context = makeContext();
  for (mlir::Type element : {mlir::Type(mlir::Float32Type::get(context.get())), mlir::Type(mlir::BFloat16Type::get(context.get()))})
    expectNoSpills(element, [](mlir::ModuleOp module, mlir::Location loc, const gpu::AttentionGradShape &s, llvm::StringRef symbol) {
      const int64_t queries = s.tokens < 100 ? 12 : 2;
      gpu::QueryGradShape shape{s.tokens, queries, s.heads, s.width, s.scale, s.element, s.element, s.result};
      return mlir::FailureOr<gpu::KernelInfo>(gpu::emitQueryAttentionGrad(module, loc, shape, symbol));
    });
}

TEST(WarpAttentionGrad, SpillsNoRegisters) {
  if (!hasPtxas())
    GTEST_SKIP() << "there is no ptxas";
  std::unique_ptr<mlir::MLIRContext> context = makeContext();
  mlir::Type bf16 = mlir::BFloat16Type::get(context.get());
  expectNoSpills(bf16, &gpu::emitWarpAttentionGrad);
  expectNoSpills(bf16, &gpu::emitWarpAttentionGrad, bf16);
}

} // namespace
