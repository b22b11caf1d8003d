//===- Differentiate.cpp - reference lowerings in reverse ---------------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "dialects/vit/Differentiate.h"
#include "dialects/vit/ReferenceBuilder.h"
#include "dialects/vit/ScalarDerivatives.h"
#include "dialects/vit/VitDialect.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/Transforms/RegionUtils.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/SmallBitVector.h"

using namespace mlir;

namespace vitc::vit {

namespace {

class TensorDerivatives {
public:
  TensorDerivatives(OpBuilder &builder, Location loc) : builder(builder), loc(loc) {}

  /// Whether the value depends on what is differentiated for.
  void activate(Value value) { active.insert(value); }
  void activateResults(Operation *op) {
    if (llvm::any_of(op->getOperands(), [&](Value operand) { return active.contains(operand); }) || readsActive(op))
      active.insert_range(op->getResults());
  }

  void add(Value value, Value gradient) {
    Value &sum = gradients[value];
    if (!sum) {
      sum = gradient;
      return;
    }
    ReferenceBuilder b(builder, loc, gradient);
    ArrayRef<int64_t> shape = shapeOf(gradient);
    sum = b.compute(shape, {{sum, b.axes(shape.size())}, {gradient, b.axes(shape.size())}}, [](ArrayRef<Scalar> x) { return x[0] + x[1]; });
  }

  /// The gradient so far, zeros if there is none.
  Value of(Value value) {
    Value &sum = gradients[value];
    if (!sum)
      sum = ReferenceBuilder(builder, loc, value).fill(shapeOf(value), 0.0);
    return sum;
  }
  bool has(Value value) const { return gradients.lookup(value) != nullptr; }

  LogicalResult reverse(Operation *op);

private:
  /// Whether the operation's region reads such a value itself, where other numbers tell it to.
  bool readsActive(Operation *op) const {
    llvm::SetVector<Value> read;
    getUsedValuesDefinedAbove(op->getRegions(), read);
    return llvm::any_of(read, [&](Value value) { return active.contains(value); });
  }
  LogicalResult reverseGeneric(linalg::GenericOp op, Value upstream);
  LogicalResult reverseRead(linalg::GenericOp op, OpOperand &read, Value upstream);
  Value paddedSlice(tensor::ExtractSliceOp slice, Value upstream);

  OpBuilder &builder;
  Location loc;
  llvm::DenseSet<Value> active;
  llvm::DenseMap<Value, Value> gradients;
};

} // namespace

/// Axes that the element written depends on are walked outside, so that an element is read again for each of its contributions.
static SmallVector<utils::IteratorType> iteratorsFor(AffineMap write) {
  SmallVector<utils::IteratorType> iterators(write.getNumDims(), utils::IteratorType::reduction);
  for (unsigned axis = 0; axis < write.getNumDims(); ++axis)
    if (write.isFunctionOfDim(axis))
      iterators[axis] = utils::IteratorType::parallel;
  return iterators;
}

/// Whether a walk reads each element of a tensor of this shape once.
static bool readsEachOnce(AffineMap at, ArrayRef<int64_t> shape) {
  llvm::SmallBitVector axes(at.getNumDims());
  for (auto [expression, size] : llvm::zip_equal(at.getResults(), shape)) {
    auto axis = dyn_cast<AffineDimExpr>(expression);
    if (axis && !axes.test(axis.getPosition()))
      axes.set(axis.getPosition());
    else if (size != 1 || !isa<AffineConstantExpr>(expression))
      return false;
  }
  return axes.all();
}

/// The contribution of one operand of `op` to its gradient, over the same loops: gradient[where it was read] += upstream * derivative. What is the
/// first contribution and reaches every element once is the gradient, without zeros that it would be added to.
LogicalResult TensorDerivatives::reverseRead(linalg::GenericOp op, OpOperand &read, Value upstream) {
  SmallVector<Value> inputs = op.getDpsInputs();
  SmallVector<AffineMap> maps;
  for (OpOperand *input : op.getDpsInputOperands())
    maps.push_back(op.getMatchingIndexingMap(input));
  AffineMap written = op.getMatchingIndexingMap(op.getDpsInitOperand(0));
  // A maximum passes its gradient to the elements that are it.
  Operation *yielded = op.getBlock()->getTerminator()->getOperand(0).getDefiningOp();
  bool isMaximum = op.getNumReductionLoops() && isa_and_nonnull<arith::MaximumFOp>(yielded);
  for (Value extra : isMaximum ? SmallVector<Value>{upstream, op.getResult(0)} : SmallVector<Value>{upstream}) {
    inputs.push_back(extra);
    maps.push_back(written);
  }
  AffineMap at = op.getMatchingIndexingMap(&read);
  maps.push_back(at);
  const bool isWhole = !has(read.get()) && readsEachOnce(at, shapeOf(read.get()));
  Value into = isWhole ? ReferenceBuilder(builder, loc, read.get()).empty(shapeOf(read.get())) : of(read.get());
  LogicalResult complete = success();
  auto generic = linalg::GenericOp::create(
      builder, loc, into.getType(), inputs, into, maps, iteratorsFor(at), [&](OpBuilder &nested, Location, ValueRange arguments) {
        ImplicitLocOpBuilder b(loc, nested);
        Block *body = op.getBlock();
        size_t operands = op.getNumDpsInputs();
        IRMapping map;
        for (size_t i = 0; i < operands; ++i)
          map.map(body->getArgument(i), arguments[i]);
        // What a reduction has gathered so far takes no part: sums are linear in it, and a maximum is compared with its result.
        map.map(body->getArgument(operands), arith::ConstantOp::create(b, b.getF32FloatAttr(0)).getResult());
        for (Operation &inner : body->without_terminator())
          b.clone(inner, map);
        Value seed = arguments[operands], from = body->getTerminator()->getOperand(0);
        if (isMaximum) {
          from = yielded->getOperand(yielded->getOperand(0) == body->getArgument(operands) ? 1 : 0);
          Value wins = arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, map.lookup(from), arguments[operands + 1]);
          seed = arith::SelectOp::create(b, wins, seed, arith::ConstantOp::create(b, b.getF32FloatAttr(0)));
        }
        FailureOr<Value> derivative = differentiateScalars(b, *body, map, from, seed, body->getArgument(read.getOperandNumber()));
        complete = derivative;
        Value sum = isWhole ? Value(arith::ConstantOp::create(b, b.getF32FloatAttr(0))) : arguments.back();
        if (succeeded(derivative) && *derivative)
          sum = isWhole ? *derivative : Value(arith::AddFOp::create(b, sum, *derivative));
        linalg::YieldOp::create(b, sum);
      });
  gradients[read.get()] = generic.getResult(0);
  return complete;
}

