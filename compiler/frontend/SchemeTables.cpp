//===- SchemeTables.cpp - each framework's names and layouts, as data --------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//
//
// Sources: the state dicts of torchvision and open_clip, the parameter trees of google-research/vision_transformer, and the reference
// systems' own code.
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/frontend/SchemeParts.h"

#include "compiler/model/ModelConfig.h"

#include "llvm/ADT/STLExtras.h"

using namespace vitc;
using namespace vitc::schemes;

RoleNames schemes::torch(Role role, std::vector<std::string> modules) {
  RoleNames names{role, {}, {}};
  for (const std::string &module : modules) {
    names.weight.push_back(module + ".weight");
    names.bias.push_back(module + ".bias");
  }
  return names;
}

RoleNames schemes::dense(Role role, const std::string &module) { return {role, {module + "/kernel"}, {module + "/bias"}}; }
RoleNames schemes::scale(Role role, const std::string &module) { return {role, {module + "/scale"}, {module + "/bias"}}; }

RoleNames schemes::plain(Role role, std::vector<std::string> names) { return {role, std::move(names), {}}; }

std::vector<RoleNames> schemes::packed(const std::string &weight, const std::string &bias) {
  return {{Role::Query, {weight}, {bias}}, {Role::Key, {weight}, {bias}}, {Role::Value, {weight}, {bias}}};
}

std::vector<RoleNames> schemes::join(std::vector<RoleNames> first, std::vector<RoleNames> second) {
  llvm::append_range(first, std::move(second));
  return first;
}

//===--------------------------------------------------------------------------------------===//
// torchvision and open_clip
//===--------------------------------------------------------------------------------------===//

static SchemeTable torchvision() {
  std::string layer = "encoder.layers.encoder_layer_#.";
  SchemeTable table{
      "torchvision",
      {plain(Role::ClassToken, {"class_token"}), plain(Role::Position, {"encoder.pos_embedding"}), torch(Role::Patch, {"conv_proj"}),
       torch(Role::Norm1, {layer + "ln_1"}), torch(Role::Proj, {layer + "self_attention.out_proj"}), torch(Role::Norm2, {layer + "ln_2"}),
       torch(Role::Fc1, {layer + "mlp.0", layer + "mlp.linear_1"}), torch(Role::Fc2, {layer + "mlp.3", layer + "mlp.linear_2"}),
       torch(Role::Norm, {"encoder.ln"}), torch(Role::HeadHidden, {"heads.pre_logits"}), torch(Role::Head, {"heads.head"})},
      {"", "module."}};
  table.roles = join(table.roles, packed(layer + "self_attention.in_proj_weight", layer + "self_attention.in_proj_bias"));
  table.qkv = QkvLayout::Packed;
  return table;
}

/// What a file with both towers has beside the image tower.
static std::vector<std::string> openClipTexts() {
  return {"text.*",      "transformer.*", "token_embedding.*", "positional_embedding", "ln_final.*", "text_projection*",
          "logit_scale", "logit_bias",    "input_resolution",  "context_length",       "vocab_size", "attn_mask"};
}

static SchemeTable openClip() {
  std::string layer = "transformer.resblocks.#.";
  SchemeTable table{"open_clip",
                    {plain(Role::ClassToken, {"class_embedding"}), plain(Role::Position, {"positional_embedding"}),
                     torch(Role::Patch, {"conv1"}), torch(Role::NormPre, {"ln_pre"}), torch(Role::Norm1, {layer + "ln_1"}),
                     torch(Role::Proj, {layer + "attn.out_proj"}), plain(Role::Scale1, {layer + "ls_1.gamma"}),
                     torch(Role::Norm2, {layer + "ln_2"}), torch(Role::Fc1, {layer + "mlp.c_fc"}), torch(Role::Fc2, {layer + "mlp.c_proj"}),
                     plain(Role::Scale2, {layer + "ls_2.gamma"}), torch(Role::Norm, {"ln_post"}), torch(Role::FcNorm, {"ln_post"}),
                     plain(Role::Head, {"proj"})},
                    {"visual.", ""}};
  table.roles = join(table.roles, packed(layer + "attn.in_proj_weight", layer + "attn.in_proj_bias"));
  table.qkv = QkvLayout::Packed;
  table.head = LinearLayout::InOut;
  table.token = TokenLayout::D;
  table.table = TableLayout::Rows;
  table.ignored = openClipTexts();
  return table;
}

