//===- ReferenceLoops.cpp - linalg on buffers as scalar loops -----------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/codegen/cpu/ReferenceLoops.h"
#include "compiler/codegen/cpu/KernelFunction.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/IRMapping.h"

using namespace mlir;

namespace vitc::cpu {

namespace {

/// One linalg operation's loops: its parallel axes outside, its reductions inside.
class LoopNest {
public:
  LoopNest(linalg::LinalgOp op, const ParallelWalk &walk, const ReductionTeam *team) : op(op), b(op.getLoc(), op), walk(walk), team(team) {
    op.getParallelDims(axes);
    parallelAxes = axes.size();
    SmallVector<unsigned> reductions;
    op.getReductionDims(reductions);
    axes.append(reductions);
    sizes = op.getStaticLoopRanges();
    // An axis that is not reached yet takes no part in what is read, but an affine map wants a value for each.
    position.assign(sizes.size(), indexConstant(b, 0));
  }

  LogicalResult build() {
    if (llvm::any_of(sizes, ShapedType::isDynamic) || axes.size() != sizes.size() || !op.hasPureBufferSemantics())
      return op.emitOpError() << "has no form as loops over buffers of static shape";
    SmallVector<int64_t> parallel;
    for (unsigned depth = 0; depth < parallelAxes; ++depth)
      parallel.push_back(sizes[axes[depth]]);
    auto take = [&](ValueRange at) {
      for (auto [depth, value] : llvm::enumerate(at))
        position[axes[depth]] = value;
    };
    int64_t length = 1;
    for (unsigned axis : ArrayRef(axes).drop_front(parallelAxes))
      length *= sizes[axis];
    const int64_t lanes = team && length > 1 && findCombiners() ? team->lanes(llvm::product_of(parallel), length) : 1;
    if (lanes > 1)
      team->walk(b, parallel, lanes, [&](ValueRange at, Value lane) {
        take(at);
        computeTogether(lane, lanes, length);
      });
    else
      walk(b, parallel, [&](ValueRange at) {
        take(at);
        computeElement();
      });
    op.erase();
    return success();
  }

private:
  Value element(OpOperand &operand) {
    if (!isa<MemRefType>(operand.get().getType()))
      return operand.get();
    return load(b, operand.get(), indices(operand));
  }

  SmallVector<Value> indices(OpOperand &operand) {
    AffineMap map = op.getMatchingIndexingMap(&operand);
    SmallVector<Value> result;
    for (AffineExpr expr : map.getResults()) {
      if (auto dim = dyn_cast<AffineDimExpr>(expr))
        result.push_back(position[dim.getPosition()]);
      else
        result.push_back(affine::AffineApplyOp::create(b, AffineMap::get(map.getNumDims(), 0, expr), position));
    }
    return result;
  }

  void computeElement() {
    SmallVector<Value> initial;
    for (OpOperand &result : op.getDpsInitsMutable())
      initial.push_back(element(result));
    for (auto [value, result] : llvm::zip_equal(reduceOver(parallelAxes, initial), op.getDpsInitsMutable()))
      store(b, value, result.get(), indices(result));
  }

  /// Finds how two parts of each result become one: false if they do not.
  bool findCombiners() {
    Block *block = op.getBlock();
    for (auto [value, accumulator] : llvm::zip_equal(block->getTerminator()->getOperands(), op.getRegionOutputArgs())) {
      Operation *combiner = value.getDefiningOp();
      if (!isa_and_nonnull<arith::AddFOp, arith::MulFOp, arith::MaximumFOp, arith::MinimumFOp>(combiner) || !value.getType().isF32() ||
          !accumulator.hasOneUse() || *accumulator.user_begin() != combiner)
        return false;
      combiners.push_back(combiner);
    }
    return true;
  }

  /// Of one thread of a team: every so manyth number of the reduction.
  void computeTogether(Value lane, int64_t lanes, int64_t length) {
    SmallVector<Value> neutral;
    for (Operation *combiner : combiners)
      neutral.push_back(arith::ConstantOp::create(b, *arith::getNeutralElement(combiner)));
    SmallVector<Value> parts = forLoop(b, lane, indexConstant(b, length), lanes, neutral, [&](Value number, ValueRange carried) {
      Value left = number;
      for (size_t depth = axes.size(); depth-- > parallelAxes;) {
        const bool outermost = depth == parallelAxes;
        position[axes[depth]] = outermost ? left : rem(b, left, sizes[axes[depth]]);
        left = outermost ? left : div(b, left, sizes[axes[depth]]);
      }
      return scalarBody(carried);
    });
    for (auto [i, result] : llvm::enumerate(op.getDpsInitsMutable())) {
      auto combine = [&](Value x, Value y) {
        OperationState state(b.getLoc(), combiners[i]->getName(), {x, y}, {x.getType()});
        return b.create(state)->getResult(0);
      };
      Value total = team->meet(b, parts[i], lanes, combine);
      team->byFirst(b, lane, [&] { store(b, combine(element(result), total), result.get(), indices(result)); });
    }
  }

