//===- Flop.cpp - how much a model computes ---------------------------------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/model/StemLayout.h"

using namespace vitc;

/// Multiply-adds of one attention over `tokens` rows: the projections, then scores and weighted sum of every head.
static uint64_t attentionMacs(uint64_t tokens, uint64_t width, uint64_t heads) {
  return tokens * 4 * width * heads + 2 * tokens * tokens * heads;
}

/// The network of relative_position=mlp over all distances of two patches, [2] to hidden to heads (timm's RelPosMlp), once for each table.
static uint64_t relativePositionMacs(const ModelConfig &config) {
  bool shared = config.relativePosition == RelativePosition::SharedMlp;
  if (!shared && config.relativePosition != RelativePosition::Mlp)
    return 0;
  uint64_t distances = (2 * config.gridHeight() - 1) * (2 * config.gridWidth() - 1), hidden = config.relativePositionHidden;
  return distances * hidden * (2 + config.numHeads) * (shared ? 1 : config.blocks());
}

/// Attention of one learned query over the pooled tokens, then an mlp (timm's AttentionPoolLatent).
static uint64_t mapPoolMacs(const ModelConfig &config) {
  if (config.pool != Pool::Map)
    return 0;
  uint64_t width = config.embedDim, tokens = config.poolIncludesPrefix ? config.tokens() : config.patches();
  double ratio = config.poolMlpRatio;
  uint64_t hidden = ratio > 0 ? static_cast<uint64_t>(static_cast<double>(width) * ratio) : config.mlpWidth();
  return 2 * width * width + 2 * tokens * width * width + 2 * tokens * width + 2 * width * hidden;
}

uint64_t vitc::nominalFlopPerImage(const ModelConfig &config) {
  uint64_t width = config.embedDim, tokens = config.tokens(), hidden = config.mlpWidth();
  StemLayout stem = stemLayout(config);
  uint64_t macs = config.patches() * stem.channels * config.patchHeight * config.patchWidth * width;
  for (const StemConvolution *convolution : stem.convolutions())
    macs += convolution->macs();
  uint64_t mlp = tokens * width * hidden * (config.gatedMlp ? 3 : 2);
  macs += config.blocks() * config.parallelBranches * (attentionMacs(tokens, width, config.attentionWidth()) + mlp);
  if (config.attention == AttentionKind::Differential) // two sums of the values, weighed by a softmax each
    macs += config.blocks() * tokens * tokens * config.attentionWidth();
  macs += relativePositionMacs(config) + mapPoolMacs(config);

  uint64_t rows = config.pool == Pool::None ? tokens : 1;
  uint64_t features = config.pooledWidth();
  if (config.headHidden) {
    macs += rows * features * config.headHidden;
    features = config.headHidden;
  }
  macs += rows * features * config.numClasses * (config.headDistillation ? 2 : 1);
  return 2 * macs;
}
