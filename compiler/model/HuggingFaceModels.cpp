//===- HuggingFaceModels.cpp - transformers' model types and classes ---------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//
//
// Source of defaults and rules: transformers 5.23, models/*/configuration_*.py and modeling_*.py.
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/model/HuggingFaceModels.h"

#include "fmt/format.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"

using namespace vitc;
using namespace vitc::huggingface;

using Keys = llvm::ArrayRef<llvm::StringRef>;
using Classes = llvm::ArrayRef<ModelClass>;

llvm::Expected<bool> huggingface::readFlag(const Json &file, llvm::StringRef key, bool otherwise) {
  auto value = file.find(key.str());
  if (value == file.end() || value->is_null())
    return otherwise;
  if (!value->is_boolean())
    return sentence(fmt::format("{} is {}, expected true or false", key.str(), value->dump()));
  return value->get<bool>();
}

static llvm::Error noSpecials(ModelConfig &, Answer &, const Json &) { return llvm::Error::success(); }

//===--------------------------------------------------------------------------------------===//
// ViT and what is built as it
//===--------------------------------------------------------------------------------------===//

static constexpr llvm::StringRef vitKeys[] = {
    "intermediate_size", "head_dim", "qkv_bias", "hidden_dropout_prob", "attention_probs_dropout_prob", "pooler_act"};

static constexpr ModelClass vitClasses[] = {{"ViTForImageClassification", "vit.", Answer::Logits}, {"ViTModel", "", Answer::Pooler}};
static constexpr ModelClass deitClasses[] = {{"DeiTForImageClassification", "deit.", Answer::Logits},
                                             {"DeiTForImageClassificationWithTeacher", "deit.", Answer::LogitsOfTwo},
                                             {"DeiTModel", "", Answer::Pooler}};
static constexpr ModelClass msnClasses[] = {{"ViTMSNForImageClassification", "vit.", Answer::Logits}, {"ViTMSNModel", "", Answer::Tokens}};
static constexpr ModelClass maeClasses[] = {{"ViTMAEModel", "", Answer::Tokens}, {"ViTMAEForPreTraining", "vit.", Answer::Tokens}};
static constexpr ModelClass ijepaClasses[] = {{"IJepaForImageClassification", "ijepa.", Answer::Logits, Pool::AvgAll},
                                              {"IJepaModel", "", Answer::Tokens}};

static void setVit(ModelConfig &config) {
  config.mlpDim = 3072;
  config.normEps = 1e-12;
}

static void setDeit(ModelConfig &config) {
  setVit(config);
  config.distillationToken = true;
}

static void setMsn(ModelConfig &config) {
  setVit(config);
  config.normEps = 1e-6;
}

static void setIJepa(ModelConfig &config) {
  setVit(config);
  config.classToken = false;
}

/// The masked autoencoder sees a random quarter of the patches, and its decoder answers with pixels.
static llvm::Error readMae(ModelConfig &, Answer &, const Json &tower) {
  if (auto ratio = tower.find("mask_ratio"); ratio != tower.end() && ratio->is_number() && ratio->get<double>() == 0.0)
    return llvm::Error::success();
  return sentence("a vit_mae model hides patches at random, so it has no answer to compile; \"mask_ratio\": 0 in its config makes it the "
                  "encoder of whole pictures, which answers with its tokens, and model_type 'vit' a ViTModel or classifier of its weights");
}

//===--------------------------------------------------------------------------------------===//
// BEiT, Data2Vec
//===--------------------------------------------------------------------------------------===//

static constexpr llvm::StringRef beitKeys[] = {
    "intermediate_size", "head_dim", "hidden_dropout_prob", "attention_probs_dropout_prob", "layer_scale_init_value", "drop_path_rate"};

// The pool is that of use_mean_pooling.
static constexpr ModelClass beitClasses[] = {{"BeitForImageClassification", "beit.", Answer::Logits, Pool::Avg},
                                             {"BeitModel", "", Answer::Feature, Pool::Avg}};
static constexpr ModelClass data2vecClasses[] = {{"Data2VecVisionForImageClassification", "data2vec_vision.", Answer::Logits, Pool::Avg},
                                                 {"Data2VecVisionModel", "", Answer::Tokens}};

