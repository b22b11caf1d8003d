//===- PatchDropout.cpp - training on a part of the patches --------------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "dialects/vit/PatchDropout.h"

#include "dialects/vit/LayerName.h"
#include "dialects/vit/RandomWords.h"
#include "dialects/vit/Verify.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/OpImplementation.h"

using namespace mlir;
using namespace vitc;
using namespace vitc::vit;

#define GET_OP_CLASSES
#include "dialects/vit/PatchDropout.cpp.inc"

using Lowered = FailureOr<SmallVector<Value>>;
using Gradients = FailureOr<SmallVector<Value>>;
using Needed = function_ref<bool(unsigned)>;

/// Of the sequence with all patches and the one with those that are kept.
static LogicalResult verifyPatches(Operation *op, Value all, Value kept, Value key, int64_t prefix) {
  if (failed(expectShape(op, "input", all, {{"B"}, {"T"}, {"D"}})))
    return failure();
  ArrayRef<int64_t> shape = shapeOf(all);
  if (failed(expectShape(op, "key", key, {{"B", shape[0]}, {"", 4}})) ||                      // (C1)
      failed(expectShape(op, "result", kept, {{"B", shape[0]}, {"P + K"}, {"D", shape[2]}}))) // (C3)
    return failure();
  int64_t keep = shapeOf(kept)[1] - prefix;
  if (prefix < 0 || keep < 1 || keep > shape[1] - prefix) // (C2)
    return op->emitOpError() << "keeps " << keep << " of " << shape[1] - prefix << " patches behind a prefix of " << prefix
                             << ", expected a prefix of at least 0 and at least one patch of those there are";
  return success();
}

LogicalResult DropPatchesOp::verify() { return verifyPatches(*this, getInput(), getValue(), getKey(), getPrefix()); }

LogicalResult DropPatchesGradOp::verify() { return verifyPatches(*this, getValue(), getUpstream(), getKey(), getPrefix()); }

namespace {
/// Which patches an image keeps; both are [B, N], whole numbers in f32.
struct KeptPatches {
  Value rank;  ///< patches whose number is smaller, or as small and earlier: those of a rank below K are kept
  Value place; ///< patches before it that are kept
};
} // namespace

/// `condition`'s truth as 1 or 0.
static Scalar asNumber(Scalar like, Value condition) {
  return {like.builder, arith::SelectOp::create(*like.builder, condition, like.constant(1).value, like.constant(0).value)};
}

static Value both(ImplicitLocOpBuilder &b, Value x, Value y) { return arith::AndIOp::create(b, x, y); }

static Value isBelow(Scalar x, double bound) {
  return arith::CmpFOp::create(*x.builder, arith::CmpFPredicate::OLT, x.value, x.constant(bound).value);
}

/// Whether the reduced patch (loop axis 2) comes before the loop's own (axis 1).
static Value isEarlier(ImplicitLocOpBuilder &b) {
  return arith::CmpIOp::create(b, arith::CmpIPredicate::ult, linalg::IndexOp::create(b, 2), linalg::IndexOp::create(b, 1));
}

static KeptPatches choosePatches(ReferenceBuilder &b, Value key, int64_t batch, int64_t patches, int64_t keep, int64_t stream) {
  SmallVector<int64_t> shape{batch, patches};
  SmallVector<AffineExpr> own{b.axis(0), b.axis(1)}, other{b.axis(0), b.axis(2)};
  SmallVector<Read> reads;
  readKey(b, key, reads);
  // 24 bits are exact in f32.
  Value numbers = b.compute(shape, reads, [&](ArrayRef<Scalar> x) {
    ImplicitLocOpBuilder &scalars = *x[0].builder;
    Value upper =
        arith::ShRUIOp::create(scalars, drawWord(x, placeAlong(scalars, 1), stream), arith::ConstantIntOp::create(scalars, 8, 32));
    return Scalar{&scalars, arith::UIToFPOp::create(scalars, scalars.getF32Type(), upper)};
  });
  Value ranks = b.reduce(shape, 1, 0.0, {{numbers, own}, {numbers, other}}, [](ArrayRef<Scalar> x) {
    ImplicitLocOpBuilder &scalars = *x[0].builder;
    Value smaller = arith::CmpFOp::create(scalars, arith::CmpFPredicate::OLT, x[1].value, x[0].value);
    Value equal = arith::CmpFOp::create(scalars, arith::CmpFPredicate::OEQ, x[1].value, x[0].value);
    return x[2] + asNumber(x[2], arith::OrIOp::create(scalars, smaller, both(scalars, equal, isEarlier(scalars))));
  });
  Value places = b.reduce(shape, 1, 0.0, {{ranks, other}}, [&](ArrayRef<Scalar> x) {
    ImplicitLocOpBuilder &scalars = *x[0].builder;
    return x[1] + asNumber(x[1], both(scalars, isBelow(x[0], static_cast<double>(keep)), isEarlier(scalars)));
  });
  return {ranks, places};
}

