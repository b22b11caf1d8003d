//===- RowEmitter.cpp - loops over a row of numbers ------------------------------- -*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/codegen/cpu/RowEmitter.h"
#include "compiler/codegen/cpu/Quantization.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

#include <limits>

using namespace mlir;

namespace vitc::cpu {

SmallVector<SmallVector<Value>> RowEmitter::walk(ArrayRef<Value> initial, Step step) {
  int64_t vectors = width / lanes, blocks = vectors / unroll, each = initial.size();
  SmallVector<Value> carried;
  for (int64_t chain = 0; chain < unroll; ++chain)
    llvm::append_range(carried, initial);
  if (blocks > 0)
    carried = forLoop(b, indexConstant(b, 0), indexConstant(b, blocks * unroll * lanes), unroll * lanes, carried,
                      [&](Value column, ValueRange sums) {
                        SmallVector<Value> next;
                        for (int64_t chain = 0; chain < unroll; ++chain)
                          llvm::append_range(next, step(sums.slice(chain * each, each), add(b, column, chain * lanes), lanes));
                        return next;
                      });
  SmallVector<SmallVector<Value>> chains;
  for (int64_t chain = 0; chain < unroll; ++chain)
    chains.emplace_back(ArrayRef(carried).slice(chain * each, each));
  for (int64_t column = blocks * unroll * lanes, i = 0; column < width; column += lanes, ++i)
    chains[i % unroll] = step(chains[i % unroll], indexConstant(b, column), std::min(lanes, width - column));
  return chains;
}

SmallVector<Value> RowEmitter::reduce(ArrayRef<Reduction> reductions, function_ref<SmallVector<Value>(Value, int64_t)> valuesAt) {
  SmallVector<Value> initial;
  for (const Reduction &reduction : reductions)
    initial.push_back(splat(b, reduction.initial, lanes));
  SmallVector<SmallVector<Value>> chains = walk(initial, [&](ValueRange sums, Value column, int64_t count) {
    SmallVector<Value> next;
    for (auto [reduction, value, sum] : llvm::zip(reductions, valuesAt(column, count), sums))
      next.push_back(reduction.combine(value, sum));
    return next;
  });
  SmallVector<Value> results;
  for (auto [index, reduction] : llvm::enumerate(reductions)) {
    Value total =
        reduction.combine(reduction.combine(chains[0][index], chains[1][index]), reduction.combine(chains[2][index], chains[3][index]));
    results.push_back(vector::ReductionOp::create(b, reduction.kind, total, arith::FastMathFlags::reassoc));
  }
  return results;
}

Value RowEmitter::sum(Accumulate accumulate) {
  SmallVector<SmallVector<Value>> chains = walk(splat(b, 0, lanes), [&](ValueRange sums, Value column, int64_t count) {
    return SmallVector<Value>{accumulate(sums[0], column, count)};
  });
  Value total = addf(b, addf(b, chains[0][0], chains[1][0]), addf(b, chains[2][0], chains[3][0]));
  return vector::ReductionOp::create(b, vector::CombiningKind::ADD, total, arith::FastMathFlags::reassoc);
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

/// Finds scale and zero point of row `r` and stores them.
static GridVectors findGrid(ImplicitLocOpBuilder &b, RowEmitter &row, int64_t lanes, Value r, Value scales,
                            function_ref<Value(Value column, int64_t count)> valueAt) {
  // From zero on, so that zero is among the numbers and lanes that are not there (zero too) change nothing. Extremes skip not-a-numbers; x * 0 is one for
  // each of them and for infinities, and makes the row's scale and so its results not-a-number.
  auto maximum = [&](Value x, Value y) { return greater(b, x, y); };
  auto minimum = [&](Value x, Value y) { return smaller(b, x, y); };
  auto sum = [&](Value x, Value y) { return addf(b, x, y); };
  Value noughts = splat(b, 0, lanes);
  SmallVector<Value> found = row.reduce(
      {{0, vector::CombiningKind::MAXNUMF, maximum}, {0, vector::CombiningKind::MINNUMF, minimum}, {0, vector::CombiningKind::ADD, sum}},
      [&](Value column, int64_t count) {
        Value x = valueAt(column, count);
        return SmallVector<Value>{x, x, mulf(b, x, noughts)};
      });
  Value greatest = found[0], least = found[1], poison = found[2];
  Value zero = floatConstant(b, 0), one = floatConstant(b, 1), step = divf(b, subf(b, greatest, least), floatConstant(b, 255));
  // The reciprocal of a subnormal scale may be infinite: such rows become zeros by a scale of one, as those of zeros do.
  Value isTiny = arith::CmpFOp::create(b, arith::CmpFPredicate::OLT, step, floatConstant(b, std::numeric_limits<float>::min()));
  Value scale = arith::SelectOp::create(b, isTiny, one, step);
  Value inverse = divf(b, one, scale), magic = floatConstant(b, roundingMagic);
  Value zeroPoint = subf(b, addf(b, mulf(b, subf(b, zero, least), inverse), magic), magic);
  store(b, addf(b, scale, poison), scales, {r, indexConstant(b, 0)});
  store(b, zeroPoint, scales, {r, indexConstant(b, 1)});
  return {broadcast(b, inverse, lanes), broadcast(b, zeroPoint, lanes)};
}

void emitQuantizedRows(ImplicitLocOpBuilder &b, RowEmitter &row, int64_t lanes, ValueRange rows, const QuantizedRows &into,
                       function_ref<Value(size_t i, Value column, int64_t count)> valueAt) {
  SmallVector<GridVectors> grids;
  for (auto [i, r] : llvm::enumerate(rows))
    grids.push_back(findGrid(b, row, lanes, r, into.scales, [&](Value column, int64_t count) { return valueAt(i, column, count); }));
  for (auto [i, r] : llvm::enumerate(rows))
    row.forEach([&](Value column, int64_t count) {
      storeVector(b, quantize(b, valueAt(i, column, count), grids[i]), into.bytes, {r, column}, count);
    });
}

void forRowGroups(ImplicitLocOpBuilder &b, Value first, Value last, function_ref<void(ValueRange rows)> body) {
  constexpr int64_t together = 4;
  Value grouped = add(b, first, mul(b, div(b, sub(b, last, first), together), together));
  forLoop(b, first, grouped, together, [&](Value r) {
    SmallVector<Value> rows;
    for (int64_t i = 0; i < together; ++i)
      rows.push_back(add(b, r, i));
    body(rows);
  });
  forLoop(b, grouped, last, 1, [&](Value r) { body(r); });
}

} // namespace vitc::cpu
