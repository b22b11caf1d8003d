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

/// What a reduction begins with, if not with what its result holds.
static constexpr StringLiteral kInitial = "vitc.initial";

static int64_t reductionLength(linalg::LinalgOp op) {
  SmallVector<unsigned> reductions;
  op.getReductionDims(reductions);
  int64_t length = 1;
  for (unsigned axis : reductions)
    length *= op.getStaticLoopRanges()[axis];
  return length;
}

/// How two parts of each result become one: operations of the body; none if they do not.
static SmallVector<Operation *> findCombiners(linalg::LinalgOp op) {
  SmallVector<Operation *> combiners;
  for (auto [value, accumulator] : llvm::zip_equal(op.getBlock()->getTerminator()->getOperands(), op.getRegionOutputArgs())) {
    Operation *combiner = value.getDefiningOp();
    if (!isa_and_nonnull<arith::AddFOp, arith::MulFOp, arith::MaximumFOp, arith::MinimumFOp>(combiner) || !value.getType().isF32() ||
        !accumulator.hasOneUse() || *accumulator.user_begin() != combiner)
      return {};
    combiners.push_back(combiner);
  }
  return combiners;
}

int64_t lanesOf(linalg::LinalgOp op, const ReductionTeam *team) {
  const int64_t length = reductionLength(op);
  if (!team || length == 1 || findCombiners(op).empty())
    return 1;
  SmallVector<unsigned> parallel;
  op.getParallelDims(parallel);
  int64_t positions = 1;
  for (unsigned axis : parallel)
    positions *= op.getStaticLoopRanges()[axis];
  return team->lanes(positions, length);
}

/// The memory that a memref is a view of.
static Value baseOf(Value memref) {
  while (auto view = memref.getDefiningOp<ViewLikeOpInterface>())
    memref = view.getViewSource();
  return memref;
}

void foldFills(func::FuncOp function) {
  for (auto fill : llvm::make_early_inc_range(function.getOps<linalg::FillOp>())) {
    Operation *next = fill->getNextNode();
    while (next && isMemoryEffectFree(next))
      next = next->getNextNode();
    auto reduction = dyn_cast_or_null<linalg::LinalgOp>(next);
    TypedAttr number;
    if (!reduction || reductionLength(reduction) == 1 || reduction.getNumDpsInits() != 1 ||
        !matchPattern(fill.value(), m_Constant(&number)))
      continue;
    OpOperand &result = *reduction.getDpsInitOperand(0);
    AffineMap map = reduction.getMatchingIndexingMap(&result);
    auto readsIt = [&](OpOperand *input) {
      return isa<MemRefType>(input->get().getType()) && baseOf(input->get()) == baseOf(result.get());
    };
    // Every element of the result has a position, if each axis of it is one of the loops'.
    if (result.get() != fill.output() || !map.isProjectedPermutation() || llvm::any_of(reduction.getDpsInputOperands(), readsIt))
      continue;
    reduction->setAttr(kInitial, number);
    fill.erase();
  }
}

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
    if (const int64_t lanes = lanesOf(op, team); lanes > 1)
      team->walk(b, parallel, lanes, [&](ValueRange at, Value lane) {
        take(at);
        computeTogether(lane, lanes);
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
    SmallVector<Value> begin;
    for (OpOperand &result : op.getDpsInitsMutable())
      begin.push_back(initial(result));
    for (auto [value, result] : llvm::zip_equal(reduceOver(parallelAxes, begin), op.getDpsInitsMutable()))
      store(b, value, result.get(), indices(result));
  }

  /// What a result begins with.
  Value initial(OpOperand &result) {
    if (auto number = op->getAttrOfType<TypedAttr>(kInitial))
      return arith::ConstantOp::create(b, number);
    return element(result);
  }

  /// Of one thread of a team: every so manyth number of the reduction.
  void computeTogether(Value lane, int64_t lanes) {
    const SmallVector<Operation *> combiners = findCombiners(op);
    SmallVector<Value> neutral;
    for (Operation *combiner : combiners)
      neutral.push_back(arith::ConstantOp::create(b, *arith::getNeutralElement(combiner)));
    SmallVector<Value> parts =
        forLoop(b, lane, indexConstant(b, reductionLength(op)), lanes, neutral, [&](Value number, ValueRange carried) {
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
      team->byFirst(b, lane, [&] { store(b, combine(initial(result), total), result.get(), indices(result)); });
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
  SmallVector<unsigned> axes; ///< loop depth -> axis of the operation
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
