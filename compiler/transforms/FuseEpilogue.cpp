//===- FuseEpilogue.cpp - activations and residual sums into products -------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/transforms/Passes.h"
#include "compiler/transforms/Report.h"
#include "dialects/vit/VitDialect.h"

using namespace mlir;

namespace vitc {
#define GEN_PASS_DEF_VITFUSEEPILOGUE
#include "compiler/transforms/Passes.h.inc"

namespace {

/// Whether an operation may be added to the epilogue of the one that computes `value`; otherwise why not.
bool mayFuse(Value value, StringRef &why) {
  Operation *op = value.getDefiningOp();
  if (!isa_and_nonnull<vit::LinearOp, vit::GroupNormRowsOp>(op))
    why = "its input is not a product";
  else if (!op->hasOneUse())
    why = "the product has other users";
  else
    return true;
  return false;
}

struct FuseEpiloguePass : impl::VitFuseEpilogueBase<FuseEpiloguePass> {
  /// The product takes the place (and the layer name) of `op`, whose value it computes from now on.
  static void takePlaceOf(Operation *op, Operation *product) {
    product->moveBefore(op);
    product->setLoc(op->getLoc());
    op->getResult(0).replaceAllUsesWith(product->getResult(0));
    op->erase();
  }

  // activation(linear(x, W, b)) -> linear(x, W, b) {activation}
  // activation(linear(x, W, b) residual(skip)) -> linear(x, W, b) residual(skip) {activation, activation_last}
  // activation(group_norm_rows(x)) -> group_norm_rows(x) {activation}
  static Operation *fuse(vit::ActivationOp activation, StringRef &why) {
    if (!mayFuse(activation.getInput(), why))
      return nullptr;
    auto fuseInto = [&](auto product) -> Operation * {
      if (product.getActivation() != vit::Activation::None)
        return why = "the product has an activation already", nullptr;
      product.setActivation(activation.getKind());
      takePlaceOf(activation, product);
      return product;
    };
    if (auto norm = activation.getInput().getDefiningOp<vit::GroupNormRowsOp>())
      return fuseInto(norm);
    auto linear = activation.getInput().getDefiningOp<vit::LinearOp>();
    bool last = linear.getResidual() != nullptr;
    Operation *fused = fuseInto(linear);
    if (fused)
      linear.setActivationLast(last);
    return fused;
  }

  // residual(skip, linear(x, W, b)) -> linear(x, W, b) residual(skip)
  // residual(skip, group_norm_rows(x)) -> group_norm_rows(x) residual(skip)
  static Operation *fuse(vit::ResidualOp residual, StringRef &why) {
    if (residual.getGamma())
      return why = "it has a gamma", nullptr;
    if (!mayFuse(residual.getBranch(), why))
      return nullptr;
    auto fuseInto = [&](auto product) -> Operation * {
      if (product.getResidual())
        return why = "the product has a residual already", nullptr;
      if (residual.getSkip() == product.getValue())
        return why = "skip and branch are one value", nullptr;
      product.getResidualMutable().assign(residual.getSkip());
      takePlaceOf(residual, product);
      return product;
    };
    auto norm = residual.getBranch().getDefiningOp<vit::GroupNormRowsOp>();
    if (!norm)
      return fuseInto(residual.getBranch().getDefiningOp<vit::LinearOp>());
    // Its activation is behind the sum.
    if (norm.getActivation() != vit::Activation::None)
      return why = "the normalization has an activation already", nullptr;
    return fuseInto(norm);
  }

  template <typename OpTy> void run(OpTy op, StringRef name, StringRef what) {
    Report report("fusion", name);
    StringRef why;
    Operation *product = fuse(op, why);
    if (!product) {
      ++missed;
      report.missed(op, what + " is a launch of its own: " + why);
      return;
    }
    ++fused;
    report.done(product, what + " fused into the " + (isa<vit::LinearOp>(product) ? "product" : "normalization") + " before it");
  }

  void runOnOperation() override {
    // In order: what follows a sum is fused behind it.
    SmallVector<Operation *> work;
    getOperation()->walk([&](Operation *op) {
      if (isa<vit::ActivationOp, vit::ResidualOp>(op))
        work.push_back(op);
    });
    for (Operation *op : work) {
      if (auto activation = dyn_cast<vit::ActivationOp>(op))
        run(activation, "activation", "activation");
      else
        run(cast<vit::ResidualOp>(op), "residual", "residual sum");
    }
  }
};

} // namespace
} // namespace vitc
