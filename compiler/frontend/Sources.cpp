//===- Sources.cpp - the weights that a model computes with ------------------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/frontend/Sources.h"

#include "compiler/model/StemLayout.h"

#include "fmt/format.h"

using namespace vitc;

BranchNames vitc::attentionNames(const ModelConfig &config, int64_t block, int64_t branch) {
  if (config.block == BlockKind::Parallel)
    return {fmt::format("blocks.{}.norm", block), fmt::format("blocks.{}.attn", block), fmt::format("blocks.{}.ls", block),
            fmt::format("attention.{}", block)};
  if (config.parallelBranches == 1)
    return {fmt::format("blocks.{}.norm1", block), fmt::format("blocks.{}.attn", block), fmt::format("blocks.{}.ls1", block),
            fmt::format("attention.{}", block)};
  std::string prefix = fmt::format("blocks.{}.attns.{}", block, branch);
  return {prefix + ".norm", prefix + ".attn", prefix + ".ls", fmt::format("attention.{}.{}", block, branch)};
}

BranchNames vitc::mlpNames(const ModelConfig &config, int64_t block, int64_t branch) {
  if (config.block == BlockKind::Parallel)
    return {fmt::format("blocks.{}.norm", block), fmt::format("blocks.{}.mlp", block), fmt::format("blocks.{}.ls", block)};
  if (config.parallelBranches == 1)
    return {fmt::format("blocks.{}.norm2", block), fmt::format("blocks.{}.mlp", block), fmt::format("blocks.{}.ls2", block)};
  std::string prefix = fmt::format("blocks.{}.ffns.{}", block, branch);
  return {prefix + ".norm", prefix + ".mlp", prefix + ".ls"};
}

std::string vitc::classBlockName(int64_t block) { return fmt::format("blocks_token_only.{}", block); }

namespace {
class Collector {
public:
  explicit Collector(const ModelConfig &config) : config(config) {}
  std::vector<PlacedSource> collect();

private:
  using Shape = std::vector<int64_t>;
  void add(const std::string &name, Shape shape, Role role, bool bias = false, int64_t part = 0) {
    sources.push_back({name, std::move(shape), role, bias, block, branch, part});
  }
  /// [out, in] and, if there is one, [out].
  void linear(const std::string &name, int64_t out, int64_t in, bool bias, Role role) {
    add(name + ".weight", {out, in}, role);
    if (bias)
      add(name + ".bias", {out}, role, true);
  }
  void norm(const std::string &name, int64_t width, Role role) {
    add(name + ".weight", {width}, role);
    if (config.norm == NormKind::Layer)
      add(name + ".bias", {width}, role, true);
  }
  /// A normalization that has a gain alone whatever the model's own kind is.
  void gain(const std::string &name, int64_t width, Role role) { add(name + ".weight", {width}, role); }
  void tokens();
  void positions();
  void relativePositions(const std::string &name);
  void projections(const BranchNames &names);
  void attention(const BranchNames &names);
  void mlp(const BranchNames &names);
  void classBlock();
  void neck();
  void attentionPool();
  void head();

  const ModelConfig &config;
  int64_t block = 0, branch = 0;
  std::vector<PlacedSource> sources;
};
} // namespace

void Collector::tokens() {
  int64_t width = config.embedDim;
  sources = describeStemSources(config);
  int64_t patchHeight = config.weightPatchHeight ? config.weightPatchHeight : config.patchHeight;
  int64_t patchWidth = config.weightPatchWidth ? config.weightPatchWidth : config.patchWidth;
  add("patch_embed.weight", {width, stemLayout(config).channels, patchHeight, patchWidth}, Role::Patch);
  if (config.patchBias)
    add("patch_embed.bias", {width}, Role::Patch, true);
  if (config.patchNorm)
    norm("patch_embed.norm", width, Role::PatchNorm);
  if (!config.transformer)
    return;
  if (config.classToken)
    add("cls_token", {1, width}, Role::ClassToken);
  if (config.distillationToken)
    add("dist_token", {1, width}, Role::DistillationToken);
  if (config.regTokens)
    add("reg_token", {config.regTokens, width}, Role::RegisterTokens);
  positions();
  if (config.normPre)
    norm("norm_pre", width, Role::NormPre);
}

