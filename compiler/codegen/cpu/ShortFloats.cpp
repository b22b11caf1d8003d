//===- ShortFloats.cpp - f16 and tf32 by arithmetic of integers ---------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// f32 has 8 bits of exponent, biased by 127, and 23 of significand; f16 has 5, biased by 15, and 10; tf32 8 and 10.
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/codegen/cpu/ShortFloats.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;

namespace vitc::cpu {

namespace {

constexpr int32_t kInfinity = 0x7f800000, kRebias = (127 - 15) << 23;

/// Arithmetic of the bits of numbers, all of one shape.
class Bits {
public:
  Bits(ImplicitLocOpBuilder &b, Type like) : b(b), shape(dyn_cast<VectorType>(like)) {}

  Type of(Type element) const { return shape ? Type(VectorType::get(shape.getShape(), element)) : element; }
  Type i32() const { return of(b.getI32Type()); }
  Value constant(int32_t value) const {
    Attribute number = b.getI32IntegerAttr(value);
    return arith::ConstantOp::create(b, cast<TypedAttr>(shape ? DenseElementsAttr::get(cast<ShapedType>(i32()), number) : number));
  }
  Value asBits(Value value) const { return arith::BitcastOp::create(b, i32(), value); }
  Value asFloat(Value bits) const { return arith::BitcastOp::create(b, of(b.getF32Type()), bits); }
  Value add(Value lhs, Value rhs) const { return arith::AddIOp::create(b, lhs, rhs); }
  Value add(Value lhs, int32_t rhs) const { return add(lhs, constant(rhs)); }
  Value only(Value lhs, int32_t mask) const { return arith::AndIOp::create(b, lhs, constant(mask)); }
  Value right(Value lhs, int32_t by) const { return arith::ShRUIOp::create(b, lhs, constant(by)); }
  Value left(Value lhs, int32_t by) const { return arith::ShLIOp::create(b, lhs, constant(by)); }
  Value either(Value lhs, Value rhs) const { return arith::OrIOp::create(b, lhs, rhs); }
  Value below(Value lhs, int32_t limit) const { return arith::CmpIOp::create(b, arith::CmpIPredicate::slt, lhs, constant(limit)); }
  Value select(Value condition, Value then, Value otherwise) const { return arith::SelectOp::create(b, condition, then, otherwise); }

private:
  ImplicitLocOpBuilder &b;
  VectorType shape;
};

} // namespace

Value f16BitsOf(ImplicitLocOpBuilder &b, Value value) {
  Bits bits(b, value.getType());
  Value all = bits.asBits(value), magnitude = bits.only(all, 0x7fffffff);
  // Half of the last bit that stays, less one unless that bit is set: the middle goes to the even one. A carry makes the next power of two, or infinity.
  Value odd = bits.only(bits.right(magnitude, 13), 1);
  Value normal = bits.right(bits.add(bits.add(magnitude, 0xfff - kRebias), odd), 13);
  // The f32 sum of a subnormal and 1/2 has units of 2^-24, as f16 has below 2^-14.
  constexpr int32_t half = 126 << 23;
  Value sum = arith::AddFOp::create(b, bits.asFloat(magnitude), bits.asFloat(bits.constant(half)));
  Value subnormal = bits.add(bits.asBits(sum), -half);
  Value infinite = bits.select(bits.below(magnitude, kInfinity + 1), bits.constant(0x7c00), bits.constant(0x7e00));
  constexpr int32_t leastNormal = (127 - 14) << 23, beyond = (127 + 16) << 23;
  Value rounded = bits.select(bits.below(magnitude, leastNormal), subnormal, bits.select(bits.below(magnitude, beyond), normal, infinite));
  Value sign = bits.only(bits.right(all, 16), 0x8000);
  return arith::TruncIOp::create(b, bits.of(b.getI16Type()), bits.either(rounded, sign));
}

Value fromF16Bits(ImplicitLocOpBuilder &b, Value value) {
  Bits bits(b, value.getType());
  Value all = arith::ExtUIOp::create(b, bits.i32(), value), magnitude = bits.only(all, 0x7fff);
  Value sign = bits.left(bits.only(all, 0x8000), 16);
  Value normal = bits.add(bits.left(magnitude, 13), kRebias);
  // Infinity and NaN: the largest exponent becomes the largest exponent.
  Value special = bits.add(normal, kRebias);
  // Subnormal: a count of 2^-24, exact in f32.
  constexpr int32_t unit = (127 - 24) << 23;
  Value count = arith::SIToFPOp::create(b, bits.of(b.getF32Type()), magnitude);
  Value subnormal = bits.asBits(arith::MulFOp::create(b, count, bits.asFloat(bits.constant(unit))));
  Value widened = bits.select(bits.below(magnitude, 0x0400), subnormal, bits.select(bits.below(magnitude, 0x7c00), normal, special));
  return bits.asFloat(bits.either(widened, sign));
}

Value roundToTf32(ImplicitLocOpBuilder &b, Value value) {
  Bits bits(b, value.getType());
  Value all = bits.asBits(value), rounded = bits.only(bits.add(all, 0x1000), ~0x1fff);
  return bits.asFloat(bits.select(bits.below(bits.only(all, 0x7fffffff), kInfinity), rounded, all));
}

} // namespace vitc::cpu
