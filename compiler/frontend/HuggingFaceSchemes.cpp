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

using namespace vitc;
using namespace vitc::schemes;

/// A model with a head keeps its encoder under a name of its own, a bare encoder does not.
static std::vector<std::string> encoderPrefixes(const ModelConfig &config, const std::string &name) {
  if (config.numClasses)
    return {name, ""};
  return {"", name};
}

static SchemeTable huggingFaceVit(const ModelConfig &config, bool deit) {
  std::string layer = "encoder.layer.#.";
  std::vector<std::string> head = {"classifier"};
  if (config.headDistillation)
    head = {"cls_classifier"};
  SchemeTable table{deit ? "huggingface-deit" : "huggingface-vit",
                    {plain(Role::ClassToken, {"embeddings.cls_token"}), plain(Role::Position, {"embeddings.position_embeddings"}),
                     torch(Role::Patch, {"embeddings.patch_embeddings.projection"}), torch(Role::Norm1, {layer + "layernorm_before"}),
                     torch(Role::Query, {layer + "attention.attention.query"}), torch(Role::Key, {layer + "attention.attention.key"}),
                     torch(Role::Value, {layer + "attention.attention.value"}), torch(Role::Proj, {layer + "attention.output.dense"}),
                     torch(Role::Norm2, {layer + "layernorm_after"}), torch(Role::Fc1, {layer + "intermediate.dense"}),
                     torch(Role::Fc2, {layer + "output.dense"}), torch(Role::Norm, {"layernorm"}),
                     torch(Role::HeadHidden, {"pooler.dense"}), torch(Role::Head, head)},
                    encoderPrefixes(config, deit ? "deit." : "vit."),
                    {Role::Head, Role::HeadDistillation}};
  if (deit) {
    table.roles.push_back(plain(Role::DistillationToken, {"embeddings.distillation_token"}));
    table.roles.push_back(torch(Role::HeadDistillation, {"distillation_classifier"}));
  }
  table.ignored = {"*mask_token", "decoder.*"};
  if (!config.headHidden)
    table.ignored.push_back("*pooler.*");
  return table;
}

static SchemeTable huggingFaceDinov2(const ModelConfig &config) {
  std::string layer = "encoder.layer.#.";
  std::string fc1 = config.gatedMlp ? "mlp.weights_in" : "mlp.fc1", fc2 = config.gatedMlp ? "mlp.weights_out" : "mlp.fc2";
  SchemeTable table{"huggingface-dinov2",
                    {plain(Role::ClassToken, {"embeddings.cls_token"}), plain(Role::RegisterTokens, {"embeddings.register_tokens"}),
                     plain(Role::Position, {"embeddings.position_embeddings"}),
                     torch(Role::Patch, {"embeddings.patch_embeddings.projection"}), torch(Role::Norm1, {layer + "norm1"}),
                     torch(Role::Query, {layer + "attention.attention.query"}), torch(Role::Key, {layer + "attention.attention.key"}),
                     torch(Role::Value, {layer + "attention.attention.value"}), torch(Role::Proj, {layer + "attention.output.dense"}),
                     plain(Role::Scale1, {layer + "layer_scale1.lambda1"}), torch(Role::Norm2, {layer + "norm2"}),
                     torch(Role::Fc1, {layer + fc1}), torch(Role::Gate, {layer + fc1}), torch(Role::Fc2, {layer + fc2}),
                     plain(Role::Scale2, {layer + "layer_scale2.lambda1"}), torch(Role::Norm, {"layernorm"}),
                     torch(Role::Head, {"classifier"})},
                    encoderPrefixes(config, config.regTokens ? "dinov2_with_registers." : "dinov2."),
                    {Role::Head}};
  table.gateInFc1 = true;
  table.ignored = {"*mask_token"};
  return table;
}

static SchemeTable huggingFaceClip() {
  std::string layer = "encoder.layers.#.";
  SchemeTable table{"huggingface-clip",
                    {plain(Role::ClassToken, {"embeddings.class_embedding"}),
                     plain(Role::Position, {"embeddings.position_embedding.weight"}), torch(Role::Patch, {"embeddings.patch_embedding"}),
                     torch(Role::NormPre, {"pre_layrnorm"}), // sic
                     torch(Role::Norm1, {layer + "layer_norm1"}), torch(Role::Query, {layer + "self_attn.q_proj"}),
                     torch(Role::Key, {layer + "self_attn.k_proj"}), torch(Role::Value, {layer + "self_attn.v_proj"}),
                     torch(Role::Proj, {layer + "self_attn.out_proj"}), torch(Role::Norm2, {layer + "layer_norm2"}),
                     torch(Role::Fc1, {layer + "mlp.fc1"}), torch(Role::Fc2, {layer + "mlp.fc2"}), torch(Role::Norm, {"post_layernorm"}),
                     torch(Role::FcNorm, {"post_layernorm"}), torch(Role::Head, {"visual_projection"})},
                    {"vision_model.", ""},
                    {Role::Head}};
  table.token = TokenLayout::D;
  table.table = TableLayout::Rows;
  table.ignored = {"*position_ids", "text_model.*", "text_projection.*", "logit_scale", "visual_projection.*"};
  return table;
}

std::vector<SchemeTable> schemes::huggingFaceSchemes(const ModelConfig &config) {
  return {huggingFaceVit(config, /*deit=*/false), huggingFaceVit(config, /*deit=*/true), huggingFaceDinov2(config), huggingFaceClip()};
}
