//===- OpenClip.cpp - OpenCLIP's open_clip_config.json ----------------------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//
//
// Source: open_clip 3.3.0, open_clip/model.py (CLIPVisionCfg, _build_vision_tower), transformer.py (VisionTransformer), timm_model.py,
// transform.py (PreprocessCfg, image_transform).
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/model/OpenClip.h"

#include "compiler/model/ConfigJson.h"
#include "compiler/model/Presets.h"
#include "compiler/model/TimmHub.h"

#include "fmt/format.h"
#include "llvm/ADT/StringExtras.h"

using namespace vitc;

bool vitc::isOpenClipConfig(const Json &file) {
  return file.is_object() && (file.contains("model_cfg") || (file.contains("vision_cfg") && file.contains("embed_dim")));
}

/// Values of an object by name, null counting as absent.
static const Json *find(const Json &object, llvm::StringRef key) {
  auto value = object.find(key.str());
  return value == object.end() || value->is_null() ? nullptr : &*value;
}

static std::string textOf(const Json &object, llvm::StringRef key, llvm::StringRef otherwise) {
  const Json *value = find(object, key);
  return !value ? otherwise.str() : value->is_string() ? value->get<std::string>() : value->dump();
}

static bool isTrue(const Json &object, llvm::StringRef key) {
  const Json *value = find(object, key);
  return value && *value != false && *value != "" && *value != 0;
}

static llvm::Error refuse(llvm::StringRef key, const std::string &given, llvm::StringRef expected) {
  return sentence(fmt::format("vision_cfg: {} is {}, expected {}", key.str(), given, expected.str()));
}

/// Copies `from[key]` as the config key `name`.
static void take(Json &fields, llvm::StringRef name, const Json &from, llvm::StringRef key) {
  if (const Json *value = find(from, key))
    fields[name.str()] = *value;
}

//===--------------------------------------------------------------------------------------===//
// OpenCLIP's own class
//===--------------------------------------------------------------------------------------===//

static llvm::Error applyActivationAndNorm(ModelConfig &config, const Json &vision, bool quickGelu) {
  config.activation = quickGelu ? Activation::QuickGelu : Activation::Gelu;
  if (const Json *arguments = find(vision, "act_kwargs"); arguments && !arguments->empty()) {
    if (quickGelu || *arguments != Json{{"approximate", "tanh"}})
      return refuse("act_kwargs", arguments->dump(), R"({"approximate": "tanh"})");
    config.activation = Activation::GeluTanh;
  }
  config.normEps = 1e-5;
  if (const Json *arguments = find(vision, "norm_kwargs"); arguments && !arguments->empty()) {
    if (!arguments->is_object() || arguments->size() != 1 || !arguments->contains("eps"))
      return refuse("norm_kwargs", arguments->dump(), R"({"eps": NUMBER})");
    return setConfigField(config, "eps", (*arguments)["eps"]);
  }
  return llvm::Error::success();
}

/// Heads, width of the mlp, pooling.
static llvm::Error applyShape(ModelConfig &config, const Json &vision) {
  const Json *headWidth = find(vision, "head_width");
  if (headWidth && (!headWidth->is_number_integer() || headWidth->get<int64_t>() < 1))
    return refuse("head_width", headWidth->dump(), "a positive integer");
  config.numHeads = config.embedDim / (headWidth ? headWidth->get<int64_t>() : 64);
  if (config.numHeads == 0)
    return refuse("head_width", headWidth ? headWidth->dump() : "64", fmt::format("at most the width {}", config.embedDim));
  std::string pool = textOf(vision, "pool_type", "tok");
  if (pool != "tok" && pool != "avg" && pool != "none")
    return refuse("pool_type", pool, "one of tok, avg, none");
  config.pool = pool == "tok" ? Pool::Token : pool == "avg" ? Pool::Avg : Pool::None;
  config.fcNorm = isTrue(vision, "final_ln_after_pool");
  config.finalNorm = !config.fcNorm;
  config.normPre = !isTrue(vision, "no_ln_pre");
  return llvm::Error::success();
}

static llvm::Expected<ModelConfig> ownTower(const Json &vision, bool quickGelu) {
  if (const Json *layers = find(vision, "layers"); layers && layers->is_array())
    return refuse("layers", layers->dump(), "an integer (a list is a ResNet)");
  for (llvm::StringRef key :
       {"attentional_pool", "qk_norm", "scaled_cosine_attn", "scale_heads", "scale_attn_inner", "scale_attn", "scale_fc"})
    if (isTrue(vision, key))
      return refuse(key, find(vision, key)->dump(), "false, which is what vitc compiles");
  ModelConfig config;
  config.patchBias = false;
  config.headBias = false;
  Json fields = {{"patch_size", 16}};
  take(fields, "image_size", vision, "image_size");
  take(fields, "patch_size", vision, "patch_size");
  take(fields, "embed_dim", vision, "width");
  take(fields, "depth", vision, "layers");
  take(fields, "mlp_ratio", vision, "mlp_ratio");
  take(fields, "layer_scale", vision, "ls_init_value");
  if (llvm::Error error = applyFields(config, fields, "vision_cfg"))
    return std::move(error);
  if (llvm::Error error = applyShape(config, vision))
    return std::move(error);
  if (llvm::Error error = applyActivationAndNorm(config, vision, quickGelu))
    return std::move(error);
  return config;
}

