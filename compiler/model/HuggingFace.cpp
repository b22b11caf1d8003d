//===- HuggingFace.cpp - transformers' config.json --------------------------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//
//
// HuggingFaceModels.h says what transformers' types and classes are.
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/model/HuggingFace.h"

#include "compiler/model/ConfigJson.h"
#include "compiler/model/HuggingFaceModels.h"

#include "fmt/format.h"
#include "llvm/ADT/StringExtras.h"

using namespace vitc;
using namespace vitc::huggingface;

//===--------------------------------------------------------------------------------------===//
// Fields
//===--------------------------------------------------------------------------------------===//

/// transformers' names of activations that vitc calls otherwise (transformers/activations.py, ACT2FN).
static Json activationOf(const Json &value) {
  static const std::pair<const char *, const char *> names[] = {{"gelu_python", "gelu"},
                                                                {"gelu_fast", "gelu_tanh"},
                                                                {"gelu_accurate", "gelu_tanh"},
                                                                {"gelu_python_tanh", "gelu_tanh"},
                                                                {"linear", "identity"}};
  for (auto [theirs, ours] : names)
    if (value == theirs)
      return ours;
  return value;
}

/// Those of every type and those of this one; what a type does not know is not in its files or is ignored by it.
static llvm::Error readFields(ModelConfig &config, const Json &file, llvm::ArrayRef<llvm::StringRef> ofType) {
  llvm::SmallVector<llvm::StringRef> keys = {"image_size",        "patch_size",          "num_channels", "hidden_size",
                                             "num_hidden_layers", "num_attention_heads", "hidden_act",   "layer_norm_eps"};
  llvm::append_range(keys, ofType);
  llvm::Error errors = llvm::Error::success();
  for (llvm::StringRef key : keys) {
    auto value = file.find(key.str());
    if (value == file.end() || value->is_null())
      continue;
    bool isActivation = key == "hidden_act" || key == "pooler_act";
    errors = llvm::joinErrors(std::move(errors), setConfigField(config, key, isActivation ? activationOf(*value) : *value));
  }
  return errors;
}

/// The class that wrote the file, or whose the other fields seem to be.
static llvm::Expected<const ModelClass *> classOf(const Json &file, const ModelType &type) {
  auto named = file.find("architectures");
  if (named == file.end() || !named->is_array() || named->empty()) {
    bool labels = file.contains("id2label") || file.contains("num_labels");
    const auto *found = llvm::find_if(type.classes, [&](const ModelClass &entry) { return (entry.answer == Answer::Logits) == labels; });
    return found == type.classes.end() ? type.classes.begin() : found;
  }
  std::vector<std::string> known;
  for (const ModelClass &entry : type.classes) {
    if ((*named)[0] == entry.name.str())
      return &entry;
    known.push_back(entry.name.str());
  }
  return sentence(fmt::format("architectures is {}, expected one of {}", named->dump(), llvm::join(known, ", ")));
}

//===--------------------------------------------------------------------------------------===//
// What follows the encoder
//===--------------------------------------------------------------------------------------===//

static llvm::Expected<int64_t> positive(const Json &file, llvm::StringRef key, int64_t otherwise) {
  auto value = file.find(key.str());
  if (value == file.end() || value->is_null())
    return otherwise;
  if (!value->is_number_integer() || value->get<int64_t>() < 1 || value->get<int64_t>() > 1 << 20)
    return sentence(fmt::format("{} is {}, expected an integer from 1 to {}", key.str(), value->dump(), 1 << 20));
  return value->get<int64_t>();
}

/// Class count and names: `id2label` maps "0", "1", ... to names; without it `num_labels` counts, and transformers' default is 2.
static llvm::Error readLabels(ModelConfig &config, const Json &file) {
  auto names = file.find("id2label");
  if (names == file.end() || names->is_null()) {
    llvm::Expected<int64_t> count = positive(file, "num_labels", 2);
    if (!count)
      return count.takeError();
    config.numClasses = *count;
    return llvm::Error::success();
  }
  if (!names->is_object() || names->empty())
    return sentence("id2label is " + names->dump() + ", expected an object of class numbers and names");
  config.numClasses = static_cast<int64_t>(names->size());
  config.labels.assign(names->size(), "");
  for (auto &[number, name] : names->items()) {
    size_t index = 0;
    if (llvm::StringRef(number).getAsInteger(10, index) || index >= config.labels.size() || !name.is_string())
      return sentence(fmt::format("id2label has \"{}\": {}, expected a number below {} and a name", number, name.dump(), names->size()));
    config.labels[index] = name.get<std::string>();
  }
  return llvm::Error::success();
}

