//===- HuggingFaceSchemes.cpp - names of transformers' models ---------------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//
//
// Source: the files that transformers 4 and 5 write.
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/frontend/SchemeParts.h"

#include "compiler/model/ModelConfig.h"

#include "llvm/ADT/STLExtras.h"

using namespace vitc;
using namespace vitc::schemes;

// Since transformers 5 modules are called otherwise than the tensors of the files that it writes (transformers/conversion_mapping.py), so
// that a saved state dict has other names than a saved model. Files' names come first.

/// A model with a head keeps its encoder under a name of its own, a bare encoder does not; the config knows which it is.
static std::vector<std::string> encoderPrefixes(const ModelConfig &config, const std::vector<std::string> &others) {
  std::vector<std::string> prefixes = {config.weightPrefix};
  for (const std::string &other : others)
    if (!llvm::is_contained(prefixes, other))
      prefixes.push_back(other);
  return prefixes;
}

/// What ViT, DeiT and BEiT have in common.
static std::vector<RoleNames> vitRoles() {
  std::string layer = "encoder.layer.#.", module = "layers.#.";
  auto inLayer = [&](Role role, const std::string &inFile, const std::string &asModule) {
    return torch(role, {layer + inFile, module + asModule});
  };
  return {plain(Role::ClassToken, {"embeddings.cls_token"}),
          plain(Role::Position, {"embeddings.position_embeddings"}),
          torch(Role::Patch, {"embeddings.patch_embeddings.projection"}),
          inLayer(Role::Norm1, "layernorm_before", "layernorm_before"),
          inLayer(Role::Query, "attention.attention.query", "attention.q_proj"),
          inLayer(Role::Key, "attention.attention.key", "attention.k_proj"),
          inLayer(Role::Value, "attention.attention.value", "attention.v_proj"),
          inLayer(Role::Proj, "attention.output.dense", "attention.o_proj"),
          inLayer(Role::Norm2, "layernorm_after", "layernorm_after"),
          inLayer(Role::Fc1, "intermediate.dense", "mlp.fc1"),
          inLayer(Role::Fc2, "output.dense", "mlp.fc2"),
          torch(Role::Norm, {"layernorm"})};
}

static SchemeTable huggingFaceVit(const ModelConfig &config, bool deit) {
  SchemeTable table{deit ? "huggingface-deit" : "huggingface-vit", vitRoles()};
  table.prefixes = encoderPrefixes(config, deit ? std::vector<std::string>{"deit.", ""} : std::vector<std::string>{"vit.", "ijepa.", ""});
  table.unprefixed = {Role::Head, Role::HeadDistillation};
  table.roles.push_back(torch(Role::HeadHidden, {"pooler.dense"}));
  table.roles.push_back(torch(Role::Head, {config.headDistillation ? "cls_classifier" : "classifier"}));
  if (deit) {
    table.roles.push_back(plain(Role::DistillationToken, {"embeddings.distillation_token"}));
    table.roles.push_back(torch(Role::HeadDistillation, {"distillation_classifier"}));
  }
  table.ignored = {"*mask_token", "decoder.*"};
  if (!config.headHidden)
    table.ignored.push_back("*pooler.*");
  return table;
}

static SchemeTable huggingFaceBeit(const ModelConfig &config) {
  SchemeTable table{"huggingface-beit", vitRoles()};
  table.prefixes = encoderPrefixes(config, {"beit.", "data2vec_vision.", ""});
  table.unprefixed = {Role::Head};
  table.roles.push_back(plain(Role::Scale1, {"encoder.layer.#.lambda_1", "layers.#.lambda_1"}));
  table.roles.push_back(plain(Role::Scale2, {"encoder.layer.#.lambda_2", "layers.#.lambda_2"}));
  table.roles.push_back(torch(Role::FcNorm, {"pooler.layernorm"}));
  table.roles.push_back(torch(Role::Head, {"classifier"}));
  std::string bias = "relative_position_bias.relative_position_bias_table";
  if (config.relativePosition == RelativePosition::SharedTable)
    table.roles.push_back(plain(Role::RelativeTable, {"encoder." + bias, "shared_position_bias.relative_position_bias_table"}));
  else
    table.roles.push_back(plain(Role::RelativeTable, {"encoder.layer.#.attention.attention." + bias, "layers.#." + bias}));
  table.ignored = {"*mask_token", "*relative_position_index"};
  if (!config.fcNorm)
    table.ignored.push_back("*pooler.layernorm.*");
  return table;
}

