//===- FoldBatchNorm.cpp - running statistics into the convolution before them ----------------===//
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
#define GEN_PASS_DEF_VITFOLDBATCHNORM
#include "compiler/transforms/Passes.h.inc"

namespace {

struct FoldBatchNormPass : impl::VitFoldBatchNormBase<FoldBatchNormPass> {
  /// batch_norm(conv(x, w, b)) -> conv(x, f w, f (b - mean) + shift), f = gain / sqrt(variance + eps)
  static vit::ConvOp fold(vit::BatchNormOp norm, vit::ConvOp conv) {
    // At the normalization, whose vectors may be defined behind the convolution.
    OpBuilder builder(norm);
    Location loc = norm.getLoc();
    Value mean = norm.getMean();
    Type vector = mean.getType();
    Value factor = vit::InverseDeviationOp::create(builder, loc, vector, norm.getVariance(), norm.getEpsAttr());
    if (norm.getGain())
      factor = vit::ScaleOp::create(builder, loc, factor, norm.getGain(), 0);
    int64_t channels = cast<RankedTensorType>(vector).getDimSize(0);
    Value offset =
        vit::ScaleRowsByConstantOp::create(builder, loc, vector, mean, builder.getI64IntegerAttr(channels), builder.getF32FloatAttr(-1.0f));
    if (conv.getBias())
      offset = vit::AddOp::create(builder, loc, vector, conv.getBias(), offset);
    offset = vit::ScaleOp::create(builder, loc, offset, factor, 0);
    if (norm.getShift())
      offset = vit::AddOp::create(builder, loc, vector, norm.getShift(), offset);
    Value kernel = vit::ScaleOp::create(builder, loc, conv.getKernel(), factor, 0);
    auto folded = vit::ConvOp::create(builder, loc, norm.getValue().getType(), conv.getImages(), kernel, offset, conv.getStrideAttr(),
                                      conv.getPaddingAttr());
    norm.getValue().replaceAllUsesWith(folded.getValue());
    norm.erase();
    conv.erase();
    return folded;
  }

  void runOnOperation() override {
    Report report("fold", "batch-norm");
    SmallVector<vit::BatchNormOp> norms;
    getOperation()->walk([&](vit::BatchNormOp norm) { norms.push_back(norm); });
    for (vit::BatchNormOp norm : norms) {
      auto conv = norm.getImages().getDefiningOp<vit::ConvOp>();
      if (!conv || !conv->hasOneUse()) {
        ++missed;
        report.missed(norm, Twine("statistics are applied at run time: ") +
                                (conv ? "the convolution has other users" : "the input is not a convolution"));
        continue;
      }
      ++folded;
      report.done(fold(norm, conv), "running statistics, gain and shift folded into the convolution");
    }
  }
};

} // namespace
} // namespace vitc
