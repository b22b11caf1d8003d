//===- HuggingFace.cpp - transformers' config.json --------------------------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//
//
// Source of defaults and rules: transformers/models/{vit,deit,dinov2,dinov2_with_registers,clip}/{configuration,modeling}_*.py.
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/model/HuggingFace.h"

#include "compiler/model/ConfigJson.h"

#include "fmt/format.h"
#include "llvm/ADT/StringExtras.h"

using namespace vitc;

namespace {
/// What a model class adds to the encoder.
enum class Task { Classifier, ClassifierWithTeacher, Features, Projection };

struct Architecture {
  llvm::StringRef name;
  Task task;
};
} // namespace

static llvm::ArrayRef<Architecture> architecturesOf(Family family) {
  static const Architecture vit[] = {{"ViTForImageClassification", Task::Classifier}, {"ViTModel", Task::Features}};
  static const Architecture deit[] = {{"DeiTForImageClassification", Task::Classifier},
                                      {"DeiTForImageClassificationWithTeacher", Task::ClassifierWithTeacher},
                                      {"DeiTModel", Task::Features}};
  static const Architecture dinov2[] = {{"Dinov2ForImageClassification", Task::Classifier},
                                        {"Dinov2WithRegistersForImageClassification", Task::Classifier},
                                        {"Dinov2Model", Task::Features},
                                        {"Dinov2WithRegistersModel", Task::Features}};
  static const Architecture clip[] = {
      {"CLIPVisionModelWithProjection", Task::Projection}, {"CLIPModel", Task::Projection}, {"CLIPVisionModel", Task::Features}};
  switch (family) {
  case Family::HuggingFaceDeit:
    return deit;
  case Family::HuggingFaceDinov2:
    return dinov2;
  case Family::HuggingFaceClip:
    return clip;
  default:
    return vit;
  }
}

/// A file without `architectures` was written for the class that its other fields speak of.
static llvm::Expected<Task> taskOf(const Json &file, Family family) {
  if (!file.contains("architectures") || !file["architectures"].is_array() || file["architectures"].empty()) {
    if (file.value("model_type", "") == "clip")
      return Task::Projection;
    return file.contains("id2label") || file.contains("num_labels") ? Task::Classifier : Task::Features;
  }
  const Json &name = file["architectures"][0];
  std::vector<std::string> known;
  for (const Architecture &architecture : architecturesOf(family)) {
    if (name == architecture.name.str())
      return architecture.task;
    known.push_back(architecture.name.str());
  }
  return sentence(fmt::format("architectures is {}, expected one of {}", name.dump(), llvm::join(known, ", ")));
}

//===--------------------------------------------------------------------------------------===//
// Classes' defaults
//===--------------------------------------------------------------------------------------===//

static ModelConfig defaultsOf(Family family, bool registers) {
  ModelConfig config;
  config.family = family;
  config.mlpDim = 3072;
  config.normEps = 1e-12;
  switch (family) {
  case Family::HuggingFaceDeit:
    config.distillationToken = true;
    break;
  case Family::HuggingFaceDinov2:
    config.patchHeight = config.patchWidth = 14;
    config.mlpDim = 0;
    config.normEps = 1e-6;
    config.layerScale = 1.0;
    if (registers) {
      config.regTokens = 4;
      config.positionOn = PositionOn::ClassAndPatches;
    }
    break;
  case Family::HuggingFaceClip:
    config.patchHeight = config.patchWidth = 32;
    config.patchBias = false;
    config.normPre = true;
    config.normEps = 1e-5;
    config.activation = Activation::QuickGelu;
    config.finalNorm = false; // post_layernorm sees the class token's row alone
    config.fcNorm = true;
    config.headBias = false;
    break;
  default:
    break;
  }
  return config;
}

