//===- Gradients.cpp - the operations' gradients ------------------------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Rules for what a ViT spends its time in. All other operations have the gradient that follows from their reference lowering.
//
//===--------------------------------------------------------------------------------------===//

#include "dialects/vit/LayerName.h"
#include "dialects/vit/Verify.h"
#include "dialects/vit/VitDialect.h"

#include "mlir/IR/IRMapping.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace vitc;
using namespace vitc::vit;

using Gradients = FailureOr<SmallVector<Value>>;
using Needed = function_ref<bool(unsigned)>;

static RankedTensorType typeOf(Value value) { return cast<RankedTensorType>(value.getType()); }
static bool isWeightValue(Value value) { return typeOf(value).hasStaticShape(); }
static Location gradLoc(Operation *op) { return childLoc(op->getLoc(), "grad"); }

//===--------------------------------------------------------------------------------------===//
// From the reference lowering
//===--------------------------------------------------------------------------------------===//

/// The pullback of `op` with respect to those of its distinct operands for which `takes` says so.
static void pullBackTo(Operation *op, OpBuilder &builder, Location loc, ValueRange upstream, ArrayRef<Value> inputs,
                       function_ref<bool(Value)> takes, llvm::DenseMap<Value, Value> &gradients) {
  SmallVector<int64_t> wrt;
  SmallVector<Type> types;
  for (auto [index, input] : llvm::enumerate(inputs))
    if (takes(input)) {
      wrt.push_back(index);
      types.push_back(input.getType());
    }
  if (wrt.empty())
    return;
  auto pullback = PullbackOp::create(builder, loc, types, inputs, upstream, wrt);
  Block &block = pullback.getBody().emplaceBlock();
  IRMapping map;
  for (Value input : inputs)
    map.map(input, block.addArgument(input.getType(), input.getLoc()));
  OpBuilder nested = OpBuilder::atBlockEnd(&block);
  Operation *copy = nested.clone(*op, map);
  YieldOp::create(nested, op->getLoc(), copy->getResults());
  for (auto [index, gradient] : llvm::zip_equal(wrt, pullback.getValues()))
    gradients[inputs[index]] = gradient;
}

Gradients vitc::vit::buildPullback(Operation *op, OpBuilder &builder, ValueRange upstream, Needed needed) {
  llvm::SetVector<Value> inputs(op->operand_begin(), op->operand_end());
  llvm::DenseSet<Value> wanted;
  for (OpOperand &operand : op->getOpOperands())
    if (needed(operand.getOperandNumber()))
      wanted.insert(operand.get());
  llvm::DenseMap<Value, Value> gradients;
  auto isActivation = [&](Value v) { return wanted.contains(v) && !isWeightValue(v); };
  auto isWeight = [&](Value v) { return wanted.contains(v) && isWeightValue(v); };
  Location loc = gradLoc(op);
  pullBackTo(op, builder, loc, upstream, inputs.getArrayRef(), isActivation, gradients);
  pullBackTo(op, builder, childLoc(loc, "weight"), upstream, inputs.getArrayRef(), isWeight, gradients);
  // An operand that is there twice gets its gradient once.
  SmallVector<Value> result;
  for (Value operand : op->getOperands()) {
    result.push_back(gradients.lookup(operand));
    gradients.erase(operand);
  }
  return result;
}

//===--------------------------------------------------------------------------------------===//
// Products and rows
//===--------------------------------------------------------------------------------------===//

static Value transpose(OpBuilder &builder, Location loc, Value matrix) {
  ArrayRef<int64_t> shape = shapeOf(matrix);
  return TransposeOp::create(builder, loc, typeOf(matrix).clone({shape[1], shape[0]}), matrix, builder.getDenseI64ArrayAttr({1, 0}));
}

static Value sumRows(OpBuilder &builder, Location loc, Value rows) {
  return SumRowsOp::create(builder, loc, RankedTensorType::get(shapeOf(rows).back(), builder.getF32Type()), rows);
}

