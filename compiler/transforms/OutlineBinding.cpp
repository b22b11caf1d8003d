//===- OutlineBinding.cpp - what depends on weights alone into bindings -----------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/transforms/Passes.h"
#include "dialects/kernel/KernelDialect.h"
#include "dialects/vit/LayerName.h"

#include "mlir/Analysis/SliceAnalysis.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/Iterators.h"
#include "llvm/ADT/MapVector.h"

using namespace mlir;

namespace vitc {
#define GEN_PASS_DEF_KERNELOUTLINEBINDING
#include "compiler/transforms/Passes.h.inc"

namespace {

/// Activations have a dynamic batch; whatever has a static shape is made of weights.
bool isWeight(Value value) { return cast<RankedTensorType>(value.getType()).hasStaticShape(); }

struct OutlineBindingPass : impl::KernelOutlineBindingBase<OutlineBindingPass> {
  /// Copies the slice that computes `value` into a binding called `name`.
  kernel::BindingOp outline(SymbolTable &symbols, Value value, StringRef name) {
    SetVector<Operation *> slice;
    BackwardSliceOptions options;
    options.inclusive = true;
    (void)getBackwardSlice(value, &slice, options);

    OpBuilder builder(&getContext());
    Location loc = value.getLoc();
    SmallVector<vit::WeightOp> leaves;
    SmallVector<Attribute> sources;
    for (Operation *op : slice)
      if (auto leaf = dyn_cast<vit::WeightOp>(op)) {
        leaves.push_back(leaf);
        sources.push_back(leaf.getSourceAttr());
      }
    auto binding = kernel::BindingOp::create(builder, loc, name, builder.getArrayAttr(sources));
    Block &block = binding.getBody().emplaceBlock();
    IRMapping mapping;
    for (vit::WeightOp leaf : leaves)
      mapping.map(leaf.getValue(), block.addArgument(leaf.getType(), leaf.getLoc()));
    builder.setInsertionPointToEnd(&block);
    for (Operation *op : slice)
      if (!isa<vit::WeightOp>(op))
        builder.clone(*op, mapping);
    kernel::YieldOp::create(builder, loc, mapping.lookup(value));
    symbols.insert(binding, getOperation().getBody()->end());
    ++bindings;
    return binding;
  }

  void runOnOperation() override {
    SymbolTable symbols(getOperation());
    llvm::MapVector<Value, kernel::BindingOp> outlined;
    SmallVector<kernel::KernelLaunchInterface> launches;
    getOperation().walk([&](kernel::KernelLaunchInterface launch) { launches.push_back(launch); });
    for (kernel::KernelLaunchInterface launch : launches)
      for (OpOperand &operand : launch->getOpOperands()) {
        if (!isWeight(operand.get()) || isa_and_nonnull<kernel::WeightOp, kernel::StateOp>(operand.get().getDefiningOp()))
          continue;
        kernel::BindingOp &binding = outlined[operand.get()];
        if (!binding)
          binding = outline(symbols, operand.get(),
                            (layerName(launch->getLoc()) + "." + launch.getOperandRole(operand.getOperandNumber())).str());
        OpBuilder builder(launch);
        operand.set(
            kernel::WeightOp::create(builder, launch->getLoc(), operand.get().getType(), FlatSymbolRefAttr::get(binding.getSymNameAttr())));
      }
    // What only the bindings needed is dead now.
    getOperation().walk<WalkOrder::PostOrder, ReverseIterator>([](Operation *op) {
      if (isOpTriviallyDead(op))
        op->erase();
    });
  }
};

} // namespace
} // namespace vitc
