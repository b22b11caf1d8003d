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

struct GradCase {
  int64_t tokens, width, heads = 1;
  double scale = 0.125;

  int64_t inner() const { return heads * width; }
};

std::string name(const GradCase &c) { return fmt::format("{} tokens, {} heads of {}", c.tokens, c.heads, c.width); }

gpu::AttentionGradShape shapeOf(const GradCase &c, mlir::Type element) { return {c.tokens, c.heads, c.width, c.scale, element}; }

struct GradProblem {
  std::vector<float> qkv, upstream;
  std::vector<double> expected;
};

/// dV = P' dO, dS = P (dO V' - rowsum(P dO V')), dQ = s dS K, dK = s dS' Q (Dao et al. 2022, appendix B.2).
GradProblem makeGradProblem(const GradCase &c, int64_t images, const std::function<float(float)> &round = [](float x) { return x; }) {
  GradProblem p;
  const int64_t stride = 3 * c.inner();
  p.qkv = randomFloats(static_cast<size_t>(images * c.tokens * stride), 1);
  std::ranges::transform(p.qkv, p.qkv.begin(), round);
  p.upstream = randomFloats(static_cast<size_t>(images * c.tokens * c.inner()), 2);
  p.expected.assign(p.qkv.size(), 0);
  std::vector<double> weights(c.tokens), gradients(c.tokens);
  for (int64_t image = 0; image < images; ++image)
    for (int64_t head = 0; head < c.heads; ++head) {
      const float *q = &p.qkv[image * c.tokens * stride + head * c.width], *k = q + c.inner(), *v = k + c.inner();
      const float *upstream = &p.upstream[image * c.tokens * c.inner() + head * c.width];
      double *dq = &p.expected[image * c.tokens * stride + head * c.width], *dk = dq + c.inner(), *dv = dk + c.inner();
      for (int64_t i = 0; i < c.tokens; ++i) {
        double most = -INFINITY, sum = 0, product = 0;
        for (int64_t t = 0; t < c.tokens; ++t) {
          double score = 0;
          for (int64_t e = 0; e < c.width; ++e)
            score += double(q[i * stride + e]) * k[t * stride + e];
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
            dq[i * stride + e] += score * k[t * stride + e];
            dk[t * stride + e] += score * q[i * stride + e];
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

/// Registers of `emit`'s kernels of all widths, whose qkv has elements of `element`.
void expectNoSpills(mlir::Type element, decltype(&gpu::emitThreadAttentionGrad) emit) {
  mlir::OwningOpRef<mlir::ModuleOp> module = mlir::ModuleOp::create(mlir::UnknownLoc::get(element.getContext()));
  std::map<std::string, gpu::KernelInfo> infos;
  for (int64_t width : kWidths)
    for (int64_t tokens : {17, 197}) {
      std::string symbol = fmt::format("width_{}_tokens_{}", width, tokens);
      infos[symbol] = *emit(*module, module->getLoc(), shapeOf({tokens, width}, element), symbol);
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

TEST(WarpAttentionGrad, SpillsNoRegisters) {
  if (!hasPtxas())
    GTEST_SKIP() << "there is no ptxas";
  std::unique_ptr<mlir::MLIRContext> context = makeContext();
  expectNoSpills(mlir::BFloat16Type::get(context.get()), &gpu::emitWarpAttentionGrad);
}

} // namespace
