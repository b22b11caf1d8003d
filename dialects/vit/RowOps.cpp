//===- RowOps.cpp - feature maps as rows: verifiers and reference lowerings ---------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "dialects/vit/Windows.h"

using namespace mlir;
using namespace vitc::vit;

using Lowered = FailureOr<SmallVector<Value>>;

//===--------------------------------------------------------------------------------------===//
// Layouts
//===--------------------------------------------------------------------------------------===//

/// `rows` are the pixels of `images`.
static LogicalResult verifyLayouts(Operation *op, Value images, Value rows) {
  ArrayRef<int64_t> shape = shapeOf(images);
  return expectShape(op, "rows", rows, {{"B", shape[0]}, {"H W", shape[2] * shape[3]}, {"C", shape[1]}});
}

LogicalResult ChannelsLastOp::verify() { return verifyLayouts(*this, getImages(), getRows()); }  // (C1)
LogicalResult ChannelsFirstOp::verify() { return verifyLayouts(*this, getImages(), getRows()); } // (C1)

// channels_last(channels_first(x)) -> x
OpFoldResult ChannelsLastOp::fold(FoldAdaptor) {
  auto inner = getImages().getDefiningOp<ChannelsFirstOp>();
  return inner ? OpFoldResult(inner.getRows()) : OpFoldResult();
}

Lowered ChannelsLastOp::lowerToReference(OpBuilder &builder) {
  ReferenceBuilder b(builder, getLoc(), getImages());
  ArrayRef<int64_t> images = shapeOf(getImages());
  Value pixels = b.compute({images[0], images[2], images[3], images[1]}, {{getImages(), {b.axis(0), b.axis(3), b.axis(1), b.axis(2)}}},
                           [](ArrayRef<Scalar> x) { return x[0]; });
  return SmallVector<Value>{b.reshape(pixels, shapeOf(getRows()))};
}

Lowered ChannelsFirstOp::lowerToReference(OpBuilder &builder) {
  ReferenceBuilder b(builder, getLoc(), getRows());
  ArrayRef<int64_t> images = shapeOf(getImages());
  Value pixels = b.reshape(getRows(), {images[0], images[2], images[3], images[1]});
  return SmallVector<Value>{
      b.compute(images, {{pixels, {b.axis(0), b.axis(2), b.axis(3), b.axis(1)}}}, [](ArrayRef<Scalar> x) { return x[0]; })};
}

//===--------------------------------------------------------------------------------------===//
// Windows
//===--------------------------------------------------------------------------------------===//

template <typename WindowOp> static Windows windowsOf(WindowOp op) {
  return {op.getGrid(), op.getWindow(), op.getStride(), op.getPadding()};
}

/// (C1) to (C4) of an operation whose result has `width` columns a window.
template <typename WindowOp> static LogicalResult verifyRows(WindowOp op, int64_t area) {
  if (failed(expectNumbers(op, "grid", op.getGrid(), 2, 1)))
    return failure();
  ArrayRef<int64_t> rows = shapeOf(op.getRows());
  if (failed(expectShape(op, "rows", op.getRows(), {{"B"}, {"H W", op.getGrid()[0] * op.getGrid()[1]}, {"C"}})) ||
      failed(verifyWindows(op, windowsOf(op), "window")))
    return failure();
  Windows windows = windowsOf(op);
  return expectShape(op, "result", op.getValue(),
                     {{"B", rows[0]}, {"H' W'", windows.down() * windows.across()}, {area > 1 ? "P Q C" : "C", area * rows[2]}});
}

/// Pixels as [B, H, W, C].
template <typename WindowOp> static Value pixelsOf(ReferenceBuilder &b, WindowOp op) {
  ArrayRef<int64_t> rows = shapeOf(op.getRows());
  return b.reshape(op.getRows(), {rows[0], op.getGrid()[0], op.getGrid()[1], rows[2]});
}

LogicalResult Im2colOp::verify() {
  if (failed(expectNumbers(*this, "window", getWindow(), 2, 1)))
    return failure();
  return verifyRows(*this, getWindow()[0] * getWindow()[1]);
}

