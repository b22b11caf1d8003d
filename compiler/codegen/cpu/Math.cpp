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

#include <limits>

using namespace mlir;

namespace vitc::cpu {

namespace {

/// Added to a float it rounds it to an integer, which is then in the low bits; no rounding instruction is needed.
constexpr double shifter = 12582912.0; // 1.5 * 2^23

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
  /// factor 2^f by a polynomial, for |f| <= 1/2 and a factor that is a power of two: relative error 9.4e-8, none at 0.
  Value rootOfTwo(Value f, double factor = 1) {
    SmallVector<double> series = {
        1.0, 0.69314700365066528, 0.24022246897220612, 0.0555071122944355, 0.009671296924352646, 0.0013269443297758698};
    for (double &coefficient : series)
      coefficient *= factor;
    return polynomial(f, series);
  }
  /// The integer n of n + shifter, moved to where a float has its exponent: the low nine bits of the shifter are zero.
  Value exponentOf(Value shifted) { return arith::ShLIOp::create(b, bits(shifted), constant(int32_t{23})); }
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

Value approximateExp2OfNegative(ImplicitLocOpBuilder &b, Value x) {
  Lanes f(b, x.getType());
  Value bounded = f.atLeast(x, -126.0);
  Value shifted = f.add(bounded, f.constant(shifter));
  Value root = f.rootOfTwo(f.add(bounded, f.sub(f.constant(shifter), shifted)));
  // A product, where the sum of the bits would do but for NaN.
  Value power = arith::AddIOp::create(b, f.exponentOf(shifted), f.constant(int32_t{0x3f800000}));
  return f.mul(root, arith::BitcastOp::create(b, f.floats, power));
}

/// Phi(-t) = erfc(t / sqrt(2)) / 2 for 0 <= t <= 8: 2^(t p(t)) / 2, p fitted with the weight t Phi(-t); error 1.2e-8 max(t, 1) / t.
static Value normalTail(Lanes &f, Value t) {
  Value p = f.polynomial(t, {-1.1511056423187256, -0.45920246839523315, -0.052519865334033966, 0.007107406388968229,
                             -0.00017862211097963154, -0.0001653643266763538, 3.41944360116031e-05, -2.330509005332715e-06});
  Value shifted = f.fma(p, t, shifter);
  Value root = f.rootOfTwo(f.fma(p, t, f.sub(f.constant(shifter), shifted)), 0.5);
  return arith::BitcastOp::create(f.b, f.floats, arith::AddIOp::create(f.b, f.bits(root), f.exponentOf(shifted)));
}

std::pair<Value, Value> approximateGeluWithDerivative(ImplicitLocOpBuilder &b, Value x) {
  Lanes f(b, x.getType());
  Value zero = f.constant(0.0), t = f.atMost(math::AbsFOp::create(b, x), 8.0), tail = normalTail(f, t), isNegative = f.less(x, zero);
  // max(x, 0) - |x| Phi(-|x|): no sign to restore, no second branch, and small results for negative x keep their leading digits.
  // Where t is bounded the second term is 1e-14.
  Value value = f.fma(arith::NegFOp::create(b, t), tail, f.select(isNegative, zero, x));
  // The derivative is Phi(-t) - t phi(t) for negative x and 1 less that for others. The density is the tail times a smooth function (the
  // inverse of Mills' ratio), so Phi(-t) (1 - t phi(t) / Phi(-t)) takes a polynomial q instead of another exponential: the minimax fit on
  // [0, 8] with the weight Phi(-t), error 1.1e-8.
  Value q =
      f.polynomial(t, {1.0, -0.7978857159614563, -0.6366015672683716, -0.10910332947969437, 0.01936645247042179, -0.00012198145122965798,
                       -0.0010685946326702833, 0.00032187759643420577, -4.49904146080371e-05, 2.5794943212531507e-06});
  Value below = f.mul(tail, q);
  return {value, f.select(isNegative, below, f.sub(f.constant(1.0), below))};
}

Value approximateGelu(ImplicitLocOpBuilder &b, Value x) { return approximateGeluWithDerivative(b, x).first; }

Value approximateGeluDerivative(ImplicitLocOpBuilder &b, Value x) { return approximateGeluWithDerivative(b, x).second; }

Value coarseGelu(ImplicitLocOpBuilder &b, Value x) {
  // Phi(x) - 1/2 as x q(x^2), q the minimax fit of x Phi(x) on [-4.2, 4.2] that makes Phi 0 and 1 at its ends; error 7.5e-5.
  Lanes f(b, x.getType());
  Value t = f.atMost(x, 4.2);
  t = f.select(f.less(f.constant(-4.2), t), t, f.constant(-4.2));
  Value q = f.polynomial(f.mul(t, t), {0.39846587347589296, -0.06552820241011567, 0.009298229456373422, -0.0009506575276383328,
                                       6.689069746721258e-05, -3.0379315899655382e-06, 7.941339127820653e-08, -9.017531285822167e-10});
  return f.mul(x, f.fma(t, q, f.constant(0.5)));
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

Value approximateLog(ImplicitLocOpBuilder &b, Value x) {
  Lanes f(b, x.getType());
  // x = m 2^n with m in [sqrt(1/2), sqrt(2)); a subnormal x is made normal first.
  Value isTiny = f.less(x, f.constant(1.17549435e-38));
  Value scaled = f.select(isTiny, f.mul(x, f.constant(8388608.0)), x);
  Value bits = f.bits(scaled);
  Value n = arith::ShRSIOp::create(b, arith::SubIOp::create(b, bits, f.constant(int32_t{0x3f3504f3})), f.constant(int32_t{23}));
  Value mantissa = arith::SubIOp::create(b, bits, arith::ShLIOp::create(b, n, f.constant(int32_t{23})));
  Value m = arith::BitcastOp::create(b, x.getType(), mantissa);
  Value exponent = arith::SIToFPOp::create(b, x.getType(), n);
  exponent = f.sub(exponent, f.select(isTiny, f.constant(23.0), f.constant(0.0)));
  // log(m) = 2 artanh(s), s = (m - 1) / (m + 1), |s| < 0.1716: the series' next term is 4e-11 of the sum.
  Value above = f.sub(m, f.constant(1.0));
  Value s = arith::DivFOp::create(b, above, f.add(m, f.constant(1.0)));
  Value square = f.mul(s, s);
  Value series = f.polynomial(square, {2.0 / 3, 2.0 / 5, 2.0 / 7, 2.0 / 9, 2.0 / 11});
  // 2 s = above - s above, exactly the part that carries the digits.
  Value tail = f.fma(f.mul(s, square), series, f.mul(exponent, f.constant(-2.12194440e-4)));
  Value head = f.sub(above, f.mul(s, above));
  Value value = f.fma(exponent, 0.693359375, f.add(head, tail));
  // 0, infinity, and what is no number or negative.
  auto infinity = std::numeric_limits<double>::infinity();
  value = f.select(arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, x, f.constant(0.0)), f.constant(-infinity), value);
  value = f.select(arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, x, f.constant(infinity)), x, value);
  Value isNumber = arith::CmpFOp::create(b, arith::CmpFPredicate::OGE, x, f.constant(0.0));
  return f.select(isNumber, value, f.constant(std::numeric_limits<double>::quiet_NaN()));
}

namespace {
/// The same shape with elements of another type.
Type withElements(Type type, Type element) {
  auto vector = dyn_cast<VectorType>(type);
  return vector ? Type(vector.clone(element)) : element;
}
} // namespace

Value approximateSine(ImplicitLocOpBuilder &b, Value x, bool cosine) {
  // In double precision, where a quarter turn in two parts and Taylor's polynomials are exact enough for f32 without any care. Tables of
  // positions are made once, when weights are bound.
  Type doubles = withElements(x.getType(), b.getF64Type()), integers = withElements(x.getType(), b.getI64Type());
  auto scalar = [&](Type type, TypedAttr value) -> Value {
    auto vector = dyn_cast<VectorType>(type);
    return arith::ConstantOp::create(b, vector ? TypedAttr(DenseElementsAttr::get(vector, Attribute(value))) : value);
  };
  auto number = [&](double value) { return scalar(doubles, b.getF64FloatAttr(value)); };
  auto integer = [&](int64_t value) { return scalar(integers, b.getI64IntegerAttr(value)); };
  auto add = [&](Value p, Value q) -> Value { return arith::AddFOp::create(b, p, q); };
  auto mul = [&](Value p, Value q) -> Value { return arith::MulFOp::create(b, p, q); };
  auto polynomial = [&](Value at, ArrayRef<double> coefficients) {
    Value value = number(coefficients.back());
    for (double coefficient : llvm::reverse(coefficients.drop_back()))
      value = add(mul(value, at), number(coefficient));
    return value;
  };

  Value wide = arith::ExtFOp::create(b, doubles, x);
  // Adding 1.5 * 2^52 rounds to an integer; no rounding instruction is needed.
  Value shifter = number(6755399441055744.0);
  Value turns = arith::SubFOp::create(b, add(mul(wide, number(0.63661977236758134308)), shifter), shifter);
  // pi/2 in two parts, the first of 33 bits: its multiples below 2^20 turns are exact (fdlibm, e_rem_pio2.c).
  Value r = add(add(wide, mul(turns, number(-1.57079632673412561417))), mul(turns, number(-6.07710050650619224932e-11)));
  Value square = mul(r, r);
  Value sine = mul(r, polynomial(square, {1.0, -1.0 / 6, 1.0 / 120, -1.0 / 5040, 1.0 / 362880, -1.0 / 39916800, 1.0 / 6227020800}));
  Value cosineOfR = polynomial(square, {1.0, -0.5, 1.0 / 24, -1.0 / 720, 1.0 / 40320, -1.0 / 3628800, 1.0 / 479001600, -1.0 / 87178291200});
  Value quarter = arith::FPToSIOp::create(b, integers, turns);
  if (cosine)
    quarter = arith::AddIOp::create(b, quarter, integer(1));
  auto has = [&](int64_t bit) -> Value {
    return arith::CmpIOp::create(b, arith::CmpIPredicate::ne, arith::AndIOp::create(b, quarter, integer(bit)), integer(0));
  };
  Value value = arith::SelectOp::create(b, has(1), cosineOfR, sine);
  value = arith::SelectOp::create(b, has(2), arith::NegFOp::create(b, value), value);
  return arith::TruncFOp::create(b, x.getType(), value);
}

} // namespace vitc::cpu
