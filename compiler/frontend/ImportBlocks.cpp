//===- ImportBlocks.cpp - attention, mlp and the blocks made of them --------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/frontend/Importer.h"

#include "fmt/format.h"
#include "llvm/Support/MathExtras.h"

#include <cmath>

using namespace mlir;
using namespace vitc;

std::pair<Value, Value> Importer::projection(const BranchNames &names, ArrayRef<const char *> parts) {
  Location at = loc(names.body);
  int64_t heads = config.numHeads, width = config.headWidth(), all = config.attentionWidth();
  // [I; 0]
  auto fillUp = [&](Value half, int64_t axis) {
    Matrix fill(width, width / 2);
    for (int64_t i = 0; i < fill.columns; ++i)
      fill.at(i, i) = 1.0;
    return resample(at, half, fill, axis);
  };
  SmallVector<Value> weights, biases;
  for (const char *part : parts) {
    Value matrix = weight(at, names.body + part + ".weight"), bias = weight(at, names.body + part + ".bias");
    bool half = shapeOf(matrix)[1] != width;
    if (!bias && config.qkvBias == QkvBias::QueryValue)
      bias = vit::ZerosOp::create(builder, at, type({heads, width}));
    else if (bias && half)
      bias = fillUp(bias, 1);
    weights.push_back(half ? fillUp(matrix, 1) : matrix);
    biases.push_back(bias);
  }
  Value matrix = reshape(at, concat(at, weights), {3 * all, config.embedDim});
  if (config.qkvBias == QkvBias::None)
    return {matrix, Value()};
  return {matrix, reshape(at, concat(at, biases), {3 * all})};
}

Value Importer::attention(const BranchNames &names, Value input, int64_t index) {
  if (config.attention == AttentionKind::Differential)
    return differentialAttention(names, input, index);
  if (config.attention == AttentionKind::TalkingHeads)
    return talkingHeads(names, input);
  if (config.windowSize || config.relativePosition == RelativePosition::Decomposed)
    return gridAttention(names, input, index);
  if (randomness && config.attentionDropout > 0)
    return attentionWithDropout(names, input);
  Location at = loc(names.body);
  int64_t all = config.attentionWidth();
  auto part = [&](const char *suffix) { return weight(at, names.body + suffix); };
  auto [matrix, bias] = projection(names, {".query", ".key", ".value"});
  Value proj = reshape(at, part(".proj.weight"), {config.embedDim, all}), projBias = part(".proj.bias");
  Value qGain = part(".q_norm.weight"), qShift = part(".q_norm.bias"), kGain = part(".k_norm.weight"), kShift = part(".k_norm.bias");
  Value gain = part(".norm.weight"), shift = part(".norm.bias");
  Value relative = sharedBias;
  if (config.relativePosition == RelativePosition::Mlp || config.relativePosition == RelativePosition::Table)
    relative = relativeBias(loc(names.body + ".rel_pos"), names.body + ".rel_pos");
  auto [sin, cos] = rotary(loc(names.body + ".rope"), names.body + ".rope");
  auto layout =
      vit::RotaryLayoutAttr::get(builder.getContext(), config.ropeRotateHalf ? vit::RotaryLayout::Halves : vit::RotaryLayout::Interleaved);
  Type probabilities;
  if (wants(names.output))
    probabilities = type({ShapedType::kDynamic, config.numHeads, shapeOf(input)[1], shapeOf(input)[1]});
  auto attention =
      vit::AttentionOp::create(builder, at, input.getType(), probabilities, input, matrix, bias, proj, projBias, relative, sin, cos, qGain,
                               qShift, kGain, kShift, gain, shift, builder.getI64IntegerAttr(config.numHeads), number(config.scoreScale()),
                               builder.getI64IntegerAttr(sin ? config.prefixTokens() : 0), layout, normKind(), eps());
  if (probabilities)
    offer(names.output, attention.getProbabilities());
  return attention.getValue();
}