static void setBeit(ModelConfig &config) {
  setVit(config);
  config.qkvBias = QkvBias::QueryValue;
  config.layerScale = 0.1;
  config.dropPath = 0.1;
}

static llvm::Error readBeit(ModelConfig &config, Answer &answer, const Json &tower) {
  auto absolute = readFlag(tower, "use_absolute_position_embeddings", false), each = readFlag(tower, "use_relative_position_bias", false),
       shared = readFlag(tower, "use_shared_relative_position_bias", false), mean = readFlag(tower, "use_mean_pooling", true);
  llvm::Error errors = llvm::Error::success();
  for (auto *flag : {&absolute, &each, &shared, &mean})
    if (!*flag)
      errors = llvm::joinErrors(std::move(errors), flag->takeError());
  if (errors)
    return errors;
  if (*each && *shared)
    return sentence("use_relative_position_bias and use_shared_relative_position_bias are both true, expected at most one of them");
  bool square = config.imageHeight * config.patchWidth == config.imageWidth * config.patchHeight;
  if ((*each || *shared) && !square) // BeitRelativePositionBias.forward takes the table's rows for columns
    return sentence(fmt::format("image_size is {}x{}: transformers reads the relative positions of a grid that is not square along the "
                                "wrong axes; expected a square",
                                config.imageHeight, config.imageWidth));
  config.position = *absolute ? Position::Learned : Position::None;
  config.relativePosition = *each ? RelativePosition::Table : *shared ? RelativePosition::SharedTable : RelativePosition::None;
  config.layerScale = std::max(config.layerScale, 0.0);
  config.finalNorm = !*mean; // of the mean alone
  config.fcNorm = *mean && answer != Answer::Tokens;
  if (!*mean && answer != Answer::Tokens)
    config.pool = Pool::Token;
  return llvm::Error::success();
}

//===--------------------------------------------------------------------------------------===//
// DINOv2, DINOv3
//===--------------------------------------------------------------------------------------===//

static constexpr llvm::StringRef dinov2Keys[] = {
    "mlp_ratio",      "head_dim",         "qkv_bias",       "hidden_dropout_prob", "attention_probs_dropout_prob",
    "drop_path_rate", "layerscale_value", "use_swiglu_ffn", "num_register_tokens"};
static constexpr llvm::StringRef dinov3Keys[] = {"intermediate_size", "attention_dropout", "drop_path_rate",
                                                 "layerscale_value",  "use_gated_mlp",     "num_register_tokens",
                                                 "rope_theta",        "proj_bias",         "mlp_bias"};

static constexpr ModelClass dinov2Classes[] = {{"Dinov2ForImageClassification", "dinov2.", Answer::Logits, Pool::TokenAvg},
                                               {"Dinov2Model", "", Answer::Feature}};
static constexpr ModelClass dinov2RegistersClasses[] = {
    {"Dinov2WithRegistersForImageClassification", "dinov2_with_registers.", Answer::Logits, Pool::TokenAvg},
    {"Dinov2WithRegistersModel", "", Answer::Feature}};
static constexpr ModelClass dinov3Classes[] = {{"DINOv3ViTModel", "", Answer::Feature}};

static void setDinov2(ModelConfig &config) {
  config.patchHeight = config.patchWidth = 14;
  config.normEps = 1e-6;
  config.layerScale = 1.0;
}

static void setDinov2WithRegisters(ModelConfig &config) {
  setDinov2(config);
  config.patchHeight = config.patchWidth = 16;
  config.regTokens = 4;
  config.positionOn = PositionOn::ClassAndPatches;
  config.positionResize = PositionResize::BicubicAntialias; // of this type alone
}

/// Every layer of both has a LayerScale, whatever value it began with.
static void keepLayerScale(ModelConfig &config) { config.layerScale = std::max(config.layerScale, 1e-30); }

static llvm::Error readDinov2(ModelConfig &config, Answer &, const Json &) {
  keepLayerScale(config);
  if (config.gatedMlp) { // Dinov2SwiGLUFFN
    config.mlpDim = (config.mlpWidth() * 2 / 3 + 7) / 8 * 8;
    config.activation = Activation::Silu;
  }
  return llvm::Error::success();
}

