//===- WeightReference.cpp - reference lowerings of arithmetic on weights -----------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// These are also what bind functions are compiled from (docs/abi.md): views and one loop nest each, no temporary that bufferization could
// not place in the result.
//
//===--------------------------------------------------------------------------------------===//

#include "dialects/vit/ReferenceBuilder.h"
#include "dialects/vit/VitDialect.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"

using namespace mlir;
using namespace vitc::vit;

using Lowered = FailureOr<SmallVector<Value>>;

Lowered ZerosOp::lowerToReference(OpBuilder &builder) {
  ReferenceBuilder b(builder, getLoc());
  return SmallVector<Value>{b.fill(shapeOf(getValue()), 0.0)};
}

Lowered ConcatOp::lowerToReference(OpBuilder &builder) {
  ReferenceBuilder b(builder, getLoc());
  Value result = b.empty(shapeOf(getValue()));
  SmallVector<int64_t> offsets(shapeOf(result).size(), 0);
  for (Value part : getParts()) {
    result = b.insert(part, result, offsets);
    offsets.front() += shapeOf(part).front();
  }
  return SmallVector<Value>{result};
}

Lowered ReshapeOp::lowerToReference(OpBuilder &builder) {
  ReferenceBuilder b(builder, getLoc());
  return SmallVector<Value>{b.reshape(getInput(), shapeOf(getValue()))};
}

Lowered ScaleOp::lowerToReference(OpBuilder &builder) {
  ReferenceBuilder b(builder, getLoc());
  ArrayRef<int64_t> shape = shapeOf(getInput());
  return SmallVector<Value>{b.compute(shape, {{getInput(), b.axes(shape.size())}, {getFactor(), {b.axis(getAxis())}}},
                                      [](ArrayRef<Scalar> x) { return x[0] * x[1]; })};
}

Lowered ScaleRowsByConstantOp::lowerToReference(OpBuilder &builder) {
  ReferenceBuilder b(builder, getLoc());
  ArrayRef<int64_t> shape = shapeOf(getInput());
  double factor = getFactor().convertToFloat();
  int64_t rows = getRows();
  return SmallVector<Value>{b.compute(shape, {{getInput(), b.axes(shape.size())}}, [&](ArrayRef<Scalar> x) {
    ImplicitLocOpBuilder &scalars = *x[0].builder;
    Value row = linalg::IndexOp::create(scalars, 0);
    Value inside = arith::CmpIOp::create(scalars, arith::CmpIPredicate::ult, row, arith::ConstantIndexOp::create(scalars, rows));
    return Scalar{&scalars, arith::SelectOp::create(scalars, inside, (x[0] * factor).value, x[0].value)};
  })};
}

Lowered AddOp::lowerToReference(OpBuilder &builder) {
  ReferenceBuilder b(builder, getLoc());
  ArrayRef<int64_t> shape = shapeOf(getLhs());
  size_t rank = shape.size(), rhsRank = shapeOf(getRhs()).size();
  return SmallVector<Value>{b.compute(shape, {{getLhs(), b.axes(rank)}, {getRhs(), b.axes(rhsRank, rank - rhsRank)}},
                                      [](ArrayRef<Scalar> x) { return x[0] + x[1]; })};
}

Lowered MatvecOp::lowerToReference(OpBuilder &builder) {
  ReferenceBuilder b(builder, getLoc());
  return SmallVector<Value>{b.reduce(shapeOf(getValue()), 1, 0.0, {{getMatrix(), b.axes(2)}, {getVector(), {b.axis(1)}}},
                                     [](ArrayRef<Scalar> x) { return x[2] + x[0] * x[1]; })};
}

Lowered SliceRowsOp::lowerToReference(OpBuilder &builder) {
  ReferenceBuilder b(builder, getLoc());
  SmallVector<int64_t> offsets(shapeOf(getInput()).size(), 0);
  offsets.front() = getFirst();
  return SmallVector<Value>{b.slice(getInput(), offsets, shapeOf(getValue()))};
}

Lowered TransposeOp::lowerToReference(OpBuilder &builder) {
  ReferenceBuilder b(builder, getLoc());
  SmallVector<AffineExpr> at(getPermutation().size());
  for (auto [axis, from] : llvm::enumerate(getPermutation()))
    at[from] = b.axis(axis);
  return SmallVector<Value>{b.compute(shapeOf(getValue()), {{getInput(), at}}, [](ArrayRef<Scalar> x) { return x[0]; })};
}

Lowered InverseDeviationOp::lowerToReference(OpBuilder &builder) {
  ReferenceBuilder b(builder, getLoc());
  ArrayRef<int64_t> shape = shapeOf(getInput());
  double eps = getEps().convertToFloat();
  return SmallVector<Value>{
      b.compute(shape, {{getInput(), b.axes(shape.size())}}, [&](ArrayRef<Scalar> x) { return 1.0 / sqrt(x[0] + eps); })};
}

Lowered StandardizeOp::lowerToReference(OpBuilder &builder) {
  ReferenceBuilder b(builder, getLoc());
  ArrayRef<int64_t> shape = shapeOf(getInput());
  double eps = getEps().convertToFloat();
  Value rows = b.reshape(getInput(), {shape[0], getInput().getType().getNumElements() / shape[0]});
  if (!getEpsOnDeviation())
    return SmallVector<Value>{b.reshape(normalizeRows(b, rows, {}, {}, /*centred=*/true, eps), shape)};
  double count = shapeOf(rows)[1];
  Read all{rows, b.axes(2)};
  Value sums = b.reduce(shape[0], 1, 0.0, {all}, [](ArrayRef<Scalar> x) { return x[1] + x[0]; });
  all.tensor = b.compute(shapeOf(rows), {all, {sums, b.axes(1)}}, [&](ArrayRef<Scalar> x) { return x[0] - x[1] / count; });
  Value squares = b.reduce(shape[0], 1, 0.0, {all}, [](ArrayRef<Scalar> x) { return x[1] + x[0] * x[0]; });
  Value value =
      b.compute(shapeOf(rows), {all, {squares, b.axes(1)}}, [&](ArrayRef<Scalar> x) { return x[0] / (sqrt(x[1] / count) + eps); });
  return SmallVector<Value>{b.reshape(value, shape)};
}
