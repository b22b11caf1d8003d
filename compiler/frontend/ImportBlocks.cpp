//===- ImportBlocks.cpp - attention, mlp and the blocks made of them --------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/frontend/Importer.h"

#include "fmt/format.h"

using namespace mlir;
using namespace vitc;

Value Importer::attention(const BranchNames &names, Value input) {
  Location at = loc(names.body);
  int64_t heads = config.numHeads, width = config.headWidth(), all = config.attentionWidth();
  SmallVector<Value> weights, biases;
  for (const char *part : {".query", ".key", ".value"}) {
    weights.push_back(weight(at, names.body + part + ".weight"));
    Value bias = weight(at, names.body + part + ".bias");
    if (!bias && config.qkvBias == QkvBias::QueryValue)
      bias = vit::ZerosOp::create(builder, at, type({heads, width}));
    biases.push_back(bias);
  }
  Value matrix = vit::ConcatOp::create(builder, at, type({3 * heads, width, config.embedDim}), weights);
  matrix = reshape(at, matrix, {3 * all, config.embedDim});
  Value bias;
  if (config.qkvBias != QkvBias::None)
    bias = reshape(at, vit::ConcatOp::create(builder, at, type({3 * heads, width}), biases), {3 * all});
  Value proj = reshape(at, weight(at, names.body + ".proj.weight"), {config.embedDim, all});
  Value projBias = weight(at, names.body + ".proj.bias");
  Value qGain = weight(at, names.body + ".q_norm.weight"), qShift = weight(at, names.body + ".q_norm.bias");
  Value kGain = weight(at, names.body + ".k_norm.weight"), kShift = weight(at, names.body + ".k_norm.bias");
  return vit::AttentionOp::create(builder, at, input.getType(), input, matrix, bias, proj, projBias, /*position_bias=*/Value(),
                                  /*rotary_sin=*/Value(), /*rotary_cos=*/Value(), qGain, qShift, kGain, kShift, /*norm_gain=*/Value(),
                                  /*norm_shift=*/Value(), builder.getI64IntegerAttr(heads), number(config.scoreScale()),
                                  builder.getI64IntegerAttr(0),
                                  vit::RotaryLayoutAttr::get(builder.getContext(), vit::RotaryLayout::Interleaved), normKind(), eps());
}

Value Importer::mlp(const BranchNames &names, Value input) {
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
    Value value = (this->*body)(branchNames, pre ? normalize(branchNames.norm, x) : x);
    if (!pre)
      value = normalize(branchNames.norm, value);
    bool last = branch + 1 == config.parallelBranches;
    sum = residual(loc(last ? layer : branchNames.body + "_residual"), sum, value, branchNames.scale);
  }
  return sum;
}

Value Importer::block(int64_t index, Value x) {
  std::string layer = fmt::format("blocks.{}", index);
  x = half(x, &Importer::attention, attentionNames, index, layer + ".attn_residual");
  return half(x, &Importer::mlp, mlpNames, index, layer);
}
