//===- TimmHub.cpp - timm's config.json -------------------------------------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//
//
// Source: timm 1.0.31, timm/models/_hub.py, _pretrained.py (defaults of a missing key), _builder.py (what a pretrained_cfg sets).
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/model/TimmHub.h"

#include "compiler/model/ConfigJson.h"
#include "compiler/model/Presets.h"

#include "fmt/format.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringSwitch.h"

using namespace vitc;

bool vitc::isTimmHubConfig(const Json &file) { return file.is_object() && file.contains("architecture"); }

//===--------------------------------------------------------------------------------------===//
// Arguments of a constructor
//===--------------------------------------------------------------------------------------===//

/// Of no consequence in inference, or for the loading of weights.
static bool isSkipped(llvm::StringRef argument) {
  return argument.ends_with("drop_rate") || argument.ends_with("drop_path") ||
         llvm::is_contained({"dynamic_img_size", "strict_img_size", "weight_init", "fix_init", "head_init_scale", "pretrained", "img_size",
                             "embed_dim", "mlp_ratio", "swiglu_align_to", "global_pool", "fc_norm", "use_fc_norm", "final_norm"},
                            argument);
}

/// Which of the two norms there is. As all of timm's classes: the default is after pooling for a mean, before it otherwise; a preset that
/// has it otherwise was made with an explicit fc_norm, which stays.
static llvm::Error applyPool(ModelConfig &config, const Json &arguments) {
  bool hasNorm = config.finalNorm || config.fcNorm, byPool = config.fcNorm == (hasNorm && config.pool == Pool::Avg);
  if (auto pool = arguments.find("global_pool"); pool != arguments.end() && !pool->is_null())
    if (llvm::Error error = setConfigField(config, "global_pool", *pool == "" ? Json("none") : *pool))
      return error;
  auto flag = [&](llvm::StringRef name, auto set) -> llvm::Error {
    auto value = arguments.find(name.str());
    if (value == arguments.end() || value->is_null())
      return llvm::Error::success();
    if (!value->is_boolean())
      return sentence(fmt::format("{} is {}, expected true, false or null", name.str(), value->dump()));
    set(value->get<bool>());
    return llvm::Error::success();
  };
  bool afterPool = byPool ? config.pool == Pool::Avg : config.fcNorm;
  auto setAfterPool = [&](bool value) { afterPool = value; };
  if (llvm::Error error = flag("final_norm", [&](bool value) { hasNorm = value; }))
    return error;
  for (llvm::StringRef name : {"fc_norm", "use_fc_norm"})
    if (llvm::Error error = flag(name, setAfterPool))
      return error;
  config.fcNorm = hasNorm && afterPool;
  config.finalNorm = hasNorm && !afterPool;
  return llvm::Error::success();
}

/// int(embed_dim * mlp_ratio), which of a packed gate (SwiGLUPacked) is the width of both halves, but not so in timm-eva.
static llvm::Error applyWidths(ModelConfig &config, const Json &arguments) {
  double ratio = static_cast<double>(config.mlpWidth()) / static_cast<double>(config.embedDim);
  bool changed = false;
  if (auto width = arguments.find("embed_dim"); width != arguments.end()) {
    if (llvm::Error error = setConfigField(config, "embed_dim", *width))
      return error;
    changed = true;
  }
  bool ofBoth = config.gatedMlp && config.gatePacked && config.family == Family::Timm;
  if (auto value = arguments.find("mlp_ratio"); value != arguments.end()) {
    if (llvm::Error error = setConfigField(config, "mlp_ratio", *value))
      return error;
    ratio = config.mlpRatio / (ofBoth ? 2 : 1);
    changed = true;
  }
  if (!changed)
    return llvm::Error::success();
  int64_t width = static_cast<int64_t>(static_cast<double>(config.embedDim) * ratio);
  if (auto align = arguments.find("swiglu_align_to"); align != arguments.end() && !align->is_null()) {
    if (!align->is_number_integer() || align->get<int64_t>() < 0 || align->get<int64_t>() > 65536)
      return sentence("swiglu_align_to is " + align->dump() + ", expected an integer from 0 to 65536");
    if (int64_t unit = align->get<int64_t>())
      width = (width + unit - 1) / unit * unit;
  }
  return setConfigField(config, "mlp_dim", width);
}

static llvm::Error applyOne(ModelConfig &config, llvm::StringRef name, const Json &value) {
  if (name == "pre_norm" || name == "use_pre_transformer_norm") {
    if (llvm::Error error = setConfigField(config, name, value))
      return error;
    config.patchBias = !config.normPre;
    return llvm::Error::success();
  }
  if (name == "norm_layer" && value.is_string()) {
    llvm::StringRef kind = llvm::StringSwitch<llvm::StringRef>(value.get_ref<const std::string &>())
                               .Case("layernorm", "layer")
                               .Case("rmsnorm", "rms")
                               .Default("");
    return kind.empty() ? sentence("norm_layer is " + value.dump() + ", expected layernorm or rmsnorm")
                        : setConfigField(config, "norm", kind.str());
  }
  if (name == "num_reg_tokens")
    return setConfigField(config, "reg_tokens", value);
  if (name == "pos_embed" && value == "")
    return setConfigField(config, "position", "none");
  if (!findConfigField(name))
    return sentence(fmt::format("vitc knows no argument '{}' of timm's constructors", name.str()));
  return setConfigField(config, name, value);
}

