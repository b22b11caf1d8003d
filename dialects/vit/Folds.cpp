//===- Folds.cpp - foldings and canonical forms -------------------------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "dialects/vit/VitDialect.h"

#include "mlir/IR/PatternMatch.h"

using namespace mlir;
using namespace vitc::vit;

static bool isZeros(Value value) { return value && value.getDefiningOp<ZerosOp>(); }
static int64_t rowsOf(Value value) { return cast<RankedTensorType>(value.getType()).getDimSize(0); }

// concat(x) -> x
OpFoldResult ConcatOp::fold(FoldAdaptor) { return getParts().size() == 1 ? OpFoldResult(getParts().front()) : OpFoldResult(); }

// concat(a, concat(b, c)) -> concat(a, b, c); concat(zeros, zeros) -> zeros
LogicalResult ConcatOp::canonicalize(ConcatOp op, PatternRewriter &rewriter) {
  if (llvm::all_of(op.getParts(), isZeros)) {
    rewriter.replaceOpWithNewOp<ZerosOp>(op, op.getType());
    return success();
  }
  SmallVector<Value> flat;
  for (Value part : op.getParts()) {
    if (auto inner = part.getDefiningOp<ConcatOp>())
      llvm::append_range(flat, inner.getParts());
    else
      flat.push_back(part);
  }
  if (flat.size() == op.getParts().size())
    return rewriter.notifyMatchFailure(op, "no part is a concat");
  rewriter.modifyOpInPlace(op, [&] { op.getPartsMutable().assign(flat); });
  return success();
}

// reshape(x) to x's own shape -> x; reshape(reshape(x)) -> reshape(x)
OpFoldResult ReshapeOp::fold(FoldAdaptor) {
  if (getInput().getType() == getType())
    return getInput();
  if (auto inner = getInput().getDefiningOp<ReshapeOp>()) {
    getInputMutable().assign(inner.getInput());
    return getResult();
  }
  return {};
}

// reshape(zeros) -> zeros
LogicalResult ReshapeOp::canonicalize(ReshapeOp op, PatternRewriter &rewriter) {
  if (!isZeros(op.getInput()))
    return rewriter.notifyMatchFailure(op, "not a reshape of zeros");
  rewriter.replaceOpWithNewOp<ZerosOp>(op, op.getType());
  return success();
}

// scale_rows(x) of no rows, or by 1, or of zeros -> x
OpFoldResult ScaleRowsByConstantOp::fold(FoldAdaptor) {
  return getRows() == 0 || getFactor().isExactlyValue(1.0) || isZeros(getInput()) ? OpFoldResult(getInput()) : OpFoldResult();
}

// add(x, zeros) -> x; add(zeros, x) -> x
OpFoldResult AddOp::fold(FoldAdaptor) {
  if (isZeros(getRhs()))
    return getLhs();
  if (isZeros(getLhs()) && getRhs().getType() == getType())
    return getRhs();
  return {};
}

// matvec(zeros, v), matvec(m, zeros) -> zeros
LogicalResult MatvecOp::canonicalize(MatvecOp op, PatternRewriter &rewriter) {
  if (!isZeros(op.getMatrix()) && !isZeros(op.getVector()))
    return rewriter.notifyMatchFailure(op, "neither the matrix nor the vector is zeros");
  rewriter.replaceOpWithNewOp<ZerosOp>(op, op.getType());
  return success();
}

// slice_rows(x) of all rows -> x; slice_rows(slice_rows(x)) -> slice_rows(x)
OpFoldResult SliceRowsOp::fold(FoldAdaptor) {
  if (getInput().getType() == getType())
    return getInput();
  if (auto inner = getInput().getDefiningOp<SliceRowsOp>()) {
    setFirst(getFirst() + inner.getFirst());
    getInputMutable().assign(inner.getInput());
    return getResult();
  }
  return {};
}