//===--------------------------------------------------------------------------------------===//
// facebookresearch/dinov3
//===--------------------------------------------------------------------------------------===//

/// dinov3/models/vision_transformer.py. Its DINOv2, DINO and DeiT have timm's names.
static SchemeTable dinov3(const ModelConfig &config) {
  std::string layer = "blocks.#.";
  SchemeTable table{"dinov3",
                    {plain(Role::ClassToken, {"cls_token"}), plain(Role::RegisterTokens, {"storage_tokens"}),
                     torch(Role::Patch, {"patch_embed.proj"}), torch(Role::Norm1, {layer + "norm1"}),
                     torch(Role::Proj, {layer + "attn.proj"}), plain(Role::Scale1, {layer + "ls1.gamma"}),
                     torch(Role::Norm2, {layer + "norm2"}), torch(Role::Fc1, {layer + (config.gatedMlp ? "mlp.w1" : "mlp.fc1")}),
                     torch(Role::Gate, {layer + "mlp.w2"}), torch(Role::Fc2, {layer + (config.gatedMlp ? "mlp.w3" : "mlp.fc2")}),
                     plain(Role::Scale2, {layer + "ls2.gamma"}), torch(Role::Norm, {"norm"})},
                    {"", "module.", "backbone."}};
  table.roles = join(table.roles, packed(layer + "attn.qkv.weight", layer + "attn.qkv.bias"));
  table.qkv = QkvLayout::Packed;
  table.packsUnusedBias = true;
  table.ignored = {"*rope_embed.periods", "*attn.qkv.bias_mask", "*mask_token", "*cls_norm.*"};
  return table;
}

//===--------------------------------------------------------------------------------------===//
// Flax
//===--------------------------------------------------------------------------------------===//

/// The model's own paths number a block's modules by class; published files number them in one sequence.
static SchemeTable flax(bool published) {
  std::string layer = "Transformer/encoderblock_#/";
  std::string attention = layer + (published ? "MultiHeadDotProductAttention_1" : "MultiHeadDotProductAttention_0");
  std::string mlp = layer + (published ? "MlpBlock_3" : "MlpBlock_0");
  SchemeTable table{published ? "flax-published" : "flax",
                    {plain(Role::ClassToken, {"cls"}), plain(Role::Position, {"Transformer/posembed_input/pos_embedding"}),
                     dense(Role::Patch, "embedding"), scale(Role::Norm1, layer + "LayerNorm_0"), dense(Role::Query, attention + "/query"),
                     dense(Role::Key, attention + "/key"), dense(Role::Value, attention + "/value"), dense(Role::Proj, attention + "/out"),
                     scale(Role::Norm2, layer + (published ? "LayerNorm_2" : "LayerNorm_1")), dense(Role::Fc1, mlp + "/Dense_0"),
                     dense(Role::Fc2, mlp + "/Dense_1"), scale(Role::Norm, "Transformer/encoder_norm"),
                     dense(Role::HeadHidden, "pre_logits"), dense(Role::Head, "head")},
                    {"", "params/", "opt/target/"}};
  table.linear = table.head = LinearLayout::InOut;
  table.patch = PatchLayout::ConvHwio;
  table.stem = published ? StemNames::FlaxPublished : StemNames::Flax;
  table.qkv = QkvLayout::DenseGeneral;
  return table;
}

//===--------------------------------------------------------------------------------------===//
// The reference systems' own
//===--------------------------------------------------------------------------------------===//

