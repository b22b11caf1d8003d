//===- Math.cpp - transcendental functions as polynomials ---------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Polynomials are minimax fits with coefficients rounded to f32 (Sollya's fpminimax; for erf's tail Lawson's iteration with the weight
// erfc / erf).
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/codegen/cpu/Math.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;

namespace vitc::cpu {

namespace {

/// Operations on values of one type: f32 or a vector of it.
struct Lanes {
  Lanes(ImplicitLocOpBuilder &b, Type type) : b(b), floats(type), integers(b.getI32Type()) {
    if (auto vector = dyn_cast<VectorType>(type))
      integers = vector.clone(b.getI32Type());
  }

  Value constant(double value) { return constant(floats, b.getF32FloatAttr(static_cast<float>(value))); }
  Value constant(int32_t value) { return constant(integers, b.getI32IntegerAttr(value)); }
  Value fma(Value x, Value y, Value z) { return math::FmaOp::create(b, x, y, z); }
  Value fma(Value x, double y, Value z) { return fma(x, constant(y), z); }
  Value fma(Value x, Value y, double z) { return fma(x, y, constant(z)); }
  Value add(Value x, Value y) { return arith::AddFOp::create(b, x, y); }
  Value sub(Value x, Value y) { return arith::SubFOp::create(b, x, y); }
  Value mul(Value x, Value y) { return arith::MulFOp::create(b, x, y); }
  Value less(Value x, Value y) { return arith::CmpFOp::create(b, arith::CmpFPredicate::OLT, x, y); }
  Value select(Value condition, Value x, Value y) { return arith::SelectOp::create(b, condition, x, y); }
  /// The bound where x lies beyond it; NaN stays. One instruction each.
  Value atMost(Value x, double bound) { return select(less(constant(bound), x), constant(bound), x); }
  Value atLeast(Value x, double bound) { return select(less(x, constant(bound)), constant(bound), x); }
  /// coefficients[0] + x coefficients[1] + ... by Horner's rule.
  Value polynomial(Value x, ArrayRef<double> coefficients) {
    Value value = constant(coefficients.back());
    for (double coefficient : llvm::reverse(coefficients.drop_back()))
      value = fma(value, x, coefficient);
    return value;
  }
  Value bits(Value x) { return arith::BitcastOp::create(b, integers, x); }
  /// 2^exponent, for -127 < exponent < 128.
  Value powerOfTwo(Value exponent) {
    Value biased = arith::AddIOp::create(b, exponent, constant(int32_t{127}));
    return arith::BitcastOp::create(b, floats, arith::ShLIOp::create(b, biased, constant(int32_t{23})));
  }

  /// exp(r) 2^n = exp(x) with |r| <= ln(2)/2.
  struct Reduced {
    Value power, n;
  };
  Reduced exponential(Value x) {
    // Adding 1.5 * 2^23 rounds to an integer, which is then in the low bits; no rounding instruction is needed.
    constexpr double shifter = 12582912.0;
    Value shifted = fma(x, constant(1.44269504088896341), shifter);
    Value n = sub(shifted, constant(shifter));
    // ln(2) in two parts (Cody and Waite 1980): n times the first, of 9 bits, is exact.
    Value r = fma(n, -0.693359375, x);
    r = fma(n, 2.12194440e-4, r);
    // Error 3.4e-9 on [-0.3475, 0.3475].
    Value tail = polynomial(r, {0.49999999, 0.1666651964, 0.04166895524, 0.008368851617, 0.001378358575});
    Value power = add(fma(mul(r, r), tail, r), constant(1.0));
    return {power, arith::SubIOp::create(b, bits(shifted), constant(int32_t{0x4b400000}))};
  }
  /// exp(x) for -80 < x < 80 and NaN.
  Value moderateExp(Value x) {
    Reduced reduced = exponential(x);
    return mul(reduced.power, powerOfTwo(reduced.n));
  }

  ImplicitLocOpBuilder &b;
  Type floats, integers;

private:
  Value constant(Type type, TypedAttr scalar) {
    auto vector = dyn_cast<VectorType>(type);
    return arith::ConstantOp::create(b, vector ? TypedAttr(DenseElementsAttr::get(vector, Attribute(scalar))) : scalar);
  }
};

} // namespace

Value approximateExp(ImplicitLocOpBuilder &b, Value x) {
  Lanes f(b, x.getType());
  // Beyond the bounds the result is infinity or zero all the same, and n stays in range.
  Lanes::Reduced reduced = f.exponential(f.atLeast(f.atMost(x, 89.0), -104.0));
  // In two steps, for 2^128 and 2^-149 are no factors; only the second can round.
  Value half = arith::ShRSIOp::create(b, reduced.n, f.constant(int32_t{1}));
  Value rest = arith::SubIOp::create(b, reduced.n, half);
  return f.mul(f.mul(reduced.power, f.powerOfTwo(half)), f.powerOfTwo(rest));
}

Value approximateErf(ImplicitLocOpBuilder &b, Value x) {
  Lanes f(b, x.getType());
  Value magnitude = math::AbsFOp::create(b, x);

  // |x| < 0.93: erf(x) / x - 1 in x^2, error 1.8e-8.
  Value small =
      f.polynomial(f.mul(x, x), {0.12837910652, -0.37612488866, 0.11281730980, -0.026762966067, 0.0049873529933, -5.959589616e-4});
  small = f.fma(small, x, x);

  // Else 1 - exp(log(erfc(|x|))), the logarithm as -t + t p(t); error 4.1e-9. From 3.95 on the result rounds to 1.
  Value t = f.atMost(magnitude, 3.95);
  Value p = f.polynomial(t, {-0.128514274955, -0.635718643665, -0.105261363089, 0.0228896383196, -0.00321484776214, 0.00021397107048});
  Value exponent = f.fma(p, t, Value(arith::NegFOp::create(b, t)));
  Value large = math::CopySignOp::create(b, f.sub(f.constant(1.0), f.moderateExp(exponent)), x);
  return f.select(f.less(f.constant(0.93), magnitude), large, small);
}

Value approximateTanh(ImplicitLocOpBuilder &b, Value x) {
  Lanes f(b, x.getType());
  Value magnitude = math::AbsFOp::create(b, x);

  // |x| < 0.6: tanh(x) / x - 1 in x^2, error 2.9e-9.
  Value square = f.mul(x, x);
  Value small = f.polynomial(square, {-0.33333298564, 0.1333193630, -0.05378471687, 0.02079862542, -0.005897966679});
  small = f.fma(f.mul(small, square), x, x);

  // Else 1 - 2 / (exp(2 |x|) + 1). From 9.1 on it rounds to 1.
  Value t = f.atMost(magnitude, 9.1);
  Value power = f.moderateExp(f.add(t, t));
  Value quotient = arith::DivFOp::create(b, f.constant(2.0), f.add(power, f.constant(1.0)));
  Value large = f.sub(f.constant(1.0), quotient);
  // The sign comes last, for the sum above loses that of zero.
  return math::CopySignOp::create(b, f.select(f.less(f.constant(0.6), magnitude), large, small), x);
}

} // namespace vitc::cpu
