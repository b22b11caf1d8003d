//===- IndependentElements.cpp - who may compute what of a reference body -----------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/codegen/cpu/IndependentElements.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"

using namespace mlir;

namespace vitc::cpu {

namespace {

/// The part of an argument or a constant that a memref is, in a shape of it.
struct Box {
  Value whole;
  SmallVector<int64_t> shape, offsets, sizes;

  /// Whether element n is the same.
  bool isSameAs(const Box &other) const {
    return (sizes == shape && other.sizes == other.shape) || (shape == other.shape && offsets == other.offsets && sizes == other.sizes);
  }
  bool isApartFrom(const Box &other) const {
    if (shape != other.shape)
      return false;
    for (auto [begin, size, otherBegin, otherSize] : llvm::zip_equal(offsets, sizes, other.offsets, other.sizes))
      if (begin + size <= otherBegin || otherBegin + otherSize <= begin)
        return true;
    return false;
  }
};

struct Access {
  Box box;
  bool isWrite;
  bool inOrder;  ///< whether the position of number n touches the box's element n, and no other
  int64_t lanes; ///< threads that have a position together: of so many another one has number n
};

} // namespace

static bool isWhole(Value memref) { return isa<BlockArgument>(memref) || memref.getDefiningOp<memref::GetGlobalOp>(); }

static std::optional<Box> boxOf(Value memref) {
  SmallVector<int64_t> shape(cast<MemRefType>(memref.getType()).getShape());
  if (isWhole(memref))
    return Box{memref, shape, SmallVector<int64_t>(shape.size(), 0), shape};
  Operation *op = memref.getDefiningOp();
  if (auto subview = dyn_cast<memref::SubViewOp>(op)) {
    auto isStatic = [](ArrayRef<int64_t> numbers) { return llvm::none_of(numbers, ShapedType::isDynamic); };
    std::optional<Box> source = boxOf(subview.getSource());
    if (!source || source->sizes != source->shape || !isStatic(subview.getStaticOffsets()) || !isStatic(subview.getStaticSizes()) ||
        llvm::any_of(subview.getStaticStrides(), [](int64_t stride) { return stride != 1; }))
      return std::nullopt;
    return Box{source->whole, source->shape, SmallVector<int64_t>(subview.getStaticOffsets()),
               SmallVector<int64_t>(subview.getStaticSizes())};
  }
  if (isa<memref::ExpandShapeOp, memref::CollapseShapeOp>(op) && isWhole(op->getOperand(0)))
    return Box{op->getOperand(0), shape, SmallVector<int64_t>(shape.size(), 0), shape};
  return std::nullopt;
}

/// Whether an operand's indices are the parallel axes in their order, beside zeros along axes of one element.
static bool isInOrder(linalg::LinalgOp op, OpOperand &operand) {
  SmallVector<unsigned> axes;
  op.getParallelDims(axes);
  ArrayRef<int64_t> shape = cast<MemRefType>(operand.get().getType()).getShape();
  size_t next = 0;
  for (auto [expression, size] : llvm::zip_equal(op.getMatchingIndexingMap(&operand).getResults(), shape)) {
    auto axis = dyn_cast<AffineDimExpr>(expression);
    if (axis && next < axes.size() && axis.getPosition() == axes[next])
      ++next;
    else if (size != 1 || !isa<AffineConstantExpr>(expression))
      return false;
  }
  return next == axes.size();
}

/// Appends what an operation reads and writes; false if that is not understood.
static bool appendAccesses(Operation *op, const ReductionTeam *team, SmallVectorImpl<Access> &accesses) {
  int64_t lanes = 1;
  auto append = [&](Value memref, bool isWrite, bool inOrder) {
    std::optional<Box> box = boxOf(memref);
    if (box)
      accesses.push_back({*box, isWrite, inOrder, lanes});
    return box.has_value();
  };
  if (auto copy = dyn_cast<memref::CopyOp>(op))
    return append(copy.getSource(), false, true) && append(copy.getTarget(), true, true);
  if (auto linalgOp = dyn_cast<linalg::LinalgOp>(op)) {
    lanes = lanesOf(linalgOp, team);
    for (OpOperand &operand : op->getOpOperands())
      if (isa<MemRefType>(operand.get().getType()) && !append(operand.get(), linalgOp.isDpsInit(&operand), isInOrder(linalgOp, operand)))
        return false;
    // What a body loads, numbers tell it to.
    return !op->walk([&](memref::LoadOp load) {
                return append(load.getMemRef(), false, false) ? WalkResult::advance() : WalkResult::interrupt();
              }).wasInterrupted();
  }
  return isa<func::ReturnOp>(op) || isMemoryEffectFree(op);
}

bool elementsAreIndependent(func::FuncOp function, const ReductionTeam *team) {
  SmallVector<Access> accesses;
  for (Operation &op : function.getBody().front())
    if (!appendAccesses(&op, team, accesses))
      return false;
  for (const Access &write : accesses)
    for (const Access &other : accesses)
      if (write.isWrite && &write != &other && write.box.whole == other.box.whole && !write.box.isApartFrom(other.box) &&
          !(write.inOrder && other.inOrder && write.lanes == other.lanes && write.box.isSameAs(other.box)))
        return false;
  return true;
}

} // namespace vitc::cpu
