//===- Activation.cpp - point-wise functions on vectors -----------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/codegen/cpu/Activation.h"
#include "compiler/codegen/cpu/Math.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

#include <numbers>

using namespace mlir;

namespace vitc::cpu {

Value activate(ImplicitLocOpBuilder &b, vit::Activation activation, Value x, bool coarse) {
  auto vectorType = dyn_cast<VectorType>(x.getType());
  auto constant = [&](double value) { return splat(b, value, vectorType ? vectorType.getDimSize(0) : 0); };
  // x / (1 + exp(-scale x)); exp's overflow makes the quotient the right zero.
  auto sigmoid = [&](Value numerator, double scale) {
    return divf(b, numerator, addf(b, constant(1), math::ExpOp::create(b, mulf(b, x, constant(-scale)))));
  };
  switch (activation) {
  case vit::Activation::None:
    return x;
  case vit::Activation::Relu: // 0 where x < 0, so that a NaN passes
    return arith::SelectOp::create(b, arith::CmpFOp::create(b, arith::CmpFPredicate::OLT, x, constant(0)), constant(0), x);
  case vit::Activation::GeluErf:
    return coarse ? coarseGelu(b, x) : approximateGelu(b, x);
  case vit::Activation::GeluTanh: { // x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))
    Value half = mulf(b, x, constant(0.5));
    double scale = std::numbers::sqrt2 * std::numbers::inv_sqrtpi;
    Value factor = fma(b, mulf(b, x, x), constant(0.044715 * scale), constant(scale));
    return fma(b, half, math::TanhOp::create(b, mulf(b, x, factor)), half);
  }
  case vit::Activation::QuickGelu:
    return sigmoid(x, 1.702);
  case vit::Activation::Silu:
    return sigmoid(x, 1);
  case vit::Activation::Tanh:
    return math::TanhOp::create(b, x);
  case vit::Activation::Sigmoid:
    return sigmoid(constant(1), 1);
  }
  llvm_unreachable("every activation is listed");
}

Value activationDerivative(ImplicitLocOpBuilder &b, vit::Activation activation, Value x) {
  auto vectorType = dyn_cast<VectorType>(x.getType());
  auto constant = [&](double value) { return splat(b, value, vectorType ? vectorType.getDimSize(0) : 0); };
  auto isLess = [&](Value p, Value q) -> Value { return arith::CmpFOp::create(b, arith::CmpFPredicate::OLT, p, q); };
  auto select = [&](Value condition, Value p, Value q) -> Value { return arith::SelectOp::create(b, condition, p, q); };
  /// s = 1 / (1 + exp(-u)) and its derivative s (1 - s), both from exp(-|u|): neither overflows, nor does a difference lose digits.
  struct Sigmoid {
    Value value, derivative;
  };
  auto sigmoid = [&](Value u) -> Sigmoid {
    Value power = math::ExpOp::create(b, arith::NegFOp::create(b, math::AbsFOp::create(b, u)));
    Value inverse = divf(b, constant(1), addf(b, constant(1), power)), other = mulf(b, power, inverse);
    return {select(isLess(u, constant(0)), other, inverse), mulf(b, inverse, other)};
  };
  // Beyond the bound the derivative is 0 or 1 in f32, and no product overflows.
  auto bounded = [&](double bound) {
    Value above = select(isLess(constant(bound), x), constant(bound), x);
    return select(isLess(above, constant(-bound)), constant(-bound), above);
  };
  // (u s(scale u))' = s + scale u s'
  auto swish = [&](Value u, double scale) {
    Sigmoid s = sigmoid(mulf(b, u, constant(scale)));
    return fma(b, mulf(b, u, constant(scale)), s.derivative, s.value);
  };
  switch (activation) {
  case vit::Activation::None:
    return constant(1);
  case vit::Activation::Relu: // 1 for a NaN, so that the upstream passes
    return select(arith::CmpFOp::create(b, arith::CmpFPredicate::OLE, x, constant(0)), constant(0), constant(1));
  case vit::Activation::GeluErf:
    return approximateGeluDerivative(b, x);
  case vit::Activation::GeluTanh: { // x s(2u) with u = sqrt(2/pi) (x + 0.044715 x^3), whose derivative is sqrt(2/pi) (1 + 3 0.044715 x^2)
    Value t = bounded(10), square = mulf(b, t, t);
    double scale = 2 * std::numbers::sqrt2 * std::numbers::inv_sqrtpi;
    Sigmoid s = sigmoid(mulf(b, t, fma(b, square, constant(0.044715 * scale), constant(scale))));
    Value slope = fma(b, square, constant(3 * 0.044715 * scale), constant(scale));
    return fma(b, mulf(b, t, slope), s.derivative, s.value);
  }
  case vit::Activation::QuickGelu:
    return swish(bounded(60), 1.702);
  case vit::Activation::Silu:
    return swish(bounded(100), 1);
  case vit::Activation::Tanh: // 4 s'(2x)
    return mulf(b, constant(4), sigmoid(addf(b, x, x)).derivative);
  case vit::Activation::Sigmoid:
    return sigmoid(x).derivative;
  }
  llvm_unreachable("every activation is listed");
}

std::pair<Value, Value> activateWithDerivative(ImplicitLocOpBuilder &b, vit::Activation activation, Value x) {
  if (activation == vit::Activation::GeluErf)
    return approximateGeluWithDerivative(b, x);
  return {activate(b, activation, x), activationDerivative(b, activation, x)};
}

} // namespace vitc::cpu
