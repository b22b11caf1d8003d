//===- Normalize.cpp - kernel.normalize as machine code -----------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/codegen/cpu/Normalize.h"
#include "compiler/codegen/cpu/RowEmitter.h"

#include "mlir/Dialect/Math/IR/Math.h"

#include <numeric>

using namespace mlir;

namespace vitc::cpu {

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
  Type element = cast<RankedTensorType>(op.getValue().getType()).getElementType();
  Value result = f.rows(operand++, rowsPerImage, width, element);
  Value scales = op.getScales() ? f.rows(operand, rowsPerImage, 2) : Value();

  bool centred = op.getKind() == vit::NormKind::Layer;
  RowEmitter row(b, width, lanes);
  Value elements = floatConstant(b, width), epsilon = floatConstant(b, op.getEps().convertToDouble());
  Value firstRow = mul(b, f.begin, rowsPerTask), lastRow = min(b, mul(b, f.end, rowsPerTask), mul(b, f.images, rowsPerImage));
  forRowGroups(b, firstRow, lastRow, [&](ValueRange rows) {
    SmallVector<Value> means, factors;
    for (Value r : rows) {
      if (!centred)
        break;
      Value sum = row.sum(
          [&](Value total, Value column, int64_t count) { return addf(b, total, loadVector(b, input, {r, column}, lanes, count)); });
      means.push_back(broadcast(b, divf(b, sum, elements), lanes));
    }
    auto deviation = [&](size_t i, Value column, int64_t count) {
      Value x = loadVector(b, input, {rows[i], column}, lanes, count);
      return centred ? subf(b, x, means[i]) : x;
    };
    for (size_t i = 0; i < rows.size(); ++i) {
      Value squares = row.sum([&](Value total, Value column, int64_t count) {
        Value d = row.keep(deviation(i, column, count), count);
        return fma(b, d, d, total);
      });
      Value spread = math::SqrtOp::create(b, addf(b, divf(b, squares, elements), epsilon));
      factors.push_back(broadcast(b, divf(b, floatConstant(b, 1), spread), lanes));
    }
    auto normalized = [&](size_t i, Value column, int64_t count) {
      // Lanes that are not there are zero, as the search for a row's extremes wants them.
      Value d = deviation(i, column, count), y = mulf(b, scales ? row.keep(d, count) : d, factors[i]);
      Value g = gain ? loadVector(b, gain, column, lanes, count) : Value();
      Value s = shift ? loadVector(b, shift, column, lanes, count) : Value();
      if (g && s)
        y = fma(b, y, g, s);
      else if (g)
        y = mulf(b, y, g);
      else if (s)
        y = addf(b, y, s);
      return y;
    };
    if (scales)
      return emitQuantizedRows(b, row, lanes, rows, {result, scales}, normalized);
    for (auto [i, r] : llvm::enumerate(rows))
      row.forEach([&](Value column, int64_t count) { storeVector(b, normalized(i, column, count), result, {r, column}, count); });
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
