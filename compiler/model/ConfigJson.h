//===- ConfigJson.h - a config as JSON, and changes to it on the command line ------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_COMPILER_MODEL_CONFIGJSON_H
#define VITC_COMPILER_MODEL_CONFIGJSON_H

#include "compiler/model/ConfigFields.h"

namespace vitc {

/// Parses JSON text that nests at most 64 levels deep; `where` (a file's name) begins the error's sentence.
llvm::Expected<Json> parseJson(llvm::StringRef text, llvm::StringRef where);

/// Sets the fields that an object's keys name. The error lists every key that is unknown, given twice, or has a wrong value.
llvm::Error applyFields(ModelConfig &config, const Json &object, llvm::StringRef where);

/// A config file: an object of config keys. `"base": "PRESET"` starts from a preset, otherwise from the defaults of ModelConfig.
/// Not yet validated.
llvm::Expected<ModelConfig> parseConfig(llvm::StringRef text, llvm::StringRef where);

/// One `--set KEY=VALUE`. The value is JSON; what is no JSON is taken as a string, so that names need no quotes.
llvm::Error applyOverride(ModelConfig &config, llvm::StringRef assignment);

/// Every key with its value; `parseConfig` of the result gives an equal config.
std::string printConfig(const ModelConfig &config);

/// docs/config.md's table of keys and docs/config.schema.json, both made from the table of fields.
std::string configReference();
std::string configSchema();

} // namespace vitc

#endif // VITC_COMPILER_MODEL_CONFIGJSON_H
