//===- Differentiate.cpp - gradients of a loss --------------------------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/transforms/Passes.h"
#include "dialects/vit/LayerName.h"
#include "dialects/vit/VitDialect.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/MapVector.h"

using namespace mlir;

namespace vitc {
#define GEN_PASS_DEF_VITDIFFERENTIATE
#include "compiler/transforms/Passes.h.inc"

namespace {

bool isWeight(Value value) { return cast<RankedTensorType>(value.getType()).hasStaticShape(); }

class Differentiation {
public:
  explicit Differentiation(func::FuncOp function) : block(function.getBody().front()), builder(block.getTerminator()) {
    for (Operation &op : block.without_terminator()) {
      bool trained = isa<vit::WeightOp>(op) && !op.hasAttr("vit.frozen");
      if (trained || llvm::any_of(op.getOperands(), [&](Value operand) { return active.contains(operand); }))
        active.insert_range(op.getResults());
    }
  }

  bool isActive(Value value) const { return active.contains(value); }

  void add(Value value, Value gradient) {
    Value &sum = gradients[value];
    if (!sum) {
      sum = gradient;
      return;
    }
    // Named after the value whose gradient it is.
    Location loc = childLoc(value.getLoc(), "grad_sum");
    if (isWeight(value))
      sum = vit::AddOp::create(builder, loc, sum.getType(), sum, gradient);
    else
      sum = vit::ResidualOp::create(builder, loc, sum.getType(), sum, gradient, /*gamma=*/Value());
  }

  Value of(Value value) const { return gradients.lookup(value); }

  LogicalResult reverse(Operation *op) {
    if (isa<vit::WeightOp>(op) || op->getNumResults() == 0 || !isActive(op->getResult(0)))
      return success();
    SmallVector<Value> upstream = llvm::map_to_vector(op->getResults(), [&](Value result) { return of(result); });
    if (llvm::none_of(upstream, [](Value gradient) { return gradient; }))
      return success();
    auto rule = dyn_cast<vit::GradientInterface>(op);
    if (!rule)
      return op->emitError() << "'" << op->getName() << "' has no gradient, so nothing behind it can be trained";
    FailureOr<SmallVector<Value>> built =
        rule.buildGradient(builder, upstream, [&](unsigned operand) { return isActive(op->getOperand(operand)); });
    if (failed(built))
      return failure();
    for (auto [operand, gradient] : llvm::zip_equal(op->getOperands(), *built))
      if (gradient && isActive(operand))
        add(operand, gradient);
    return success();
  }

private:
  Block &block;
  OpBuilder builder;
  llvm::DenseSet<Value> active;
  llvm::DenseMap<Value, Value> gradients;
};

struct DifferentiatePass : impl::VitDifferentiateBase<DifferentiatePass> {
  void runOnOperation() override {
    func::FuncOp function = getOperation();
    Block &block = function.getBody().front();
    auto terminator = cast<func::ReturnOp>(block.getTerminator());
    auto loss = terminator.getNumOperands() ? dyn_cast<RankedTensorType>(terminator.getOperand(0).getType()) : RankedTensorType();
    if (!loss || loss.getRank() != 2 || loss.getDimSize(1) != 1) {
      function.emitError() << "the first result of a function that is differentiated is each image's loss, [B, 1]";
      return signalPassFailure();
    }
    SmallVector<Operation *> forward = llvm::map_to_vector(block.without_terminator(), [](Operation &op) { return &op; });
    Differentiation differentiation(function);
    Value weights = block.addArgument(loss, function.getLoc());
    differentiation.add(terminator.getOperand(0), weights);
    for (Operation *op : llvm::reverse(forward)) {
      if (failed(differentiation.reverse(op)))
        return signalPassFailure();
      rules += differentiation.isActive(op->getNumResults() ? op->getResult(0) : Value()) ? 1 : 0;
    }
    block.walk([&](vit::PullbackOp) { ++pullbacks; });

    // A weight that is named in several places has one gradient.
    llvm::MapVector<StringAttr, Value> results;
    OpBuilder builder(terminator);
    for (Operation *op : forward) {
      auto weight = dyn_cast<vit::WeightOp>(op);
      Value gradient = weight ? differentiation.of(weight.getValue()) : Value();
      if (!gradient)
        continue;
      Value &sum = results[weight.getSourceAttr().getAttr()];
      sum = sum ? vit::AddOp::create(builder, weight.getLoc(), sum.getType(), sum, gradient).getResult() : gradient;
    }
    if (results.empty()) {
      function.emitError() << "no weight that may be trained takes part in the loss";
      return signalPassFailure();
    }
    SmallVector<Value> returned(terminator.getOperands());
    for (auto &[name, gradient] : results)
      returned.push_back(gradient);
    terminator.getOperandsMutable().assign(returned);
    unsigned first = returned.size() - results.size();
    function.setType(FunctionType::get(&getContext(), block.getArgumentTypes(), ValueRange(returned).getTypes()));
    function.setArgAttr(block.getNumArguments() - 1, "vit.input", StringAttr::get(&getContext(), "loss_weights"));
    for (auto [index, entry] : llvm::enumerate(results))
      function.setResultAttr(first + index, "vit.gradient", FlatSymbolRefAttr::get(entry.first));
  }
};

} // namespace
} // namespace vitc
