//===- GradientOps.cpp - verifiers and reference lowerings of training's operations -------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "dialects/vit/Differentiate.h"
#include "dialects/vit/RandomWords.h"
#include "dialects/vit/ReferenceBuilder.h"
#include "dialects/vit/VitDialect.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"

#include <limits>

using namespace mlir;
using namespace vitc::vit;

using Lowered = FailureOr<SmallVector<Value>>;

//===--------------------------------------------------------------------------------------===//
// Verifiers
//===--------------------------------------------------------------------------------------===//

LogicalResult CrossEntropyOp::verify() {
  if (getLogits().getType() != getTargets().getType() || shapeOf(getLogits()).size() != 2) // (C1)
    return emitOpError() << "logits " << getLogits().getType() << " and targets " << getTargets().getType()
                         << " are not both [B, K] of one type";
  return expectShape(*this, "result", getValue(), {{"B", shapeOf(getLogits())[0]}, {"", 1}}); // (C2)
}

LogicalResult CrossEntropyGradOp::verify() {
  if (failed(expectShape(*this, "logits", getLogits(), {{"B"}, {"K"}})))
    return failure();
  return expectShape(*this, "upstream", getUpstream(), {{"B", shapeOf(getLogits())[0]}, {"", 1}}); // (C1)
}

LogicalResult DropoutOp::verify() {
  double rate = getRate().convertToFloat();
  if (!(rate >= 0 && rate < 1)) // (C2)
    return emitOpError() << "rate is " << rate << ", expected at least 0 and less than 1";
  return expectShape(*this, "key", getKey(), {{"B", shapeOf(getInput())[0]}, {"", 4}}); // (C1)
}

LogicalResult WeighValuesOp::verify() {
  if (failed(expectShape(*this, "shares", getShares(), {{"B"}, {"h"}, {"T"}, {"T"}})))
    return failure();
  ArrayRef<int64_t> shares = shapeOf(getShares());
  if (failed(expectShape(*this, "shares", getShares(), {{"B"}, {"h"}, {"T"}, {"T", shares[2]}})) ||
      failed(expectShape(*this, "qkv", getQkv(), {{"B", shares[0]}, {"T", shares[2]}, {"3 h d"}})))
    return failure();
  int64_t width = shapeOf(getQkv())[2];
  if (width % (3 * shares[1]) != 0) // (C1)
    return emitOpError() << "qkv's width " << width << " is not a multiple of 3 * " << shares[1] << " (query, key and value of each head)";
  return expectShape(*this, "result", getValue(), {{"B", shares[0]}, {"T", shares[2]}, {"h d", width / 3}}); // (C2)
}

LogicalResult UnfoldPatchesOp::verify() {
  if (failed(expectNumbers(*this, "patch", getPatch(), 2, 1)))
    return failure();
  ArrayRef<int64_t> images = shapeOf(getImages());
  int64_t height = getPatch()[0], width = getPatch()[1];
  if (images[2] < height || images[3] < width) // (C1)
    return emitOpError() << "an image of " << images[2] << "x" << images[3] << " holds no patch of " << height << "x" << width;
  return expectShape(*this, "result", getRows(),
                     {{"B", images[0]}, {"N", (images[2] / height) * (images[3] / width)}, {"C P Q", images[1] * height * width}}); // (C2)
}

LogicalResult ContractRowsOp::verify() {
  ArrayRef<int64_t> lhs = shapeOf(getLhs()), rhs = shapeOf(getRhs());
  if (lhs.drop_back() != rhs.drop_back()) // (C1)
    return emitOpError() << "operands " << getLhs().getType() << " and " << getRhs().getType() << " differ in more than the last axis";
  return expectShape(*this, "result", getValue(), {{"N", lhs.back()}, {"K", rhs.back()}}); // (C2)
}

LogicalResult SumRowsOp::verify() {
  ArrayRef<int64_t> input = shapeOf(getInput()), result = shapeOf(getValue());
  if (result.size() >= input.size() || input.take_back(result.size()) != result) // (C1)
    return emitOpError() << "result is " << getValue().getType() << ", expected the last axes of " << getInput().getType()
                         << ", one at least and not that of the images";
  return success();
}

static LogicalResult verifyNorm(Operation *op, Value input, const APFloat &eps, int64_t groups) {
  int64_t width = shapeOf(input).back();
  if (groups < 1 || width % groups != 0) // (C3)
    return op->emitOpError() << "groups is " << groups << ", expected a divisor of " << width;
  return expectEps(op, eps); // (C2)
}

