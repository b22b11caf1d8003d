//===- RowEmitter.cpp - loops over a row of numbers ------------------------------- -*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/codegen/cpu/RowEmitter.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;

namespace vitc::cpu {

Value RowEmitter::reduce(double initial, Accumulate accumulate, Combine combine, vector::CombiningKind kind) {
  SmallVector<Value> sums(unroll, splat(b, initial, lanes));
  int64_t vectors = width / lanes, blocks = vectors / unroll;
  if (blocks > 0)
    sums = forLoop(b, indexConstant(b, 0), indexConstant(b, blocks * unroll * lanes), unroll * lanes, sums,
                   [&](Value column, ValueRange carried) {
                     SmallVector<Value> next;
                     for (auto [i, value] : llvm::enumerate(carried))
                       next.push_back(accumulate(value, add(b, column, i * lanes), lanes));
                     return next;
                   });
  for (int64_t column = blocks * unroll * lanes, i = 0; column < width; column += lanes, ++i)
    sums[i % unroll] = accumulate(sums[i % unroll], indexConstant(b, column), std::min(lanes, width - column));
  Value total = combine(combine(sums[0], sums[1]), combine(sums[2], sums[3]));
  return vector::ReductionOp::create(b, kind, total, arith::FastMathFlags::reassoc);
}

Value RowEmitter::sum(Accumulate accumulate) {
  return reduce(0, accumulate, [&](Value x, Value y) { return addf(b, x, y); }, vector::CombiningKind::ADD);
}

void RowEmitter::forEach(function_ref<void(Value column, int64_t count)> body) {
  int64_t full = width / lanes * lanes;
  if (full > 0)
    forLoop(b, indexConstant(b, 0), indexConstant(b, full), lanes, [&](Value column) { body(column, lanes); });
  if (full < width)
    body(indexConstant(b, full), width - full);
}

Value RowEmitter::keep(Value vector, int64_t count, double other) {
  return count == lanes ? vector : Value(arith::SelectOp::create(b, firstLanes(b, lanes, count), vector, splat(b, other, lanes)));
}

/// `maxps` and `minps`: one instruction each without promising that there are no NaNs. With a NaN they return the second.
static Value greater(ImplicitLocOpBuilder &b, Value x, Value y) {
  return arith::SelectOp::create(b, arith::CmpFOp::create(b, arith::CmpFPredicate::OGT, x, y), x, y);
}
static Value smaller(ImplicitLocOpBuilder &b, Value x, Value y) {
  return arith::SelectOp::create(b, arith::CmpFOp::create(b, arith::CmpFPredicate::OLT, x, y), x, y);
}

void emitQuantizedRow(ImplicitLocOpBuilder &b, RowEmitter &row, int64_t lanes, Value r, const QuantizedRows &into,
                      function_ref<Value(Value column, int64_t count)> valueAt) {
  // From zero on, so that zero is among the numbers and lanes that are not there (zero too) change nothing.
  Value greatest = row.reduce(
      0, [&](Value so_far, Value column, int64_t count) { return greater(b, valueAt(column, count), so_far); },
      [&](Value x, Value y) { return greater(b, x, y); }, vector::CombiningKind::MAXNUMF);
  Value least = row.reduce(
      0, [&](Value so_far, Value column, int64_t count) { return smaller(b, valueAt(column, count), so_far); },
      [&](Value x, Value y) { return smaller(b, x, y); }, vector::CombiningKind::MINNUMF);
  // Not-a-numbers are skipped above. x * 0 is one for each of them and for infinities, and makes the row's scale and so its results not-a-number.
  Value poison =
      row.sum([&](Value total, Value column, int64_t count) { return fma(b, valueAt(column, count), splat(b, 0, lanes), total); });
  Value range = subf(b, greatest, least), zero = floatConstant(b, 0), one = floatConstant(b, 1);
  Value isZero = arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, range, zero);
  Value scale = arith::SelectOp::create(b, isZero, one, divf(b, range, floatConstant(b, 255)));
  Value inverse = divf(b, one, scale);
  // 1.5 * 2^23 + x for 0 <= x < 2^22 has round(x) in its low bits: the addition rounds, and needs no conversion.
  Value magic = floatConstant(b, 12582912);
  Value zeroPoint = subf(b, addf(b, mulf(b, subf(b, zero, least), inverse), magic), magic);
  store(b, addf(b, scale, poison), into.scales, {r, indexConstant(b, 0)});
  store(b, zeroPoint, into.scales, {r, indexConstant(b, 1)});

  Value inverses = broadcast(b, inverse, lanes), offsets = broadcast(b, zeroPoint, lanes), magics = broadcast(b, magic, lanes);
  auto words = VectorType::get({lanes}, b.getI32Type());
  auto bytes = VectorType::get({lanes}, b.getI8Type());
  row.forEach([&](Value column, int64_t count) {
    Value x = fma(b, valueAt(column, count), inverses, offsets);
    x = smaller(b, greater(b, x, splat(b, 0, lanes)), splat(b, 255, lanes));
    Value bits = arith::BitcastOp::create(b, words, addf(b, x, magics));
    storeVector(b, arith::TruncIOp::create(b, bytes, bits), into.bytes, {r, column}, count);
  });
}

} // namespace vitc::cpu