// slice_rows(reshape(concat)) -> reshape(slice_rows(concat)) where it takes whole rows of the concat
static LogicalResult sliceBehindReshape(SliceRowsOp op, ReshapeOp reshape, PatternRewriter &rewriter) {
  auto inner = dyn_cast<RankedTensorType>(reshape.getInput().getType());
  int64_t innerRow = inner.getNumElements() / inner.getDimSize(0), row = op.getType().getNumElements() / rowsOf(op.getValue());
  int64_t first = static_cast<int64_t>(op.getFirst()) * row, count = op.getType().getNumElements();
  if (!reshape.getInput().getDefiningOp<ConcatOp>() || first % innerRow != 0 || count % innerRow != 0)
    return rewriter.notifyMatchFailure(op, "not whole rows of a concat");
  SmallVector<int64_t> shape(inner.getShape());
  shape[0] = count / innerRow;
  Value slice = SliceRowsOp::create(rewriter, op.getLoc(), inner.clone(shape), reshape.getInput(), first / innerRow);
  rewriter.replaceOpWithNewOp<ReshapeOp>(op, op.getType(), slice);
  return success();
}

// slice_rows(concat(a, b, c)) -> concat of the parts' own slices; slice_rows(zeros) -> zeros
LogicalResult SliceRowsOp::canonicalize(SliceRowsOp op, PatternRewriter &rewriter) {
  if (isZeros(op.getInput())) {
    rewriter.replaceOpWithNewOp<ZerosOp>(op, op.getType());
    return success();
  }
  if (auto reshape = op.getInput().getDefiningOp<ReshapeOp>())
    return sliceBehindReshape(op, reshape, rewriter);
  auto concat = op.getInput().getDefiningOp<ConcatOp>();
  if (!concat)
    return rewriter.notifyMatchFailure(op, "not a slice of a concat");
  int64_t first = op.getFirst(), last = first + rowsOf(op.getValue()), start = 0;
  SmallVector<Value> slices;
  for (Value part : concat.getParts()) {
    int64_t end = start + rowsOf(part), from = std::max(first, start), to = std::min(last, end);
    if (from < to) {
      auto type = cast<RankedTensorType>(part.getType());
      SmallVector<int64_t> shape(type.getShape());
      shape[0] = to - from;
      slices.push_back(SliceRowsOp::create(rewriter, op.getLoc(), type.clone(shape), part, from - start));
    }
    start = end;
  }
  if (slices.size() == 1)
    rewriter.replaceOp(op, slices.front());
  else
    rewriter.replaceOpWithNewOp<ConcatOp>(op, op.getType(), slices);
  return success();
}

// normalize(x) shift(zeros) -> normalize(x)
LogicalResult NormalizeOp::canonicalize(NormalizeOp op, PatternRewriter &rewriter) {
  if (!isZeros(op.getShift()))
    return rewriter.notifyMatchFailure(op, "no shift that is zeros");
  rewriter.modifyOpInPlace(op, [&] { op.getShiftMutable().clear(); });
  return success();
}

// linear(x, w) bias(zeros) -> linear(x, w)
LogicalResult LinearOp::canonicalize(LinearOp op, PatternRewriter &rewriter) {
  if (!isZeros(op.getBias()))
    return rewriter.notifyMatchFailure(op, "no bias that is zeros");
  rewriter.modifyOpInPlace(op, [&] { op.getBiasMutable().clear(); });
  return success();
}

// activation<none>(x) -> x; relu(relu(x)) -> relu(x)
OpFoldResult ActivationOp::fold(FoldAdaptor) {
  if (getKind() == Activation::None)
    return getInput();
  auto inner = getInput().getDefiningOp<ActivationOp>();
  return inner && getKind() == Activation::Relu && inner.getKind() == Activation::Relu ? OpFoldResult(getInput()) : OpFoldResult();
}

// slice_tokens(x) of all tokens -> x; slice_tokens(slice_tokens(x)) -> slice_tokens(x)
OpFoldResult SliceTokensOp::fold(FoldAdaptor) {
  if (getInput().getType() == getType())
    return getInput();
  if (auto inner = getInput().getDefiningOp<SliceTokensOp>()) {
    setFirst(getFirst() + inner.getFirst());
    getInputMutable().assign(inner.getInput());
    return getResult();
  }
  return {};
}

// concat_tokens(x) -> x
OpFoldResult ConcatTokensOp::fold(FoldAdaptor) { return getInputs().size() == 1 ? OpFoldResult(getInputs().front()) : OpFoldResult(); }
