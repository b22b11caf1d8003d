//===- Decompose.cpp - what composite operations stand for --------------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "dialects/vit/LayerName.h"
#include "dialects/vit/VitDialect.h"

using namespace mlir;
using namespace vitc;
using namespace vitc::vit;

/// rows W' + b: a plain `vit.linear`, its result as wide as the weight has rows.
static Value project(OpBuilder &builder, Location loc, Value rows, Value weight, Value bias) {
  auto type = cast<RankedTensorType>(rows.getType());
  SmallVector<int64_t> shape(type.getShape());
  shape.back() = cast<RankedTensorType>(weight.getType()).getDimSize(0);
  return LinearOp::create(builder, loc, type.clone(shape), rows, weight, bias, /*residual=*/Value());
}

SmallVector<Value> AttentionOp::decompose(OpBuilder &builder) {
  Location loc = getLoc();
  Value qkv = project(builder, childLoc(loc, "qkv"), getInput(), getQkvWeight(), getQkvBias());
  if (getQGain())
    qkv = HeadNormalizeOp::create(builder, childLoc(loc, "qk_norm"), qkv, getQGain(), getQShift(), getKGain(), getKShift(), getHeads(),
                                  getNormKind(), getNormEps());
  if (getRotarySin())
    qkv =
        RotaryOp::create(builder, childLoc(loc, "rotary"), qkv, getRotarySin(), getRotaryCos(), getHeads(), getPrefix(), getRotaryLayout());
  auto type = cast<RankedTensorType>(qkv.getType());
  SmallVector<int64_t> shape(type.getShape());
  shape.back() /= 3;
  Value heads = SdpaOp::create(builder, childLoc(loc, "heads"), type.clone(shape), qkv, getPositionBias(), getHeadsAttr(), getScaleAttr());
  if (getNormGain())
    heads = NormalizeOp::create(builder, childLoc(loc, "norm"), heads, getNormGain(), getNormShift(), getNormKind(), getNormEps());
  SmallVector<Value> results{project(builder, loc, heads, getProjWeight(), getProjBias())};
  if (Value wanted = getProbabilities())
    results.push_back(AttentionProbabilitiesOp::create(builder, childLoc(loc, "probabilities"), wanted.getType(), qkv, getPositionBias(),
                                                       getHeadsAttr(), getScaleAttr()));
  return results;
}

SmallVector<Value> MlpOp::decompose(OpBuilder &builder) {
  Location loc = getLoc();
  Value hidden = project(builder, childLoc(loc, "fc1"), getInput(), getFc1Weight(), getFc1Bias());
  if (getActivation() != Activation::None)
    hidden = ActivationOp::create(builder, childLoc(loc, "act"), hidden, getActivation());
  if (getGateWeight()) {
    Value gate = project(builder, childLoc(loc, "gate"), getInput(), getGateWeight(), getGateBias());
    hidden = MulOp::create(builder, childLoc(loc, "gated"), hidden, gate);
  }
  if (getNormGain())
    hidden = NormalizeOp::create(builder, childLoc(loc, "norm"), hidden, getNormGain(), getNormShift(), getNormKind(), getNormEps());
  return {project(builder, loc, hidden, getFc2Weight(), getFc2Bias())};
}
