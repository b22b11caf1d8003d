//===- ResolveModel.cpp - from the command line's MODEL to a config --------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/model/ResolveModel.h"

#include "compiler/model/ConfigJson.h"
#include "compiler/model/HuggingFace.h"
#include "compiler/model/Presets.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"

using namespace vitc;

static llvm::Expected<std::string> readText(llvm::StringRef path) {
  // A directory opens on Linux and then fails to be read without saying so.
  if (llvm::sys::fs::is_directory(path))
    return sentence(path + " is a directory, expected a file");
  llvm::ErrorOr<std::unique_ptr<llvm::MemoryBuffer>> buffer = llvm::MemoryBuffer::getFile(path, /*IsText=*/true);
  if (!buffer)
    return sentence("cannot read " + path + ": " + buffer.getError().message());
  return (*buffer)->getBuffer().str();
}

static std::string inFolder(llvm::StringRef folder, llvm::StringRef file) {
  llvm::SmallString<256> path(folder);
  llvm::sys::path::append(path, file);
  return path.str().str();
}

/// The weight file of a Hugging Face folder, in transformers' order of preference; empty if there is none.
static std::string weightsIn(llvm::StringRef folder) {
  for (llvm::StringRef file : {"model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json"})
    if (std::string path = inFolder(folder, file); llvm::sys::fs::exists(path))
      return path;
  return "";
}

static llvm::Error readPreprocessor(ModelConfig &config, llvm::StringRef path) {
  llvm::Expected<std::string> text = readText(path);
  if (!text)
    return text.takeError();
  return applyHuggingFacePreprocessor(config, *text, path);
}

static llvm::Expected<LoadedModel> loadFolder(llvm::StringRef folder, bool ownPreprocessor) {
  LoadedModel loaded;
  std::string path = inFolder(folder, "config.json");
  llvm::Expected<std::string> text = readText(path);
  if (!text)
    return sentence("the folder " + folder + " is no Hugging Face model: " + llvm::toString(text.takeError()));
  llvm::Expected<ModelConfig> config = parseHuggingFaceConfig(*text, path);
  if (!config)
    return config.takeError();
  loaded.config = std::move(*config);
  llvm::SmallString<256> absolute(folder);
  llvm::sys::fs::make_absolute(absolute);
  llvm::sys::path::remove_dots(absolute, /*remove_dot_dot=*/true);
  loaded.config.name = llvm::sys::path::filename(absolute).str();
  loaded.weightsPath = weightsIn(folder);
  // transformers 5 keeps what belongs to a processor of pictures and texts in one file.
  for (llvm::StringRef file : {"preprocessor_config.json", "processor_config.json"}) {
    std::string preprocessor = inFolder(folder, file);
    if (!ownPreprocessor || !llvm::sys::fs::exists(preprocessor))
      continue;
    if (llvm::Error error = readPreprocessor(loaded.config, preprocessor))
      return std::move(error);
    break;
  }
  return loaded;
}

static llvm::Expected<LoadedModel> loadFile(llvm::StringRef path) {
  llvm::Expected<std::string> text = readText(path);
  if (!text)
    return text.takeError();
  llvm::Expected<Json> file = parseJson(*text, path);
  if (!file)
    return file.takeError();
  bool isHuggingFace = file->is_object() && (file->contains("model_type") || file->contains("architecture"));
  llvm::Expected<ModelConfig> config = isHuggingFace ? parseHuggingFaceConfig(*text, path) : parseConfig(*text, path);
  if (!config)
    return config.takeError();
  LoadedModel loaded;
  loaded.config = std::move(*config);
  if (isHuggingFace || !file->contains("name"))
    loaded.config.name = llvm::sys::path::stem(path).str();
  return loaded;
}

static llvm::Expected<LoadedModel> load(llvm::StringRef model, bool ownPreprocessor) {
  if (llvm::sys::fs::is_directory(model))
    return loadFolder(model, ownPreprocessor);
  if (model.ends_with(".json"))
    return loadFile(model);
  llvm::Expected<ModelConfig> preset = findPreset(model);
  if (!preset)
    return preset.takeError();
  LoadedModel loaded;
  loaded.config = std::move(*preset);
  return loaded;
}

llvm::Expected<LoadedModel> vitc::resolveModel(llvm::StringRef model, llvm::ArrayRef<std::string> overrides, llvm::StringRef preprocessor) {
  llvm::Expected<LoadedModel> loaded = load(model, preprocessor.empty());
  if (!loaded)
    return loaded.takeError();
  if (!preprocessor.empty())
    if (llvm::Error error = readPreprocessor(loaded->config, preprocessor))
      return std::move(error);
  for (const std::string &assignment : overrides)
    if (llvm::Error error = applyOverride(loaded->config, assignment))
      return std::move(error);
  if (llvm::Error error = validate(loaded->config))
    return sentence(model + ": " + llvm::toString(std::move(error)));
  loaded->warnings = configWarnings(loaded->config);
  return loaded;
}
