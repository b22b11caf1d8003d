//===- Windows.cpp - what convolutions and pooling have in common -------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "dialects/vit/Windows.h"

#include <limits>

using namespace mlir;
using namespace vitc::vit;

LogicalResult vitc::vit::verifyWindows(Operation *op, const Windows &windows, StringRef sizeName) {
  if (failed(expectNumbers(op, sizeName, windows.size, 2, 1)) || failed(expectNumbers(op, "stride", windows.stride, 2, 1)) ||
      failed(expectNumbers(op, "padding", windows.padding, 4, 0)))
    return failure();
  if (windows.size[0] > windows.paddedHeight() || windows.size[1] > windows.paddedWidth())
    return op->emitOpError() << "a padded image of " << windows.paddedHeight() << "x" << windows.paddedWidth()
                             << " pixels holds no window of " << windows.size[0] << "x" << windows.size[1];
  return success();
}

LogicalResult vitc::vit::verifyNoEmptyWindow(Operation *op, const Windows &windows) {
  for (auto [side, pixels] : llvm::enumerate(windows.padding))
    if (pixels >= windows.size[side / 2])
      return op->emitOpError() << "padding of " << pixels << " pixels is not smaller than the window's " << windows.size[side / 2];
  return success();
}

/// The first of the two axes of pixels.
static unsigned rowAxis(Layout layout) { return layout == Layout::ChannelsFirst ? 2 : 1; }

/// `tensor` between `before` and `after` elements of `value` along two axes from `axis` on.
static Value surround(ReferenceBuilder &b, Value tensor, unsigned axis, const Windows &windows, double value) {
  if (llvm::all_of(windows.padding, [](int64_t pixels) { return pixels == 0; }))
    return tensor;
  SmallVector<int64_t> shape(shapeOf(tensor)), offsets(shape.size(), 0);
  shape[axis] = windows.paddedHeight();
  shape[axis + 1] = windows.paddedWidth();
  offsets[axis] = windows.padding[0];
  offsets[axis + 1] = windows.padding[2];
  return b.insert(tensor, b.fill(shape, value), offsets);
}

Value vitc::vit::pad(ReferenceBuilder &b, Value images, Layout layout, const Windows &windows, double value) {
  return surround(b, images, rowAxis(layout), windows, value);
}

Value vitc::vit::poolWindows(ReferenceBuilder &b, Value images, Layout layout, const Windows &windows, WindowPool kind) {
  bool max = kind == WindowPool::Max;
  double start = max ? -std::numeric_limits<double>::infinity() : 0.0;
  unsigned axis = rowAxis(layout);
  SmallVector<int64_t> shape(shapeOf(images));
  shape[axis] = windows.down();
  shape[axis + 1] = windows.across();
  Value padded = pad(b, images, layout, windows, start);
  SmallVector<AffineExpr> at = b.axes(4);
  at[axis] = b.axis(axis) * windows.stride[0] + b.axis(4);
  at[axis + 1] = b.axis(axis + 1) * windows.stride[1] + b.axis(5);
  // The second operand is never read: it gives the window's axes their lengths, as in linalg's named pooling operations.
  Value pooled = b.reduce(shape, 2, start, {{padded, at}, {b.empty(windows.size), b.axes(2, 4)}},
                          [&](ArrayRef<Scalar> x) { return max ? vit::max(x[2], x[0]) : x[2] + x[0]; });
  if (max)
    return pooled;
  Value pixels = surround(b, b.fill(windows.grid, 1.0), 0, windows, 0.0);
  AffineExpr y = b.axis(0) * windows.stride[0] + b.axis(2), x = b.axis(1) * windows.stride[1] + b.axis(3);
  Value counts = b.reduce({windows.down(), windows.across()}, 2, 0.0, {{pixels, {y, x}}, {b.empty(windows.size), b.axes(2, 2)}},
                          [](ArrayRef<Scalar> x) { return x[2] + x[0]; });
  return b.compute(shape, {{pooled, b.axes(4)}, {counts, b.axes(2, axis)}}, [](ArrayRef<Scalar> x) { return x[0] / x[1]; });
}
