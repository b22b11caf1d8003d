//===- PresetFiles.cpp - models that are known by a file of presets/ -------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/model/PresetFiles.h"

#include "compiler/model/ConfigJson.h"

#include "fmt/format.h"
#include "llvm/ADT/STLExtras.h"

using namespace vitc;

/// The object under `key`, or an empty one where the file has none.
static llvm::Expected<Json> objectAt(const Json &parent, llvm::StringRef key, llvm::StringRef where) {
  auto value = parent.find(key.str());
  if (value == parent.end())
    return Json::object();
  if (!value->is_object())
    return sentence(fmt::format("{}: {} is {}, expected an object", where.str(), key.str(), value->type_name()));
  return *value;
}

static llvm::Expected<FilePreset> parseModel(ModelConfig config, llvm::StringRef name, Json keys, llvm::StringRef where) {
  constexpr llvm::StringRef tagsKey = "tags";
  std::string model = fmt::format("{}: {}", where.str(), name.str());
  if (name.empty() || name.contains('.'))
    return sentence(model + ": a model's name has no dot, which begins a tag");
  llvm::Expected<Json> tags = objectAt(keys, tagsKey, model);
  if (!tags)
    return tags.takeError();
  keys.erase(tagsKey.str());
  config.name = name.str();
  if (llvm::Error error = applyFields(config, keys, model))
    return std::move(error);
  FilePreset preset{config, {}};
  for (auto &[tag, changes] : tags->items()) {
    ModelConfig &tagged = preset.tags.emplace_back(config);
    tagged.name = fmt::format("{}.{}", config.name, tag);
    if (!changes.is_object())
      return sentence(fmt::format("{}: tag {} is {}, expected an object", model, tag, changes.type_name()));
    if (llvm::Error error = applyFields(tagged, changes, fmt::format("{}: {}", where.str(), tagged.name)))
      return std::move(error);
  }
  return preset;
}

llvm::Expected<std::vector<FilePreset>> vitc::parsePresetFile(llvm::StringRef text, llvm::StringRef where) {
  llvm::Expected<Json> file = parseJson(text, where);
  if (!file)
    return file.takeError();
  if (!file->is_object())
    return sentence(fmt::format("{} holds {}, expected an object of about, base and models", where.str(), file->type_name()));
  for (auto &[key, value] : file->items())
    if (key != "about" && key != "base" && key != "models")
      return sentence(fmt::format("{} has the key {}, expected about, base and models", where.str(), key));
  llvm::Expected<Json> base = objectAt(*file, "base", where);
  if (!base)
    return base.takeError();
  llvm::Expected<Json> models = objectAt(*file, "models", where);
  if (!models)
    return models.takeError();
  ModelConfig shared;
  if (llvm::Error error = applyFields(shared, *base, fmt::format("{}: base", where.str())))
    return std::move(error);
  std::vector<FilePreset> presets;
  for (auto &[name, keys] : models->items()) {
    if (!keys.is_object())
      return sentence(fmt::format("{}: {} is {}, expected an object of config keys", where.str(), name, keys.type_name()));
    llvm::Expected<FilePreset> preset = parseModel(shared, name, keys, where);
    if (!preset)
      return preset.takeError();
    presets.push_back(std::move(*preset));
  }
  return presets;
}

namespace {
struct AllFiles {
  std::vector<FilePreset> presets;
  std::vector<std::string> errors;

  AllFiles() {
    for (const EmbeddedFile &file : embeddedPresets()) {
      llvm::Expected<std::vector<FilePreset>> parsed = parsePresetFile(file.text, file.name);
      if (parsed)
        llvm::append_range(presets, std::move(*parsed));
      else
        errors.push_back(llvm::toString(parsed.takeError()));
    }
  }
};
} // namespace

static const AllFiles &allFiles() {
  static const AllFiles all;
  return all;
}

llvm::ArrayRef<FilePreset> vitc::filePresets() { return allFiles().presets; }

llvm::ArrayRef<std::string> vitc::presetFileErrors() { return allFiles().errors; }
