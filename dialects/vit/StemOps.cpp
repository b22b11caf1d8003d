//===- StemOps.cpp - convolutional stems: verifiers and reference lowerings ---------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "dialects/vit/ReferenceBuilder.h"
#include "dialects/vit/Verify.h"
#include "dialects/vit/VitDialect.h"

#include <limits>

using namespace mlir;
using namespace vitc::vit;

//===--------------------------------------------------------------------------------------===//
// Verifiers
//===--------------------------------------------------------------------------------------===//

/// The result of windows of `window` = [P, Q] over images of four axes has `channels` and as many rows and columns as there are windows.
static LogicalResult verifyWindows(Operation *op, Value images, Value result, int64_t channels, ArrayRef<int64_t> window,
                                   ArrayRef<int64_t> stride, ArrayRef<int64_t> padding) {
  ArrayRef<int64_t> shape = shapeOf(images);
  int64_t height = shape[2] + padding[0] + padding[1], width = shape[3] + padding[2] + padding[3];
  if (window[0] > height || window[1] > width)
    return op->emitOpError() << "a padded image of " << height << "x" << width << " pixels holds no window of " << window[0] << "x"
                             << window[1];
  Axis rows{"H'", (height - window[0]) / stride[0] + 1}, columns{"W'", (width - window[1]) / stride[1] + 1};
  return expectShape(op, "result", result, {{"B", shape[0]}, {"channels", channels}, rows, columns});
}

LogicalResult ConvOp::verify() {
  if (failed(expectShape(*this, "kernel", getKernel(), {{"O"}, {"C", shapeOf(getImages())[1]}, {"P"}, {"Q"}})) || // (C1)
      failed(expectNumbers(*this, "stride", getStride(), 2, 1)) ||                                                // (C2)
      failed(expectNumbers(*this, "padding", getPadding(), 4, 0)))
    return failure();
  ArrayRef<int64_t> kernel = shapeOf(getKernel());
  return failure(
      failed(expectShape(*this, "bias", getBias(), {{"O", kernel[0]}})) ||                                                // (C4)
      failed(verifyWindows(*this, getImages(), getValue(), kernel[0], kernel.drop_front(2), getStride(), getPadding()))); // (C3), (C5)
}

LogicalResult GroupNormOp::verify() {
  int64_t channels = shapeOf(getImages())[1], groups = getGroups();
  if (groups <= 0 || channels % groups != 0) // (C1)
    return emitOpError() << channels << " channels cannot be split into " << groups << " groups";
  Axis each{"C", channels};
  return failure(failed(expectShape(*this, "gain", getGain(), {each})) || failed(expectShape(*this, "shift", getShift(), {each})) || // (C2)
                 failed(expectEps(*this, getEps())));                                                                                // (C3)
}

LogicalResult MaxPoolOp::verify() {
  if (failed(expectNumbers(*this, "window", getWindow(), 2, 1)) || failed(expectNumbers(*this, "stride", getStride(), 2, 1)) || // (C1)
      failed(expectNumbers(*this, "padding", getPadding(), 4, 0)))
    return failure();
  for (auto [side, pixels] : llvm::enumerate(getPadding()))
    if (pixels >= getWindow()[side / 2]) // (C2)
      return emitOpError() << "padding of " << pixels << " pixels is not smaller than the window's " << getWindow()[side / 2];
  return verifyWindows(*this, getImages(), getValue(), shapeOf(getImages())[1], getWindow(), getStride(), getPadding()); // (C2), (C3)
}

//===--------------------------------------------------------------------------------------===//
// Reference lowerings
//===--------------------------------------------------------------------------------------===//

using Lowered = FailureOr<SmallVector<Value>>;

/// `images` with `padding` [top, bottom, left, right] of `value` around them.
static Value pad(ReferenceBuilder &b, Value images, ArrayRef<int64_t> padding, double value) {
  if (llvm::all_of(padding, [](int64_t pixels) { return pixels == 0; }))
    return images;
  SmallVector<int64_t> shape(shapeOf(images));
  shape[2] += padding[0] + padding[1];
  shape[3] += padding[2] + padding[3];
  return b.insert(images, b.fill(shape, value), {0, 0, padding[0], padding[2]});
}

Lowered ConvOp::lowerToReference(OpBuilder &builder) {
  ReferenceBuilder b(builder, getLoc(), getImages());
  Value padded = pad(b, getImages(), getPadding(), 0.0);
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

Lowered MaxPoolOp::lowerToReference(OpBuilder &builder) {
  ReferenceBuilder b(builder, getLoc(), getImages());
  double lowest = -std::numeric_limits<double>::infinity();
  Value padded = pad(b, getImages(), getPadding(), lowest);
  ArrayRef<int64_t> stride = getStride();
  AffineExpr y = b.axis(2) * stride[0] + b.axis(4), x = b.axis(3) * stride[1] + b.axis(5);
  // The second operand is never read: it gives the window's axes their lengths, as in linalg's named pooling operations.
  return SmallVector<Value>{b.reduce(shapeOf(getValue()), 2, lowest,
                                     {{padded, {b.axis(0), b.axis(1), y, x}}, {b.empty(getWindow()), b.axes(2, 4)}},
                                     [](ArrayRef<Scalar> x) { return max(x[2], x[0]); })};
}
