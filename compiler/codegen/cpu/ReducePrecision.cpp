//===- ReducePrecision.cpp - kernel.convert and kernel.quantize ------------------- -*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/codegen/cpu/ReducePrecision.h"
#include "compiler/codegen/cpu/RowEmitter.h"

#include <numeric>

using namespace mlir;

namespace vitc::cpu {

namespace {

/// What both have in common: rows in, rows of the same shape out, some rows a task.
struct RowPass {
  template <typename OpTy>
  RowPass(ModuleOp module, OpTy op, StringRef symbol)
      : f(module, symbol, op.getLoc()), input(cast<RankedTensorType>(op.getInput().getType())), width(input.getShape().back()),
        schedule(op.getScheduleAttr()), row(f.b, width, schedule.getVector()) {
    ArrayRef<int64_t> inner = input.getShape().drop_front().drop_back();
    rowsPerImage = std::accumulate(inner.begin(), inner.end(), int64_t(1), std::multiplies<>());
  }

  /// `body(rows)` for the rows of the tasks, some at a time.
  void forRows(function_ref<void(ValueRange rows)> body) {
    ImplicitLocOpBuilder &b = f.b;
    int64_t rowsPerTask = schedule.getRowsPerTask();
    forRowGroups(b, mul(b, f.begin, rowsPerTask), min(b, mul(b, f.end, rowsPerTask), mul(b, f.images, rowsPerImage)), body);
  }

  KernelInfo info(StringRef symbol, StringRef kind) const {
    KernelInfo info;
    info.symbol = symbol.str();
    info.kind = kind.str();
    llvm::raw_string_ostream(info.schedule) << schedule;
    info.rowsPerImage = rowsPerImage;
    info.rowsPerTask = schedule.getRowsPerTask();
    return info;
  }

  KernelFunction f;
  RankedTensorType input;
  int64_t width, rowsPerImage = 1;
  kernel::RowScheduleAttr schedule;
  RowEmitter row;
};

} // namespace

template <typename OpTy> static LogicalResult checkSchedule(OpTy op) {
  kernel::RowScheduleAttr schedule = op.getScheduleAttr();
  if (!schedule)
    return op.emitOpError() << "has no schedule to generate code by";
  if (schedule.getRowsPerTask() < 1 || schedule.getVector() < 1)
    return op.emitOpError() << "needs a schedule of one row a task and one lane at least, not " << schedule;
  return success();
}

FailureOr<KernelInfo> emitConvert(ModuleOp module, kernel::ConvertOp op, StringRef symbol) {
  if (failed(checkSchedule(op)))
    return failure();
  RowPass pass(module, op, symbol);
  ImplicitLocOpBuilder &b = pass.f.b;
  int64_t lanes = pass.schedule.getVector();
  Value from = pass.f.rows(0, pass.rowsPerImage, pass.width), to = pass.f.rows(1, pass.rowsPerImage, pass.width, b.getBF16Type());
  pass.forRows([&](ValueRange rows) {
    for (Value r : rows)
      pass.row.forEach(
          [&](Value column, int64_t count) { storeVector(b, loadVector(b, from, {r, column}, lanes, count), to, {r, column}, count); });
  });
  return pass.info(symbol, "convert");
}

FailureOr<KernelInfo> emitQuantize(ModuleOp module, kernel::QuantizeOp op, StringRef symbol) {
  if (failed(checkSchedule(op)))
    return failure();
  RowPass pass(module, op, symbol);
  ImplicitLocOpBuilder &b = pass.f.b;
  int64_t lanes = pass.schedule.getVector();
  Value from = pass.f.rows(0, pass.rowsPerImage, pass.width, pass.input.getElementType());
  QuantizedRows to{pass.f.rows(1, pass.rowsPerImage, pass.width, b.getI8Type()), pass.f.rows(2, pass.rowsPerImage, 2)};
  pass.forRows([&](ValueRange rows) {
    emitQuantizedRows(b, pass.row, lanes, rows, to,
                      [&](size_t i, Value column, int64_t count) { return loadVector(b, from, {rows[i], column}, lanes, count); });
  });
  return pass.info(symbol, "quantize");
}

} // namespace vitc::cpu