/// The difference of two attentions over one value, then RMSNorm of each head (timm/layers/diff_attention.py). Each softmax sees half of a
/// head's query and key; the other half of its products is zeros.
Value Importer::differentialAttention(const BranchNames &names, Value input, int64_t index) {
  Location at = loc(names.body);
  int64_t heads = config.numHeads, width = config.headWidth(), all = config.attentionWidth();
  auto part = [&](const char *suffix) { return weight(at, names.body + suffix); };
  auto attend = [&](const char *number, const char *query, const char *key) -> Value {
    auto [matrix, bias] = projection(names, {query, key, ".value"});
    Value qkv = linear(loc(names.body + ".qkv" + number), input, matrix, bias);
    SmallVector<int64_t> shape(shapeOf(qkv));
    shape.back() = all;
    return vit::SdpaOp::create(builder, loc(names.body + ".heads" + number), type(shape), qkv, sharedBias, builder.getI64IntegerAttr(heads),
                               this->number(1.0 / std::sqrt(static_cast<double>(width / 2))));
  };
  Value first = attend("1", ".query1", ".key1"), second = attend("2", ".query2", ".key2");
  double init = 0.8 - 0.6 * std::exp(-0.3 * static_cast<double>(index));
  Value lambda = vit::DifferentialLambdaOp::create(builder, at, type({all}), part(".lambda_q1"), part(".lambda_k1"), part(".lambda_q2"),
                                                   part(".lambda_k2"), number(init));
  Value minusLambda =
      vit::ScaleRowsByConstantOp::create(builder, at, lambda.getType(), lambda, builder.getI64IntegerAttr(all), number(-1.0));
  Value difference = vit::ResidualOp::create(builder, loc(names.body + ".difference"), first.getType(), first, second, minusLambda);
  Value gain = concat(at, SmallVector<Value>(heads, part(".sub_norm.weight")));
  gain = vit::ScaleRowsByConstantOp::create(builder, at, gain.getType(), gain, builder.getI64IntegerAttr(all), number(1.0 - init));
  auto rms = vit::NormKindAttr::get(builder.getContext(), vit::NormKind::Rms);
  Value normalized = vit::NormalizeOp::create(builder, loc(names.body + ".sub_norm"), difference.getType(), difference, gain,
                                              /*shift=*/Value(), rms, number(1e-5), builder.getI64IntegerAttr(heads));
  if (config.attentionNorm)
    normalized = normalize(names.body + ".norm", normalized);
  return linear(at, normalized, reshape(at, part(".proj.weight"), {config.embedDim, all}), part(".proj.bias"));
}

/// Attention whose heads are mixed before and after the softmax (timm/models/cait.py, TalkingHeadAttn).
Value Importer::talkingHeads(const BranchNames &names, Value input) {
  Location at = loc(names.body);
  int64_t all = config.attentionWidth();
  auto part = [&](const char *suffix) { return weight(at, names.body + suffix); };
  auto [matrix, bias] = projection(names, {".query", ".key", ".value"});
  Value qkv = linear(loc(names.body + ".qkv"), input, matrix, bias);
  SmallVector<int64_t> shape(shapeOf(qkv));
  shape.back() = all;
  Value heads = vit::TalkingHeadsOp::create(builder, loc(names.body + ".heads"), type(shape), qkv, part(".proj_l.weight"),
                                            part(".proj_l.bias"), part(".proj_w.weight"), part(".proj_w.bias"),
                                            builder.getI64IntegerAttr(config.numHeads), number(config.scoreScale()));
  return linear(at, heads, reshape(at, part(".proj.weight"), {config.embedDim, all}), part(".proj.bias"));
}