Lowered Im2colOp::lowerToReference(OpBuilder &builder) {
  ReferenceBuilder b(builder, getLoc(), getRows());
  Windows windows = windowsOf(*this);
  Value padded = pad(b, pixelsOf(b, *this), Layout::ChannelsLast, windows, 0.0);
  ArrayRef<int64_t> rows = shapeOf(getRows());
  // Axes: image, window down and across, row and column within the window, channel.
  AffineExpr y = b.axis(1) * windows.stride[0] + b.axis(3), x = b.axis(2) * windows.stride[1] + b.axis(4);
  Value value = b.compute({rows[0], windows.down(), windows.across(), windows.size[0], windows.size[1], rows[2]},
                          {{padded, {b.axis(0), y, x, b.axis(5)}}}, [](ArrayRef<Scalar> x) { return x[0]; });
  return SmallVector<Value>{b.reshape(value, shapeOf(getValue()))};
}

LogicalResult PoolRowsOp::verify() {
  if (failed(verifyRows(*this, 1)))
    return failure();
  return verifyNoEmptyWindow(*this, windowsOf(*this)); // (C3)
}

Lowered PoolRowsOp::lowerToReference(OpBuilder &builder) {
  ReferenceBuilder b(builder, getLoc(), getRows());
  Value pooled = poolWindows(b, pixelsOf(b, *this), Layout::ChannelsLast, windowsOf(*this), getKind());
  return SmallVector<Value>{b.reshape(pooled, shapeOf(getValue()))};
}

//===--------------------------------------------------------------------------------------===//
// Normalization
//===--------------------------------------------------------------------------------------===//

LogicalResult GroupNormRowsOp::verify() {
  if (failed(expectShape(*this, "rows", getRows(), {{"B"}, {"N"}, {"C"}}))) // (C1)
    return failure();
  int64_t channels = shapeOf(getRows())[2], groups = getGroups();
  if (groups <= 0 || channels % groups != 0) // (C1)
    return emitOpError() << channels << " channels cannot be split into " << groups << " groups";
  Axis each{"C", channels};
  if (failed(expectShape(*this, "gain", getGain(), {each})) || failed(expectShape(*this, "shift", getShift(), {each}))) // (C2)
    return failure();
  if (getResidual() && getResidual().getType() != getRows().getType()) // (C3)
    return emitOpError() << "residual is " << getResidual().getType() << ", expected the type of the rows, " << getRows().getType();
  return expectEps(*this, getEps()); // (C4)
}

Lowered GroupNormRowsOp::lowerToReference(OpBuilder &builder) {
  ReferenceBuilder b(builder, getLoc(), getRows());
  ArrayRef<int64_t> shape = shapeOf(getRows());
  int64_t groups = getGroups(), width = shape[2] / groups;
  double count = shape[1] * width, eps = getEps().convertToFloat();
  SmallVector<int64_t> split{shape[0], shape[1], groups, width}, statistics{shape[0], groups};
  Value rows = b.reshape(getRows(), split);
  // Loops of the sums: image, group | row, column within the group.
  SmallVector<AffineExpr> summed{b.axis(0), b.axis(2), b.axis(1), b.axis(3)}, ofGroup{b.axis(0), b.axis(2)};
  Value sums = b.reduce(statistics, 2, 0.0, {{rows, summed}}, [](ArrayRef<Scalar> x) { return x[1] + x[0]; });
  Value centred = b.compute(split, {{rows, b.axes(4)}, {sums, ofGroup}}, [&](ArrayRef<Scalar> x) { return x[0] - x[1] / count; });
  Value squares = b.reduce(statistics, 2, 0.0, {{centred, summed}}, [](ArrayRef<Scalar> x) { return x[1] + x[0] * x[0]; });
  Value value =
      b.compute(split, {{centred, b.axes(4)}, {squares, ofGroup}}, [&](ArrayRef<Scalar> x) { return x[0] / sqrt(x[1] / count + eps); });
  SmallVector<Read> reads{{b.reshape(value, shape), b.axes(3)}};
  for (Value vector : {getGain(), getShift()})
    if (vector)
      reads.push_back({vector, {b.axis(2)}});
  if (getResidual())
    reads.push_back({getResidual(), b.axes(3)});
  return SmallVector<Value>{b.compute(shape, reads, [&](ArrayRef<Scalar> x) {
    Scalar value = getGain() ? x[0] * x[1] : x[0];
    value = getShift() ? value + x[getGain() ? 2 : 1] : value;
    return activate(getActivation(), getResidual() ? x.back() + value : value);
  })};
}
