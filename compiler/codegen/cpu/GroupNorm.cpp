//===- GroupNorm.cpp - kernel.group_norm as machine code -----------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/codegen/cpu/Activation.h"
#include "compiler/codegen/cpu/FeatureMaps.h"
#include "compiler/codegen/cpu/KernelFunction.h"

#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;

namespace vitc::cpu {

namespace {

/// Emits one task: `width` columns from `firstColumn` on of the rows of one image.
class GroupNormEmitter {
public:
  GroupNormEmitter(KernelFunction &f, kernel::GroupNormOp op);

  void emitTask(Value task);
  int64_t scratchBytes() const { return 2 * scratchColumns() * static_cast<int64_t>(sizeof(float)); }
  int64_t tasksPerImage() const { return channels / width; }

private:
  /// Columns of the task that are worked on together: vectors in registers, the last with fewer lanes.
  struct Strip {
    Value first; ///< within the task
    int64_t vectors, lastLanes;
  };

  int64_t scratchColumns() const { return llvm::alignTo(width, 16); }
  void forStrips(function_ref<void(Strip)> body);
  Value load(Value memref, Value row, Strip strip, int64_t vector);
  SmallVector<Value> sumRows(Strip strip, function_ref<Value(Value sum, Value x, int64_t vector)> accumulate);
  void shareOverGroups(Value columns, function_ref<Value(Value mean)> finish);

  ImplicitLocOpBuilder &b;
  kernel::GroupNormOp op;
  int64_t rows, channels, groupWidth, width, lanes;
  Value input, gain, shift, residual, result;
  Value means, factors; ///< memref<columns>: of each column of the task
  Value firstRow, firstColumn;

