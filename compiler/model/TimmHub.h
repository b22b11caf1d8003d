//===- TimmHub.h - timm's config.json -----------------------------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_COMPILER_MODEL_TIMMHUB_H
#define VITC_COMPILER_MODEL_TIMMHUB_H

#include "compiler/model/ConfigFields.h"

namespace vitc {

/// Whether a config.json is timm's: it names an `architecture`.
bool isTimmHubConfig(const Json &file);

/// Reads the config.json that timm writes beside a model's weights (timm/models/_hub.py, `_parse_model_cfg`): `architecture` is a preset;
/// `pretrained_cfg` (in old files the top level itself) gives classes, resolution and preprocessing; `model_args` are arguments of the
/// constructor in place of the architecture's own. Not yet validated.
llvm::Expected<ModelConfig> parseTimmHubConfig(const Json &file, llvm::StringRef where, std::vector<std::string> &warnings);

/// Arguments of a timm constructor in place of those that made `config`, with what timm's classes derive from them: a global_pool moves the
/// final norm, pre_norm takes the patches' bias, a ratio gives the mlp's width. Arguments of training alone are skipped.
llvm::Error applyTimmArguments(ModelConfig &config, const Json &arguments, llvm::StringRef where);

} // namespace vitc

#endif // VITC_COMPILER_MODEL_TIMMHUB_H
