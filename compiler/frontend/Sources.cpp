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
  if (config.parallelBranches == 1)
    return {fmt::format("blocks.{}.norm1", block), fmt::format("blocks.{}.attn", block), fmt::format("blocks.{}.ls1", block)};
  std::string prefix = fmt::format("blocks.{}.attns.{}", block, branch);
  return {prefix + ".norm", prefix + ".attn", prefix + ".ls"};
}

BranchNames vitc::mlpNames(const ModelConfig &config, int64_t block, int64_t branch) {
  if (config.parallelBranches == 1)
    return {fmt::format("blocks.{}.norm2", block), fmt::format("blocks.{}.mlp", block), fmt::format("blocks.{}.ls2", block)};
  std::string prefix = fmt::format("blocks.{}.ffns.{}", block, branch);
  return {prefix + ".norm", prefix + ".mlp", prefix + ".ls"};
}

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
  void tokens();
  void attention(const BranchNames &names);
  void mlp(const BranchNames &names);
  void head();

  const ModelConfig &config;
  int64_t block = 0, branch = 0;
  std::vector<PlacedSource> sources;
};
} // namespace

void Collector::tokens() {
  int64_t width = config.embedDim;
  sources = describeStemSources(config);
  add("patch_embed.weight", {width, stemLayout(config).channels, config.patchHeight, config.patchWidth}, Role::Patch);
  if (config.patchBias)
    add("patch_embed.bias", {width}, Role::Patch, true);
  if (!config.transformer)
    return;
  if (config.classToken)
    add("cls_token", {1, width}, Role::ClassToken);
  if (config.distillationToken)
    add("dist_token", {1, width}, Role::DistillationToken);
  if (config.regTokens)
    add("reg_token", {config.regTokens, width}, Role::RegisterTokens);
  if (config.position == Position::Learned)
    add("pos_embed", {config.usedPositionRows(), width}, Role::Position);
  if (config.normPre)
    norm("norm_pre", width, Role::NormPre);
}

void Collector::attention(const BranchNames &names) {
  int64_t width = config.embedDim, heads = config.numHeads, headWidth = config.headWidth();
  norm(names.norm, width, Role::Norm1);
  for (auto [part, role] : {std::pair("query", Role::Query), {"key", Role::Key}, {"value", Role::Value}}) {
    std::string name = names.body + "." + part;
    add(name + ".weight", {heads, headWidth, width}, role);
    if (config.qkvBias == QkvBias::All || (config.qkvBias == QkvBias::QueryValue && role != Role::Key))
      add(name + ".bias", {heads, headWidth}, role, true);
  }
  if (config.qkNorm) {
    norm(names.body + ".q_norm", headWidth, Role::QueryNorm);
    norm(names.body + ".k_norm", headWidth, Role::KeyNorm);
  }
  add(names.body + ".proj.weight", {width, heads, headWidth}, Role::Proj);
  if (config.projBias)
    add(names.body + ".proj.bias", {width}, Role::Proj, true);
  if (config.layerScale != 0.0)
    add(names.scale + ".gamma", {width}, Role::Scale1);
}

void Collector::mlp(const BranchNames &names) {
  int64_t width = config.embedDim, hidden = config.mlpWidth();
  norm(names.norm, width, Role::Norm2);
  linear(names.body + ".fc1", hidden, width, config.mlpBias, Role::Fc1);
  if (config.gatedMlp)
    linear(names.body + ".gate", hidden, width, config.gateBias, Role::Gate);
  if (config.mlpNorm)
    norm(names.body + ".norm", hidden, Role::MlpNorm);
  linear(names.body + ".fc2", width, hidden, config.mlpBias, Role::Fc2);
  if (config.layerScale != 0.0)
    add(names.scale + ".gamma", {width}, Role::Scale2);
}

void Collector::head() {
  int64_t width = config.pooledWidth(), classes = config.numClasses;
  if (config.finalNorm && config.transformer)
    norm("norm", config.embedDim, Role::Norm);
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
  block = branch = 0;
  head();
  return std::move(sources);
}

std::vector<PlacedSource> vitc::describeSources(const ModelConfig &config) { return Collector(config).collect(); }
