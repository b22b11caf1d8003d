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

/// The product that computes `value`, if something may be added to its epilogue; otherwise why not.
FailureOr<vit::LinearOp> productBefore(Value value, StringRef &why) {
  auto linear = value.getDefiningOp<vit::LinearOp>();
  if (!linear)
    why = "its input is not a product";
  else if (!linear->hasOneUse())
    why = "the product has other users";
  else if (linear.getResidual())
    why = "the product has a residual already";
  else
    return linear;
  return failure();
}

struct FuseEpiloguePass : impl::VitFuseEpilogueBase<FuseEpiloguePass> {
  /// The product takes the place (and the layer name) of `op`, whose value it computes from now on.
  static void takePlaceOf(Operation *op, vit::LinearOp linear) {
    linear->moveBefore(op);
    linear->setLoc(op->getLoc());
    op->getResult(0).replaceAllUsesWith(linear.getValue());
    op->erase();
  }

  // activation(linear(x, W, b)) -> linear(x, W, b) {activation}
  FailureOr<vit::LinearOp> fuse(vit::ActivationOp activation, StringRef &why) {
    FailureOr<vit::LinearOp> linear = productBefore(activation.getInput(), why);
    if (failed(linear))
      return failure();
    if (linear->getActivation() != vit::Activation::None)
      return why = "the product has an activation already", failure();
    linear->setActivation(activation.getKind());
    takePlaceOf(activation, *linear);
    return linear;
  }

  // residual(skip, linear(x, W, b)) -> linear(x, W, b) residual(skip)
  FailureOr<vit::LinearOp> fuse(vit::ResidualOp residual, StringRef &why) {
    if (residual.getGamma())
      return why = "it has a gamma", failure();
    FailureOr<vit::LinearOp> linear = productBefore(residual.getBranch(), why);
    if (failed(linear))
      return failure();
    if (residual.getSkip() == linear->getValue())
      return why = "skip and branch are one value", failure();
    linear->getResidualMutable().assign(residual.getSkip());
    takePlaceOf(residual, *linear);
    return linear;
  }

  template <typename OpTy> void run(StringRef name, StringRef what) {
    Report report("fusion", name);
    SmallVector<OpTy> ops;
    getOperation()->walk([&](OpTy op) { ops.push_back(op); });
    for (OpTy op : ops) {
      StringRef why;
      FailureOr<vit::LinearOp> product = fuse(op, why);
      if (failed(product)) {
        ++missed;
        report.missed(op, what + " is a launch of its own: " + why);
        continue;
      }
      ++fused;
      report.done(*product, what + " fused into the product before it");
    }
  }

  void runOnOperation() override {
    run<vit::ActivationOp>("activation", "activation");
    run<vit::ResidualOp>("residual", "residual sum");
  }
};

} // namespace
} // namespace vitc