/// Attention over a grid of patches, all of it or in windows, with decomposed relative positions if there are any
/// (timm/models/vision_transformer_sam.py). The projections' rows are cut into windows, not their input's: a row of padding is their bias.
Value Importer::gridAttention(const BranchNames &names, Value input, int64_t index) {
  Location at = loc(names.body);
  int64_t all = config.attentionWidth(), size = config.windowOf(index), height = config.gridHeight(), width = config.gridWidth();
  auto part = [&](const char *suffix) { return weight(at, names.body + suffix); };
  auto [matrix, bias] = projection(names, {".query", ".key", ".value"});
  Value x = linear(loc(names.body + ".qkv"), input, matrix, bias);
  DenseI64ArrayAttr grid = builder.getDenseI64ArrayAttr({height, width});
  int64_t windows = 1;
  if (size) {
    windows = llvm::divideCeil(height, size) * llvm::divideCeil(width, size);
    x = vit::ToWindowsOp::create(builder, loc(names.body + ".windows"), type({ShapedType::kDynamic, windows * size * size, 3 * all}), x,
                                 bias, grid, builder.getI64IntegerAttr(size));
    height = width = size;
  }
  if (config.qkNorm)
    x = vit::HeadNormalizeOp::create(builder, loc(names.body + ".qk_norm"), x.getType(), x, part(".q_norm.weight"), part(".q_norm.bias"),
                                     part(".k_norm.weight"), part(".k_norm.bias"), builder.getI64IntegerAttr(config.numHeads), normKind(),
                                     eps());
  Value rows, columns;
  if (config.relativePosition == RelativePosition::Decomposed) {
    rows = distanceTable(at, names.body + ".rel_pos_h", height);
    columns = distanceTable(at, names.body + ".rel_pos_w", width);
  }
  x = vit::SdpaOp::create(builder, loc(names.body + ".heads"), type({ShapedType::kDynamic, windows * height * width, all}), x,
                          /*query=*/Value(), /*bias=*/Value(), rows, columns, builder.getI64IntegerAttr(config.numHeads),
                          number(config.scoreScale()), builder.getI64IntegerAttr(windows), builder.getI64IntegerAttr(0));
  if (size)
    x = vit::FromWindowsOp::create(builder, loc(names.body + ".grid"), type({ShapedType::kDynamic, config.patches(), all}), x, grid,
                                   builder.getI64IntegerAttr(size));
  if (config.attentionNorm)
    x = normalize(names.body + ".norm", x);
  return linear(at, x, reshape(at, part(".proj.weight"), {config.embedDim, all}), part(".proj.bias"));
}

Value Importer::mlp(const BranchNames &names, Value input, int64_t) {
  if (randomness && config.dropout > 0)
    return mlpWithDropout(names, input);
  Location at = loc(names.body);
  auto part = [&](const char *suffix) { return weight(at, names.body + suffix); };
  Value fc1 = part(".fc1.weight"), fc1Bias = part(".fc1.bias"), gate = part(".gate.weight"), gateBias = part(".gate.bias");
  Value gain = part(".norm.weight"), shift = part(".norm.bias"), fc2 = part(".fc2.weight"), fc2Bias = part(".fc2.bias");
  return vit::MlpOp::create(builder, at, input.getType(), input, fc1, fc1Bias, gate, gateBias, gain, shift, fc2, fc2Bias,
                            activation(config.activation), normKind(), eps());
}

/// x + f(norm(x)) or x + norm(f(x)). Parallel branches all see the x from before the first of them (timm's ParallelBlock).
Value Importer::half(Value x, Body body, Names names, int64_t index, const std::string &layer) {
  Value sum = x;
  for (int64_t branch = 0; branch < config.parallelBranches; ++branch) {
    BranchNames branchNames = names(config, index, branch);
    bool pre = config.block == BlockKind::PreNorm;
    Value value = (this->*body)(branchNames, pre ? normalize(branchNames.norm, x) : x, index);
    if (!pre)
      value = normalize(branchNames.norm, value);
    value = dropPath(loc(branchNames.body + ".drop_path"), dropout(loc(branchNames.body + ".drop"), value, config.dropout), index);
    bool last = branch + 1 == config.parallelBranches;
    sum = residual(loc(last ? layer : branchNames.body + "_residual"), sum, value, branchNames.scale);
  }
  return sum;
}