/// A gated mlp is one tensor with both halves in files, two as modules.
static SchemeTable huggingFaceDinov2(const ModelConfig &config, bool modules) {
  std::string layer = "encoder.layer.#.";
  SchemeTable table{
      modules ? "huggingface-dinov2-modules" : "huggingface-dinov2",
      {plain(Role::ClassToken, {"embeddings.cls_token"}), plain(Role::RegisterTokens, {"embeddings.register_tokens"}),
       plain(Role::Position, {"embeddings.position_embeddings"}), torch(Role::Patch, {"embeddings.patch_embeddings.projection"}),
       torch(Role::Norm1, {layer + "norm1"}), torch(Role::Query, {layer + "attention.attention.query", layer + "attention.q_proj"}),
       torch(Role::Key, {layer + "attention.attention.key", layer + "attention.k_proj"}),
       torch(Role::Value, {layer + "attention.attention.value", layer + "attention.v_proj"}),
       torch(Role::Proj, {layer + "attention.output.dense", layer + "attention.o_proj"}),
       plain(Role::Scale1, {layer + "layer_scale1.lambda1"}), torch(Role::Norm2, {layer + "norm2"}),
       plain(Role::Scale2, {layer + "layer_scale2.lambda1"}), torch(Role::Norm, {"layernorm"}), torch(Role::Head, {"classifier"})},
      encoderPrefixes(config, {"dinov2.", "dinov2_with_registers.", ""}),
      {Role::Head}};
  std::vector<RoleNames> mlp = {torch(Role::Fc1, {layer + "mlp.fc1"}), torch(Role::Fc2, {layer + "mlp.fc2"})};
  if (config.gatedMlp && modules)
    mlp = {torch(Role::Fc1, {layer + "mlp.gate_proj"}), torch(Role::Gate, {layer + "mlp.up_proj"}),
           torch(Role::Fc2, {layer + "mlp.down_proj"})};
  else if (config.gatedMlp)
    mlp = {torch(Role::Fc1, {layer + "mlp.weights_in"}), torch(Role::Gate, {layer + "mlp.weights_in"}),
           torch(Role::Fc2, {layer + "mlp.weights_out"})};
  table.roles = join(std::move(table.roles), std::move(mlp));
  table.gateInFc1 = !modules;
  table.ignored = {"*mask_token"};
  return table;
}

static SchemeTable huggingFaceDinov3(const ModelConfig &config) {
  auto inLayer = [](const std::string &name) { return std::vector<std::string>{"layer.#." + name, "model.layer.#." + name}; };
  SchemeTable table{"huggingface-dinov3",
                    {plain(Role::ClassToken, {"embeddings.cls_token"}), plain(Role::RegisterTokens, {"embeddings.register_tokens"}),
                     torch(Role::Patch, {"embeddings.patch_embeddings"}), torch(Role::Norm1, inLayer("norm1")),
                     torch(Role::Query, inLayer("attention.q_proj")), torch(Role::Key, inLayer("attention.k_proj")),
                     torch(Role::Value, inLayer("attention.v_proj")), torch(Role::Proj, inLayer("attention.o_proj")),
                     plain(Role::Scale1, inLayer("layer_scale1.lambda1")), torch(Role::Norm2, inLayer("norm2")),
                     torch(Role::Fc1, inLayer(config.gatedMlp ? "mlp.gate_proj" : "mlp.up_proj")),
                     torch(Role::Gate, inLayer("mlp.up_proj")), torch(Role::Fc2, inLayer("mlp.down_proj")),
                     plain(Role::Scale2, inLayer("layer_scale2.lambda1")), torch(Role::Norm, {"norm"})},
                    encoderPrefixes(config, {""})};
  table.ignored = {"*mask_token"};
  if (!config.regTokens) // a tensor without elements
    table.ignored.push_back("*register_tokens");
  return table;
}

