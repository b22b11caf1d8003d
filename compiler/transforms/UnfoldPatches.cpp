//===- UnfoldPatches.cpp - patch embedding as a product ---------------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/transforms/Passes.h"
#include "dialects/vit/LayerName.h"
#include "dialects/vit/VitDialect.h"

using namespace mlir;

namespace vitc {
#define GEN_PASS_DEF_VITUNFOLDPATCHES
#include "compiler/transforms/Passes.h.inc"

namespace {

ArrayRef<int64_t> shapeOf(Value value) { return cast<RankedTensorType>(value.getType()).getShape(); }

struct UnfoldPatchesPass : impl::VitUnfoldPatchesBase<UnfoldPatchesPass> {
  void runOnOperation() override {
    getOperation()->walk([&](vit::PatchifyOp op) {
      OpBuilder b(op);
      Location loc = op.getLoc();
      ArrayRef<int64_t> kernel = shapeOf(op.getKernel()), tokens = shapeOf(op.getTokens());
      int64_t pixels = kernel[1] * kernel[2] * kernel[3];
      auto tensor = [&](ArrayRef<int64_t> shape) { return RankedTensorType::get(shape, b.getF32Type()); };
      Value rows = vit::UnfoldPatchesOp::create(b, childLoc(loc, "patches"), tensor({tokens[0], tokens[1], pixels}), op.getImages(),
                                                b.getDenseI64ArrayAttr({kernel[2], kernel[3]}));
      Value matrix = vit::ReshapeOp::create(b, loc, tensor({kernel[0], pixels}), op.getKernel());
      Value product = vit::LinearOp::create(b, loc, op.getTokens().getType(), rows, matrix, op.getBias(), /*residual=*/Value());
      op.replaceAllUsesWith(product);
      op.erase();
      ++unfolded;
    });
  }
};

} // namespace
} // namespace vitc