/// x + attention(norm(x)) + mlp(norm(x)): timm's ParallelScalingBlock, whose fused products are two here.
Value Importer::parallelBlock(int64_t index, Value x) {
  BranchNames first = attentionNames(config, index, 0), second = mlpNames(config, index, 0);
  Value rows = normalize(first.norm, x);
  auto dropped = [&](const BranchNames &names, Value value) {
    return dropPath(loc(names.body + ".drop_path"), dropout(loc(names.body + ".drop"), value, config.dropout), index);
  };
  Value sum = residual(loc(first.body + "_residual"), x, dropped(first, attention(first, rows, index)), first.scale);
  return residual(loc(fmt::format("blocks.{}", index)), sum, dropped(second, mlp(second, rows, index)), second.scale);
}

Value Importer::block(int64_t index, Value x) {
  if (config.block == BlockKind::Parallel)
    return parallelBlock(index, x);
  std::string layer = fmt::format("blocks.{}", index);
  x = half(x, &Importer::attention, attentionNames, index, layer + ".attn_residual");
  return half(x, &Importer::mlp, mlpNames, index, layer);
}

/// The class token of [class token, patches] attends to all of them; token [B, 1, D], all [B, 1 + N, D] (timm's LayerScaleBlockClassAttn).
Value Importer::classBlock(const std::string &layer, Value token, Value all) {
  std::string body = layer + ".attn";
  Location at = loc(body);
  auto part = [&](const char *suffix) { return weight(at, body + suffix); };
  Value rows = normalize(layer + ".norm1", all);
  int64_t heads = config.attentionWidth();
  Value matrix = concat(at, {part(".k.weight"), part(".v.weight")}), bias = part(".k.bias");
  if (bias)
    bias = concat(at, {bias, part(".v.bias")});
  Value kv = linear(loc(body + ".kv"), rows, matrix, bias);
  Value own = vit::SliceTokensOp::create(builder, loc(layer + ".norm1.token"), token.getType(), rows, builder.getI64IntegerAttr(0));
  Value query = linear(loc(body + ".q"), body + ".q", own);
  Value heard =
      vit::AttentionPoolOp::create(builder, loc(body + ".heads"), type({ShapedType::kDynamic, 1, heads}), query, kv,
                                   builder.getI64IntegerAttr(config.numHeads), number(config.scoreScale()), builder.getI64IntegerAttr(0));
  Value sum = residual(loc(body + "_residual"), token, linear(at, body + ".proj", heard), layer + ".ls1");
  BranchNames mlpNames{layer + ".norm2", layer + ".mlp", layer + ".ls2"};
  return residual(loc(layer), sum, mlp(mlpNames, normalize(mlpNames.norm, sum), 0), mlpNames.scale);
}

/// [class token, patches] behind the class blocks, of which only the token is another.
Value Importer::classBlocks(Value patches) {
  Location at = loc("cls_token");
  RankedTensorType all = type({ShapedType::kDynamic, 1 + shapeOf(patches)[1], config.embedDim});
  Value x = vit::EmbedOp::create(builder, at, all, patches, weight(at, "cls_token"), /*position=*/Value(), UnitAttr());
  Value token = vit::SliceTokensOp::create(builder, at, type({ShapedType::kDynamic, 1, config.embedDim}), x, builder.getI64IntegerAttr(0));
  for (int64_t index = 0; index < config.classBlocks; ++index) {
    std::string layer = classBlockName(index);
    token = classBlock(layer, token, x);
    x = vit::ConcatTokensOp::create(builder, loc(layer + ".tokens"), all, ValueRange{token, patches});
  }
  return x;
}
