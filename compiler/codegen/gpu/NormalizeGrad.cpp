//===- NormalizeGrad.cpp - kernel.normalize_grad on a GPU ---------------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/codegen/gpu/GpuCodegen.h"
#include "compiler/codegen/gpu/RowThreads.h"

#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;

namespace vitc::gpu {

/// With d = x - mean, r = 1 / deviation and u = gain dy: dx = r (u - mean(u) - d r^2 mean(u d)), of `rms` without the means. Input and
/// upstream are read once and kept in registers.
FailureOr<KernelInfo> emitNormalizeGrad(ModuleOp module, kernel::NormalizeGradOp op, StringRef symbol) {
  const int64_t width = tensorOf(op.getInput()).getShape().back();
  FailureOr<RowShape> shape = RowShape::choose(op, width, tensorOf(op.getInput()).getElementType());
  if (failed(shape))
    return failure();
  const int64_t lanes = shape->lanes;
  const bool isCentred = op.getKind() == vit::NormKind::Layer;

  DeviceFunction f(module, symbol, op.getLoc(), elementsOf(op), shape->threads());
  ImplicitLocOpBuilder &b = f.b;
  unsigned operand = 0;
  Value input = f.operand(operand++), upstream = f.operand(operand++);
  Value gain = op.getGain() ? f.operand(operand++) : Value(), residual = op.getResidual() ? f.operand(operand++) : Value();
  Value result = f.operand(operand++), statistics = op.getStatistics() ? f.operand(operand++) : Value();
  Value rounded = op.getRounded() ? f.operand(operand++) : Value();

  RowThreads row(f, *shape, mul(b, f.images, rowsOfImage(op.getInput())));
  SmallVector<Value> deviations = row.load(row.rowIn(input, width)), weighted = row.load(row.rowIn(upstream, width));
  Value inverseWidth = number(b, 1.0 / static_cast<double>(width)), mean = number(b, 0);
  auto sumOf = [&](function_ref<Value(Value total, size_t step, int64_t i)> add) {
    Value total = number(b, 0);
    for (size_t step = 0; step < deviations.size(); ++step)
      for (int64_t i = 0; i < lanes; ++i)
        total = add(total, step, i);
    return mulf(b, row.sum(total), inverseWidth);
  };
  if (isCentred) {
    mean = sumOf([&](Value total, size_t step, int64_t i) { return addf(b, total, lane(b, deviations[step], i)); });
    for (auto [step, vector] : llvm::enumerate(deviations))
      vector = row.centred(vector, static_cast<int64_t>(step), mean);
  }
  if (gain) {
    SmallVector<Value> gains = row.load(gain);
    for (auto [vector, factor] : llvm::zip_equal(weighted, gains))
      vector = mulf(b, vector, factor);
  }
  auto dot = [&](ArrayRef<Value> lhs, ArrayRef<Value> rhs) {
    return sumOf([&](Value total, size_t step, int64_t i) { return fma(b, lane(b, lhs[step], i), lane(b, rhs[step], i), total); });
  };
  Value variance = dot(deviations, deviations), correlation = dot(weighted, deviations), weightedMean;
  if (isCentred)
    weightedMean = sumOf([&](Value total, size_t step, int64_t i) { return addf(b, total, lane(b, weighted[step], i)); });
  Value inverse = math::RsqrtOp::create(b, addf(b, variance, number(b, op.getEps().convertToDouble())));
  Value slope = mulf(b, mulf(b, correlation, inverse), inverse);

  Value resultRow = row.rowIn(result, width), residualRow = residual ? row.rowIn(residual, width) : Value();
  Value roundedRow = rounded ? row.rowIn(rounded, width) : Value();
  row.forEach([&](int64_t step, Value column) {
    Value addend = residual ? load(b, residualRow, column, lanes) : Value();
    SmallVector<Value> gradients;
    for (int64_t i = 0; i < lanes; ++i) {
      Value u = lane(b, weighted[step], i);
      if (isCentred)
        u = subf(b, u, weightedMean);
      Value dx = mulf(b, subf(b, u, mulf(b, lane(b, deviations[step], i), slope)), inverse);
      gradients.push_back(addend ? addf(b, lane(b, addend, i), dx) : dx);
    }
    Value vector = vectorOf(b, gradients);
    store(b, vector, resultRow, column);
    if (rounded)
      store(b, narrowed(b, vector, b.getBF16Type()), roundedRow, column);
  });
  if (statistics)
    ifThen(b, both(b, row.exists, row.isFirst), [&] {
      Value pair = row.rowIn(statistics, 2);
      store(b, mean, pair, constant(b, 0));
      store(b, inverse, pair, constant(b, 1));
    });

  KernelInfo info;
  info.symbol = symbol.str();
  info.kind = "normalize_grad";
  info.rowsPerImage = rowsOfImage(op.getInput());
  info.rowsPerTask = shape->rows;
  info.threads = f.threads();
  info.sharedBytes = f.sharedBytes();
  return info;
}

} // namespace vitc::gpu
