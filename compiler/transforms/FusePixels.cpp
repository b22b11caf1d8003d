//===- FusePixels.cpp - normalisation of pictures into patch embedding ----------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/transforms/Passes.h"
#include "compiler/transforms/Report.h"
#include "dialects/kernel/PixelEmbed.h"
#include "dialects/vit/PixelOps.h"

using namespace mlir;

namespace vitc {
#define GEN_PASS_DEF_KERNELFUSEPIXELS
#include "compiler/transforms/Passes.h.inc"

namespace {

/// The normalisation that `reference` consists of; null if it is anything else.
vit::NormalizeImagesOp normalizationIn(kernel::ReferenceOp reference) {
  Block *body = reference ? &reference.getBody().front() : nullptr;
  if (!body || !llvm::hasNItems(body->without_terminator(), 1))
    return {};
  return dyn_cast<vit::NormalizeImagesOp>(body->front());
}

/// [D, C P Q] -> [D, P Q C]: patches in the order in which pixels lie.
Value inPixelOrder(OpBuilder &builder, kernel::PatchEmbedOp embed) {
  auto weight = cast<RankedTensorType>(embed.getWeight().getType());
  const int64_t outputs = weight.getDimSize(0), height = embed.getPatch()[0], width = embed.getPatch()[1];
  const int64_t channels = weight.getDimSize(1) / (height * width);
  auto reshape = [&](Value value, ArrayRef<int64_t> shape) -> Value {
    return vit::ReshapeOp::create(builder, embed.getLoc(), weight.clone(shape), value);
  };
  Value kernel = reshape(embed.getWeight(), {outputs, channels, height, width});
  Value turned = vit::TransposeOp::create(builder, embed.getLoc(), weight.clone({outputs, height, width, channels}), kernel,
                                          builder.getDenseI64ArrayAttr({0, 2, 3, 1}));
  return reshape(turned, weight.getShape());
}

// patch_embed(reference { normalize_images(p) }, w) -> pixel_embed(p, w')
struct FusePixelsPass : impl::KernelFusePixelsBase<FusePixelsPass> {
  void runOnOperation() override {
    Report report("fusion", "pixels");
    SmallVector<kernel::PatchEmbedOp> embeds;
    getOperation()->walk([&](kernel::PatchEmbedOp embed) { embeds.push_back(embed); });
    for (kernel::PatchEmbedOp embed : embeds) {
      auto reference = embed.getImages().getDefiningOp<kernel::ReferenceOp>();
      vit::NormalizeImagesOp normalization = normalizationIn(reference);
      if (!normalization)
        continue;
      OpBuilder builder(embed);
      auto pixels = kernel::PixelEmbedOp::create(builder, embed.getLoc(), embed.getType(), reference.getInputs().front(),
                                                 inPixelOrder(builder, embed), embed.getPosition(), embed.getPrefix(), embed.getPatchAttr(),
                                                 normalization.getMeanAttr(), normalization.getStdAttr(), normalization.getMultiplyAttr());
      report.done(pixels, "pictures are normalised by their patch embedding");
      ++fused;
      embed.replaceAllUsesWith(pixels.getValue());
      embed.erase();
      if (reference->use_empty())
        reference.erase();
    }
  }
};

} // namespace
} // namespace vitc