llvm::Error vitc::applyTimmArguments(ModelConfig &config, const Json &arguments, llvm::StringRef where) {
  llvm::Error errors = llvm::Error::success();
  auto keep = [&](llvm::Error error) {
    if (error)
      errors = llvm::joinErrors(std::move(errors), sentence(where + ": " + llvm::toString(std::move(error))));
  };
  if (!arguments.is_object()) {
    keep(sentence(fmt::format("model_args is {}, expected an object", arguments.type_name())));
    return errors;
  }
  for (auto &[name, value] : arguments.items())
    if (!isSkipped(name) && !value.is_null())
      keep(applyOne(config, name, value));
  keep(applyWidths(config, arguments));
  keep(applyPool(config, arguments));
  return errors;
}

//===--------------------------------------------------------------------------------------===//
// The file
//===--------------------------------------------------------------------------------------===//

/// Classes, channels and preprocessing; a missing key has the default of timm's class PretrainedCfg.
static llvm::Error applyPretrainedCfg(ModelConfig &config, const Json &cfg, llvm::StringRef where) {
  config.imageHeight = config.imageWidth = 224;
  config.preprocess = {};
  config.preprocess.cropPct = 0.875;
  config.preprocess.mean = {0.485, 0.456, 0.406};
  config.preprocess.std = {0.229, 0.224, 0.225};
  Json fields = Json::object();
  for (llvm::StringRef key : {"num_classes", "crop_pct", "crop_mode", "interpolation", "mean", "std"})
    if (auto value = cfg.find(key.str()); value != cfg.end() && !value->is_null())
      fields[key.str()] = *value;
  if (auto size = cfg.find("input_size"); size != cfg.end() && !size->is_null()) {
    if (!size->is_array() || size->size() != 3)
      return sentence(fmt::format("{}: input_size is {}, expected [channels, height, width]", where.str(), size->dump()));
    fields["in_channels"] = (*size)[0];
    fields["image_size"] = {(*size)[1], (*size)[2]};
  }
  return applyFields(config, fields, where);
}

static llvm::Error readLabels(ModelConfig &config, const Json &names, llvm::StringRef where, std::vector<std::string> &warnings) {
  if (llvm::Error error = setConfigField(config, "labels", names))
    return sentence(where + ": label_names: " + llvm::toString(std::move(error)));
  if (static_cast<int64_t>(config.labels.size()) == config.numClasses)
    return llvm::Error::success();
  warnings.push_back(
      fmt::format("{} has {} label_names for {} classes; they are not used", where.str(), config.labels.size(), config.numClasses));
  config.labels.clear();
  return llvm::Error::success();
}

/// An img_size is the input's, unless the model takes any: then positions are resized from its grid to the input's.
static llvm::Error applyImageSize(ModelConfig &config, const Json &arguments) {
  auto size = arguments.find("img_size");
  if (size == arguments.end() || size->is_null())
    return llvm::Error::success();
  ModelConfig constructed = config;
  if (llvm::Error error = setConfigField(constructed, "img_size", *size))
    return error;
  auto is = [&](llvm::StringRef name, bool value) {
    auto argument = arguments.find(name.str());
    return argument != arguments.end() && *argument == value;
  };
  if (!is("dynamic_img_size", true) && !is("strict_img_size", false)) {
    config = constructed;
  } else if (config.position == Position::Learned && !config.positionGridHeight &&
             (constructed.gridHeight() != config.gridHeight() || constructed.gridWidth() != config.gridWidth())) {
    config.positionGridHeight = constructed.gridHeight();
    config.positionGridWidth = constructed.gridWidth();
  }
  return llvm::Error::success();
}

llvm::Expected<ModelConfig> vitc::parseTimmHubConfig(const Json &file, llvm::StringRef where, std::vector<std::string> &warnings) {
  const Json &name = file["architecture"];
  if (!name.is_string())
    return sentence(fmt::format("{}: architecture is {}, expected a name of timm", where.str(), name.dump()));
  llvm::Expected<ModelConfig> architecture = findPreset(name.get<std::string>());
  if (!architecture)
    return sentence(where + ": architecture: " + llvm::toString(architecture.takeError()));
  bool isLegacy = !file.contains("pretrained_cfg");
  Json cfg = isLegacy ? file : file["pretrained_cfg"];
  if (!cfg.is_object())
    return sentence(fmt::format("{}: pretrained_cfg is {}, expected an object", where.str(), cfg.type_name()));
  if (file.contains("num_classes"))
    cfg["num_classes"] = file["num_classes"];
  Json arguments = isLegacy ? Json::object() : file.value("model_args", Json::object());
  if (arguments.is_null())
    arguments = Json::object();

  ModelConfig config = *architecture;
  config.numClasses = 1000;
  if (llvm::Error error = applyPretrainedCfg(config, cfg, where))
    return std::move(error);
  if (llvm::Error error = applyTimmArguments(config, arguments, (where + ": model_args").str()))
    return std::move(error);
  if (llvm::Error error = applyImageSize(config, arguments))
    return sentence(where + ": model_args: " + llvm::toString(std::move(error)));
  for (llvm::StringRef key : {"label_names", "labels"})
    for (const Json *object : {&file, static_cast<const Json *>(&cfg)})
      if (auto names = object->find(key.str()); names != object->end() && names->is_array() && config.labels.empty())
        if (llvm::Error error = readLabels(config, *names, where, warnings))
          return std::move(error);
  return config;
}