// y = x W' + b: dx = dy W, dW = dy' x, db = the sum of dy's rows
Gradients LinearOp::buildGradient(OpBuilder &builder, ValueRange upstream, Needed needed) {
  if (getActivation() != Activation::None)
    return buildPullback(*this, builder, upstream, needed);
  Location loc = gradLoc(*this);
  SmallVector<Value> result(getNumOperands());
  auto at = [&](MutableOperandRange operand) -> unsigned { return operand[0].getOperandNumber(); };
  if (needed(0))
    result[0] = LinearOp::create(builder, loc, getInput().getType(), upstream[0], transpose(builder, loc, getWeight()),
                                 /*bias=*/Value(), /*residual=*/Value());
  if (needed(1))
    result[1] = ContractRowsOp::create(builder, childLoc(loc, "weight"), getWeight().getType(), upstream[0], getInput());
  if (getBias() && needed(at(getBiasMutable())))
    result[at(getBiasMutable())] = sumRows(builder, childLoc(loc, "bias"), upstream[0]);
  if (getResidual())
    result[at(getResidualMutable())] = upstream[0];
  return result;
}

Gradients ActivationOp::buildGradient(OpBuilder &builder, ValueRange upstream, Needed needed) {
  return SmallVector<Value>{ActivationGradOp::create(builder, gradLoc(*this), getInput(), upstream[0], getKind())};
}

Gradients MulOp::buildGradient(OpBuilder &builder, ValueRange upstream, Needed needed) {
  SmallVector<Value> result(2);
  if (needed(0))
    result[0] = MulOp::create(builder, gradLoc(*this), upstream[0], getRhs());
  if (needed(1))
    result[1] = MulOp::create(builder, gradLoc(*this), upstream[0], getLhs());
  return result;
}

Gradients NormalizeOp::buildGradient(OpBuilder &builder, ValueRange upstream, Needed needed) {
  Location loc = gradLoc(*this);
  SmallVector<Value> result(getNumOperands());
  if (needed(0))
    result[0] = NormalizeGradOp::create(builder, loc, getInput(), upstream[0], getGain(), getKind(), getEps(), getGroups());
  unsigned gain = 1, shift = getGain() ? 2 : 1;
  bool wantsGain = getGain() && needed(gain), wantsShift = getShift() && needed(shift);
  if (!wantsGain && !wantsShift)
    return result;
  auto vector = RankedTensorType::get(shapeOf(getInput()).back(), builder.getF32Type());
  auto weights = NormalizeWeightGradOp::create(builder, childLoc(loc, "weight"), vector, vector, getInput(), upstream[0], getKind(),
                                               getEps(), getGroups());
  if (wantsGain)
    result[gain] = weights.getGain();
  if (wantsShift)
    result[shift] = weights.getShift();
  return result;
}

Gradients SdpaOp::buildGradient(OpBuilder &builder, ValueRange upstream, Needed needed) {
  Value query = getQuery();
  const bool isCovered = query ? needed(0) && needed(1) : getQueries() == shapeOf(getQkv())[1];
  if (!isCovered || getBias() || getRowTable() || getWindows() != 1)
    return buildPullback(*this, builder, upstream, needed);
  auto gradients = SdpaGradOp::create(builder, gradLoc(*this), getQkv().getType(), query ? query.getType() : Type(), getQkv(), upstream[0],
                                      query, getHeads(), getScale());
  return SmallVector<Value>(gradients->getResults());
}

// value = skip + gamma * branch
Gradients ResidualOp::buildGradient(OpBuilder &builder, ValueRange upstream, Needed needed) {
  if (getGamma() && getSkip() == getBranch())
    return buildPullback(*this, builder, upstream, needed);
  SmallVector<Value> result(getNumOperands());
  result[0] = upstream[0];
  if (!getGamma()) {
    result[1] = upstream[0];
    return result;
  }
  Gradients others = buildPullback(*this, builder, upstream, [&](unsigned operand) { return operand == 1 && needed(operand); });
  result[1] = (*others)[1];
  if (needed(2)) {
    Value products = MulOp::create(builder, gradLoc(*this), upstream[0], getBranch());
    result[2] = sumRows(builder, childLoc(gradLoc(*this), "gamma"), products);
  }
  return result;
}

