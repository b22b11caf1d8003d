//===- ImportTokens.cpp - from an image to tokens ---------------------------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/frontend/Importer.h"

using namespace mlir;
using namespace vitc;

/// The table for the tokens that `vit.embed` adds it to; null if there is none.
Value Importer::positions(Location at) {
  Value table = weight(at, "pos_embed");
  if (!table || config.positionOn != PositionOn::ClassAndPatches || config.regTokens == 0)
    return table;
  // Registers stand between class token and patches and have no position.
  int64_t width = config.embedDim, patches = config.patches();
  Value first = vit::SliceRowsOp::create(builder, at, type({1, width}), table, builder.getI64IntegerAttr(0));
  Value none = vit::ZerosOp::create(builder, at, type({config.regTokens, width}));
  Value rest = vit::SliceRowsOp::create(builder, at, type({patches, width}), table, builder.getI64IntegerAttr(1));
  return vit::ConcatOp::create(builder, at, type({config.tokens(), width}), ValueRange{first, none, rest});
}

Value Importer::tokens(Value images) {
  Location at = loc("patch_embed");
  RankedTensorType patchesType = type({ShapedType::kDynamic, config.patches(), config.embedDim});
  Value kernel = weight(at, "patch_embed.weight"), bias = weight(at, "patch_embed.bias");
  Value patches = vit::PatchifyOp::create(builder, at, patchesType, stem(images), kernel, bias);
  if (!config.transformer)
    return patches;

  at = loc("pos_embed");
  SmallVector<Value> prefix;
  for (const char *name : {"cls_token", "dist_token", "reg_token"})
    if (Value token = weight(at, name))
      prefix.push_back(token);
  Value x = patches;
  if (Value position = positions(at); position || !prefix.empty()) {
    UnitAttr patchesOnly;
    if (position && config.positionOn == PositionOn::Patches)
      patchesOnly = builder.getUnitAttr();
    RankedTensorType tokensType = type({ShapedType::kDynamic, config.tokens(), config.embedDim});
    x = vit::EmbedOp::create(builder, at, tokensType, patches, prefix, position, patchesOnly);
  }
  return config.normPre ? normalize("norm_pre", x) : x;
}