/// Fields that mean the same in every class. What a class does not know is not in its files or is ignored by it.
static llvm::Error readFields(ModelConfig &config, const Json &file, llvm::StringRef where) {
  llvm::Error errors = llvm::Error::success();
  for (llvm::StringRef key :
       {"image_size", "patch_size", "num_channels", "hidden_size", "num_hidden_layers", "num_attention_heads", "mlp_ratio",
        "intermediate_size", "hidden_act", "layer_norm_eps", "qkv_bias", "hidden_dropout_prob", "attention_probs_dropout_prob",
        "attention_dropout", "drop_path_rate", "layerscale_value", "num_register_tokens", "use_swiglu_ffn", "pooler_act"}) {
    auto value = file.find(key.str());
    if (value == file.end() || value->is_null())
      continue;
    if (llvm::Error error = setConfigField(config, key, *value))
      errors = llvm::joinErrors(std::move(errors), sentence(where + ": " + llvm::toString(std::move(error))));
  }
  return errors;
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

static llvm::Error readHead(ModelConfig &config, const Json &file, Task task) {
  config.numClasses = 0;
  switch (task) {
  case Task::Classifier:
  case Task::ClassifierWithTeacher:
    config.headDistillation = task == Task::ClassifierWithTeacher;
    if (config.family == Family::HuggingFaceDinov2)
      config.pool = Pool::TokenAvg;
    return readLabels(config, file);
  case Task::Projection: {
    llvm::Expected<int64_t> width = positive(file, "projection_dim", 512);
    if (!width)
      return width.takeError();
    config.numClasses = *width;
    return llvm::Error::success();
  }
  case Task::Features:
    // ViTModel and DeiTModel answer with a pooler's row; Dinov2Model and CLIPVisionModel with the normalized class token.
    if (config.family == Family::HuggingFaceVit || config.family == Family::HuggingFaceDeit) {
      llvm::Expected<int64_t> width = positive(file, "pooler_output_size", config.embedDim);
      if (!width)
        return width.takeError();
      config.headHidden = *width;
    }
    return llvm::Error::success();
  }
  return llvm::Error::success();
}

llvm::Expected<ModelConfig> vitc::parseHuggingFaceConfig(llvm::StringRef text, llvm::StringRef where) {
  llvm::Expected<Json> file = parseJson(text, where);
  if (!file)
    return file.takeError();
  if (!file->is_object() || !file->contains("model_type") || !(*file)["model_type"].is_string())
    return sentence(where + " has no model_type, which a transformers config needs");
  std::string type = (*file)["model_type"].get<std::string>();
  static const std::pair<llvm::StringRef, Family> types[] = {{"vit", Family::HuggingFaceVit},
                                                             {"deit", Family::HuggingFaceDeit},
                                                             {"dinov2", Family::HuggingFaceDinov2},
                                                             {"dinov2_with_registers", Family::HuggingFaceDinov2},
                                                             {"clip_vision_model", Family::HuggingFaceClip},
                                                             {"clip", Family::HuggingFaceClip}};
  const auto *known = llvm::find_if(types, [&](auto &entry) { return entry.first == type; });
  if (known == std::end(types))
    return sentence(where + ": model_type is '" + type +
                    "', expected one of vit, deit, dinov2, dinov2_with_registers, clip_vision_model, clip");

  ModelConfig config = defaultsOf(known->second, type == "dinov2_with_registers");
  // A file of both CLIP towers keeps the vision tower's fields in an object of their own.
  Json nested = type == "clip" ? file->value("vision_config", Json::object()) : *file;
  if (!nested.is_object())
    return sentence(where + ": vision_config is " + nested.dump() + ", expected an object");
  if (llvm::Error error = readFields(config, nested, where))
    return std::move(error);
  config.embeddingDropout = config.dropout;
  if (config.gatedMlp) { // Dinov2SwiGLUFFN
    config.mlpDim = (config.mlpWidth() * 2 / 3 + 7) / 8 * 8;
    config.activation = Activation::Silu;
  }
  llvm::Expected<Task> task = taskOf(*file, config.family);
  if (!task)
    return sentence(where + ": " + llvm::toString(task.takeError()));
  if (llvm::Error error = readHead(config, *file, *task))
    return sentence(where + ": " + llvm::toString(std::move(error)));
  // Until a preprocessor_config.json says otherwise: the defaults of the class's image processor.
  if (llvm::Error error = applyHuggingFacePreprocessor(config, "{}", where))
    return std::move(error);
  return config;
}
