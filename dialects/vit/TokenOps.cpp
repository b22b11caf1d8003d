//===- TokenOps.cpp - sequences, windows, talking heads ----------------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "dialects/vit/ReferenceBuilder.h"
#include "dialects/vit/Verify.h"
#include "dialects/vit/VitDialect.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace vitc::vit;

using Lowered = FailureOr<SmallVector<Value>>;

static Scalar itself(ArrayRef<Scalar> x) { return x[0]; }

//===--------------------------------------------------------------------------------------===//
// Sequences
//===--------------------------------------------------------------------------------------===//

LogicalResult ConcatTokensOp::verify() {
  ArrayRef<int64_t> result = shapeOf(getValue());
  int64_t tokens = 0;
  if (failed(expectShape(*this, "result", getValue(), {{"B"}, {"T"}, {"D"}}))) // (C2)
    return failure();
  for (Value input : getInputs()) {
    if (failed(expectShape(*this, "input", input, {{"B", result[0]}, {"n"}, {"D", result[2]}}))) // (C1)
      return failure();
    tokens += shapeOf(input)[1];
  }
  return expectShape(*this, "result", getValue(), {{"B"}, {"sum of n", tokens}, {"D"}}); // (C2)
}

Lowered ConcatTokensOp::lowerToReference(OpBuilder &builder) {
  ReferenceBuilder b(builder, getLoc(), getInputs().front());
  Value result = b.empty(shapeOf(getValue()));
  int64_t row = 0;
  for (Value input : getInputs()) {
    result = b.insert(input, result, {0, row, 0});
    row += shapeOf(input)[1];
  }
  return SmallVector<Value>{result};
}

//===--------------------------------------------------------------------------------------===//
// Windows
//===--------------------------------------------------------------------------------------===//

namespace {
/// A grid in windows of size x size; the last ones of a row or column may reach beyond it.
struct Partition {
  int64_t height, width, size;

  template <typename WindowOp>
  explicit Partition(WindowOp op) : height(op.getGrid()[0]), width(op.getGrid()[1]), size(static_cast<int64_t>(op.getSize())) {}
  int64_t down() const { return llvm::divideCeilSigned(height, size); }
  int64_t across() const { return llvm::divideCeilSigned(width, size); }
  int64_t rows() const { return down() * across() * size * size; }
};
} // namespace

template <typename WindowOp> static LogicalResult verifyPartition(WindowOp op) {
  if (failed(expectNumbers(op, "grid", op.getGrid(), 2, 1))) // (C1)
    return failure();
  if (static_cast<int64_t>(op.getSize()) < 1) // (C1)
    return op.emitOpError() << "size is " << static_cast<int64_t>(op.getSize()) << ", expected at least 1";
  Partition partition(op);
  if (failed(expectShape(op, "tokens", op.getTokens(), {{"B"}, {"H W", partition.height * partition.width}, {"D"}}))) // (C2)
    return failure();
  ArrayRef<int64_t> tokens = shapeOf(op.getTokens());
  return expectShape(op, "windows", op.getWindows(), {{"B", tokens[0]}, {"M N S S", partition.rows()}, {"D", tokens[2]}}); // (C2)
}

LogicalResult ToWindowsOp::verify() {
  if (failed(verifyPartition(*this)))
    return failure();
  return expectShape(*this, "fill", getFill(), {{"D", shapeOf(getTokens())[2]}}); // (C3)
}

LogicalResult FromWindowsOp::verify() { return verifyPartition(*this); }

Lowered ToWindowsOp::lowerToReference(OpBuilder &builder) {
  ReferenceBuilder b(builder, getLoc(), getTokens());
  Partition p(*this);
  ArrayRef<int64_t> tokens = shapeOf(getTokens());
  int64_t batch = tokens[0], columns = tokens[2];
  Value grid = b.reshape(getTokens(), {batch, p.height, p.width, columns});
  // The last window of an axis may reach beyond the grid: parts of windows that are whole there or not, beside each other.
  struct Part {
    int64_t window, windows, first, count;
    bool inGrid;
  };
  auto partsOf = [&](int64_t length) {
    const int64_t whole = length / p.size, left = length % p.size;
    SmallVector<Part, 3> parts;
    if (whole > 0)
      parts.push_back({0, whole, 0, p.size, true});
    if (left > 0)
      parts.append({{whole, 1, 0, left, true}, {whole, 1, left, p.size - left, false}});
    return parts;
  };
  Value windows = b.empty({batch, p.down(), p.across(), p.size, p.size, columns});
  for (const Part &down : partsOf(p.height))
    for (const Part &across : partsOf(p.width)) {
      // Loops: image, window down and across, row and column within the window, column.
      SmallVector<int64_t> shape{batch, down.windows, across.windows, down.count, across.count, columns};
      AffineExpr y = (b.axis(1) + down.window) * p.size + b.axis(3), x = (b.axis(2) + across.window) * p.size + b.axis(4);
      Value part = down.inGrid && across.inGrid ? b.compute(shape, {{grid, {b.axis(0), y, x, b.axis(5)}}}, itself)
                   : getFill()                  ? b.compute(shape, {{getFill(), {b.axis(5)}}}, itself)
                                                : b.fill(shape, 0.0);
      windows = b.insert(part, windows, {0, down.window, across.window, down.first, across.first, 0});
    }
  return SmallVector<Value>{b.reshape(windows, shapeOf(getWindows()))};
}

