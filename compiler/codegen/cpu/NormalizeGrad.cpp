//===- NormalizeGrad.cpp - gradients of normalization as machine code ----------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/codegen/cpu/NormalizeGrad.h"
#include "compiler/codegen/cpu/ColumnSums.h"
#include "compiler/codegen/cpu/RowEmitter.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;

namespace vitc::cpu {

namespace {

/// Emits the gradient of some rows side by side.
class NormalizeGradEmitter {
public:
  NormalizeGradEmitter(KernelFunction &f, kernel::NormalizeGradOp op, int64_t rowsPerImage)
      : b(f.b), width(cast<RankedTensorType>(op.getInput().getType()).getShape().back()), lanes(op.getScheduleAttr().getVector()),
        centred(op.getKind() == vit::NormKind::Layer), epsilon(op.getEps().convertToDouble()), row(b, width, lanes) {
    unsigned operand = 0;
    input = f.rows(operand++, rowsPerImage, width);
    upstream = f.rows(operand++, rowsPerImage, width);
    if (op.getGain())
      gain = f.weight(operand++, width);
    if (op.getResidual())
      residual = f.rows(operand++, rowsPerImage, width);
    result = f.rows(operand++, rowsPerImage, width);
    if (op.getStatistics())
      statistics = f.rows(operand, rowsPerImage, 2);
  }

  void emit(ValueRange rows) {
    Value elements = floatConstant(b, static_cast<double>(width));
    SmallVector<Value> means;
    for (Value r : rows)
      means.push_back(centred ? divf(b, sumOf(r), elements) : floatConstant(b, 0));
    SmallVector<Factors> factors;
    for (auto [r, mean] : llvm::zip_equal(rows, means))
      factors.push_back(gather(r, mean, elements));
    for (auto [r, factor] : llvm::zip_equal(rows, factors))
      row.forEach([&](Value column, int64_t count) {
        Value u = weighted(r, column, count);
        if (centred)
          u = subf(b, u, factor.weightedMean);
        Value dx = mulf(b, fma(b, deviation(r, factor.mean, column, count), factor.slope, u), factor.inverse);
        if (residual)
          dx = addf(b, loadVector(b, residual, {r, column}, lanes, count), dx);
        storeVector(b, dx, result, {r, column}, count);
      });
  }

private:
  /// What all columns of a row share, in all lanes: the mean of x, that of u, -mean(u x^) r, and r.
  struct Factors {
    Value mean, weightedMean, slope, inverse;
  };

  Value sumOf(Value r) {
    return row.sum(
        [&](Value total, Value column, int64_t count) { return addf(b, total, loadVector(b, input, {r, column}, lanes, count)); });
  }

  /// g dy.
  Value weighted(Value r, Value column, int64_t count) {
    Value dy = loadVector(b, upstream, {r, column}, lanes, count);
    return gain ? mulf(b, dy, loadVector(b, gain, column, lanes, count)) : dy;
  }

  Value deviation(Value r, Value mean, Value column, int64_t count) {
    Value x = loadVector(b, input, {r, column}, lanes, count);
    return centred ? subf(b, x, mean) : x;
  }

  Factors gather(Value r, Value mean, Value elements) {
    auto sum = [&](Value x, Value y) { return addf(b, x, y); };
    RowEmitter::Reduction reduction{0, vector::CombiningKind::ADD, sum};
    Value means = broadcast(b, mean, lanes);
    SmallVector<Value> sums = row.reduce({reduction, reduction, reduction}, [&](Value column, int64_t count) {
      Value d = row.keep(deviation(r, means, column, count), count), u = weighted(r, column, count);
      return SmallVector<Value>{mulf(b, d, d), mulf(b, u, d), u};
    });
    Value variance = divf(b, sums[0], elements), correlation = divf(b, sums[1], elements), weightedMean = divf(b, sums[2], elements);
    Value inverse = divf(b, floatConstant(b, 1), math::SqrtOp::create(b, addf(b, variance, floatConstant(b, epsilon))));
    Value slope = mulf(b, mulf(b, correlation, inverse), subf(b, floatConstant(b, 0), inverse));
    if (statistics) {
      store(b, mean, statistics, {r, indexConstant(b, 0)});
      store(b, inverse, statistics, {r, indexConstant(b, 1)});
    }
    return {means, broadcast(b, weightedMean, lanes), broadcast(b, slope, lanes), broadcast(b, inverse, lanes)};
  }

