//===- Recompute.cpp - activations computed twice instead of kept ---------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/transforms/Passes.h"
#include "dialects/vit/LayerName.h"
#include "dialects/vit/VitDialect.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/IRMapping.h"
#include "llvm/ADT/MapVector.h"

using namespace mlir;

namespace vitc {
#define GEN_PASS_DEF_VITRECOMPUTE
#include "compiler/transforms/Passes.h.inc"

namespace {

constexpr StringLiteral mark = "vit.recomputed";

bool isWeight(Value value) { return cast<RankedTensorType>(value.getType()).hasStaticShape(); }

/// "blocks.3" of "blocks.3.attn.qkv"; empty of a layer outside of the blocks.
StringRef blockName(Operation *op) {
  StringRef layer = layerName(op->getLoc()), rest = layer;
  while (!rest.empty()) {
    bool isBlocks = rest.consume_front("blocks.");
    size_t digits = rest.find_first_not_of("0123456789");
    if (isBlocks && digits != 0)
      return layer.drop_back(digits == StringRef::npos ? 0 : rest.size() - digits);
    rest = rest.split('.').second;
  }
  return {};
}

/// The two halves of a differentiated function.
class Halves {
public:
  /// Nothing of `function` is a backward half if it is not differentiated.
  explicit Halves(func::FuncOp function) : block(function.getBody().front()) {
    for (BlockArgument argument : block.getArguments()) {
      auto name = function.getArgAttrOfType<StringAttr>(argument.getArgNumber(), "vit.input");
      if (!name || name.getValue() != "loss_weights")
        continue;
      for (Operation *user : argument.getUsers())
        if (!firstBackward || user->isBeforeInBlock(firstBackward))
          firstBackward = user;
    }
  }

  bool exist() const { return firstBackward != nullptr; }
  bool isForward(Operation *op) const { return op->getBlock() == &block && op->isBeforeInBlock(firstBackward); }
  iterator_range<Block::iterator> forward() const { return {block.begin(), Block::iterator(firstBackward)}; }

private:
  Block &block;
  Operation *firstBackward = nullptr;
};

/// Operations of the forward half, of one block of the model, on their way to being computed again.
class Recomputation {
public:
  Recomputation(const Halves &halves, ArrayRef<Operation *> operations) : halves(halves), operations(operations) {
    members.insert(operations.begin(), operations.end());
  }

  /// Returns how many operations were cloned.
  size_t run() {
    for (Operation *op : operations)
      for (Value value : op->getResults())
        if (!isWeight(value) && !leavesBlock(value) && readBackward(value))
          demand(value);
    if (needed.empty())
      return 0;
    OpBuilder builder(firstReader);
    IRMapping copies;
    for (Operation *op : operations)
      if (needed.contains(op))
        builder.clone(*op, copies)->setAttr(mark, builder.getUnitAttr());
    for (Operation *op : operations)
      if (needed.contains(op))
        for (Value value : op->getResults())
          value.replaceUsesWithIf(copies.lookup(value), [&](OpOperand &use) { return !leavesBlock(value) && isBackward(use.getOwner()); });
    return needed.size();
  }

private:
  bool isBackward(Operation *op) const { return !halves.isForward(op) && !op->hasAttr(mark); }

  /// Whether the forward half reads the value in another block: it is the next one's input, and kept as such.
  bool leavesBlock(Value value) const {
    StringRef block = blockName(value.getDefiningOp());
    return llvm::any_of(value.getUsers(), [&](Operation *user) { return halves.isForward(user) && blockName(user) != block; });
  }

  bool readBackward(Value value) {
    bool read = false;
    for (Operation *user : value.getUsers()) {
      if (!isBackward(user))
        continue;
      read = true;
      if (!firstReader || user->isBeforeInBlock(firstReader))
        firstReader = user;
    }
    return read;
  }

  void demand(Value value) {
    Operation *op = value.getDefiningOp();
    if (!op || isWeight(value) || leavesBlock(value) || !members.contains(op) || !needed.insert(op).second)
      return;
    for (Value operand : op->getOperands())
      demand(operand);
  }

  const Halves &halves;
  ArrayRef<Operation *> operations; ///< of one block's forward half, in order
  llvm::SmallPtrSet<Operation *, 32> members, needed;
  Operation *firstReader = nullptr;
};

struct RecomputePass : impl::VitRecomputeBase<RecomputePass> {
  using VitRecomputeBase::VitRecomputeBase;

  void runOnOperation() override {
    Halves halves(getOperation());
    if (!halves.exist()) {
      getOperation().emitError() << "has no input 'loss_weights'; what is computed again is chosen after vit-differentiate";
      return signalPassFailure();
    }
    if (!blocks) {
      getOperation().walk([&](vit::SdpaGradOp gradient) {
        gradient->setAttr(mark, UnitAttr::get(&getContext()));
        ++attentions;
      });
      // Their inputs are kept for their own gradients, and the product that reads them finds them in the cache.
      SmallVector<Operation *> normalizations;
      for (Operation &op : halves.forward())
        if (isa<vit::NormalizeOp>(op))
          normalizations.push_back(&op);
      for (Operation *op : normalizations)
        recomputed += Recomputation(halves, op).run();
      return;
    }
    llvm::MapVector<StringRef, SmallVector<Operation *>> byBlock;
    for (Operation &op : halves.forward())
      if (StringRef name = blockName(&op); !name.empty())
        byBlock[name].push_back(&op);
    // The last block's gradients follow at once.
    if (!byBlock.empty())
      byBlock.pop_back();
    for (auto &[name, operations] : byBlock)
      recomputed += Recomputation(halves, operations).run();
  }
};

} // namespace
} // namespace vitc
