//===- TimmSchemes.cpp - timm's names ---------------------------------------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//
//
// Source: the state dicts of timm 0.6.13 and 1.0.31 (vision_transformer*.py, eva.py, beit.py, deit.py, naflexvit.py, vision_transformer_sam.py, cait.py).
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/frontend/SchemeParts.h"

#include "compiler/model/ModelConfig.h"

#include "llvm/ADT/STLExtras.h"

using namespace vitc;
using namespace vitc::schemes;

/// MobileCLIP's patch embedding is the last of its stem's convolutions.
static std::string patchModule(const ModelConfig &config) {
  if (config.stem == Stem::Convolutions)
    return "patch_embed.backbone." + std::to_string(config.stemLayers.size()) + ".conv";
  return "patch_embed.proj";
}

namespace {
/// What the classes of timm name differently.
struct Dialect {
  const char *name;
  std::string embeds = ""; ///< prefix of tokens, positions and patch embedding
  bool gamma = false;      ///< gamma_1 and gamma_2 instead of ls1.gamma and ls2.gamma
};
} // namespace

/// blocks.N of ParallelScalingBlock and DiffParallelScalingBlock.
static std::vector<RoleNames> parallelBlock(const ModelConfig &config) {
  std::string block = "blocks.#.", out = block + "out_proj";
  std::vector<RoleNames> roles = {
      torch(Role::Norm1, {block + "in_norm"}),
      {Role::Fc1, {block + "in_proj.weight"}, {block + (config.qkvBias == QkvBias::None ? "mlp_bias" : "in_proj.bias")}},
      torch(Role::Proj, {config.parallelFused ? out : block + "attn_out_proj"}),
      torch(Role::Fc2, {config.parallelFused ? out : block + "mlp_out_proj"}),
      plain(Role::Scale1, {block + "ls.gamma"})};
  return join(roles, packed(block + "in_proj.weight", block + "in_proj.bias"));
}

static std::vector<RoleNames> queryKeyValue(const ModelConfig &config, const std::string &attention) {
  if (!config.qkvFused)
    return {torch(Role::Query, {attention + "q_proj"}), torch(Role::Key, {attention + "k_proj"}),
            torch(Role::Value, {attention + "v_proj"})};
  std::vector<RoleNames> roles = packed(attention + "qkv.weight", attention + "qkv.bias");
  if (config.qkvBias == QkvBias::QueryValue) {
    roles[0].bias = {attention + "q_bias"};
    roles[2].bias = {attention + "v_bias"};
  }
  return roles;
}

static std::vector<RoleNames> mlp(const ModelConfig &config, const std::string &prefix) {
  std::vector<RoleNames> roles = {torch(Role::MlpNorm, {prefix + "norm"}), torch(Role::Fc2, {prefix + "fc2", prefix + "w3"})};
  if (config.gatedMlp && !config.gatePacked)
    return join(roles, {torch(Role::Fc1, {prefix + "fc1_g"}), torch(Role::Gate, {prefix + "fc1_x"})});
  return join(roles, {torch(Role::Fc1, {prefix + "fc1", prefix + "w12"}), torch(Role::Gate, {prefix + "fc1", prefix + "w12"})});
}

/// attn_pool, an AttentionPoolLatent.
static std::vector<RoleNames> attentionPool() {
  return {plain(Role::PoolLatent, {"attn_pool.latent"}), torch(Role::PoolQuery, {"attn_pool.q"}),
          torch(Role::PoolKey, {"attn_pool.kv"}),        torch(Role::PoolValue, {"attn_pool.kv"}),
          torch(Role::PoolProj, {"attn_pool.proj"}),     torch(Role::PoolNorm, {"attn_pool.norm"}),
          torch(Role::PoolFc1, {"attn_pool.mlp.fc1"}),   torch(Role::PoolFc2, {"attn_pool.mlp.fc2"})};
}