LogicalResult TensorDerivatives::reverseGeneric(linalg::GenericOp op, Value upstream) {
  if (op.getNumDpsInits() != 1)
    return op.emitError() << "a computation of several results has no derivative";
  if (readsActive(op))
    return op.emitError() << "a computation that reads where numbers tell it to has no derivative";
  for (OpOperand *input : op.getDpsInputOperands())
    if (active.contains(input->get()) && failed(reverseRead(op, *input, upstream)))
      return failure();
  return success();
}

/// `upstream` in the place of the slice, zeros around it. Beside each other along one axis, no element is written twice.
Value TensorDerivatives::paddedSlice(tensor::ExtractSliceOp slice, Value upstream) {
  ReferenceBuilder b(builder, loc, upstream);
  SmallVector<int64_t> whole(shapeOf(slice.getSource()));
  ArrayRef<int64_t> sizes = slice.getStaticSizes(), offsets = slice.getStaticOffsets();
  SmallVector<unsigned> cut;
  for (unsigned axis = 0; axis < whole.size(); ++axis)
    if (sizes[axis] != whole[axis])
      cut.push_back(axis);
  if (cut.size() != 1 || shapeOf(upstream).size() != whole.size() || !slice.hasUnitStride())
    return tensor::InsertSliceOp::create(b, upstream, b.fill(whole, 0.0), slice.getMixedOffsets(), slice.getMixedSizes(),
                                         slice.getMixedStrides());
  const unsigned axis = cut.front();
  Value result = b.empty(whole);
  SmallVector<int64_t> at(whole.size(), 0);
  auto put = [&](Value part) {
    result = b.insert(part, result, at);
    at[axis] += shapeOf(part)[axis];
  };
  auto zeros = [&](int64_t count) {
    SmallVector<int64_t> shape = whole;
    shape[axis] = count;
    if (count > 0)
      put(b.fill(shape, 0.0));
  };
  zeros(offsets[axis]);
  put(upstream);
  zeros(whole[axis] - offsets[axis] - sizes[axis]);
  return result;
}

/// Whether what is inserted into consists of parts that were inserted into nothing, none of which the new one overwrites: the gradient of what lies
/// between them is nobody's.
static bool isBesideAll(tensor::InsertSliceOp insert) {
  auto isApart = [&](tensor::InsertSliceOp other) {
    for (auto [begin, size, otherBegin, otherSize] :
         llvm::zip_equal(insert.getStaticOffsets(), insert.getStaticSizes(), other.getStaticOffsets(), other.getStaticSizes()))
      if (llvm::none_of(ArrayRef{begin, size, otherBegin, otherSize}, ShapedType::isDynamic) &&
          (begin + size <= otherBegin || otherBegin + otherSize <= begin))
        return true;
    return false;
  };
  Value rest = insert.getDest();
  while (auto earlier = rest.getDefiningOp<tensor::InsertSliceOp>()) {
    if (!insert.hasUnitStride() || !earlier.hasUnitStride() || !isApart(earlier))
      return false;
    rest = earlier.getDest();
  }
  return rest.getDefiningOp<tensor::EmptyOp>() != nullptr;
}

