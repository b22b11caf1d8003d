//===- TimmHub.cpp - the config.json of timm's models on the hub --------------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//
//
// Source: timm 1.0.31, models/_hub.py (_parse_model_cfg) and models/_builder.py (_update_default_model_kwargs).
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/model/ConfigJson.h"
#include "compiler/model/HuggingFace.h"
#include "compiler/model/Presets.h"

#include "fmt/format.h"

using namespace vitc;

/// The object's field, null where there is none.
static Json fieldOf(const Json &object, const char *key) {
  auto found = object.find(key);
  return found == object.end() ? Json() : Json(*found);
}

/// The preset of a name, or of that name with the file's tag where there are tags.
static llvm::Expected<ModelConfig> presetOf(const std::string &architecture, const Json &tag) {
  if (tag.is_string() && architecture.find('.') == std::string::npos) {
    llvm::Expected<ModelConfig> tagged = findPreset(architecture + "." + tag.get<std::string>());
    if (tagged)
      return tagged;
    llvm::consumeError(tagged.takeError());
  }
  return findPreset(architecture);
}

/// timm's classes move the last norm behind the pool where it is a mean (vision_transformer.py, `use_fc_norm`).
static llvm::Error setPool(ModelConfig &config, const Json &value) {
  Pool before = config.pool;
  if (llvm::Error error = setConfigField(config, "pool", value))
    return error;
  bool wasMean = before == Pool::Avg || before == Pool::AvgAll, isMean = config.pool == Pool::Avg || config.pool == Pool::AvgAll;
  if (wasMean != isMean && (wasMean ? config.fcNorm : config.finalNorm)) {
    config.finalNorm = !isMean;
    config.fcNorm = isMean;
  }
  return llvm::Error::success();
}

static llvm::Error readPretrained(ModelConfig &config, const Json &file) {
  Json size = fieldOf(file, "input_size");
  if (!size.is_null()) {
    if (!size.is_array() || size.size() != 3)
      return sentence("input_size is " + size.dump() + ", expected [channels, height, width]");
    if (llvm::Error error = llvm::joinErrors(setConfigField(config, "in_channels", size[0]),
                                             setConfigField(config, "image_size", Json::array({size[1], size[2]}))))
      return error;
  }
  llvm::Error errors = llvm::Error::success();
  for (const char *key : {"num_classes", "crop_pct", "crop_mode", "interpolation", "mean", "std"})
    if (Json value = fieldOf(file, key); !value.is_null())
      errors = llvm::joinErrors(std::move(errors), setConfigField(config, key, value));
  if (Json pool = fieldOf(file, "global_pool"); !pool.is_null())
    errors = llvm::joinErrors(std::move(errors), setPool(config, pool));
  return errors;
}

/// Arguments of timm's constructor; those without a meaning for a compiled program are passed over.
static llvm::Error readArguments(ModelConfig &config, const Json &arguments) {
  if (!arguments.is_null() && !arguments.is_object())
    return sentence("model_args is " + arguments.dump() + ", expected an object");
  llvm::Error errors = llvm::Error::success();
  for (auto &[key, value] : arguments.items()) {
    if (value.is_null() || key == "dynamic_img_size" || key == "dynamic_img_pad" || key == "strict_img_size")
      continue;
    errors = llvm::joinErrors(std::move(errors), key == "global_pool" ? setPool(config, value) : setConfigField(config, key, value));
  }
  return errors;
}

llvm::Expected<ModelConfig> vitc::parseTimmHubConfig(llvm::StringRef text, llvm::StringRef where) {
  llvm::Expected<Json> file = parseJson(text, where);
  if (!file)
    return file.takeError();
  Json pretrained = fieldOf(*file, "pretrained_cfg");
  if (!pretrained.is_object()) // before timm 0.9 its keys stood beside the architecture
    pretrained = *file;
  llvm::Expected<ModelConfig> config = presetOf(file->at("architecture").get<std::string>(), fieldOf(pretrained, "tag"));
  if (!config)
    return sentence(where + ": architecture: " + llvm::toString(config.takeError()));
  config->labels.clear();
  llvm::Error errors = readPretrained(*config, pretrained);
  if (Json classes = fieldOf(*file, "num_classes"); !classes.is_null())
    errors = llvm::joinErrors(std::move(errors), setConfigField(*config, "num_classes", classes));
  errors = llvm::joinErrors(std::move(errors), readArguments(*config, fieldOf(*file, "model_args")));
  Json names = fieldOf(*file, "label_names").is_null() ? fieldOf(pretrained, "label_names") : fieldOf(*file, "label_names");
  if (names.is_array() && names.size() == static_cast<size_t>(config->numClasses))
    errors = llvm::joinErrors(std::move(errors), setConfigField(*config, "labels", names));
  if (errors)
    return sentence(where + ": " + llvm::toString(std::move(errors)));
  return config;
}
