//===- ColumnSums.cpp - sums over all rows, column by column ------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/codegen/cpu/ColumnSums.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace vitc::cpu {

/// Columns of a task: four cache lines, so that tasks share none.
static constexpr int64_t panelColumns = 64;

/// Columns whose totals are kept at a time, so that they stay in the first-level cache however wide the rows are: whole panels.
static constexpr int64_t blockColumns = 4096;

void emitColumnSums(KernelFunction &f, const ColumnSums &sums, KernelInfo &info) {
  ImplicitLocOpBuilder &b = f.b;
  int64_t width = sums.width, lanes = sums.lanes, together = sums.rowsTogether;
  int64_t wholeVectors = width / lanes * lanes, pitch = llvm::alignTo(std::min(width, blockColumns), std::max<int64_t>(lanes, 16));
  int64_t bytes = pitch * static_cast<int64_t>(sizeof(float));
  SmallVector<Value> totals;
  for (size_t i = 0; i < sums.results.size(); ++i)
    totals.push_back(f.scratch(static_cast<int64_t>(i) * bytes, pitch));

  auto sumColumns = [&](Value first, Value last) {
    Value end = min(b, last, indexConstant(b, wholeVectors));
    auto forColumns = [&](function_ref<void(Value column, Value total, int64_t count)> body) {
      auto place = [&](Value column) { return width > blockColumns ? sub(b, column, first) : column; };
      forLoop(b, first, end, lanes, [&](Value column) { body(column, place(column), lanes); });
      if (wholeVectors < width)
        ifThen(b, less(b, indexConstant(b, wholeVectors), last), [&] {
          Value column = indexConstant(b, wholeVectors);
          body(column, place(column), width - wholeVectors);
        });
    };

    forColumns([&](Value, Value at, int64_t) {
      for (Value total : totals)
        storeVector(b, splat(b, 0, lanes), total, at);
    });
    auto addRows = [&](ValueRange rows) {
      ColumnSums::Terms terms = sums.prepare(rows);
      forColumns([&](Value column, Value at, int64_t count) {
        for (auto [total, term] : llvm::zip_equal(totals, terms(column, count)))
          storeVector(b, addf(b, loadVector(b, total, at, lanes), term), total, at);
      });
    };
    Value grouped = mul(b, div(b, sums.rows, together), together);
    forLoop(b, indexConstant(b, 0), grouped, together, [&](Value row) {
      SmallVector<Value> rows;
      for (int64_t i = 0; i < together; ++i)
        rows.push_back(add(b, row, i));
      addRows(rows);
    });
    forLoop(b, grouped, sums.rows, 1, [&](Value row) { addRows(row); });
    forColumns([&](Value column, Value at, int64_t count) {
      for (auto [result, total] : llvm::zip_equal(sums.results, totals))
        storeVector(b, addf(b, loadVector(b, result, column, lanes, count), loadVector(b, total, at, lanes)), result, column, count);
    });
  };
  Value first = mul(b, f.begin, panelColumns), last = min(b, mul(b, f.end, panelColumns), indexConstant(b, width));
  if (width <= blockColumns)
    sumColumns(first, last);
  else
    forLoop(b, first, last, blockColumns, [&](Value block) { sumColumns(block, min(b, add(b, block, blockColumns), last)); });

  info.scratchBytes = static_cast<int64_t>(totals.size()) * bytes;
  // One row of tasks for any group that a file may name (kMaxGroup in runtime/artifact/ManifestVerifier.h).
  info.rowsPerTask = int64_t{1} << 20;
  info.columnTasks = llvm::divideCeilSigned(width, panelColumns);
}

/// The sum of a power of two of values, by pairs.
static Value sumOfPairs(ImplicitLocOpBuilder &b, ArrayRef<Value> values) {
  if (values.size() == 1)
    return values.front();
  return addf(b, sumOfPairs(b, values.take_front(values.size() / 2)), sumOfPairs(b, values.drop_front(values.size() / 2)));
}

FailureOr<KernelInfo> emitSumRows(ModuleOp module, kernel::SumRowsOp op, StringRef symbol) {
  kernel::RowScheduleAttr schedule = op.getScheduleAttr();
  if (!schedule)
    return op.emitOpError() << "has no schedule to generate code by";
  if (schedule.getVector() < 1)
    return op.emitOpError() << "needs a schedule of one lane at least, not " << schedule;
  auto type = cast<RankedTensorType>(op.getInput().getType());
  int64_t width = cast<RankedTensorType>(op.getValue().getType()).getNumElements(), lanes = schedule.getVector();
  int64_t rowsPerImage = ShapedType::getNumElements(type.getShape().drop_front()) / width;

  KernelFunction f(module, symbol, op.getLoc());
  Value input = f.rows(0, rowsPerImage, width);
  ColumnSums sums{width, lanes, mul(f.b, f.images, rowsPerImage), /*rowsTogether=*/8, {f.weight(1, width)}, {}};
  sums.prepare = [&](ValueRange rows) -> ColumnSums::Terms {
    return [&f, input, lanes, rows = SmallVector<Value>(rows)](Value column, int64_t count) -> SmallVector<Value, 2> {
      return {sumOfPairs(f.b, llvm::map_to_vector(rows, [&](Value r) { return loadVector(f.b, input, {r, column}, lanes, count); }))};
    };
  };
  KernelInfo info;
  emitColumnSums(f, sums, info);
  info.symbol = symbol.str();
  info.kind = "sum_rows";
  llvm::raw_string_ostream(info.schedule) << schedule;
  return info;
}

} // namespace vitc::cpu