LogicalResult NormalizeGradOp::verify() {
  if (getGain() && failed(expectShape(*this, "gain", getGain(), {{"D", shapeOf(getInput()).back()}}))) // (C1)
    return failure();
  return verifyNorm(*this, getInput(), getEps(), getGroups());
}

LogicalResult NormalizeWeightGradOp::verify() {
  Axis width{"D", shapeOf(getInput()).back()};
  if (failed(expectShape(*this, "gain", getGain(), {width})) || failed(expectShape(*this, "shift", getShift(), {width}))) // (C1)
    return failure();
  return verifyNorm(*this, getInput(), getEps(), getGroups());
}

LogicalResult SdpaGradOp::verify() {
  int64_t heads = getHeads(), parts = getQuery() ? 2 : 3;
  if (failed(expectShape(*this, "qkv", getQkv(), {{"B"}, {"T"}, {getQuery() ? "2 h d" : "3 h d"}})))
    return failure();
  ArrayRef<int64_t> qkv = shapeOf(getQkv());
  if (heads < 1 || qkv[2] % (parts * heads) != 0) // (C1)
    return emitOpError() << "qkv's width " << qkv[2] << " is not a multiple of " << parts << " * " << heads
                         << (getQuery() ? " (key" : " (query, key") << " and value of each head)";
  Axis images{"B", qkv[0]}, width{"h d", qkv[2] / parts};
  if (!getQuery() != !getQueryGradient()) // (C3)
    return emitOpError() << "has a query or its gradient, expected both or none";
  if (!getQuery())
    return expectShape(*this, "upstream", getUpstream(), {images, {"T", qkv[1]}, width}); // (C2)
  if (failed(expectShape(*this, "query", getQuery(), {images, {"Q"}, width})))
    return failure();
  Axis queries{"Q", shapeOf(getQuery())[1]};
  return failure(failed(expectShape(*this, "upstream", getUpstream(), {images, queries, width})) ||
                 failed(expectShape(*this, "the query's gradient", getQueryGradient(), {images, queries, width})));
}

LogicalResult PullbackOp::verify() {
  Block &block = getBody().front();
  if (TypeRange(getInputs()) != TypeRange(block.getArgumentTypes()) ||
      TypeRange(getUpstream()) != TypeRange(block.getTerminator()->getOperandTypes())) // (C1)
    return emitOpError() << "its region's arguments and results do not have the types of its inputs and its upstream";
  llvm::DenseSet<int64_t> seen;
  if (getWrt().size() != getValues().size())
    return emitOpError() << "number of results is " << getValues().size() << ", expected " << getWrt().size()
                         << ", one for each input in wrt";
  for (auto [index, value] : llvm::zip(getWrt(), getValues()))
    if (index < 0 || index >= static_cast<int64_t>(getInputs().size()) || !seen.insert(index).second ||
        getInputs()[index].getType() != value.getType()) // (C2)
      return emitOpError() << "wrt names input " << index << ", which is not there, named twice, or not of its result's type "
                           << value.getType();
  return success();
}

//===--------------------------------------------------------------------------------------===//
// Reference lowerings
//===--------------------------------------------------------------------------------------===//

/// Of each row (last axis) of [B, K]: its maximum, and the sum of exp(x - maximum).
static std::pair<Value, Value> softmaxSums(ReferenceBuilder &b, Value logits) {
  ArrayRef<int64_t> shape = shapeOf(logits);
  Read all{logits, b.axes(2)};
  Value maxima =
      b.reduce(shape.drop_back(), 1, -std::numeric_limits<double>::infinity(), {all}, [](ArrayRef<Scalar> x) { return max(x[1], x[0]); });
  Value sums =
      b.reduce(shape.drop_back(), 1, 0.0, {all, {maxima, {b.axis(0)}}}, [](ArrayRef<Scalar> x) { return x[2] + exp(x[0] - x[1]); });
  return {maxima, sums};
}

