//===- ResolveModel.cpp - from the command line's MODEL to a config --------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/model/ResolveModel.h"

#include "compiler/model/ConfigJson.h"
#include "compiler/model/HuggingFace.h"
#include "compiler/model/OpenClip.h"
#include "compiler/model/Presets.h"
#include "compiler/model/TimmHub.h"

#include "fmt/format.h"
#include "llvm/ADT/STLExtras.h"
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

/// The first of these files that the folder has; empty if there is none.
static std::string firstIn(llvm::StringRef folder, llvm::ArrayRef<llvm::StringRef> files) {
  for (llvm::StringRef file : files)
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

static std::string nameOfFolder(llvm::StringRef folder) {
  llvm::SmallString<256> absolute(folder);
  llvm::sys::fs::make_absolute(absolute);
  llvm::sys::path::remove_dots(absolute, /*remove_dot_dot=*/true);
  return llvm::sys::path::filename(absolute).str();
}

/// Whose a config file is.
enum class FileKind { Vitc, HuggingFace, Timm, OpenClip };

static FileKind kindOf(const Json &file) {
  return isTimmHubConfig(file)                             ? FileKind::Timm
         : isOpenClipConfig(file)                          ? FileKind::OpenClip
         : file.is_object() && file.contains("model_type") ? FileKind::HuggingFace
                                                           : FileKind::Vitc;
}

static llvm::Expected<ModelConfig> parseAnyConfig(FileKind kind, const Json &file, llvm::StringRef text, llvm::StringRef where,
                                                  std::vector<std::string> &warnings) {
  switch (kind) {
  case FileKind::Timm:
    return parseTimmHubConfig(file, where, warnings);
  case FileKind::OpenClip:
    return parseOpenClipConfig(file, where);
  case FileKind::HuggingFace:
    return parseHuggingFaceConfig(text, where);
  case FileKind::Vitc:
    return parseConfig(text, where);
  }
  return sentence(where + " is of no known kind");
}

/// Weight files in each library's order of preference.
static llvm::ArrayRef<llvm::StringRef> weightFiles(FileKind kind) {
  static constexpr llvm::StringRef openClip[] = {"open_clip_model.safetensors", "open_clip_pytorch_model.bin", "model.safetensors"};
  static constexpr llvm::StringRef others[] = {"model.safetensors", "model.safetensors.index.json", "pytorch_model.bin",
                                               "pytorch_model.bin.index.json"};
  return kind == FileKind::OpenClip ? llvm::ArrayRef(openClip) : llvm::ArrayRef(others);
}

static llvm::Expected<LoadedModel> loadFolder(llvm::StringRef folder, bool ownPreprocessor) {
  // OpenCLIP's file may lie beside another library's, whose weights then have the better known names.
  std::string path = firstIn(folder, {"config.json", "open_clip_config.json"});
  if (path.empty())
    return sentence("the folder " + folder +
                    " is no model: it has neither a config.json (transformers, timm) nor an open_clip_config.json (OpenCLIP)");
  llvm::Expected<std::string> text = readText(path);
  if (!text)
    return text.takeError();
  llvm::Expected<Json> file = parseJson(*text, path);
  if (!file)
    return file.takeError();
  FileKind kind = kindOf(*file);
  if (kind == FileKind::Vitc)
    return sentence(path + " has neither model_type (transformers), architecture (timm) nor model_cfg (OpenCLIP)");
  LoadedModel loaded;
  llvm::Expected<ModelConfig> config = parseAnyConfig(kind, *file, *text, path, loaded.warnings);
  if (!config)
    return config.takeError();
  loaded.config = std::move(*config);
  loaded.isOfFile = true;
  loaded.config.name = nameOfFolder(folder);
  loaded.weightsPath = firstIn(folder, weightFiles(kind));
  // transformers 5 keeps what belongs to a processor of pictures and texts in one file.
  std::string preprocessor = firstIn(folder, {"preprocessor_config.json", "processor_config.json"});
  if (kind == FileKind::HuggingFace && ownPreprocessor && !preprocessor.empty())
    if (llvm::Error error = readPreprocessor(loaded.config, preprocessor))
      return std::move(error);
  return loaded;
}

static llvm::Expected<LoadedModel> loadFile(llvm::StringRef path) {
  llvm::Expected<std::string> text = readText(path);
  if (!text)
    return text.takeError();
  llvm::Expected<Json> file = parseJson(*text, path);
  if (!file)
    return file.takeError();
  LoadedModel loaded;
  FileKind kind = kindOf(*file);
  llvm::Expected<ModelConfig> config = parseAnyConfig(kind, *file, *text, path, loaded.warnings);
  if (!config)
    return config.takeError();
  loaded.config = std::move(*config);
  loaded.isOfFile = kind != FileKind::Vitc;
  if (kind != FileKind::Vitc || !file->contains("name"))
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

/// What overrides of one thing mean for others that a folder's files gave in numbers. `before` is the config without them.
static void followOverrides(const ModelConfig &before, LoadedModel &loaded) {
  ModelConfig &config = loaded.config;
  if (config.numClasses != before.numClasses && !config.labels.empty() && config.labels == before.labels) {
    loaded.warnings.push_back(
        fmt::format("the {} labels are dropped, because num_classes is now {}", before.labels.size(), config.numClasses));
    config.labels.clear();
  }
  // A resize in pixels, such as transformers' 256 before a crop of 224, keeps its proportion to the network's size.
  Preprocess &preprocess = config.preprocess;
  if (preprocess.resizeHeight && preprocess.resizeHeight == before.preprocess.resizeHeight)
    preprocess.resizeHeight = preprocess.resizeHeight * config.imageHeight / before.imageHeight;
  if (preprocess.resizeWidth && preprocess.resizeWidth == before.preprocess.resizeWidth)
    preprocess.resizeWidth = preprocess.resizeWidth * config.imageWidth / before.imageWidth;
}

llvm::Expected<LoadedModel> vitc::resolveModel(llvm::StringRef model, llvm::ArrayRef<std::string> overrides, llvm::StringRef preprocessor) {
  llvm::Expected<LoadedModel> loaded = load(model, preprocessor.empty());
  if (!loaded)
    return loaded.takeError();
  if (!preprocessor.empty())
    if (llvm::Error error = readPreprocessor(loaded->config, preprocessor))
      return std::move(error);
  ModelConfig &config = loaded->config;
  int64_t gridHeight = config.gridHeight(), gridWidth = config.gridWidth();
  ModelConfig before = config;
  for (const std::string &assignment : overrides)
    if (llvm::Error error = applyOverride(config, assignment))
      return std::move(error);
  followOverrides(before, *loaded);
  if (loaded->isOfFile)
    keepPositionGrid(config, gridHeight, gridWidth);
  if (llvm::Error error = validate(loaded->config))
    return sentence(model + ": " + llvm::toString(std::move(error)));
  llvm::append_range(loaded->warnings, configWarnings(loaded->config));
  return loaded;
}