static SchemeTable labml() {
  std::string layer = "transformer_layers.#.";
  SchemeTable table{"labml",
                    {plain(Role::ClassToken, {"cls_token_emb"}), plain(Role::Position, {"pos_emb.positional_encodings"}),
                     torch(Role::Patch, {"patch_emb.conv"}), torch(Role::Norm1, {layer + "norm_self_attn"}),
                     torch(Role::Query, {layer + "self_attn.query.linear"}), torch(Role::Key, {layer + "self_attn.key.linear"}),
                     torch(Role::Value, {layer + "self_attn.value.linear"}), torch(Role::Proj, {layer + "self_attn.output"}),
                     torch(Role::Norm2, {layer + "norm_ff"}), torch(Role::Fc1, {layer + "feed_forward.layer1"}),
                     torch(Role::Gate, {layer + "feed_forward.linear_v"}), torch(Role::Fc2, {layer + "feed_forward.layer2"}),
                     torch(Role::FcNorm, {"ln"}), torch(Role::HeadHidden, {"classification.linear1"}),
                     torch(Role::Head, {"classification.linear2"})}};
  table.table = TableLayout::RowsOne;
  return table;
}

static SchemeTable slides(const ModelConfig &config) {
  std::string layer = "layers.#.";
  SchemeTable table{"slides",
                    {plain(Role::ClassToken, {"x_class"}),
                     plain(Role::Position, {"E_pos"}),
                     {Role::Patch, {"E"}, {"E_bias"}},
                     torch(Role::Norm1, {layer + "ln1"}),
                     {Role::Proj, {layer + "U_msa"}, {layer + "U_msa_bias"}},
                     torch(Role::Norm2, {layer + "ln2"}),
                     {Role::Fc1, {layer + "mlp.W1"}, {layer + "mlp.b1"}},
                     {Role::Fc2, {layer + "mlp.W2"}, {layer + "mlp.b2"}},
                     torch(Role::FcNorm, {"ln"})}};
  table.roles = join(table.roles, packed(layer + "U", layer + "U_bias"));
  if (config.headHidden) {
    table.roles.push_back({Role::HeadHidden, {"head.W1"}, {"head.b1"}});
    table.roles.push_back({Role::Head, {"head.W2"}, {"head.b2"}});
  } else {
    table.roles.push_back({Role::Head, {"head.W"}, {"head.b"}});
  }
  table.linear = table.head = LinearLayout::InOut;
  table.patch = PatchLayout::Rows;
  table.qkv = QkvLayout::PackedByConfig;
  table.table = TableLayout::Rows;
  return table;
}

static SchemeTable csdn(const ModelConfig &config) {
  std::string layer = "encoders.#.";
  SchemeTable table{"csdn",
                    {plain(Role::ClassToken, {"cls_token"}), plain(Role::Position, {"pos_embedding"}),
                     torch(Role::Patch, {"patch_embedding.cov2d"}), // sic
                     torch(Role::Norm1, {layer + "norm1"}), torch(Role::Proj, {layer + "attention.out_proj"}),
                     torch(Role::Norm2, {layer + "norm2"}), torch(Role::Fc1, {layer + "linear1"}), torch(Role::Fc2, {layer + "linear2"})}};
  table.roles = join(table.roles, packed(layer + "attention.in_proj_weight", layer + "attention.in_proj_bias"));
  if (config.headHidden)
    table.roles.push_back(torch(Role::HeadHidden, {"head.0"}));
  table.roles.push_back(torch(Role::Head, {config.headHidden ? "head.2" : "head"}));
  table.qkv = QkvLayout::Packed;
  return table;
}

