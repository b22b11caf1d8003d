//===- FoldNormalize.cpp - LayerNorm's vectors into the products after it ---------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/transforms/CarryThrough.h"
#include "compiler/transforms/Passes.h"
#include "compiler/transforms/Report.h"
#include "dialects/vit/LayerName.h"
#include "dialects/vit/VitDialect.h"

using namespace mlir;

namespace vitc {
#define GEN_PASS_DEF_VITFOLDNORMALIZE
#include "compiler/transforms/Passes.h.inc"

namespace {

struct FoldNormalizePass : impl::VitFoldNormalizeBase<FoldNormalizePass> {
  /// linear(g o n + s, W, b) -> linear(n, W diag(g), b + W s).
  static void foldInto(vit::LinearOp linear, Value gain, Value shift) {
    OpBuilder builder(linear);
    Location loc = linear.getLoc();
    Value weight = linear.getWeight();
    if (shift)
      carryThrough(linear, shift);
    if (gain)
      linear.getWeightMutable().assign(vit::ScaleOp::create(builder, loc, weight, gain, 1));
  }

  void runOnOperation() override {
    Report report("fold", "normalize");
    getOperation()->walk([&](vit::NormalizeOp normalize) {
      if (!normalize.getGain() && !normalize.getShift())
        return;
      bool onlyProducts = !normalize->use_empty() && llvm::all_of(normalize->getUses(), [&](OpOperand &use) {
        auto linear = dyn_cast<vit::LinearOp>(use.getOwner());
        return linear && use.get() == linear.getInput() && linear.getResidual() != use.get();
      });
      if (!onlyProducts) {
        ++missed;
        return report.missed(normalize, "gain and shift are applied at run time: the rows are read by something else than products");
      }
      for (Operation *user : normalize->getUsers())
        foldInto(cast<vit::LinearOp>(user), normalize.getGain(), normalize.getShift());
      normalize.getGainMutable().clear();
      normalize.getShiftMutable().clear();
      // What it computes from now on is not the layer's value any more, and must not be compared with it.
      normalize->setLoc(childLoc(normalize.getLoc(), "unscaled"));
      ++folded;
      report.done(normalize, "gain and shift folded into the products that read the rows");
    });
  }
};

} // namespace
} // namespace vitc