/// The tower that CLIP and SigLIP share.
static SchemeTable tower(const ModelConfig &config, const std::string &name) {
  std::string layer = "encoder.layers.#.";
  SchemeTable table{name,
                    {plain(Role::Position, {"embeddings.position_embedding.weight"}), torch(Role::Patch, {"embeddings.patch_embedding"}),
                     torch(Role::Norm1, {layer + "layer_norm1"}), torch(Role::Query, {layer + "self_attn.q_proj"}),
                     torch(Role::Key, {layer + "self_attn.k_proj"}), torch(Role::Value, {layer + "self_attn.v_proj"}),
                     torch(Role::Proj, {layer + "self_attn.out_proj"}), torch(Role::Norm2, {layer + "layer_norm2"}),
                     torch(Role::Fc1, {layer + "mlp.fc1"}), torch(Role::Fc2, {layer + "mlp.fc2"}), torch(Role::Norm, {"post_layernorm"})},
                    encoderPrefixes(config, {"vision_model.", ""}),
                    {Role::Head}};
  table.table = TableLayout::Rows;
  table.ignored = {"*position_ids", "text_model.*", "text_projection.*", "logit_scale", "logit_bias"};
  return table;
}

static SchemeTable huggingFaceClip(const ModelConfig &config) {
  SchemeTable table = tower(config, "huggingface-clip");
  table.roles.push_back(plain(Role::ClassToken, {"embeddings.class_embedding"}));
  table.roles.push_back(torch(Role::NormPre, {"pre_layrnorm"})); // sic
  table.roles.push_back(torch(Role::FcNorm, {"post_layernorm"}));
  table.roles.push_back(torch(Role::Head, {config.headBias ? "classifier" : "visual_projection"}));
  table.token = TokenLayout::D;
  table.ignored.push_back("visual_projection.*");
  if (!config.fcNorm && !config.finalNorm)
    table.ignored.push_back("*post_layernorm.*");
  return table;
}

static SchemeTable huggingFaceSiglip(const ModelConfig &config) {
  SchemeTable table = tower(config, "huggingface-siglip");
  table.roles.push_back(torch(Role::Head, {"classifier"}));
  table.roles.push_back(plain(Role::PoolLatent, {"head.probe"}));
  for (Role role : {Role::PoolQuery, Role::PoolKey, Role::PoolValue})
    table.roles.push_back({role, {"head.attention.in_proj_weight"}, {"head.attention.in_proj_bias"}});
  table.roles.push_back(torch(Role::PoolProj, {"head.attention.out_proj"}));
  table.roles.push_back(torch(Role::PoolNorm, {"head.layernorm"}));
  table.roles.push_back(torch(Role::PoolFc1, {"head.mlp.fc1"}));
  table.roles.push_back(torch(Role::PoolFc2, {"head.mlp.fc2"}));
  table.pool = PoolLayout::Packed;
  if (config.pool != Pool::Map)
    for (const std::string &prefix : table.prefixes)
      table.ignored.push_back(prefix + "head.*");
  return table;
}

std::vector<SchemeTable> schemes::huggingFaceSchemes(const ModelConfig &config) {
  std::vector<SchemeTable> tables = {huggingFaceVit(config, /*deit=*/false),
                                     huggingFaceVit(config, /*deit=*/true),
                                     huggingFaceBeit(config),
                                     huggingFaceDinov2(config, /*modules=*/false),
                                     huggingFaceDinov3(config),
                                     huggingFaceClip(config),
                                     huggingFaceSiglip(config)};
  if (config.gatedMlp)
    tables.push_back(huggingFaceDinov2(config, /*modules=*/true));
  return tables;
}