void Collector::positions() {
  int64_t width = config.embedDim;
  if (config.position == Position::Learned)
    add("pos_embed", {config.weightPositionRows(), width}, Role::Position);
  if (config.position == Position::Factorized) {
    add("pos_embed_y", {config.weightGridHeight(), width}, Role::PositionRows);
    add("pos_embed_x", {config.weightGridWidth(), width}, Role::PositionColumns);
  }
  if (config.relativePosition == RelativePosition::SharedMlp)
    relativePositions("shared_rel_pos");
  if (config.relativePosition == RelativePosition::SharedTable)
    relativePositions("rel_pos_bias");
}

void Collector::relativePositions(const std::string &name) {
  int64_t heads = config.numHeads;
  if (config.relativePosition == RelativePosition::Mlp || config.relativePosition == RelativePosition::SharedMlp) {
    int64_t hidden = config.relativePositionHidden;
    linear(name + ".fc1", hidden, 2, true, Role::RelativeFc1);
    linear(name + ".fc2", heads, hidden, true, Role::RelativeFc2);
  } else {
    int64_t distances = (2 * config.weightGridHeight() - 1) * (2 * config.weightGridWidth() - 1);
    add(name + ".table", {distances + (config.classToken ? 3 : 0), heads}, Role::RelativeTable);
  }
}

/// Query, key and value. Those of a differential attention's two softmaxes are weights of their own.
void Collector::projections(const BranchNames &names) {
  int64_t width = config.embedDim, heads = config.numHeads, headWidth = config.headWidth();
  for (auto [name, role] : {std::pair("query", Role::Query), {"key", Role::Key}, {"value", Role::Value}}) {
    bool split = config.attention == AttentionKind::Differential && role != Role::Value;
    for (int64_t part = 0; part < (split ? 2 : 1); ++part) {
      std::string body = names.body + "." + name + (split ? std::to_string(part + 1) : "");
      int64_t columns = split ? headWidth / 2 : headWidth;
      add(body + ".weight", {heads, columns, width}, role, false, part);
      if (config.qkvBias == QkvBias::All || (config.qkvBias == QkvBias::QueryValue && role != Role::Key))
        add(body + ".bias", {heads, columns}, role, true, part);
    }
  }
}

void Collector::attention(const BranchNames &names) {
  int64_t width = config.embedDim, heads = config.numHeads, headWidth = config.headWidth();
  norm(names.norm, width, Role::Norm1);
  projections(names);
  if (config.qkNorm) {
    norm(names.body + ".q_norm", headWidth, Role::QueryNorm);
    norm(names.body + ".k_norm", headWidth, Role::KeyNorm);
  }
  if (config.relativePosition == RelativePosition::Mlp || config.relativePosition == RelativePosition::Table)
    relativePositions(names.body + ".rel_pos");
  if (config.relativePosition == RelativePosition::Decomposed) {
    int64_t window = config.windowOf(block);
    add(names.body + ".rel_pos_h", {headWidth, 2 * (window ? window : config.weightGridHeight()) - 1}, Role::RelativeRows);
    add(names.body + ".rel_pos_w", {headWidth, 2 * (window ? window : config.weightGridWidth()) - 1}, Role::RelativeColumns);
  }
  if (config.attention == AttentionKind::TalkingHeads) {
    linear(names.body + ".proj_l", heads, heads, true, Role::TalkBefore);
    linear(names.body + ".proj_w", heads, heads, true, Role::TalkAfter);
  }
  if (config.rope == Rope::Mixed)
    add(names.body + ".rope", {2, heads, headWidth / 2}, Role::RopeFrequencies);
  if (config.attention == AttentionKind::Differential) {
    for (auto [name, role] : {std::pair(".lambda_q1", Role::LambdaQuery1),
                              {".lambda_k1", Role::LambdaKey1},
                              {".lambda_q2", Role::LambdaQuery2},
                              {".lambda_k2", Role::LambdaKey2}})
      add(names.body + name, {headWidth / 2}, role);
    gain(names.body + ".sub_norm", headWidth, Role::SubNorm);
  }
  if (config.attentionNorm)
    norm(names.body + ".norm", config.attentionWidth(), Role::AttentionNorm);
  add(names.body + ".proj.weight", {width, heads, headWidth}, Role::Proj);
  if (config.projBias)
    add(names.body + ".proj.bias", {width}, Role::Proj, true);
  if (config.layerScale != 0.0)
    add(names.scale + ".gamma", {width}, Role::Scale1);
}