/// Element [image, first + row, column] of the loops' image and column; `row` is a whole number in f32.
static Value elementOfRow(Value tokens, Scalar row, int64_t first) {
  ImplicitLocOpBuilder &b = *row.builder;
  Value word = arith::FPToSIOp::create(b, b.getI32Type(), (row + static_cast<double>(first)).value);
  Value at = arith::IndexCastOp::create(b, b.getIndexType(), word);
  return tensor::ExtractOp::create(b, tokens, ValueRange{linalg::IndexOp::create(b, 0), at, linalg::IndexOp::create(b, 2)});
}

/// The first `prefix` rows of `from`, then `rest`.
static Value behindPrefix(ReferenceBuilder &b, Value from, int64_t prefix, Value rest, ArrayRef<int64_t> shape) {
  if (!prefix)
    return rest;
  Value head = b.slice(from, {0, 0, 0}, {shape[0], prefix, shape[2]});
  return b.insert(rest, b.insert(head, b.empty(shape), {0, 0, 0}), {0, prefix, 0});
}

Lowered DropPatchesOp::lowerToReference(OpBuilder &builder) {
  ReferenceBuilder b(builder, getLoc(), getInput());
  ArrayRef<int64_t> shape = shapeOf(getValue());
  auto prefix = static_cast<int64_t>(getPrefix());
  int64_t batch = shape[0], keep = shape[1] - prefix, patches = shapeOf(getInput())[1] - prefix;
  KeptPatches kept = choosePatches(b, getKey(), batch, patches, keep, getStream());
  // The patch that comes to each place. Loops: image, place | patch.
  SmallVector<AffineExpr> patch{b.axis(0), b.axis(2)};
  Value sources = b.reduce({batch, keep}, 1, 0.0, {{kept.rank, patch}, {kept.place, patch}}, [&](ArrayRef<Scalar> x) {
    ImplicitLocOpBuilder &scalars = *x[0].builder;
    auto number = [&](unsigned axis) { return arith::SIToFPOp::create(scalars, scalars.getF32Type(), placeAlong(scalars, axis)); };
    Value comesHere = arith::CmpFOp::create(scalars, arith::CmpFPredicate::OEQ, x[1].value, number(1));
    return x[2] + asNumber(x[2], both(scalars, isBelow(x[0], static_cast<double>(keep)), comesHere)) * Scalar{&scalars, number(2)};
  });
  Value rows = b.compute({batch, keep, shape[2]}, {{sources, b.axes(2)}},
                         [&](ArrayRef<Scalar> x) { return Scalar{x[0].builder, elementOfRow(getInput(), x[0], prefix)}; });
  return SmallVector<Value>{behindPrefix(b, getInput(), prefix, rows, shape)};
}

Gradients DropPatchesOp::buildGradient(OpBuilder &builder, ValueRange upstream, Needed needed) {
  return SmallVector<Value>{
      DropPatchesGradOp::create(builder, childLoc(getLoc(), "grad"), getInput().getType(), upstream[0], getKey(), getPrefix(), getStream()),
      Value()};
}

Lowered DropPatchesGradOp::lowerToReference(OpBuilder &builder) {
  ReferenceBuilder b(builder, getLoc(), getUpstream());
  ArrayRef<int64_t> shape = shapeOf(getValue());
  auto prefix = static_cast<int64_t>(getPrefix());
  int64_t batch = shape[0], keep = shapeOf(getUpstream())[1] - prefix, patches = shape[1] - prefix;
  KeptPatches kept = choosePatches(b, getKey(), batch, patches, keep, getStream());
  Value rows = b.compute({batch, patches, shape[2]}, {{kept.rank, b.axes(2)}, {kept.place, b.axes(2)}}, [&](ArrayRef<Scalar> x) {
    ImplicitLocOpBuilder &scalars = *x[0].builder;
    Value isKept = isBelow(x[0], static_cast<double>(keep));
    // The place of a patch behind the last kept one is not there; it reads the first.
    Scalar row{&scalars, arith::SelectOp::create(scalars, isKept, x[1].value, x[1].constant(0).value)};
    Value gradient = elementOfRow(getUpstream(), row, prefix);
    return Scalar{&scalars, arith::SelectOp::create(scalars, isKept, gradient, x[1].constant(0).value)};
  });
  return SmallVector<Value>{behindPrefix(b, getUpstream(), prefix, rows, shape)};
}
