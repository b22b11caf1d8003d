//===- Flop.cpp - how much a model computes ---------------------------------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/model/StemLayout.h"

#include "llvm/Support/MathExtras.h"

using namespace vitc;

/// Multiply-adds of the attention of one block: the projections, then scores and weighted sum of every head.
static uint64_t attentionMacs(const ModelConfig &config, int64_t block) {
  uint64_t width = config.embedDim, all = config.attentionWidth(), tokens = config.blockTokens(), rows = tokens;
  uint64_t height = config.gridHeight(), across = config.gridWidth();
  // Windows are padded before the first projection, and lose their padding behind the last.
  if (uint64_t side = config.windowOf(block)) {
    tokens = side * side;
    rows = llvm::divideCeil(height, side) * llvm::divideCeil(across, side) * tokens;
    height = across = side;
  }
  uint64_t macs = rows * 4 * width * all + 2 * rows * tokens * all;
  if (config.relativePosition == RelativePosition::Decomposed)
    macs += rows * (height + across) * all;
  if (config.attention == AttentionKind::TalkingHeads)
    macs += 2 * tokens * tokens * config.numHeads * config.numHeads;
  return macs;
}

/// A class token that attends to itself and the patches, and its mlp.
static uint64_t classBlockMacs(const ModelConfig &config) {
  uint64_t width = config.embedDim, all = config.attentionWidth(), tokens = config.tokens();
  return 2 * width * all + tokens * 2 * width * all + 2 * tokens * all + 2 * width * config.mlpWidth();
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
  uint64_t width = config.embedDim, tokens = config.blockTokens(), hidden = config.mlpWidth();
  StemLayout stem = stemLayout(config);
  uint64_t macs = config.patches() * stem.channels * config.patchHeight * config.patchWidth * width;
  for (const StemConvolution *convolution : stem.convolutions())
    macs += convolution->macs();
  uint64_t mlp = tokens * width * hidden * (config.gatedMlp ? 3 : 2);
  for (int64_t block = 0; block < config.blocks(); ++block)
    macs += config.parallelBranches * (attentionMacs(config, block) + mlp);
  if (config.attention == AttentionKind::Differential) // two sums of the values, weighed by a softmax each
    macs += config.blocks() * tokens * tokens * config.attentionWidth();
  macs += relativePositionMacs(config) + mapPoolMacs(config);
  macs += config.classBlocks * classBlockMacs(config);
  uint64_t neck = config.neckChannels;
  macs += config.patches() * neck * (width + 9 * neck);

  uint64_t rows = config.pool == Pool::None ? config.tokens() : 1;
  uint64_t features = config.pooledWidth();
  if (config.headHidden) {
    macs += rows * features * config.headHidden;
    features = config.headHidden;
  }
  macs += rows * features * config.numClasses * (config.headDistillation ? 2 : 1);
  return 2 * macs;
}
