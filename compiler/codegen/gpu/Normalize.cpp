//===- Normalize.cpp - kernel.normalize on a GPU ------------------------------------------===//
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

/// A row is read once, kept in the registers of one or more warps, and summed up by shuffles; several warps of a row meet in shared memory.
FailureOr<KernelInfo> emitNormalize(ModuleOp module, kernel::NormalizeOp op, StringRef symbol) {
  if (op.getScales())
    return op.emitOpError() << "quantizes its rows, for which a GPU has no kernel";
  Type element = tensorOf(op.getValue()).getElementType();
  const int64_t width = tensorOf(op.getInput()).getShape().back();
  FailureOr<RowShape> shape = RowShape::choose(op, width, tensorOf(op.getInput()).getElementType());
  if (failed(shape))
    return failure();
  const int64_t lanes = shape->lanes;

  DeviceFunction f(module, symbol, op.getLoc(), elementsOf(op), shape->threads());
  ImplicitLocOpBuilder &b = f.b;
  unsigned operand = 0;
  Value input = f.operand(operand++);
  Value gain = op.getGain() ? f.operand(operand++) : Value(), shift = op.getShift() ? f.operand(operand++) : Value();
  Value result = f.operand(operand);

  RowThreads row(f, *shape, mul(b, f.images, rowsOfImage(op.getInput())));
  Value inputRow = row.rowIn(input, width), resultRow = row.rowIn(result, width);
  SmallVector<Value> kept = row.load(inputRow);
  Value inverse = number(b, 1.0 / static_cast<double>(width));
  if (op.getKind() == vit::NormKind::Layer) {
    Value sum = number(b, 0);
    for (Value vector : kept)
      for (int64_t i = 0; i < lanes; ++i)
        sum = addf(b, sum, lane(b, vector, i));
    Value mean = mulf(b, row.sum(sum), inverse);
    for (auto [step, vector] : llvm::enumerate(kept))
      vector = row.centred(vector, static_cast<int64_t>(step), mean);
  }
  Value squares = number(b, 0);
  for (Value vector : kept)
    for (int64_t i = 0; i < lanes; ++i)
      squares = fma(b, lane(b, vector, i), lane(b, vector, i), squares);
  Value variance = mulf(b, row.sum(squares), inverse);
  Value factor = math::RsqrtOp::create(b, addf(b, variance, number(b, op.getEps().convertToDouble())));

  row.forEach([&](int64_t step, Value column) {
    Value gains = gain ? widened(b, load(b, gain, column, lanes)) : Value();
    Value shifts = shift ? widened(b, load(b, shift, column, lanes)) : Value();
    SmallVector<Value> scaled;
    for (int64_t i = 0; i < lanes; ++i) {
      Value y = mulf(b, lane(b, kept[step], i), factor);
      if (gains)
        y = shifts ? fma(b, y, lane(b, gains, i), lane(b, shifts, i)) : mulf(b, y, lane(b, gains, i));
      else if (shifts)
        y = addf(b, y, lane(b, shifts, i));
      scaled.push_back(y);
    }
    store(b, narrowed(b, vectorOf(b, scaled), element), resultRow, column);
  });

  KernelInfo info;
  info.symbol = symbol.str();
  info.kind = "normalize";
  info.rowsPerImage = rowsOfImage(op.getInput());
  info.rowsPerTask = shape->rows;
  info.threads = f.threads();
  info.sharedBytes = f.sharedBytes();
  return info;
}

} // namespace vitc::gpu