Lowered CrossEntropyOp::lowerToReference(OpBuilder &builder) {
  ReferenceBuilder b(builder, getLoc(), getLogits());
  auto [maxima, sums] = softmaxSums(b, getLogits());
  ArrayRef<int64_t> shape = shapeOf(getValue());
  // Loops: image, the result's one column | class.
  SmallVector<AffineExpr> at{b.axis(0), b.axis(2)};
  return SmallVector<Value>{b.reduce(shape, 1, 0.0, {{getLogits(), at}, {getTargets(), at}, {maxima, {b.axis(0)}}, {sums, {b.axis(0)}}},
                                     [](ArrayRef<Scalar> x) { return x[4] + x[1] * (log(x[3]) - (x[0] - x[2])); })};
}

Lowered CrossEntropyGradOp::lowerToReference(OpBuilder &builder) {
  ReferenceBuilder b(builder, getLoc(), getLogits());
  auto [maxima, sums] = softmaxSums(b, getLogits());
  ArrayRef<int64_t> shape = shapeOf(getLogits());
  Value targets = b.reduce(shape.drop_back(), 1, 0.0, {{getTargets(), b.axes(2)}}, [](ArrayRef<Scalar> x) { return x[1] + x[0]; });
  SmallVector<AffineExpr> row{b.axis(0)};
  return SmallVector<Value>{b.compute(shape,
                                      {{getLogits(), b.axes(2)},
                                       {getTargets(), b.axes(2)},
                                       {maxima, row},
                                       {sums, row},
                                       {targets, row},
                                       {getUpstream(), {b.axis(0), b.constant(0)}}},
                                      [](ArrayRef<Scalar> x) { return x[5] * (exp(x[0] - x[2]) / x[3] * x[4] - x[1]); })};
}

Lowered DropoutOp::lowerToReference(OpBuilder &builder) {
  ReferenceBuilder b(builder, getLoc(), getInput());
  ArrayRef<int64_t> shape = shapeOf(getInput());
  unsigned rank = shape.size();
  double rate = getRate().convertToFloat();
  auto threshold = static_cast<uint32_t>(std::min(rate * 4294967296.0, 4294967295.0));
  bool perImage = getPerImage();
  auto stream = static_cast<int64_t>(getStream());
  SmallVector<Read> reads{{getInput(), b.axes(rank)}};
  readKey(b, getKey(), reads);
  SmallVector<int64_t> sizes(shape.drop_front());
  return SmallVector<Value>{b.compute(shape, reads, [&](ArrayRef<Scalar> x) {
    ImplicitLocOpBuilder &scalars = *x[0].builder;
    auto constant = [&](int32_t value) { return arith::ConstantIntOp::create(scalars, value, 32).getResult(); };
    Value element = constant(0);
    for (unsigned axis = 1; axis < rank && !perImage; ++axis)
      element = arith::AddIOp::create(scalars, arith::MulIOp::create(scalars, element, constant(static_cast<int32_t>(sizes[axis - 1]))),
                                      placeAlong(scalars, axis));
    Value drawn = drawWord(x.drop_front(), element, stream);
    Value kept = arith::CmpIOp::create(scalars, arith::CmpIPredicate::uge, drawn, constant(static_cast<int32_t>(threshold)));
    return Scalar{&scalars, arith::SelectOp::create(scalars, kept, (x[0] * (1.0 / (1.0 - rate))).value, x[0].constant(0).value)};
  })};
}

Lowered WeighValuesOp::lowerToReference(OpBuilder &builder) {
  ReferenceBuilder b(builder, getLoc(), getQkv());
  ArrayRef<int64_t> shares = shapeOf(getShares());
  int64_t heads = shares[1], tokens = shares[2], width = shapeOf(getValue())[2] / heads;
  Value qkv = b.reshape(getQkv(), {shares[0], tokens, 3, heads, width});
  // Loops of the result: image, token, head, element | token that is weighed.
  AffineExpr of = b.axis(4);
  Value mixed =
      b.reduce({shares[0], tokens, heads, width}, 1, 0.0,
               {{getShares(), {b.axis(0), b.axis(2), b.axis(1), of}}, {qkv, {b.axis(0), of, b.constant(2), b.axis(2), b.axis(3)}}},
               [](ArrayRef<Scalar> x) { return x[2] + x[0] * x[1]; });
  return SmallVector<Value>{b.reshape(mixed, shapeOf(getValue()))};
}