static SchemeTable notebook() {
  std::string layer = "encoder.#.";
  return {"notebook",
          {plain(Role::ClassToken, {"input_layer.cls_token"}), plain(Role::Position, {"input_layer.pos_emb"}),
           torch(Role::Patch, {"input_layer.patch_emb_layer"}), torch(Role::Norm1, {layer + "ln1"}),
           torch(Role::Query, {layer + "msa.w_q"}), torch(Role::Key, {layer + "msa.w_k"}), torch(Role::Value, {layer + "msa.w_v"}),
           torch(Role::Proj, {layer + "msa.w_o.0"}), torch(Role::Norm2, {layer + "ln2"}), torch(Role::Fc1, {layer + "mlp.0"}),
           torch(Role::Fc2, {layer + "mlp.3"}), torch(Role::FcNorm, {"mlp_head.0"}), torch(Role::Head, {"mlp_head.1"})}};
}

static llvm::StringRef homeScheme(Family family) {
  switch (family) {
  case Family::Timm:
    return "timm";
  case Family::TimmEva:
    return "timm-eva";
  case Family::TimmBeit:
    return "timm-beit";
  case Family::TimmNaFlex:
    return "timm-naflex";
  case Family::TimmSam:
    return "timm-sam";
  case Family::TimmCait:
    return "timm-cait";
  case Family::HuggingFaceVit:
    return "huggingface-vit";
  case Family::HuggingFaceDeit:
    return "huggingface-deit";
  case Family::HuggingFaceBeit:
    return "huggingface-beit";
  case Family::HuggingFaceDinov2:
    return "huggingface-dinov2";
  case Family::HuggingFaceDinov3:
    return "huggingface-dinov3";
  case Family::HuggingFaceClip:
    return "huggingface-clip";
  case Family::HuggingFaceSiglip:
    return "huggingface-siglip";
  case Family::Torchvision:
    return "torchvision";
  case Family::Flax:
    return "flax";
  case Family::Labml:
    return "labml";
  case Family::Slides:
    return "slides";
  case Family::Csdn:
    return "csdn";
  case Family::Notebook:
    return "notebook";
  }
  return "timm";
}

/// OpenCLIP keeps a model of timm under `visual.trunk`, and a projection behind it as `visual.head.proj` (open_clip/timm_model.py).
static void addOpenClipTrunk(SchemeTable &table) {
  table.prefixes.insert(table.prefixes.end(), {"visual.trunk.", "visual."});
  for (RoleNames &names : table.roles)
    if (names.role == Role::Head) {
      names.weight.emplace_back("head.proj.weight");
      names.bias.emplace_back("head.proj.bias");
    }
  llvm::append_range(table.ignored, openClipTexts());
}

static std::string fill(std::string name, int64_t block, int64_t branch) {
  if (size_t at = name.find('#'); at != std::string::npos)
    name.replace(at, 1, std::to_string(block));
  if (size_t at = name.find('@'); at != std::string::npos)
    name.replace(at, 1, std::to_string(branch));
  return name;
}

std::vector<std::string> vitc::tensorNames(const SchemeTable &table, Role role, bool bias, int64_t block, int64_t branch) {
  std::vector<std::string> names;
  auto found = llvm::find_if(table.roles, [&](const RoleNames &roleNames) { return roleNames.role == role; });
  if (found == table.roles.end())
    return names;
  bool prefixed = !llvm::is_contained(table.unprefixed, role);
  for (const std::string &prefix : prefixed ? table.prefixes : std::vector<std::string>{""})
    for (const std::string &pattern : bias ? found->bias : found->weight)
      names.push_back(prefix + fill(pattern, block, branch));
  return names;
}

std::vector<SchemeTable> vitc::schemeTables(const ModelConfig &config) {
  std::vector<SchemeTable> tables = timmSchemes(config);
  llvm::for_each(tables, addOpenClipTrunk);
  llvm::append_range(tables, huggingFaceSchemes(config));
  llvm::append_range(tables, std::vector<SchemeTable>{torchvision(), openClip(), dinov3(config), flax(/*published=*/false),
                                                      flax(/*published=*/true), labml(), slides(config), csdn(config), notebook()});
  llvm::StringRef home = homeScheme(config.family);
  auto first = llvm::find_if(tables, [&](const SchemeTable &table) { return table.name == home; });
  std::rotate(tables.begin(), first, first + 1);
  return tables;
}
