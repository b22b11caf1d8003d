//===- StemOps.cpp - convolutional stems: verifiers and reference lowerings ---------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "dialects/vit/Windows.h"

using namespace mlir;
using namespace vitc::vit;

//===--------------------------------------------------------------------------------------===//
// Verifiers
//===--------------------------------------------------------------------------------------===//

/// The windows of an operation on images [B, C, H, W].
static Windows windowsOf(Value images, ArrayRef<int64_t> size, ArrayRef<int64_t> stride, ArrayRef<int64_t> padding) {
  return {shapeOf(images).take_back(2), size, stride, padding};
}

/// The result has `channels` and a pixel for each window.
static LogicalResult expectPixels(Operation *op, Value images, Value result, int64_t channels, const Windows &windows) {
  return expectShape(op, "result", result,
                     {{"B", shapeOf(images)[0]}, {"channels", channels}, {"H'", windows.down()}, {"W'", windows.across()}});
}

LogicalResult ConvOp::verify() {
  if (failed(expectShape(*this, "kernel", getKernel(), {{"O"}, {"C", shapeOf(getImages())[1]}, {"P"}, {"Q"}}))) // (C1)
    return failure();
  ArrayRef<int64_t> kernel = shapeOf(getKernel());
  Windows windows = windowsOf(getImages(), kernel.drop_front(2), getStride(), getPadding());
  return failure(failed(verifyWindows(*this, windows, "kernel")) ||                         // (C2), (C3)
                 failed(expectShape(*this, "bias", getBias(), {{"O", kernel[0]}})) ||       // (C4)
                 failed(expectPixels(*this, getImages(), getValue(), kernel[0], windows))); // (C5)
}

LogicalResult GroupNormOp::verify() {
  int64_t channels = shapeOf(getImages())[1], groups = getGroups();
  if (groups <= 0 || channels % groups != 0) // (C1)
    return emitOpError() << channels << " channels cannot be split into " << groups << " groups";
  Axis each{"C", channels};
  return failure(failed(expectShape(*this, "gain", getGain(), {each})) || failed(expectShape(*this, "shift", getShift(), {each})) || // (C2)
                 failed(expectEps(*this, getEps())));                                                                                // (C3)
}

template <typename PoolOp> static LogicalResult verifyPool(PoolOp op) {
  Windows windows = windowsOf(op.getImages(), op.getWindow(), op.getStride(), op.getPadding());
  return failure(failed(verifyWindows(op, windows, "window")) ||                                                // (C1), (C2)
                 failed(verifyNoEmptyWindow(op, windows)) ||                                                    // (C2)
                 failed(expectPixels(op, op.getImages(), op.getValue(), shapeOf(op.getImages())[1], windows))); // (C3)
}

LogicalResult MaxPoolOp::verify() { return verifyPool(*this); }
LogicalResult AvgPoolOp::verify() { return verifyPool(*this); }

LogicalResult BatchNormOp::verify() {
  Axis channels{"C", shapeOf(getImages())[1]};
  for (auto [name, vector] : {std::pair("mean", Value(getMean())), {"variance", getVariance()}, {"gain", getGain()}, {"shift", getShift()}})
    if (failed(expectShape(*this, name, vector, {channels}))) // (C1)
      return failure();
  return expectEps(*this, getEps()); // (C2)
}

//===--------------------------------------------------------------------------------------===//
// Reference lowerings
//===--------------------------------------------------------------------------------------===//

using Lowered = FailureOr<SmallVector<Value>>;

Lowered ConvOp::lowerToReference(OpBuilder &builder) {
  ReferenceBuilder b(builder, getLoc(), getImages());
  Windows windows = windowsOf(getImages(), shapeOf(getKernel()).drop_front(2), getStride(), getPadding());
  Value padded = pad(b, getImages(), Layout::ChannelsFirst, windows, 0.0);
  ArrayRef<int64_t> result = shapeOf(getValue()), stride = getStride();
  // Loops: image, output, row, column | channel, row and column within the kernel.
  AffineExpr y = b.axis(2) * stride[0] + b.axis(5), x = b.axis(3) * stride[1] + b.axis(6);
  Value sums =
      b.reduce(result, 3, 0.0, {{padded, {b.axis(0), b.axis(4), y, x}}, {getKernel(), {b.axis(1), b.axis(4), b.axis(5), b.axis(6)}}},
               [](ArrayRef<Scalar> x) { return x[2] + x[0] * x[1]; });
  if (getBias())
    sums = b.compute(result, {{sums, b.axes(4)}, {getBias(), {b.axis(1)}}}, [](ArrayRef<Scalar> x) { return x[0] + x[1]; });
  return SmallVector<Value>{sums};
}

Lowered GroupNormOp::lowerToReference(OpBuilder &builder) {
  ReferenceBuilder b(builder, getLoc(), getImages());
  ArrayRef<int64_t> shape = shapeOf(getImages());
  int64_t groups = getGroups();
  Value rows = b.reshape(getImages(), {shape[0], groups, shape[1] / groups * shape[2] * shape[3]});
  rows = normalizeRows(b, rows, /*gain=*/{}, /*shift=*/{}, /*centred=*/true, getEps().convertToFloat());
  Value value = b.reshape(rows, shape);
  SmallVector<Read> reads{{value, b.axes(4)}};
  for (Value vector : {getGain(), getShift()})
    if (vector)
      reads.push_back({vector, {b.axis(1)}});
  if (reads.size() > 1)
    value = b.compute(shape, reads, [&](ArrayRef<Scalar> x) {
      Scalar scaled = getGain() ? x[0] * x[1] : x[0];
      return getShift() ? scaled + x.back() : scaled;
    });
  return SmallVector<Value>{value};
}

template <typename PoolOp> static SmallVector<Value> lowerPool(PoolOp op, OpBuilder &builder, WindowPool kind) {
  ReferenceBuilder b(builder, op.getLoc(), op.getImages());
  Windows windows = windowsOf(op.getImages(), op.getWindow(), op.getStride(), op.getPadding());
  return {poolWindows(b, op.getImages(), Layout::ChannelsFirst, windows, kind)};
}

Lowered MaxPoolOp::lowerToReference(OpBuilder &builder) { return lowerPool(*this, builder, WindowPool::Max); }
Lowered AvgPoolOp::lowerToReference(OpBuilder &builder) { return lowerPool(*this, builder, WindowPool::Avg); }

Lowered BatchNormOp::lowerToReference(OpBuilder &builder) {
  ReferenceBuilder b(builder, getLoc(), getImages());
  double eps = getEps().convertToFloat();
  SmallVector<Read> reads{{getImages(), b.axes(4)}};
  for (Value vector : {Value(getMean()), Value(getVariance()), Value(getGain()), Value(getShift())})
    if (vector)
      reads.push_back({vector, {b.axis(1)}});
  return SmallVector<Value>{b.compute(shapeOf(getImages()), reads, [&](ArrayRef<Scalar> x) {
    Scalar value = (x[0] - x[1]) / sqrt(x[2] + eps);
    value = getGain() ? value * x[3] : value;
    return getShift() ? value + x.back() : value;
  })};
}
