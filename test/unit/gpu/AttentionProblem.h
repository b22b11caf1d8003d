//===- AttentionProblem.h - attention in double precision, and what a kernel takes -*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_TEST_UNIT_GPU_ATTENTIONPROBLEM_H
#define VITC_TEST_UNIT_GPU_ATTENTIONPROBLEM_H

#include "DeviceHarness.h"
#include "ShortNumbers.h"
#include "compiler/codegen/gpu/AttentionOperands.h"
#include "test/unit/codegen/Numbers.h"

#include "mlir/IR/MLIRContext.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>

namespace vitc::test {

/// Widths of a head that models have.
inline constexpr int64_t kWidths[] = {16, 32, 48, 64, 72, 80, 88, 96, 104, 112, 128};

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

inline std::string name(const Case &c) {
  return fmt::format("{} tokens, {} heads of {}, {} windows{}, {} queries from {}{}, height {}", c.tokens, c.heads, c.width, c.windows,
                     c.bias ? ", bias" : "", c.queries(), c.first, c.separate ? " apart" : "", c.height);
}

inline gpu::AttentionShape shapeOf(const Case &c, mlir::Type element, mlir::Type result) {
  return {c.windows, c.tokens, c.queries(), c.heads, c.width, c.first, c.separate, c.scale, element, result, c.bias, c.height, c.across()};
}

struct Problem {
  std::vector<float> keys, query, bias, rows, columns;
  std::vector<double> expected;
};

inline Problem makeProblem(const Case &c, int64_t images, const std::function<float(float)> &round = [](float x) { return x; }) {
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
inline std::vector<std::vector<float>> operandsOf(const Problem &p,
                                                  const std::function<std::vector<float>(const std::vector<float> &)> &words) {
  std::vector<std::vector<float>> operands{words(p.keys)};
  if (!p.query.empty())
    operands.push_back(words(p.query));
  for (const std::vector<float> &other : {p.bias, p.rows, p.columns})
    if (!other.empty())
      operands.push_back(other);
  return operands;
}

/// Attention of shorter operands than f32 as one of the emitters makes it.
struct ShortAttention {
  bool (*has)(const gpu::AttentionShape &);
  gpu::KernelInfo (*emit)(mlir::ModuleOp, mlir::Location, const gpu::AttentionShape &, llvm::StringRef symbol);
};

/// The result is of the operands' type too, or f32.
inline std::optional<DeviceKernel> compileShort(const ShortAttention &attention, const Case &c, const ShortNumber &number,
                                                bool shortResult) {
  return compileDevice([&](mlir::ModuleOp module, llvm::StringRef symbol) {
    mlir::Type element = number.type(module.getContext()), f32 = mlir::Float32Type::get(module.getContext());
    gpu::AttentionShape shape = shapeOf(c, element, shortResult ? element : f32);
    EXPECT_TRUE(attention.has(shape));
    return attention.emit(module, module.getLoc(), shape, symbol);
  });
}

/// A kernel's results beside doubles.
inline void expectShort(const ShortAttention &attention, const Case &c, const ShortNumber &number, bool shortResult) {
  SCOPED_TRACE(fmt::format("{} to {}: {}", number.name, shortResult ? number.name : "f32", name(c)));
  std::optional<DeviceKernel> kernel = compileShort(attention, c, number, shortResult);
  ASSERT_TRUE(kernel);
  const int64_t images = c.tokens < 100 ? 2 : 1;
  Problem p = makeProblem(c, images, [&](float value) { return number.round(value); });
  std::vector<float> result = kernel
                                  ->run(operandsOf(p, [&](const std::vector<float> &values) { return number.words(values); }),
                                        {shortResult ? number.wordsOf(p.expected.size()) : p.expected.size()}, images, /*seed=*/1)
                                  .front();
  if (shortResult)
    result = number.numbers(result);
  ASSERT_EQ(result.size(), p.expected.size());
  double worst = 0;
  for (size_t i = 0; i < result.size(); ++i) {
    double error = std::abs(result[i] - p.expected[i]),
           bound = number.ofAttention + (shortResult ? number.rounding * std::abs(p.expected[i]) : 0.0);
    ASSERT_TRUE(error <= bound) << "element " << i << " is " << result[i] << ", expected " << p.expected[i];
    worst = std::max(worst, error);
  }
  testing::Test::RecordProperty(parameterName(fmt::format("{}_{}", number.name, name(c))), fmt::format("{:.1e}", worst));
}

/// Keys that a bias takes out, a whole tile of them first; scores that would overflow exp; a NaN that must not get lost or spread.
inline void expectExtremes(const ShortAttention &attention, const Case &c) {
  SCOPED_TRACE(name(c));
  std::optional<DeviceKernel> kernel = compileShort(attention, c, kBf16, false);
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

} // namespace vitc::test

#endif // VITC_TEST_UNIT_GPU_ATTENTIONPROBLEM_H
