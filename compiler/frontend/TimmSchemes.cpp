//===- TimmSchemes.cpp - timm's names ---------------------------------------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//
//
// Source: the state dicts of timm 0.6.13 and 1.0.31 (vision_transformer*.py, eva.py, beit.py, deit.py, naflexvit.py).
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/frontend/SchemeParts.h"

#include "compiler/model/ModelConfig.h"

using namespace vitc;
using namespace vitc::schemes;

/// MobileCLIP's patch embedding is the last of its stem's convolutions.
static std::string patchModule(const ModelConfig &config) {
  if (config.stem == Stem::Convolutions)
    return "patch_embed.backbone." + std::to_string(config.stemLayers.size()) + ".conv";
  return "patch_embed.proj";
}

static SchemeTable timm(const ModelConfig &config) {
  bool parallel = config.parallelBranches > 1;
  std::string attention = parallel ? "blocks.#.attns.@." : "blocks.#.", mlp = parallel ? "blocks.#.ffns.@." : "blocks.#.";
  SchemeTable table{"timm",
                    {plain(Role::ClassToken, {"cls_token"}),
                     plain(Role::DistillationToken, {"dist_token"}),
                     plain(Role::RegisterTokens, {"reg_token", "register_tokens"}),
                     plain(Role::Position, {"pos_embed"}),
                     torch(Role::Patch, {patchModule(config)}),
                     torch(Role::NormPre, {"norm_pre"}),
                     torch(Role::Norm1, {attention + (parallel ? "norm" : "norm1")}),
                     torch(Role::QueryNorm, {attention + "attn.q_norm"}),
                     torch(Role::KeyNorm, {attention + "attn.k_norm"}),
                     torch(Role::Proj, {attention + "attn.proj"}),
                     plain(Role::Scale1, {attention + (parallel ? "ls.gamma" : "ls1.gamma")}),
                     torch(Role::Norm2, {mlp + (parallel ? "norm" : "norm2")}),
                     torch(Role::Fc1, {mlp + "mlp.fc1", mlp + "mlp.w12"}),
                     torch(Role::Gate, {mlp + "mlp.fc1", mlp + "mlp.w12"}),
                     torch(Role::MlpNorm, {mlp + "mlp.norm"}),
                     torch(Role::Fc2, {mlp + "mlp.fc2", mlp + "mlp.w3"}),
                     plain(Role::Scale2, {mlp + (parallel ? "ls.gamma" : "ls2.gamma")}),
                     torch(Role::Norm, {"norm"}),
                     torch(Role::FcNorm, {"fc_norm"}),
                     torch(Role::Head, {"head"}),
                     torch(Role::HeadDistillation, {"head_dist"})},
                    {"", "model.", "module."}};
  table.roles = join(table.roles, packed(attention + "attn.qkv.weight", attention + "attn.qkv.bias"));
  if (config.qkvBias == QkvBias::QueryValue)
    for (RoleNames &names : table.roles)
      if (names.role == Role::Query || names.role == Role::Value)
        names.bias = {attention + (names.role == Role::Query ? "attn.q_bias" : "attn.v_bias")};
  table.stem = StemNames::Timm;
  table.qkv = QkvLayout::Packed;
  table.gateInFc1 = true;
  table.ignored = {"pre_logits.*", "*mask_token", "*relative_position_index", "*num_batches_tracked"};
  return table;
}

std::vector<SchemeTable> schemes::timmSchemes(const ModelConfig &config) { return {timm(config)}; }