  SmallVector<Value> reduceOver(unsigned depth, ValueRange accumulators) {
    if (depth == axes.size())
      return scalarBody(accumulators);
    return forLoop(b, indexConstant(b, 0), indexConstant(b, sizes[axes[depth]]), 1, accumulators, [&](Value i, ValueRange carried) {
      position[axes[depth]] = i;
      return reduceOver(depth + 1, carried);
    });
  }

  SmallVector<Value> scalarBody(ValueRange accumulators) {
    Block *block = op.getBlock();
    IRMapping map;
    unsigned argument = 0;
    for (OpOperand *input : op.getDpsInputOperands())
      map.map(block->getArgument(argument++), element(*input));
    for (Value accumulator : accumulators)
      map.map(block->getArgument(argument++), accumulator);
    for (Operation &inner : block->without_terminator()) {
      if (auto index = dyn_cast<linalg::IndexOp>(inner)) {
        map.map(index.getResult(), position[index.getDim()]);
        continue;
      }
      Operation *clone = b.clone(inner, map);
      if (auto sum = dyn_cast<arith::AddFOp>(clone);
          sum && axes.size() > parallelAxes &&
          llvm::any_of(sum->getOperands(), [&](Value operand) { return llvm::is_contained(accumulators, operand); }))
        sum.setFastmath(arith::FastMathFlags::reassoc);
    }
    return llvm::map_to_vector(block->getTerminator()->getOperands(), [&](Value value) { return map.lookupOrDefault(value); });
  }

  linalg::LinalgOp op;
  ImplicitLocOpBuilder b;
  const ParallelWalk &walk;
  const ReductionTeam *team;
  SmallVector<Operation *> combiners; ///< in the body, of each result
  SmallVector<unsigned> axes;         ///< loop depth -> axis of the operation
  unsigned parallelAxes = 0;
  SmallVector<int64_t> sizes;
  SmallVector<Value> position; ///< the loops' variables by axis
};

} // namespace

static LogicalResult lowerCopy(memref::CopyOp op, const ParallelWalk &walk) {
  auto type = cast<MemRefType>(op.getSource().getType());
  if (!type.hasStaticShape())
    return op.emitOpError() << "has no form as loops over buffers of static shape";
  ImplicitLocOpBuilder b(op.getLoc(), op);
  if (op.getSource() != op.getTarget())
    walk(b, type.getShape(), [&](ValueRange at) { store(b, load(b, op.getSource(), at), op.getTarget(), at); });
  op.erase();
  return success();
}

static void walkAxes(ImplicitLocOpBuilder &b, ArrayRef<int64_t> sizes, SmallVector<Value> &position, function_ref<void(ValueRange)> body) {
  if (position.size() == sizes.size())
    return body(position);
  forLoop(b, indexConstant(b, 0), indexConstant(b, sizes[position.size()]), 1, [&](Value i) {
    position.push_back(i);
    walkAxes(b, sizes, position, body);
    position.pop_back();
  });
}

void walkInOrder(ImplicitLocOpBuilder &b, ArrayRef<int64_t> sizes, function_ref<void(ValueRange)> body) {
  SmallVector<Value> position;
  walkAxes(b, sizes, position, body);
}

LogicalResult lowerLinalgToLoops(func::FuncOp function, const ParallelWalk &walk, const ReductionTeam *team) {
  SmallVector<Operation *> work;
  function.walk([&](Operation *op) {
    if (isa<linalg::LinalgOp, memref::CopyOp>(op))
      work.push_back(op);
  });
  for (Operation *op : work) {
    auto copy = dyn_cast<memref::CopyOp>(op);
    if (failed(copy ? lowerCopy(copy, walk) : LoopNest(cast<linalg::LinalgOp>(op), walk, team).build()))
      return failure();
  }
  return success();
}

} // namespace vitc::cpu