  /// Vectors of a strip, and rows whose sums are added up before they join the others: many small numbers added to a large one lose digits.
  static constexpr int64_t stripVectors = 4, blockRows = 64;
};

} // namespace

GroupNormEmitter::GroupNormEmitter(KernelFunction &f, kernel::GroupNormOp op) : b(f.b), op(op), lanes(op.getScheduleAttr().getVector()) {
  ArrayRef<int64_t> shape = cast<ShapedType>(op.getInput().getType()).getShape();
  rows = shape[1];
  channels = shape[2];
  groupWidth = channels / static_cast<int64_t>(op.getGroups());
  width = groupWidth * op.getScheduleAttr().getGroupsPerTask();
  unsigned operand = 0;
  input = f.rows(operand++, rows, channels);
  if (op.getGain())
    gain = f.weight(operand++, channels);
  if (op.getShift())
    shift = f.weight(operand++, channels);
  if (op.getResidual())
    residual = f.rows(operand++, rows, channels);
  result = f.rows(operand, rows, channels);
  means = f.scratch(0, {scratchColumns()});
  factors = f.scratch(scratchColumns() * sizeof(float), {scratchColumns()});
}

void GroupNormEmitter::forStrips(function_ref<void(Strip)> body) {
  int64_t stripWidth = stripVectors * lanes, full = width / stripWidth * stripWidth, rest = width - full;
  if (full)
    forLoop(b, indexConstant(b, 0), indexConstant(b, full), stripWidth, [&](Value first) { body({first, stripVectors, lanes}); });
  if (rest)
    body({indexConstant(b, full), llvm::divideCeilSigned(rest, lanes), rest % lanes ? rest % lanes : lanes});
}

Value GroupNormEmitter::load(Value memref, Value row, Strip strip, int64_t vector) {
  Value column = add(b, add(b, firstColumn, strip.first), vector * lanes);
  int64_t count = vector + 1 == strip.vectors ? strip.lastLanes : lanes;
  return row ? loadVector(b, memref, {row, column}, lanes, count) : loadVector(b, memref, column, lanes, count);
}

/// Of each column, a vector of sums for each vector of the strip.
SmallVector<Value> GroupNormEmitter::sumRows(Strip strip, function_ref<Value(Value, Value, int64_t)> accumulate) {
  SmallVector<Value> zeros(strip.vectors, splat(b, 0, lanes));
  auto block = [&](Value first, Value last) {
    return forLoop(b, first, last, 1, zeros, [&](Value row, ValueRange sums) {
      SmallVector<Value> next;
      for (auto [vector, sum] : llvm::enumerate(sums))
        next.push_back(accumulate(sum, load(input, add(b, firstRow, row), strip, vector), vector));
      return next;
    });
  };
  Value end = indexConstant(b, rows);
  return forLoop(b, indexConstant(b, 0), end, blockRows, zeros, [&](Value first, ValueRange totals) {
    SmallVector<Value> next;
    for (auto [total, sum] : llvm::zip_equal(totals, block(first, min(b, add(b, first, blockRows), end))))
      next.push_back(addf(b, total, sum));
    return next;
  });
}

/// Replaces the columns' sums by finish(mean over their group).
void GroupNormEmitter::shareOverGroups(Value columns, function_ref<Value(Value)> finish) {
  Value count = floatConstant(b, static_cast<double>(rows * groupWidth));
  forLoop(b, indexConstant(b, 0), indexConstant(b, width), groupWidth, [&](Value first) {
    Value last = add(b, first, groupWidth);
    Value sum = forLoop(b, first, last, 1, ValueRange(floatConstant(b, 0)), [&](Value column, ValueRange carried) {
                  return SmallVector<Value>{addf(b, carried[0], cpu::load(b, columns, column))};
                }).front();
    Value value = finish(divf(b, sum, count));
    forLoop(b, first, last, 1, [&](Value column) { store(b, value, columns, column); });
  });
}

void GroupNormEmitter::emitTask(Value task) {
  firstRow = mul(b, div(b, task, tasksPerImage()), rows);
  firstColumn = mul(b, rem(b, task, tasksPerImage()), width);
  auto at = [&](Strip strip, int64_t vector) { return add(b, strip.first, vector * lanes); };

  forStrips([&](Strip strip) {
    SmallVector<Value> sums = sumRows(strip, [&](Value sum, Value x, int64_t) { return addf(b, sum, x); });
    for (auto [vector, sum] : llvm::enumerate(sums))
      storeVector(b, sum, means, at(strip, vector));
  });
  shareOverGroups(means, [](Value mean) { return mean; });

  forStrips([&](Strip strip) {
    SmallVector<Value> mean;
    for (int64_t vector = 0; vector < strip.vectors; ++vector)
      mean.push_back(loadVector(b, means, at(strip, vector), lanes));
    SmallVector<Value> squares = sumRows(strip, [&](Value sum, Value x, int64_t vector) {
      Value deviation = subf(b, x, mean[vector]);
      return fma(b, deviation, deviation, sum);
    });
    for (auto [vector, sum] : llvm::enumerate(squares))
      storeVector(b, sum, factors, at(strip, vector));
  });
  shareOverGroups(factors, [&](Value variance) {
    Value root = math::SqrtOp::create(b, addf(b, variance, floatConstant(b, op.getEps().convertToDouble())));
    return divf(b, floatConstant(b, 1), root);
  });

  forStrips([&](Strip strip) {
    SmallVector<Value> mean, factor, offset;
    for (int64_t vector = 0; vector < strip.vectors; ++vector) {
      mean.push_back(loadVector(b, means, at(strip, vector), lanes));
      factor.push_back(loadVector(b, factors, at(strip, vector), lanes));
      if (gain)
        factor.back() = mulf(b, factor.back(), load(gain, {}, strip, vector));
      offset.push_back(shift ? load(shift, {}, strip, vector) : splat(b, 0, lanes));
    }
    forLoop(b, firstRow, add(b, firstRow, rows), 1, [&](Value row) {
      for (int64_t vector = 0; vector < strip.vectors; ++vector) {
        Value y = fma(b, subf(b, load(input, row, strip, vector), mean[vector]), factor[vector], offset[vector]);
        if (residual)
          y = addf(b, load(residual, row, strip, vector), y);
        y = activate(b, op.getActivation(), y);
        Value column = add(b, add(b, firstColumn, strip.first), vector * lanes);
        storeVector(b, y, result, {row, column}, vector + 1 == strip.vectors ? strip.lastLanes : lanes);
      }
    });
  });
}

FailureOr<KernelInfo> emitGroupNorm(ModuleOp module, kernel::GroupNormOp op, StringRef symbol) {
  kernel::GroupScheduleAttr schedule = op.getScheduleAttr();
  if (!schedule)
    return op.emitOpError() << "has no schedule to generate code by";
  int64_t groups = op.getGroups(), together = schedule.getGroupsPerTask();
  if (together < 1 || groups % together != 0 || schedule.getVector() < 1)
    return op.emitOpError() << "needs a schedule whose groups_per_task divides its " << groups << " groups, not " << schedule;
  KernelFunction f(module, symbol, op.getLoc());
  GroupNormEmitter emitter(f, op);
  forLoop(f.b, f.begin, f.end, 1, [&](Value task) { emitter.emitTask(task); });

  KernelInfo info;
  info.symbol = symbol.str();
  info.kind = "group_norm";
  llvm::raw_string_ostream(info.schedule) << schedule;
  info.scratchBytes = emitter.scratchBytes();
  info.columnTasks = emitter.tasksPerImage();
  return info;
}

} // namespace vitc::cpu
