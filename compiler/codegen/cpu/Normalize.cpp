//===- Normalize.cpp - kernel.normalize as machine code -----------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/codegen/cpu/Normalize.h"
#include "compiler/codegen/cpu/KernelFunction.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

#include <numeric>

using namespace mlir;

namespace vitc::cpu {

namespace {

/// Walks a row of `width` floats in vectors of `lanes`; the last one may have fewer.
class RowEmitter {
public:
  RowEmitter(ImplicitLocOpBuilder &b, int64_t width, int64_t lanes) : b(b), width(width), lanes(lanes) {}

  /// The sum over the row of what `accumulate(sum, column, count)` adds for the `count` floats from `column` on.
  Value sum(function_ref<Value(Value, Value, int64_t)> accumulate) {
    SmallVector<Value> sums(unroll, splat(b, 0, lanes));
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
    Value total = addf(b, addf(b, sums[0], sums[1]), addf(b, sums[2], sums[3]));
    return vector::ReductionOp::create(b, vector::CombiningKind::ADD, total, arith::FastMathFlags::reassoc);
  }

  void forEach(function_ref<void(Value column, int64_t count)> body) {
    int64_t full = width / lanes * lanes;
    if (full > 0)
      forLoop(b, indexConstant(b, 0), indexConstant(b, full), lanes, [&](Value column) { body(column, lanes); });
    if (full < width)
      body(indexConstant(b, full), width - full);
  }

  /// `vector` with its lanes from `count` on replaced by zero.
  Value keep(Value vector, int64_t count) {
    return count == lanes ? vector : Value(arith::SelectOp::create(b, firstLanes(b, lanes, count), vector, splat(b, 0, lanes)));
  }

private:
  /// Sums in flight: enough to hide the latency of an addition.
  static constexpr int64_t unroll = 4;

  ImplicitLocOpBuilder &b;
  int64_t width, lanes;
};

} // namespace

FailureOr<KernelInfo> emitNormalize(ModuleOp module, kernel::NormalizeOp op, StringRef symbol) {
  kernel::RowScheduleAttr schedule = op.getScheduleAttr();
  if (!schedule)
    return op.emitOpError() << "has no schedule to generate code by";
  if (schedule.getRowsPerTask() < 1 || schedule.getVector() < 1)
    return op.emitOpError() << "needs a schedule of one row a task and one lane at least, not " << schedule;
  auto type = cast<RankedTensorType>(op.getInput().getType());
  int64_t width = type.getShape().back(), lanes = schedule.getVector(), rowsPerTask = schedule.getRowsPerTask();
  ArrayRef<int64_t> inner = type.getShape().drop_front().drop_back();
  int64_t rowsPerImage = std::accumulate(inner.begin(), inner.end(), int64_t(1), std::multiplies<>());

  KernelFunction f(module, symbol, op.getLoc());
  ImplicitLocOpBuilder &b = f.b;
  unsigned operand = 0;
  Value input = f.rows(operand++, rowsPerImage, width);
  Value gain = op.getGain() ? f.weight(operand++, width) : Value();
  Value shift = op.getShift() ? f.weight(operand++, width) : Value();
  Value result = f.rows(operand, rowsPerImage, width);

  bool centred = op.getKind() == vit::NormKind::Layer;
  RowEmitter row(b, width, lanes);
  Value elements = floatConstant(b, width), epsilon = floatConstant(b, op.getEps().convertToDouble());
  Value firstRow = mul(b, f.begin, rowsPerTask), lastRow = min(b, mul(b, f.end, rowsPerTask), mul(b, f.images, rowsPerImage));
  forLoop(b, firstRow, lastRow, 1, [&](Value r) {
    Value mean;
    if (centred) {
      Value sum = row.sum(
          [&](Value total, Value column, int64_t count) { return addf(b, total, loadVector(b, input, {r, column}, lanes, count)); });
      mean = broadcast(b, divf(b, sum, elements), lanes);
    }
    auto deviation = [&](Value column, int64_t count) {
      Value x = loadVector(b, input, {r, column}, lanes, count);
      return centred ? subf(b, x, mean) : x;
    };
    Value squares = row.sum([&](Value total, Value column, int64_t count) {
      Value d = row.keep(deviation(column, count), count);
      return fma(b, d, d, total);
    });
    Value spread = math::SqrtOp::create(b, addf(b, divf(b, squares, elements), epsilon));
    Value factor = broadcast(b, divf(b, floatConstant(b, 1), spread), lanes);
    row.forEach([&](Value column, int64_t count) {
      Value y = mulf(b, deviation(column, count), factor);
      Value g = gain ? loadVector(b, gain, column, lanes, count) : Value();
      Value s = shift ? loadVector(b, shift, column, lanes, count) : Value();
      if (g && s)
        y = fma(b, y, g, s);
      else if (g)
        y = mulf(b, y, g);
      else if (s)
        y = addf(b, y, s);
      storeVector(b, y, result, {r, column}, count);
    });
  });

  KernelInfo info;
  info.symbol = symbol.str();
  info.kind = "normalize";
  llvm::raw_string_ostream(info.schedule) << schedule;
  info.rowsPerImage = rowsPerImage;
  info.rowsPerTask = rowsPerTask;
  return info;
}

} // namespace vitc::cpu
