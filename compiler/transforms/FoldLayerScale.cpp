//===- FoldLayerScale.cpp - LayerScale's gamma into the product before it ---------------------===//
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
#define GEN_PASS_DEF_VITFOLDLAYERSCALE
#include "compiler/transforms/Passes.h.inc"

namespace {

struct FoldLayerScalePass : impl::VitFoldLayerScaleBase<FoldLayerScalePass> {
  /// residual(skip, linear(x, W, b), gamma) -> residual(skip, linear(x, gamma o W, gamma o b)); why not, or an empty string.
  static StringRef fold(vit::ResidualOp residual) {
    auto linear = residual.getBranch().getDefiningOp<vit::LinearOp>();
    if (!linear)
      return "its branch is not a product";
    if (!linear->hasOneUse())
      return "the product has other users";
    if (linear.getActivation() != vit::Activation::None || linear.getResidual())
      return "the product has an epilogue already";
    OpBuilder builder(linear);
    Location loc = linear.getLoc();
    Value gamma = residual.getGamma();
    // A gamma that is defined between the product and the sum has to move up to be read by the product.
    if (Operation *def = gamma.getDefiningOp(); def && def->getBlock() == linear->getBlock() && linear->isBeforeInBlock(def)) {
      if (def->getNumOperands() != 0)
        return "gamma is computed after the product";
      def->moveBefore(linear);
    }
    linear.getWeightMutable().assign(vit::ScaleOp::create(builder, loc, linear.getWeight(), gamma, 0));
    if (linear.getBias())
      linear.getBiasMutable().assign(vit::ScaleOp::create(builder, loc, linear.getBias(), gamma, 0).getResult());
    residual.getGammaMutable().clear();
    return "";
  }

  void runOnOperation() override {
    Report report("fold", "layer-scale");
    getOperation()->walk([&](vit::ResidualOp residual) {
      if (!residual.getGamma())
        return;
      StringRef why = fold(residual);
      if (why.empty()) {
        ++folded;
        report.done(residual, "gamma folded into the product before it");
      } else {
        ++missed;
        report.missed(residual, "gamma is applied at run time: " + why);
      }
    });
  }
};

} // namespace
} // namespace vitc