Lowered FromWindowsOp::lowerToReference(OpBuilder &builder) {
  ReferenceBuilder b(builder, getLoc(), getWindows());
  Partition p(*this);
  ArrayRef<int64_t> tokens = shapeOf(getTokens());
  Value windows = b.reshape(getWindows(), {tokens[0], p.down(), p.across(), p.size, p.size, tokens[2]});
  // Loops: image, row, column, element.
  AffineExpr y = b.axis(1), x = b.axis(2);
  Value grid = b.compute({tokens[0], p.height, p.width, tokens[2]},
                         {{windows, {b.axis(0), y.floorDiv(p.size), x.floorDiv(p.size), y % p.size, x % p.size, b.axis(3)}}}, itself);
  return SmallVector<Value>{b.reshape(grid, tokens)};
}

//===--------------------------------------------------------------------------------------===//
// Talking heads
//===--------------------------------------------------------------------------------------===//

LogicalResult TalkingHeadsOp::verify() {
  if (failed(expectShape(*this, "qkv", getQkv(), {{"B"}, {"T"}, {"3 h d"}}))) // (C1)
    return failure();
  ArrayRef<int64_t> qkv = shapeOf(getQkv());
  int64_t heads = getHeads();
  if (heads <= 0 || qkv[2] % (3 * heads) != 0) // (C1)
    return emitOpError() << "qkv's width " << qkv[2] << " cannot be split into query, key and value of " << heads << " heads";
  Axis h{"h", heads};
  return failure(failed(expectShape(*this, "before", getBefore(), {h, h})) || // (C2)
                 failed(expectShape(*this, "before_bias", getBeforeBias(), {h})) ||
                 failed(expectShape(*this, "after", getAfter(), {h, h})) || failed(expectShape(*this, "after_bias", getAfterBias(), {h})) ||
                 failed(expectShape(*this, "result", getValue(), {{"B", qkv[0]}, {"T", qkv[1]}, {"h d", qkv[2] / 3}}))); // (C3)
}

/// Heads of `scores` [B, h, T, T] as sums of all heads, plus a bias.
static Value mixHeads(ReferenceBuilder &b, Value scores, Value matrix, Value bias) {
  ArrayRef<int64_t> shape = shapeOf(scores);
  // Loops: image, head, query, key | head that is listened to.
  AffineExpr head = b.axis(1), other = b.axis(4);
  Value sums = b.reduce(shape, 1, 0.0, {{scores, {b.axis(0), other, b.axis(2), b.axis(3)}}, {matrix, {head, other}}},
                        [](ArrayRef<Scalar> x) { return x[2] + x[0] * x[1]; });
  return b.compute(shape, {{sums, b.axes(4)}, {bias, {head}}}, [](ArrayRef<Scalar> x) { return x[0] + x[1]; });
}

Lowered TalkingHeadsOp::lowerToReference(OpBuilder &builder) {
  ReferenceBuilder b(builder, getLoc(), getQkv());
  ArrayRef<int64_t> all = shapeOf(getQkv());
  int64_t batch = all[0], tokens = all[1], heads = getHeads(), width = all[2] / (3 * heads);
  double scale = getScale().convertToFloat();
  Value qkv = b.reshape(getQkv(), {batch, tokens, 3, heads, width});
  // Loops of the scores: image, head, query, key | element.
  AffineExpr image = b.axis(0), head = b.axis(1), query = b.axis(2), key = b.axis(3), element = b.axis(4);
  SmallVector<int64_t> square{batch, heads, tokens, tokens};
  Value scores =
      b.reduce(square, 1, 0.0, {{qkv, {image, query, b.constant(0), head, element}}, {qkv, {image, key, b.constant(1), head, element}}},
               [](ArrayRef<Scalar> x) { return x[2] + x[0] * x[1]; });
  scores = b.compute(square, {{scores, b.axes(4)}}, [&](ArrayRef<Scalar> x) { return x[0] * scale; });
  Value shares = softmaxRows(b, mixHeads(b, scores, getBefore(), getBeforeBias()));
  shares = mixHeads(b, shares, getAfter(), getAfterBias());
  // Loops of the result: image, query, head, element | key.
  AffineExpr of = b.axis(4);
  Value mixed = b.reduce({batch, tokens, heads, width}, 1, 0.0,
                         {{shares, {b.axis(0), b.axis(2), b.axis(1), of}}, {qkv, {b.axis(0), of, b.constant(2), b.axis(2), b.axis(3)}}},
                         [](ArrayRef<Scalar> x) { return x[2] + x[0] * x[1]; });
  return SmallVector<Value>{b.reshape(mixed, shapeOf(getValue()))};
}