/// blocks_token_only.N of Cait.
static std::vector<RoleNames> classBlock() {
  std::string block = "blocks_token_only.#.";
  return {torch(Role::ClassNorm1, {block + "norm1"}),    torch(Role::ClassQuery, {block + "attn.q"}),
          torch(Role::ClassKey, {block + "attn.k"}),     torch(Role::ClassValue, {block + "attn.v"}),
          torch(Role::ClassProj, {block + "attn.proj"}), plain(Role::ClassScale1, {block + "gamma_1"}),
          torch(Role::ClassNorm2, {block + "norm2"}),    torch(Role::ClassFc1, {block + "mlp.fc1"}),
          torch(Role::ClassFc2, {block + "mlp.fc2"}),    plain(Role::ClassScale2, {block + "gamma_2"})};
}

/// Learned and relative positions.
static std::vector<RoleNames> positions(const ModelConfig &config, const Dialect &dialect) {
  bool sharedMlp = config.relativePosition == RelativePosition::SharedMlp,
       sharedTable = config.relativePosition == RelativePosition::SharedTable;
  std::string network = sharedMlp ? "shared_rel_pos.mlp." : "blocks.#.attn.rel_pos.mlp.";
  return {plain(Role::Position, {dialect.embeds + "pos_embed"}),
          plain(Role::PositionRows, {dialect.embeds + "pos_embed_y"}),
          plain(Role::PositionColumns, {dialect.embeds + "pos_embed_x"}),
          torch(Role::RelativeFc1, {network + "fc1"}),
          torch(Role::RelativeFc2, {network + "fc2"}),
          plain(Role::RelativeTable, {(sharedTable ? "rel_pos_bias." : "blocks.#.attn.") + std::string("relative_position_bias_table")}),
          plain(Role::RelativeRows, {"blocks.#.attn.rel_pos_h"}),
          plain(Role::RelativeColumns, {"blocks.#.attn.rel_pos_w"}),
          plain(Role::RopeFrequencies, {"rope.freqs"})};
}

static SchemeTable timm(const ModelConfig &config, const Dialect &dialect) {
  bool branches = config.parallelBranches > 1, parallel = config.block == BlockKind::Parallel;
  std::string first = branches ? "blocks.#.attns.@." : "blocks.#.", second = branches ? "blocks.#.ffns.@." : "blocks.#.";
  std::string attention = first + (parallel ? "" : "attn.");
  auto scale = [&](const char *number) {
    return dialect.gamma ? "gamma_" + std::string(number) : branches ? "ls.gamma" : "ls" + std::string(number) + ".gamma";
  };
  SchemeTable table{dialect.name,
                    {plain(Role::ClassToken, {dialect.embeds + "cls_token"}),
                     plain(Role::DistillationToken, {"dist_token"}),
                     plain(Role::RegisterTokens, {dialect.embeds + "reg_token", "register_tokens"}),
                     torch(Role::Patch, {dialect.embeds.empty() ? patchModule(config) : dialect.embeds + "proj"}),
                     torch(Role::PatchNorm, {dialect.embeds.empty() ? "patch_embed.norm" : dialect.embeds + "norm"}),
                     torch(Role::NormPre, {"norm_pre"}),
                     torch(Role::QueryNorm, {attention + "q_norm"}),
                     torch(Role::KeyNorm, {attention + "k_norm"}),
                     plain(Role::LambdaQuery1, {attention + "lambda_q1"}),
                     plain(Role::LambdaKey1, {attention + "lambda_k1"}),
                     plain(Role::LambdaQuery2, {attention + "lambda_q2"}),
                     plain(Role::LambdaKey2, {attention + "lambda_k2"}),
                     torch(Role::TalkBefore, {attention + "proj_l"}),
                     torch(Role::TalkAfter, {attention + "proj_w"}),
                     torch(Role::SubNorm, {attention + "sub_norm"}),
                     torch(Role::AttentionNorm, {attention + "norm"}),
                     torch(Role::Norm, {"norm"}),
                     torch(Role::FcNorm, {"fc_norm"}),
                     torch(Role::Head, {"head"}),
                     torch(Role::HeadDistillation, {"head_dist"})},
                    {"", "model.", "module.", "backbone.", "module.backbone.", "visual.trunk."}};
  if (parallel) {
    table.roles = join(table.roles, parallelBlock(config));
    table.qkv = QkvLayout::InProjection;
  } else {
    table.roles = join(table.roles, {torch(Role::Norm1, {first + (branches ? "norm" : "norm1")}),
                                     torch(Role::Norm2, {second + (branches ? "norm" : "norm2")}), torch(Role::Proj, {attention + "proj"}),
                                     plain(Role::Scale1, {first + scale("1")}), plain(Role::Scale2, {second + scale("2")})});
    table.roles = join(table.roles, queryKeyValue(config, attention));
    table.roles = join(table.roles, mlp(config, second + "mlp."));
    table.qkv = config.qkvFused ? QkvLayout::Packed : QkvLayout::Separate;
  }
  table.roles = join(table.roles, positions(config, dialect));
  table.roles = join(table.roles, attentionPool());
  table.stem = StemNames::Timm;
  table.gateInFc1 = config.gatePacked;
  table.ignored = {"pre_logits.*",        "*mask_token",   "*relative_position_index",
                   "*rope_embed.periods", "*rope.periods", "*num_batches_tracked"};
  return table;
}