/// `owner` is the object that `projection_dim` is in.
static llvm::Error readHead(ModelConfig &config, const Json &file, const Json &owner, Answer answer, int64_t projectionDefault) {
  config.numClasses = 0;
  switch (answer) {
  case Answer::Logits:
  case Answer::LogitsOfTwo:
    config.headDistillation = answer == Answer::LogitsOfTwo;
    return readLabels(config, file);
  case Answer::Projection: {
    llvm::Expected<int64_t> width = positive(owner, "projection_dim", projectionDefault);
    if (!width)
      return width.takeError();
    config.numClasses = *width;
    config.headBias = false;
    return llvm::Error::success();
  }
  case Answer::Pooler: {
    llvm::Expected<int64_t> width = positive(file, "pooler_output_size", config.embedDim);
    if (!width)
      return width.takeError();
    config.headHidden = *width;
    return llvm::Error::success();
  }
  case Answer::Feature:
    return llvm::Error::success();
  case Answer::Tokens:
    config.pool = Pool::None;
    return llvm::Error::success();
  }
  return llvm::Error::success();
}

void vitc::keepPositionGrid(ModelConfig &config, int64_t gridHeight, int64_t gridWidth) {
  bool hasTable = config.position == Position::Learned || config.position == Position::Factorized ||
                  config.relativePosition == RelativePosition::Table || config.relativePosition == RelativePosition::SharedTable;
  if (!hasTable || config.positionGridHeight || (config.gridHeight() == gridHeight && config.gridWidth() == gridWidth))
    return;
  config.positionGridHeight = gridHeight;
  config.positionGridWidth = gridWidth;
}

//===--------------------------------------------------------------------------------------===//
// A file
//===--------------------------------------------------------------------------------------===//

/// The object with the vision tower's fields: in a file of both towers one of its own. Old CLIP files have two, of which `vision_config_dict`
/// counts (CLIPConfig.__post_init__).
static llvm::Expected<Json> towerOf(const Json &file, const ModelType &type) {
  if (!type.hasTwoTowers)
    return file;
  bool isClip = type.family == Family::HuggingFaceClip;
  for (const char *key : {"vision_config_dict", "vision_config"})
    if (auto value = file.find(key); value != file.end() && !value->is_null() && (isClip || key == llvm::StringRef("vision_config"))) {
      if (!value->is_object())
        return sentence(fmt::format("{} is {}, expected an object", key, value->dump()));
      return *value;
    }
  return Json::object();
}

static llvm::Expected<ModelConfig> readModel(const Json &file, const ModelType &type) {
  ModelConfig config;
  config.family = type.family;
  type.setDefaults(config);
  llvm::Expected<Json> tower = towerOf(file, type);
  if (!tower)
    return tower.takeError();
  if (llvm::Error error = readFields(config, *tower, type.keys))
    return std::move(error);
  config.embeddingDropout = config.dropout;
  llvm::Expected<const ModelClass *> modelClass = classOf(file, type);
  if (!modelClass)
    return modelClass.takeError();
  Answer answer = (*modelClass)->answer;
  config.pool = (*modelClass)->pool;
  config.weightPrefix = (*modelClass)->prefix;
  if (llvm::Error error = type.readSpecials(config, answer, *tower))
    return std::move(error);
  // A class of both towers has a width of its own, CLIPVisionModelWithProjection that of its tower.
  bool ofTower = (*modelClass)->name.ends_with("WithProjection");
  int64_t projectionDefault = type.name == "altclip" ? 768 : 512;
  if (llvm::Error error = readHead(config, file, ofTower ? *tower : file, answer, projectionDefault))
    return std::move(error);
  return config;
}

llvm::Expected<ModelConfig> vitc::parseHuggingFaceConfig(llvm::StringRef text, llvm::StringRef where) {
  llvm::Expected<Json> file = parseJson(text, where);
  if (!file)
    return file.takeError();
  auto name = file->is_object() ? file->find("model_type") : file->end();
  if (name == file->end() || !name->is_string())
    return sentence(where + " has no model_type, which a transformers config needs");
  auto prefixed = [&](llvm::Error error) {
    llvm::Error all = llvm::Error::success();
    llvm::handleAllErrors(std::move(error), [&](const llvm::ErrorInfoBase &one) {
      all = llvm::joinErrors(std::move(all), sentence(where + ": " + one.message()));
    });
    return all;
  };
  llvm::Expected<const ModelType *> type = findModelType(name->get<std::string>());
  if (!type)
    return prefixed(type.takeError());
  llvm::Expected<ModelConfig> config = readModel(*file, **type);
  if (!config)
    return prefixed(config.takeError());
  // Until a preprocessor_config.json says otherwise: the defaults of the class's image processor.
  if (llvm::Error error = applyHuggingFacePreprocessor(*config, "{}", where))
    return std::move(error);
  return config;
}