Lowered UnfoldPatchesOp::lowerToReference(OpBuilder &builder) {
  ReferenceBuilder b(builder, getLoc(), getImages());
  ArrayRef<int64_t> images = shapeOf(getImages());
  int64_t height = getPatch()[0], width = getPatch()[1];
  // Loops: image, patch row, patch column, channel, row and column within the patch.
  AffineExpr y = b.axis(1) * height + b.axis(4), x = b.axis(2) * width + b.axis(5);
  Value rows = b.compute({images[0], images[2] / height, images[3] / width, images[1], height, width},
                         {{getImages(), {b.axis(0), b.axis(3), y, x}}}, [](ArrayRef<Scalar> x) { return x[0]; });
  return SmallVector<Value>{b.reshape(rows, shapeOf(getRows()))};
}

Lowered ContractRowsOp::lowerToReference(OpBuilder &builder) {
  ReferenceBuilder b(builder, getLoc(), getLhs());
  unsigned rows = shapeOf(getLhs()).size() - 1;
  // Loops: output, input | rows.
  SmallVector<AffineExpr> left = b.axes(rows, 2), right = left;
  left.push_back(b.axis(0));
  right.push_back(b.axis(1));
  return SmallVector<Value>{b.reduce(shapeOf(getValue()), rows, 0.0, {{getLhs(), left}, {getRhs(), right}},
                                     [](ArrayRef<Scalar> x) { return x[2] + x[0] * x[1]; })};
}

Lowered SumRowsOp::lowerToReference(OpBuilder &builder) {
  ReferenceBuilder b(builder, getLoc(), getInput());
  unsigned kept = shapeOf(getValue()).size(), rows = shapeOf(getInput()).size() - kept;
  // Loops: the result's axes | images and rows.
  SmallVector<AffineExpr> at = b.axes(rows, kept);
  llvm::append_range(at, b.axes(kept));
  return SmallVector<Value>{b.reduce(shapeOf(getValue()), rows, 0.0, {{getInput(), at}}, [](ArrayRef<Scalar> x) { return x[1] + x[0]; })};
}

Lowered ActivationGradOp::lowerToReference(OpBuilder &builder) {
  return pullBack(builder, ActivationOp::create(builder, getLoc(), getInput(), getKind()), getInput(), getUpstream());
}

Lowered NormalizeGradOp::lowerToReference(OpBuilder &builder) {
  auto forward = NormalizeOp::create(builder, getLoc(), getInput(), getGain(), /*shift=*/Value(), getKind(), getEps(), getGroups());
  return pullBack(builder, forward, getInput(), getUpstream());
}

Lowered NormalizeWeightGradOp::lowerToReference(OpBuilder &builder) {
  ReferenceBuilder b(builder, getLoc());
  Value gain = b.fill(shapeOf(getGain()), 1.0), shift = b.fill(shapeOf(getShift()), 0.0);
  auto forward = NormalizeOp::create(builder, getLoc(), getInput(), gain, shift, getKind(), getEps(), getGroups());
  return pullBack(builder, forward, {gain, shift}, getUpstream());
}

Lowered SdpaGradOp::lowerToReference(OpBuilder &builder) {
  auto forward = SdpaOp::create(builder, getLoc(), getUpstream().getType(), getQkv(), getQuery(), /*bias=*/Value(), /*row_table=*/Value(),
                                /*column_table=*/Value(), getHeads(), getScale(), /*windows=*/1, /*first_query=*/0);
  SmallVector<Value> wrt{getQkv()};
  if (getQuery())
    wrt.push_back(getQuery());
  return pullBack(builder, forward, wrt, getUpstream());
}

Lowered PullbackOp::lowerToReference(OpBuilder &builder) {
  SmallVector<Value> wrt = llvm::map_to_vector(getWrt(), [&](int64_t index) { return Value(getInputs()[index]); });
  return pullBack(builder, getLoc(), wrt, getUpstream(), [&](OpBuilder &b) -> Lowered {
    IRMapping map;
    map.map(getBody().front().getArguments(), getInputs());
    for (Operation &op : getBody().front().without_terminator()) {
      Operation *copy = b.clone(op, map);
      auto lowering = dyn_cast<ReferenceLoweringInterface>(copy);
      if (!lowering)
        return copy->emitError() << "'" << copy->getName() << "' has no reference lowering to differentiate";
      Lowered values = lowering.lowerToReference(b);
      if (failed(values))
        return failure();
      for (auto [result, value] : llvm::zip_equal(op.getResults(), *values))
        map.map(result, value);
      copy->erase();
    }
    return llvm::map_to_vector(getBody().front().getTerminator()->getOperands(), [&](Value value) { return map.lookup(value); });
  });
}