/// VisionTransformerSAM, and the image encoder within a checkpoint of Segment Anything.
static SchemeTable sam(const ModelConfig &config) {
  SchemeTable table = timm(config, {"timm-sam"});
  llvm::erase_if(table.roles,
                 [](const RoleNames &names) { return llvm::is_contained({Role::Norm, Role::Head, Role::Fc1, Role::Fc2}, names.role); });
  std::string mlp = "blocks.#.mlp.";
  table.roles =
      join(table.roles, {torch(Role::Norm, {"neck"}), torch(Role::Head, {"head.fc"}), torch(Role::Fc1, {mlp + "fc1", mlp + "lin1"}),
                         torch(Role::Fc2, {mlp + "fc2", mlp + "lin2"}), torch(Role::NeckConv1, {"neck.0"}),
                         torch(Role::NeckNorm1, {"neck.1"}), torch(Role::NeckConv2, {"neck.2"}), torch(Role::NeckNorm2, {"neck.3"})});
  table.prefixes.push_back("image_encoder.");
  table.table = TableLayout::Grid;
  table.ignored.insert(table.ignored.end(), {"prompt_encoder.*", "mask_decoder.*"});
  return table;
}

std::vector<SchemeTable> schemes::timmSchemes(const ModelConfig &config) {
  std::vector<SchemeTable> tables = {timm(config, {"timm"})};
  // The other classes' names for models that they can hold.
  bool tables2d = config.relativePosition == RelativePosition::Table || config.relativePosition == RelativePosition::SharedTable;
  if (config.family == Family::TimmBeit || tables2d)
    tables.push_back(timm(config, {"timm-beit", "", /*gamma=*/true}));
  if (config.family == Family::TimmEva || config.rope != Rope::None || config.qkvBias == QkvBias::QueryValue)
    tables.push_back(timm(config, {"timm-eva", "", /*gamma=*/true}));
  if (config.family == Family::TimmNaFlex) {
    SchemeTable table = timm(config, {"timm-naflex", "embeds."});
    table.patch = PatchLayout::Linear;
    table.table = TableLayout::Grid;
    tables.push_back(std::move(table));
  }
  if (config.family == Family::TimmCait || config.classBlocks || config.attention == AttentionKind::TalkingHeads) {
    SchemeTable table = timm(config, {"timm-cait", "", /*gamma=*/true});
    table.roles = join(table.roles, classBlock());
    tables.push_back(std::move(table));
  }
  if (config.family == Family::TimmSam)
    tables.push_back(sam(config));
  return tables;
}
