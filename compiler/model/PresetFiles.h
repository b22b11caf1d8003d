//===- PresetFiles.h - models that are known by a file of presets/ -----------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//
//
//   {"about": "whose models these are",
//    "base": {"family": "timm-beit", "pool": "avg"},                  config keys (docs/config.md) that all models of the file share
//    "models": {
//      "beit_base_patch16_224": {"layer_scale": 0.1, "tags": {        a model's own; what neither says is the compiler's default
//        "in22k_ft_in22k_in1k": {},                                   a tag (a trained file) by what differs from the model: classes,
//        "in22k_ft_in22k": {"num_classes": 21841}}}}}                 resolution, preprocessing
//
// The files are part of the library: nothing is looked up at run time.
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_COMPILER_MODEL_PRESETFILES_H
#define VITC_COMPILER_MODEL_PRESETFILES_H

#include "compiler/model/ModelConfig.h"

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"

namespace vitc {

struct EmbeddedFile {
  llvm::StringRef name; ///< "beit.json"
  llvm::StringRef text;
};

/// The files of compiler/model/presets.
llvm::ArrayRef<EmbeddedFile> embeddedPresets();

/// A model of a file, with its tags in the file's order.
struct FilePreset {
  ModelConfig config;
  std::vector<ModelConfig> tags; ///< each called "NAME.TAG"
};

/// Reads one file; `where` begins the error's sentence. The configs are not validated.
llvm::Expected<std::vector<FilePreset>> parsePresetFile(llvm::StringRef text, llvm::StringRef where);

/// The models of all embedded files, parsed at the first call. A file with an error contributes none.
llvm::ArrayRef<FilePreset> filePresets();

/// What is wrong with the embedded files, a sentence each; a test demands that there is nothing.
llvm::ArrayRef<std::string> presetFileErrors();

} // namespace vitc

#endif // VITC_COMPILER_MODEL_PRESETFILES_H
