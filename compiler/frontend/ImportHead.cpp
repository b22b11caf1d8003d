//===- ImportHead.cpp - from tokens to an answer ----------------------------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/frontend/Importer.h"

#include <cmath>

using namespace mlir;
using namespace vitc;

Value Importer::pool(const Twine &name, Value input, vit::Pool kind, int64_t index) {
  return vit::PoolOp::create(builder, loc(name), type({ShapedType::kDynamic, shapeOf(input).back()}), input,
                             vit::PoolAttr::get(builder.getContext(), kind), builder.getI64IntegerAttr(index));
}

/// SAM: a convolution of single patches, one of 3 x 3, each with a normalization of the channels (Li et al. 2022, section 3).
Value Importer::neck(Value x) {
  int64_t channels = config.neckChannels;
  RankedTensorType map = type({ShapedType::kDynamic, channels, config.gridHeight(), config.gridWidth()});
  Location first = loc("neck.0"), second = loc("neck.2");
  x = normalize("neck.1", linear(first, x, weight(first, "neck.0.weight"), Value()), finalNormEps());
  RankedTensorType rows = mlir::cast<RankedTensorType>(x.getType());
  x = vit::ChannelsFirstOp::create(builder, loc("neck.1.map"), map, x);
  x = vit::ConvOp::create(builder, second, map, x, weight(second, "neck.2.weight"), /*bias=*/Value(), builder.getDenseI64ArrayAttr({1, 1}),
                          builder.getDenseI64ArrayAttr({1, 1, 1, 1}));
  x = vit::ChannelsLastOp::create(builder, loc("neck.2.rows"), rows, x);
  return normalize("neck.3", x, finalNormEps());
}

/// DINOv2: a classifier on [class token, mean of the patches] is the sum of one on each.
Value Importer::headOfTokenAndMean(Value tokens) {
  Value token = pool("pool.token", tokens, vit::Pool::Token, 0), mean = pool("pool.avg", tokens, vit::Pool::Avg, config.prefixTokens());
  if (config.fcNorm) {
    token = normalize("fc_norm", token);
    mean = normalize("fc_norm", mean);
  }
  Location at = loc("head");
  Value first = linear(loc("head.token"), token, weight(at, "head.token.weight"), weight(at, "head.bias"));
  Value second = linear(loc("head.avg"), mean, weight(at, "head.avg.weight"), Value());
  return residual(at, first, second, "head");
}

/// DeiT with a teacher: the mean of two classifiers, with the half in their weights.
Value Importer::halfAnswer(const std::string &name, const char *pooled, Value tokens, int64_t index, double factor) {
  Value row = pool(pooled, tokens, vit::Pool::Token, index);
  if (config.fcNorm)
    row = normalize("fc_norm", row);
  Location at = factor == 1 ? loc(name) : loc(name + ".half");
  auto scaled = [&](Value value) -> Value {
    if (!value || factor == 1)
      return value;
    return vit::ScaleRowsByConstantOp::create(builder, at, value.getType(), value, builder.getI64IntegerAttr(config.numClasses),
                                              number(factor));
  };
  return linear(at, row, scaled(weight(at, name + ".weight")), scaled(weight(at, name + ".bias")));
}

Value Importer::headOfTwoTokens(Value tokens) {
  Value first = halfAnswer("head", "pool", tokens, 0, 0.5), second = halfAnswer("head_dist", "pool_dist", tokens, 1, 0.5);
  return residual(loc("head"), first, second, "head");
}

/// One learned query's view of the tokens, then an mlp with its residual: timm's AttentionPoolLatent, big_vision's MAPHead.
Value Importer::attentionPool(Value x) {
  Location at = loc("attn_pool");
  int64_t width = config.embedDim, heads = config.poolHeads ? config.poolHeads : config.numHeads;
  auto part = [&](const char *name) { return weight(at, std::string("attn_pool.") + name); };
  RankedTensorType vector = type({width});
  Value query = vit::MatvecOp::create(builder, at, vector, part("query.weight"), part("latent"));
  query = vit::AddOp::create(builder, at, vector, query, part("query.bias"));
  Value matrix = concat(at, {part("key.weight"), part("value.weight")}), bias = concat(at, {part("key.bias"), part("value.bias")});
  Value kv = linear(loc("attn_pool.kv"), x, matrix, bias);
  RankedTensorType row = type({ShapedType::kDynamic, 1, width});
  Value heard = vit::AttentionPoolOp::create(builder, loc("attn_pool.heads"), row, reshape(at, query, {1, width}), kv,
                                             builder.getI64IntegerAttr(heads), number(1.0 / std::sqrt(static_cast<double>(width / heads))),
                                             builder.getI64IntegerAttr(config.poolIncludesPrefix ? 0 : config.prefixTokens()));
  Value pooled = linear(loc("attn_pool.proj"), "attn_pool.proj", heard);
  Value hidden = linear(loc("attn_pool.mlp.fc1"), "attn_pool.mlp.fc1", normalize("attn_pool.norm", pooled));
  hidden = vit::ActivationOp::create(builder, loc("attn_pool.mlp.act"), hidden.getType(), hidden, activation(config.activation));
  Value mlp = linear(loc("attn_pool.mlp"), "attn_pool.mlp.fc2", hidden);
  return pool("pool", residual(at, pooled, mlp, "attn_pool"), vit::Pool::Token, 0);
}

/// SAM's neck without pooling is a feature map [B, C, H, W], as in timm.
/// Flax's classifiers without a transformer see a grid [B, H, W, D]: `token` takes its first row, x[:, 0], and `unpooled` keeps its axes.
Value Importer::head(Value x) {
  if (config.pool == Pool::TokenAvg)
    return headOfTokenAndMean(x);
  if (config.headDistillation)
    return headOfTwoTokens(x);
  if (config.pool == Pool::Map)
    x = attentionPool(x);
  else if (config.pool == Pool::Token && !config.transformer)
    x = vit::SliceTokensOp::create(builder, loc("pool"), type({ShapedType::kDynamic, config.gridWidth(), config.embedDim}), x, 0);
  else if (config.pool == Pool::Token)
    x = pool("pool", x, vit::Pool::Token, 0);
  else if (config.pool == Pool::Avg || config.pool == Pool::AvgAll)
    x = pool("pool", x, vit::Pool::Avg, config.pool == Pool::Avg && config.transformer ? config.prefixTokens() : 0);
  else if (config.neckChannels && !config.numClasses)
    x = vit::ChannelsFirstOp::create(builder, loc("neck"),
                                     type({ShapedType::kDynamic, config.neckChannels, config.gridHeight(), config.gridWidth()}), x);
  if (config.fcNorm)
    x = normalize("fc_norm", x);
  if (config.headHidden) {
    x = linear(loc("head_hidden"), "head_hidden", x);
    x = vit::ActivationOp::create(builder, loc("head_hidden.act"), x.getType(), x, activation(config.headActivation));
  }
  if (config.pool != Pool::None)
    offer("features", x);
  if (config.numClasses)
    x = linear(loc("head"), "head", x);
  if (config.transformer || config.pool != Pool::None)
    return x;
  RankedTensorType grid = type({ShapedType::kDynamic, config.gridHeight(), config.gridWidth(), shapeOf(x).back()});
  return vit::ReshapeTokensOp::create(builder, loc("grid"), grid, x);
}