LogicalResult TensorDerivatives::reverse(Operation *op) {
  if (op->getNumResults() != 1 || !active.contains(op->getResult(0)) || !gradients.lookup(op->getResult(0)))
    return success();
  Value upstream = gradients.lookup(op->getResult(0));
  if (auto generic = dyn_cast<linalg::GenericOp>(op))
    return reverseGeneric(generic, upstream);
  ReferenceBuilder b(builder, loc, upstream);
  if (isa<tensor::ExpandShapeOp, tensor::CollapseShapeOp>(op)) {
    add(op->getOperand(0), b.reshape(upstream, shapeOf(op->getOperand(0))));
    return success();
  }
  if (auto slice = dyn_cast<tensor::ExtractSliceOp>(op)) {
    if (!has(slice.getSource())) {
      add(slice.getSource(), paddedSlice(slice, upstream));
      return success();
    }
    Value whole = of(slice.getSource());
    auto at = [&](Value tensor) {
      return tensor::ExtractSliceOp::create(b, slice.getType(), tensor, slice.getMixedOffsets(), slice.getMixedSizes(),
                                            slice.getMixedStrides());
    };
    size_t rank = shapeOf(upstream).size();
    Value sum =
        b.compute(shapeOf(upstream), {{at(whole), b.axes(rank)}, {upstream, b.axes(rank)}}, [](ArrayRef<Scalar> x) { return x[0] + x[1]; });
    gradients[slice.getSource()] =
        tensor::InsertSliceOp::create(b, sum, whole, slice.getMixedOffsets(), slice.getMixedSizes(), slice.getMixedStrides());
    return success();
  }
  if (auto insert = dyn_cast<tensor::InsertSliceOp>(op)) {
    auto partType = cast<RankedTensorType>(insert.getSource().getType());
    if (active.contains(insert.getSource()))
      add(insert.getSource(), tensor::ExtractSliceOp::create(b, partType, upstream, insert.getMixedOffsets(), insert.getMixedSizes(),
                                                             insert.getMixedStrides()));
    if (active.contains(insert.getDest()) && isBesideAll(insert)) {
      add(insert.getDest(), upstream);
    } else if (active.contains(insert.getDest())) {
      Value zeros = ReferenceBuilder(builder, loc, insert.getSource()).fill(partType.getShape(), 0.0);
      add(insert.getDest(),
          tensor::InsertSliceOp::create(b, zeros, upstream, insert.getMixedOffsets(), insert.getMixedSizes(), insert.getMixedStrides()));
    }
    return success();
  }
  return op->emitError() << "'" << op->getName() << "' has no derivative";
}

FailureOr<SmallVector<Value>> pullBack(OpBuilder &builder, Location loc, ArrayRef<Value> wrt, ValueRange upstream,
                                       function_ref<FailureOr<SmallVector<Value>>(OpBuilder &)> forward) {
  Block *block = builder.getInsertionBlock();
  Block::iterator end = builder.getInsertionPoint();
  Operation *before = end == block->begin() ? nullptr : &*std::prev(end);
  FailureOr<SmallVector<Value>> results = forward(builder);
  if (failed(results))
    return failure();
  SmallVector<Operation *> built;
  for (Block::iterator op = before ? std::next(before->getIterator()) : block->begin(); op != end; ++op)
    built.push_back(&*op);

  TensorDerivatives derivatives(builder, loc);
  for (Value value : wrt)
    derivatives.activate(value);
  for (Operation *op : built)
    derivatives.activateResults(op);
  for (auto [result, gradient] : llvm::zip_equal(*results, upstream))
    derivatives.add(result, gradient);
  for (Operation *op : llvm::reverse(built))
    if (failed(derivatives.reverse(op)))
      return failure();
  return llvm::map_to_vector(wrt, [&](Value value) { return derivatives.of(value); });
}

FailureOr<SmallVector<Value>> pullBack(OpBuilder &builder, Operation *op, ArrayRef<Value> wrt, ValueRange upstream) {
  auto lowered = pullBack(builder, op->getLoc(), wrt, upstream,
                          [&](OpBuilder &b) { return cast<ReferenceLoweringInterface>(op).lowerToReference(b); });
  op->erase();
  return lowered;
}

} // namespace vitc::vit