// tokens = [prefix, .., patches] + position: patches get the rows of theirs, a weight the sum of its tokens' rows over images
Gradients EmbedOp::buildGradient(OpBuilder &builder, ValueRange upstream, Needed needed) {
  Location loc = gradLoc(*this);
  const int64_t tokens = shapeOf(getTokens())[1], patches = shapeOf(getPatches())[1];
  auto slice = [&](Location at, int64_t first, int64_t count) -> Value {
    if (count == tokens)
      return upstream[0];
    SmallVector<int64_t> shape(shapeOf(upstream[0]));
    shape[1] = count;
    return SliceTokensOp::create(builder, at, typeOf(upstream[0]).clone(shape), upstream[0], first);
  };
  auto sumOverImages = [&](StringRef part, Value weight, Value rows) -> Value {
    return SumRowsOp::create(builder, childLoc(loc, part), weight.getType(), rows);
  };
  SmallVector<Value> result(getNumOperands());
  unsigned operand = getNumOperands() - 1;
  const bool wantsPosition = getPosition() && needed(operand);
  if (needed(0) || (wantsPosition && getPatchesOnly()))
    result[0] = slice(loc, tokens - patches, patches);
  if (wantsPosition)
    result[operand] = sumOverImages("position", getPosition(), getPatchesOnly() ? result[0] : upstream[0]);
  int64_t first = 0;
  for (auto [index, prefix] : llvm::enumerate(getPrefix())) {
    const int64_t count = shapeOf(prefix)[0];
    std::string name = "prefix" + std::to_string(index);
    if (needed(1 + index))
      result[1 + index] = sumOverImages(name, prefix, slice(childLoc(loc, name + ".rows"), first, count));
    first += count;
  }
  return result;
}

//===--------------------------------------------------------------------------------------===//
// Weights
//===--------------------------------------------------------------------------------------===//

static Value rowsOf(OpBuilder &builder, Location loc, Value value, int64_t first, int64_t count) {
  SmallVector<int64_t> shape(shapeOf(value));
  shape.front() = count;
  return SliceRowsOp::create(builder, loc, typeOf(value).clone(shape), value, first);
}

Gradients ConcatOp::buildGradient(OpBuilder &builder, ValueRange upstream, Needed needed) {
  SmallVector<Value> result(getNumOperands());
  int64_t first = 0;
  for (auto [index, part] : llvm::enumerate(getParts())) {
    int64_t count = shapeOf(part).front();
    if (needed(index))
      result[index] = rowsOf(builder, gradLoc(*this), upstream[0], first, count);
    first += count;
  }
  return result;
}

Gradients ReshapeOp::buildGradient(OpBuilder &builder, ValueRange upstream, Needed needed) {
  return SmallVector<Value>{ReshapeOp::create(builder, gradLoc(*this), getInput().getType(), upstream[0])};
}

Gradients TransposeOp::buildGradient(OpBuilder &builder, ValueRange upstream, Needed needed) {
  SmallVector<int64_t> inverse(getPermutation().size());
  for (auto [axis, from] : llvm::enumerate(getPermutation()))
    inverse[from] = axis;
  return SmallVector<Value>{
      TransposeOp::create(builder, gradLoc(*this), getInput().getType(), upstream[0], builder.getDenseI64ArrayAttr(inverse))};
}

Gradients SliceRowsOp::buildGradient(OpBuilder &builder, ValueRange upstream, Needed needed) {
  SmallVector<int64_t> shape(shapeOf(getInput()));
  int64_t all = shape.front(), before = getFirst(), after = all - before - shapeOf(getValue()).front();
  SmallVector<Value> parts;
  auto zeros = [&](int64_t count) {
    shape.front() = count;
    if (count)
      parts.push_back(ZerosOp::create(builder, gradLoc(*this), typeOf(getInput()).clone(shape)));
  };
  zeros(before);
  parts.push_back(upstream[0]);
  zeros(after);
  return SmallVector<Value>{ConcatOp::create(builder, gradLoc(*this), getInput().getType(), parts)};
}

//===--------------------------------------------------------------------------------------===//
// Training only
//===--------------------------------------------------------------------------------------===//

Gradients CrossEntropyOp::buildGradient(OpBuilder &builder, ValueRange upstream, Needed needed) {
  // Targets are data.
  return SmallVector<Value>{CrossEntropyGradOp::create(builder, gradLoc(*this), getLogits(), getTargets(), upstream[0]), Value()};
}

Gradients DropoutOp::buildGradient(OpBuilder &builder, ValueRange upstream, Needed needed) {
  return SmallVector<Value>{DropoutOp::create(builder, gradLoc(*this), upstream[0], getKey(), getRate(), getStream(), getPerImage()),
                            Value()};
}