//===--------------------------------------------------------------------------------------===//
// timm's classes
//===--------------------------------------------------------------------------------------===//

/// The trunk is made with the answer's width and this pooling, or it keeps its norms and a projection follows (TimmModel.__init__).
static llvm::Expected<ModelConfig> timmTower(const Json &vision, const Json &width) {
  llvm::Expected<ModelConfig> found = findPreset(textOf(vision, "timm_model_name", ""));
  if (!found)
    return sentence("vision_cfg: timm_model_name: " + llvm::toString(found.takeError()));
  ModelConfig config = *found;
  // Here null is a value: none.
  std::string pool = textOf(vision, "timm_pool", vision.contains("timm_pool") ? "" : "avg");
  std::string projection = textOf(vision, "timm_proj", vision.contains("timm_proj") ? "" : "linear");
  if (projection == "" || projection == "none") {
    Json arguments = {{"global_pool", pool}, {"num_classes", projection == "none" ? Json(0) : width}};
    if (llvm::Error error = applyTimmArguments(config, arguments, "vision_cfg"))
      return std::move(error);
  } else if (projection == "linear") {
    if (pool == "map" && config.pool != Pool::Map)
      return refuse("timm_pool", pool, fmt::format("avg or token: {} has no attention pooling", config.name));
    if (!pool.empty())
      if (llvm::Error error = setConfigField(config, "pool", pool))
        return sentence("vision_cfg: timm_pool: " + llvm::toString(std::move(error)));
    if (llvm::Error error = setConfigField(config, "num_classes", width))
      return std::move(error);
    config.headBias = isTrue(vision, "timm_proj_bias");
    config.headDistillation = false;
  } else {
    return refuse("timm_proj", projection, "linear, none or empty");
  }
  ModelConfig constructed = config;
  if (const Json *size = find(vision, "image_size"))
    if (llvm::Error error = setConfigField(config, "image_size", *size))
      return sentence("vision_cfg: " + llvm::toString(std::move(error)));
  bool isResized = constructed.gridHeight() != config.gridHeight() || constructed.gridWidth() != config.gridWidth();
  if (isResized && config.position == Position::Learned && !config.positionGridHeight) {
    config.positionGridHeight = constructed.gridHeight();
    config.positionGridWidth = constructed.gridWidth();
  }
  return config;
}

//===--------------------------------------------------------------------------------------===//
// The file
//===--------------------------------------------------------------------------------------===//

static llvm::Error applyPreprocessing(ModelConfig &config, const Json &file) {
  config.preprocess = {};
  config.preprocess.cropPct = 1.0;
  config.preprocess.mean = {0.48145466, 0.4578275, 0.40821073};
  config.preprocess.std = {0.26862954, 0.26130258, 0.27577711};
  const Json *cfg = find(file, "preprocess_cfg");
  if (!cfg)
    return llvm::Error::success();
  if (!cfg->is_object())
    return sentence(fmt::format("preprocess_cfg is {}, expected an object", cfg->type_name()));
  Json fields = Json::object();
  take(fields, "mean", *cfg, "mean");
  take(fields, "std", *cfg, "std");
  // "random" is for training; evaluation is bicubic then.
  fields["interpolation"] = textOf(*cfg, "interpolation", "bicubic") == "random" ? "bicubic" : textOf(*cfg, "interpolation", "bicubic");
  std::string mode = textOf(*cfg, "resize_mode", "shortest");
  if (mode != "shortest" && mode != "squash")
    return sentence(fmt::format("preprocess_cfg: resize_mode is {}, expected shortest or squash", mode));
  fields["crop_mode"] = mode == "squash" ? "squash" : "center";
  return applyFields(config, fields, "preprocess_cfg");
}

static llvm::Expected<ModelConfig> parseTower(const Json &file) {
  const Json &model = file.contains("model_cfg") ? file["model_cfg"] : file;
  if (!model.is_object() || !find(model, "vision_cfg") || !model["vision_cfg"].is_object())
    return sentence("model_cfg has no object vision_cfg, which describes the image tower");
  const Json *width = find(model, "embed_dim");
  if (!width || !width->is_number_integer() || width->get<int64_t>() < 1)
    return sentence(fmt::format("model_cfg: embed_dim is {}, expected a positive integer", width ? width->dump() : "missing"));
  const Json &vision = model["vision_cfg"];
  bool isTimm = find(vision, "timm_model_name");
  llvm::Expected<ModelConfig> config = isTimm ? timmTower(vision, *width) : ownTower(vision, isTrue(model, "quick_gelu"));
  if (!config)
    return config.takeError();
  if (!isTimm)
    if (llvm::Error error = setConfigField(*config, "num_classes", *width))
      return std::move(error);
  if (llvm::Error error = applyPreprocessing(*config, file))
    return std::move(error);
  return config;
}

llvm::Expected<ModelConfig> vitc::parseOpenClipConfig(const Json &file, llvm::StringRef where) {
  llvm::Expected<ModelConfig> config = parseTower(file);
  if (!config)
    return sentence(where + ": " + llvm::toString(config.takeError()));
  return config;
}