void Collector::mlp(const BranchNames &names) {
  int64_t width = config.embedDim, hidden = config.mlpWidth();
  if (config.block != BlockKind::Parallel)
    norm(names.norm, width, Role::Norm2);
  linear(names.body + ".fc1", hidden, width, config.mlpBias, Role::Fc1);
  if (config.gatedMlp)
    linear(names.body + ".gate", hidden, width, config.gateBias, Role::Gate);
  if (config.mlpNorm)
    norm(names.body + ".norm", hidden, Role::MlpNorm);
  // One product for attention and mlp has one bias, the attention's.
  linear(names.body + ".fc2", width, hidden, config.mlpBias && !config.parallelFused, Role::Fc2);
  if (config.layerScale != 0.0 && config.block != BlockKind::Parallel)
    add(names.scale + ".gamma", {width}, Role::Scale2);
}

void Collector::classBlock() {
  std::string layer = classBlockName(block);
  int64_t width = config.embedDim, all = config.attentionWidth(), hidden = config.mlpWidth();
  bool bias = config.qkvBias == QkvBias::All;
  norm(layer + ".norm1", width, Role::ClassNorm1);
  linear(layer + ".attn.q", all, width, bias, Role::ClassQuery);
  linear(layer + ".attn.k", all, width, bias, Role::ClassKey);
  linear(layer + ".attn.v", all, width, bias, Role::ClassValue);
  linear(layer + ".attn.proj", width, all, config.projBias, Role::ClassProj);
  norm(layer + ".norm2", width, Role::ClassNorm2);
  linear(layer + ".mlp.fc1", hidden, width, config.mlpBias, Role::ClassFc1);
  linear(layer + ".mlp.fc2", width, hidden, config.mlpBias, Role::ClassFc2);
  if (config.layerScale != 0.0) {
    add(layer + ".ls1.gamma", {width}, Role::ClassScale1);
    add(layer + ".ls2.gamma", {width}, Role::ClassScale2);
  }
}

void Collector::neck() {
  int64_t channels = config.neckChannels;
  add("neck.0.weight", {channels, config.embedDim}, Role::NeckConv1);
  norm("neck.1", channels, Role::NeckNorm1);
  add("neck.2.weight", {channels, channels, 3, 3}, Role::NeckConv2);
  norm("neck.3", channels, Role::NeckNorm2);
}

void Collector::attentionPool() {
  int64_t width = config.embedDim, hidden = config.poolMlpWidth();
  add("attn_pool.latent", {width}, Role::PoolLatent);
  linear("attn_pool.query", width, width, true, Role::PoolQuery);
  linear("attn_pool.key", width, width, true, Role::PoolKey);
  linear("attn_pool.value", width, width, true, Role::PoolValue);
  linear("attn_pool.proj", width, width, true, Role::PoolProj);
  norm("attn_pool.norm", width, Role::PoolNorm);
  linear("attn_pool.mlp.fc1", hidden, width, true, Role::PoolFc1);
  linear("attn_pool.mlp.fc2", width, hidden, true, Role::PoolFc2);
}

void Collector::head() {
  int64_t width = config.pooledWidth(), classes = config.numClasses;
  if (config.finalNorm && config.transformer)
    norm("norm", config.embedDim, Role::Norm);
  if (config.neckChannels)
    neck();
  if (config.pool == Pool::Map)
    attentionPool();
  if (config.fcNorm)
    norm("fc_norm", config.embedDim, Role::FcNorm);
  if (config.headHidden) {
    linear("head_hidden", config.headHidden, width, config.headBias, Role::HeadHidden);
    width = config.headHidden;
  }
  if (!classes)
    return;
  if (config.pool == Pool::TokenAvg && !config.headHidden) {
    // A part for each feature, so that they need not be put side by side.
    add("head.token.weight", {classes, config.embedDim}, Role::Head, false, 0);
    add("head.avg.weight", {classes, config.embedDim}, Role::Head, false, 1);
    if (config.headBias)
      add("head.bias", {classes}, Role::Head, true);
  } else {
    linear("head", classes, width, config.headBias, Role::Head);
  }
  if (config.headDistillation)
    linear("head_dist", classes, width, config.headBias, Role::HeadDistillation);
}

std::vector<PlacedSource> Collector::collect() {
  tokens();
  for (block = 0; block < config.blocks(); ++block) {
    for (branch = 0; branch < config.parallelBranches; ++branch)
      attention(attentionNames(config, block, branch));
    for (branch = 0; branch < config.parallelBranches; ++branch)
      mlp(mlpNames(config, block, branch));
  }
  branch = 0;
  for (block = 0; block < config.classBlocks; ++block)
    classBlock();
  block = 0;
  head();
  return std::move(sources);
}

std::vector<PlacedSource> vitc::describeSources(const ModelConfig &config) { return Collector(config).collect(); }