static void setDinov3(ModelConfig &config) {
  config.embedDim = 384;
  config.numHeads = 6;
  config.mlpDim = 1536;
  config.normEps = 1e-5;
  config.layerScale = 1.0;
  config.position = Position::None;
  config.rope = Rope::DinoV3;
  config.ropeTheta = 100.0;
  config.ropeRotateHalf = true;
}

static llvm::Error readDinov3(ModelConfig &config, Answer &, const Json &tower) {
  keepLayerScale(config);
  config.gateBias = config.mlpBias;
  auto query = readFlag(tower, "query_bias", true), key = readFlag(tower, "key_bias", false), value = readFlag(tower, "value_bias", true);
  llvm::Error errors = llvm::Error::success();
  for (auto *flag : {&query, &key, &value})
    if (!*flag)
      errors = llvm::joinErrors(std::move(errors), flag->takeError());
  if (errors)
    return errors;
  if (*query != *value || (*key && !*query))
    return sentence(fmt::format("query_bias is {}, key_bias {} and value_bias {}, expected all three, none, or those of query and value",
                                *query, *key, *value));
  config.qkvBias = *key ? QkvBias::All : *query ? QkvBias::QueryValue : QkvBias::None;
  return llvm::Error::success();
}

//===--------------------------------------------------------------------------------------===//
// CLIP and its kin, SigLIP
//===--------------------------------------------------------------------------------------===//

static constexpr llvm::StringRef towerKeys[] = {"intermediate_size", "attention_dropout"};

static constexpr ModelClass clipClasses[] = {{"CLIPModel", "vision_model.", Answer::Projection},
                                             {"CLIPForImageClassification", "vision_model.", Answer::Logits, Pool::Avg},
                                             {"CLIPVisionModelWithProjection", "vision_model.", Answer::Projection},
                                             {"CLIPVisionModel", "", Answer::Feature}};
static constexpr ModelClass clipVisionClasses[] = {{"CLIPVisionModel", "", Answer::Feature},
                                                   {"CLIPVisionModelWithProjection", "vision_model.", Answer::Projection}};
static constexpr ModelClass metaClip2Classes[] = {{"MetaClip2Model", "vision_model.", Answer::Projection},
                                                  {"MetaClip2ForImageClassification", "vision_model.", Answer::Logits, Pool::Avg},
                                                  {"MetaClip2VisionModelWithProjection", "vision_model.", Answer::Projection},
                                                  {"MetaClip2VisionModel", "", Answer::Feature}};
static constexpr ModelClass metaClip2VisionClasses[] = {{"MetaClip2VisionModel", "", Answer::Feature},
                                                        {"MetaClip2VisionModelWithProjection", "vision_model.", Answer::Projection}};
static constexpr ModelClass chineseClipClasses[] = {{"ChineseCLIPModel", "vision_model.", Answer::Projection},
                                                    {"ChineseCLIPVisionModel", "", Answer::Feature}};
static constexpr ModelClass altClipClasses[] = {{"AltCLIPModel", "vision_model.", Answer::Projection},
                                                {"AltCLIPVisionModel", "", Answer::Feature}};
static constexpr ModelClass siglipClasses[] = {{"SiglipModel", "vision_model.", Answer::Feature, Pool::Map},
                                               {"SiglipForImageClassification", "vision_model.", Answer::Logits, Pool::AvgAll},
                                               {"SiglipVisionModel", "", Answer::Feature, Pool::Map}};

static void setClip(ModelConfig &config) {
  config.patchHeight = config.patchWidth = 32;
  config.mlpDim = 3072;
  config.patchBias = false;
  config.normPre = true;
  config.normEps = 1e-5;
  config.activation = Activation::QuickGelu;
  config.finalNorm = false; // post_layernorm sees the class token's row alone
  config.fcNorm = true;
}

static llvm::Error readClip(ModelConfig &config, Answer &answer, const Json &) {
  if (answer == Answer::Logits) // of the mean of last_hidden_state, which post_layernorm has not seen
    config.fcNorm = false;
  return llvm::Error::success();
}

