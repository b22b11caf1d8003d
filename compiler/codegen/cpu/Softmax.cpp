//===- Softmax.cpp - softmax of a few rows of scores side by side ----------------- -*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/codegen/cpu/Softmax.h"
#include "compiler/codegen/cpu/Math.h"
#include "compiler/codegen/cpu/Quantization.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

#include <limits>
#include <numbers>

using namespace mlir;

namespace vitc::cpu {

SmallVector<Value> overTokens(ImplicitLocOpBuilder &b, const TokenPass &pass, function_ref<Value(Value, int64_t, Value, int64_t)> step) {
  int64_t tokens = pass.tokens, lanes = pass.lanes;
  SmallVector<Value> carried(pass.rows, pass.initial);
  auto all = [&](ValueRange values, Value first, int64_t count) {
    SmallVector<Value> next;
    for (auto [r, value] : llvm::enumerate(values))
      next.push_back(step(value, r, first, count));
    return next;
  };
  if (tokens >= lanes)
    carried = forLoop(b, indexConstant(b, 0), indexConstant(b, tokens / lanes * lanes), lanes, carried,
                      [&](Value first, ValueRange values) { return all(values, first, lanes); });
  if (tokens % lanes != 0)
    carried = all(carried, indexConstant(b, tokens / lanes * lanes), tokens % lanes);
  return carried;
}

/// Each lane the maximum of all.
static Value maximumOfLanes(ImplicitLocOpBuilder &b, Value x, int64_t lanes) {
  for (int64_t half = lanes / 2; half >= 1; half /= 2) {
    SmallVector<int64_t> swapped;
    for (int64_t i = 0; i < lanes; ++i)
      swapped.push_back(i ^ half);
    x = greater(b, x, vector::ShuffleOp::create(b, x, x, swapped));
  }
  return x;
}

SmallVector<Value> emitSoftmax(ImplicitLocOpBuilder &b, const SoftmaxRows &softmax) {
  int64_t lanes = softmax.lanes;
  double infinity = std::numeric_limits<double>::infinity();
  auto at = [&](int64_t r, Value t) { return SmallVector<Value>{indexConstant(b, r), t}; };
  auto firstLanesOr = [&](Value vector, int64_t count, double other) -> Value {
    return count == lanes ? vector : Value(arith::SelectOp::create(b, firstLanes(b, lanes, count), vector, splat(b, other, lanes)));
  };

  auto gatherMaximum = [&](Value maximumSoFar, int64_t r, Value t, int64_t count) {
    Value s = loadVector(b, softmax.scores, at(r, t), lanes);
    if (softmax.bias) {
      Value added = softmax.bias(r, t, count);
      s = softmax.scale != 1 ? fma(b, s, splat(b, softmax.scale, lanes), added) : addf(b, s, added);
      storeVector(b, s, softmax.scores, at(r, t));
    }
    return greater(b, firstLanesOr(s, count, -infinity), maximumSoFar);
  };
  SmallVector<Value> maxima = overTokens(b, {softmax.rows, softmax.tokens, lanes, splat(b, -infinity, lanes)}, gatherMaximum);
  for (Value &value : maxima)
    value = maximumOfLanes(b, value, lanes);

  // exp(s - m) as 2^(log2(e) s - log2(e) m): the rounding of the second product is common to the row and leaves with its sum.
  double factor = std::numbers::log2e * (softmax.bias ? 1 : softmax.scale);
  Value log2e = splat(b, factor, lanes);
  SmallVector<Value> shifts = llvm::map_to_vector(maxima, [&](Value m) { return mulf(b, m, splat(b, -factor, lanes)); });
  SmallVector<Value> sums =
      overTokens(b, {softmax.rows, softmax.tokens, lanes, splat(b, 0, lanes)}, [&](Value sum, int64_t r, Value t, int64_t count) {
        Value e = approximateExp2OfNegative(b, fma(b, loadVector(b, softmax.scores, at(r, t), lanes), log2e, shifts[r]));
        e = firstLanesOr(e, count, 0);
        Value row = softmax.firstWeights ? add(b, softmax.firstWeights, r) : indexConstant(b, r);
        storeVector(b, e, softmax.weights, {row, t});
        if (softmax.unrounded.rows)
          storeVector(b, e, softmax.unrounded.rows, {add(b, softmax.unrounded.first, r), t});
        return addf(b, sum, e);
      });
  return llvm::map_to_vector(sums, [&](Value sum) {
    return divf(b, floatConstant(b, 1), vector::ReductionOp::create(b, vector::CombiningKind::ADD, sum, arith::FastMathFlags::reassoc));
  });
}

} // namespace vitc::cpu
