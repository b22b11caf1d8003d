//===- PositionOps.cpp - tables of positions: verifiers and reference lowerings -----------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "dialects/vit/ReferenceBuilder.h"
#include "dialects/vit/Verify.h"
#include "dialects/vit/VitDialect.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace vitc::vit;

//===--------------------------------------------------------------------------------------===//
// Verifiers
//===--------------------------------------------------------------------------------------===//

LogicalResult ResampleOp::verify() {
  SmallVector<int64_t> shape(shapeOf(getInput()));
  int64_t axis = getAxis(), rank = shape.size();
  if (axis < 0 || axis >= rank) // (C1)
    return emitOpError() << "axis is " << axis << ", expected 0 to " << rank - 1 << " for " << getInput().getType();
  if (failed(expectShape(*this, "matrix", getMatrix(), {{"O"}, {"I", shape[axis]}}))) // (C2)
    return failure();
  shape[axis] = shapeOf(getMatrix())[0];
  SmallVector<Axis> expected;
  for (int64_t size : shape)
    expected.push_back({"", size});
  return expectShape(*this, "result", getValue(), expected); // (C3)
}

/// Rows of a table of all distances of two patches.
static int64_t distances(ArrayRef<int64_t> grid) { return (2 * grid[0] - 1) * (2 * grid[1] - 1); }

LogicalResult RelativeBiasOp::verify() {
  if (failed(expectNumbers(*this, "grid", getGrid(), 2, 1))) // (C1)
    return failure();
  int64_t prefix = getPrefix(), rows = distances(getGrid());
  if (prefix < 0) // (C1)
    return emitOpError() << "prefix is " << prefix << ", expected at least 0";
  bool withPrefix = prefix == 1 && shapeOf(getTable()).front() == rows + 3;
  if (failed(expectShape(*this, "table", getTable(), {{"(2H-1)(2W-1)", withPrefix ? rows + 3 : rows}, {"h"}}))) // (C2)
    return failure();
  int64_t tokens = prefix + getGrid()[0] * getGrid()[1];
  return expectShape(*this, "result", getValue(), {{"h", shapeOf(getTable())[1]}, {"T", tokens}, {"T", tokens}}); // (C3)
}

LogicalResult RotaryTableOp::verify() {
  if (failed(expectShape(*this, "frequencies", getFrequencies(), {{"", 2}, {"h"}, {"d/2"}})) || // (C1)
      failed(expectShape(*this, "coordinates", getCoordinates(), {{"N"}, {"", 2}})))
    return failure();
  ArrayRef<int64_t> frequencies = shapeOf(getFrequencies());
  return expectShape(*this, "result", getValue(),
                     {{"h", frequencies[1]}, {"N", shapeOf(getCoordinates())[0]}, {"d", 2 * frequencies[2]}}); // (C2)
}

LogicalResult DifferentialLambdaOp::verify() {
  return failure(failed(expectShape(*this, "q1", getQ1(), {{"d"}})) ||
                 failed(expectShape(*this, "result", getValue(), {{"n"}}))); // (C1), (C2)
}

//===--------------------------------------------------------------------------------------===//
// Reference lowerings
//===--------------------------------------------------------------------------------------===//

using Lowered = FailureOr<SmallVector<Value>>;

Lowered ConstantOp::lowerToReference(OpBuilder &builder) {
  return SmallVector<Value>{arith::ConstantOp::create(builder, getLoc(), getDataAttr())};
}

Lowered ResampleOp::lowerToReference(OpBuilder &builder) {
  ReferenceBuilder b(builder, getLoc());
  ArrayRef<int64_t> shape = shapeOf(getValue());
  unsigned rank = shape.size(), axis = getAxis();
  SmallVector<AffineExpr> from = b.axes(rank);
  from[axis] = b.axis(rank);
  return SmallVector<Value>{b.reduce(shape, 1, 0.0, {{getInput(), from}, {getMatrix(), {b.axis(axis), b.axis(rank)}}},
                                     [](ArrayRef<Scalar> x) { return x[2] + x[0] * x[1]; })};
}

Lowered RelativeBiasOp::lowerToReference(OpBuilder &builder) {
  ReferenceBuilder b(builder, getLoc());
  int64_t height = getGrid()[0], width = getGrid()[1], prefix = getPrefix(), rows = distances(getGrid()), heads = shapeOf(getTable())[1];
  // Loops: head, row and column of the query, of the key.
  AffineExpr row = (b.axis(1) - b.axis(3) + (height - 1)) * (2 * width - 1) + b.axis(2) - b.axis(4) + (width - 1);
  Value patches =
      b.compute({heads, height, width, height, width}, {{getTable(), {row, b.axis(0)}}}, [](ArrayRef<Scalar> x) { return x[0]; });
  int64_t count = height * width;
  patches = b.reshape(patches, {heads, count, count});
  if (prefix == 0)
    return SmallVector<Value>{patches};
  Value result = b.insert(patches, b.fill(shapeOf(getValue()), 0.0), {0, prefix, prefix});
  if (shapeOf(getTable()).front() == rows)
    return SmallVector<Value>{result};
  auto place = [&](int64_t tableRow, SmallVector<int64_t> shape, SmallVector<int64_t> offsets) {
    Value part = b.compute(shape, {{getTable(), {b.constant(tableRow), b.axis(0)}}}, [](ArrayRef<Scalar> x) { return x[0]; });
    result = b.insert(part, result, offsets);
  };
  place(rows, {heads, 1, count}, {0, 0, 1});
  place(rows + 1, {heads, count, 1}, {0, 1, 0});
  place(rows + 2, {heads, 1, 1}, {0, 0, 0});
  return SmallVector<Value>{result};
}

Lowered RotaryTableOp::lowerToReference(OpBuilder &builder) {
  ReferenceBuilder b(builder, getLoc());
  ArrayRef<int64_t> shape = shapeOf(getValue());
  // Loops: head, patch, pair, element of the pair.
  SmallVector<int64_t> pairs{shape[0], shape[1], shape[2] / 2, 2};
  auto coordinate = [&](int64_t which) { return Read{getCoordinates(), {b.axis(1), b.constant(which)}}; };
  auto frequency = [&](int64_t which) { return Read{getFrequencies(), {b.constant(which), b.axis(0), b.axis(2)}}; };
  Value table = b.compute(pairs, {coordinate(0), frequency(0), coordinate(1), frequency(1)}, [&](ArrayRef<Scalar> x) {
    Scalar angle = x[0] * x[1] + x[2] * x[3];
    return getCosine() ? cos(angle) : sin(angle);
  });
  return SmallVector<Value>{b.reshape(table, shape)};
}

Lowered DifferentialLambdaOp::lowerToReference(OpBuilder &builder) {
  ReferenceBuilder b(builder, getLoc());
  // The sum for each element anew: the vectors are short, and nothing has to be broadcast.
  ArrayRef<int64_t> shape = shapeOf(getValue());
  auto dot = [&](Value q, Value k) {
    return b.reduce(shape, 1, 0.0, {{q, {b.axis(1)}}, {k, {b.axis(1)}}}, [](ArrayRef<Scalar> x) { return x[2] + x[0] * x[1]; });
  };
  double init = getInit().convertToFloat();
  return SmallVector<Value>{b.compute(shape, {{dot(getQ1(), getK1()), b.axes(1)}, {dot(getQ2(), getK2()), b.axes(1)}},
                                      [&](ArrayRef<Scalar> x) { return exp(x[0]) - exp(x[1]) + init; })};
}