static void setSiglip(ModelConfig &config) {
  config.mlpDim = 3072;
  config.classToken = false;
  config.activation = Activation::GeluTanh;
}

static llvm::Error readSiglip(ModelConfig &, Answer &answer, const Json &tower) {
  llvm::Expected<bool> head = readFlag(tower, "vision_use_head", true);
  if (!head)
    return head.takeError();
  if (!*head && answer == Answer::Feature)
    answer = Answer::Tokens;
  return llvm::Error::success();
}

//===--------------------------------------------------------------------------------------===//
// The table
//===--------------------------------------------------------------------------------------===//

static const ModelType modelTypes[] = {
    {"vit", Family::HuggingFaceVit, false, vitClasses, vitKeys, setVit, noSpecials},
    {"deit", Family::HuggingFaceDeit, false, deitClasses, vitKeys, setDeit, noSpecials},
    {"vit_msn", Family::HuggingFaceVit, false, msnClasses, vitKeys, setMsn, noSpecials},
    {"vit_mae", Family::HuggingFaceVit, false, maeClasses, vitKeys, setVit, readMae},
    {"ijepa", Family::HuggingFaceVit, false, ijepaClasses, vitKeys, setIJepa, noSpecials},
    {"beit", Family::HuggingFaceBeit, false, beitClasses, beitKeys, setBeit, readBeit},
    {"data2vec-vision", Family::HuggingFaceBeit, false, data2vecClasses, beitKeys, setBeit, readBeit},
    {"dinov2", Family::HuggingFaceDinov2, false, dinov2Classes, Keys(dinov2Keys).drop_back(), setDinov2, readDinov2},
    {"dinov2_with_registers", Family::HuggingFaceDinov2, false, dinov2RegistersClasses, dinov2Keys, setDinov2WithRegisters, readDinov2},
    {"dinov3_vit", Family::HuggingFaceDinov3, false, dinov3Classes, dinov3Keys, setDinov3, readDinov3},
    {"clip", Family::HuggingFaceClip, true, clipClasses, towerKeys, setClip, readClip},
    {"clip_vision_model", Family::HuggingFaceClip, false, clipVisionClasses, towerKeys, setClip, readClip},
    {"metaclip_2", Family::HuggingFaceClip, true, metaClip2Classes, towerKeys, setClip, readClip},
    {"metaclip_2_vision_model", Family::HuggingFaceClip, false, metaClip2VisionClasses, towerKeys, setClip, readClip},
    {"chinese_clip", Family::HuggingFaceClip, true, chineseClipClasses, towerKeys, setClip, readClip},
    {"chinese_clip_vision_model", Family::HuggingFaceClip, false, Classes(chineseClipClasses).drop_front(), towerKeys, setClip, readClip},
    {"altclip", Family::HuggingFaceClip, true, altClipClasses, towerKeys, setClip, readClip},
    {"altclip_vision_model", Family::HuggingFaceClip, false, Classes(altClipClasses).drop_front(), towerKeys, setClip, readClip},
    {"siglip", Family::HuggingFaceSiglip, true, siglipClasses, towerKeys, setSiglip, readSiglip},
    {"siglip_vision_model", Family::HuggingFaceSiglip, false, Classes(siglipClasses).take_back(), towerKeys, setSiglip, readSiglip},
};

llvm::Expected<const ModelType *> huggingface::findModelType(llvm::StringRef name) {
  if (const auto *found = llvm::find_if(modelTypes, [&](const ModelType &type) { return type.name == name; });
      found != std::end(modelTypes))
    return found;
  if (name == "siglip2" || name == "siglip2_vision_model")
    return sentence(
        "model_type is '" + name +
        "', whose NaFlex pictures keep their aspect ratio, so that no two have the same grid of patches, but a compiled program "
        "has one; SigLIP 2 models of a fixed resolution have model_type 'siglip'");
  std::vector<std::string> names;
  for (const ModelType &type : modelTypes)
    names.push_back(type.name.str());
  return sentence("model_type is '" + name + "', expected one of " + llvm::join(names, ", "));
}