  ImplicitLocOpBuilder &b;
  int64_t width, lanes;
  bool centred;
  double epsilon;
  RowEmitter row;
  Value input, upstream, gain, residual, result, statistics;
};

} // namespace

FailureOr<KernelInfo> emitNormalizeGrad(ModuleOp module, kernel::NormalizeGradOp op, StringRef symbol) {
  kernel::RowScheduleAttr schedule = op.getScheduleAttr();
  if (op.getRounded())
    return op.emitOpError() << "has a rounded result, which a CPU has no kernel for";
  if (!schedule)
    return op.emitOpError() << "has no schedule to generate code by";
  if (schedule.getRowsPerTask() < 1 || schedule.getVector() < 1)
    return op.emitOpError() << "needs a schedule of one row a task and one lane at least, not " << schedule;
  ArrayRef<int64_t> shape = cast<RankedTensorType>(op.getInput().getType()).getShape();
  int64_t rowsPerImage = ShapedType::getNumElements(shape.drop_front().drop_back()), rowsPerTask = schedule.getRowsPerTask();
  KernelFunction f(module, symbol, op.getLoc());
  NormalizeGradEmitter emitter(f, op, rowsPerImage);
  Value last = min(f.b, mul(f.b, f.end, rowsPerTask), mul(f.b, f.images, rowsPerImage));
  forRowGroups(f.b, mul(f.b, f.begin, rowsPerTask), last, [&](ValueRange rows) { emitter.emit(rows); });

  KernelInfo info;
  info.symbol = symbol.str();
  info.kind = "normalize_grad";
  llvm::raw_string_ostream(info.schedule) << schedule;
  info.rowsPerImage = rowsPerImage;
  info.rowsPerTask = rowsPerTask;
  return info;
}

FailureOr<KernelInfo> emitNormalizeWeightGrad(ModuleOp module, kernel::NormalizeWeightGradOp op, StringRef symbol) {
  kernel::RowScheduleAttr schedule = op.getScheduleAttr();
  if (!schedule)
    return op.emitOpError() << "has no schedule to generate code by";
  if (schedule.getVector() < 1)
    return op.emitOpError() << "needs a schedule of one lane at least, not " << schedule;
  ArrayRef<int64_t> shape = cast<RankedTensorType>(op.getInput().getType()).getShape();
  int64_t width = shape.back(), lanes = schedule.getVector(), rowsPerImage = ShapedType::getNumElements(shape.drop_front().drop_back());

  KernelFunction f(module, symbol, op.getLoc());
  ImplicitLocOpBuilder &b = f.b;
  Value input = f.rows(0, rowsPerImage, width), upstream = f.rows(1, rowsPerImage, width), statistics = f.rows(2, rowsPerImage, 2);
  // Two factors of each row stay in registers beside the rest.
  ColumnSums sums{width, lanes, mul(b, f.images, rowsPerImage), /*rowsTogether=*/4, {f.weight(3, width), f.weight(4, width)}, {}};
  sums.prepare = [&](ValueRange rows) -> ColumnSums::Terms {
    SmallVector<Value> means, inverses;
    for (Value r : rows) {
      means.push_back(broadcast(b, load(b, statistics, {r, indexConstant(b, 0)}), lanes));
      inverses.push_back(broadcast(b, load(b, statistics, {r, indexConstant(b, 1)}), lanes));
    }
    return [=, &b, rows = SmallVector<Value>(rows)](Value column, int64_t count) -> SmallVector<Value, 2> {
      Value gain, shift;
      for (auto [r, mean, inverse] : llvm::zip_equal(rows, means, inverses)) {
        Value dy = loadVector(b, upstream, {r, column}, lanes, count);
        Value x = mulf(b, subf(b, loadVector(b, input, {r, column}, lanes, count), mean), inverse);
        gain = gain ? fma(b, dy, x, gain) : mulf(b, dy, x);
        shift = shift ? addf(b, shift, dy) : dy;
      }
      return {gain, shift};
    };
  };
  KernelInfo info;
  emitColumnSums(f, sums, info);
  info.symbol = symbol.str();
  info.kind = "normalize_weight_grad";
  llvm::raw_string_ostream(info.schedule) << schedule;
  return info;
}

} // namespace vitc::cpu
