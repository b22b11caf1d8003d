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

} // namespace vitc::cpu
