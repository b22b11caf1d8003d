//===- ResolveModel.h - from the command line's MODEL to a config ------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_COMPILER_MODEL_RESOLVEMODEL_H
#define VITC_COMPILER_MODEL_RESOLVEMODEL_H

#include "compiler/model/ModelConfig.h"

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"

namespace vitc {

/// A model as the user named it.
struct LoadedModel {
  ModelConfig config;      ///< validated
  std::string weightsPath; ///< the folder's own weight file; empty for a preset or a config file
  bool isOfFile = false;   ///< the config describes a weight file, as a Hugging Face config does: overrides of its size resize positions
  std::vector<std::string> warnings;
};

/// `model`: a preset's name, a `.json` file (a vitc config, or one of transformers, timm or OpenCLIP) or a folder of one of these libraries.
/// `overrides` are `--set` values, applied in order after `preprocessor`, the path of a preprocessor_config.json (empty: the folder's own, or
/// the model's).
llvm::Expected<LoadedModel> resolveModel(llvm::StringRef model, llvm::ArrayRef<std::string> overrides = {},
                                         llvm::StringRef preprocessor = "");

} // namespace vitc

#endif // VITC_COMPILER_MODEL_RESOLVEMODEL_H
