//===- ConfigFields.h - the keys of a config, one row each ------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//
//
// One table serves reading and writing JSON, `--set`, spelling suggestions, docs/config.md and docs/config.schema.json.
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_COMPILER_MODEL_CONFIGFIELDS_H
#define VITC_COMPILER_MODEL_CONFIGFIELDS_H

#include "compiler/model/ModelConfig.h"

#include "nlohmann/json.hpp"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"

#include <functional>

namespace vitc {

using Json = nlohmann::ordered_json;

/// A key: how its value is read, written and explained.
struct ConfigField {
  llvm::StringRef key;
  std::vector<llvm::StringRef> aliases; ///< names of the same thing in timm, transformers and the reference systems
  std::string expectation;              ///< "an integer from 1 to 65536"
  llvm::StringRef description;
  Json schema; ///< JSON schema of the value
  /// False, and nothing changed, if the value is not what is expected.
  std::function<bool(ModelConfig &, const Json &)> read;
  /// Empty for a shorthand, which sets other fields and is never written.
  std::function<Json(const ModelConfig &)> write;
};

/// In the order in which a config is printed; fields that depend on others (mlp_dim on mlp_ratio) come after them, shorthands last.
llvm::ArrayRef<ConfigField> configFields();

/// By key or alias; null if there is none.
const ConfigField *findConfigField(llvm::StringRef key);

/// Sets one field. The error names key, value and what was expected, or the nearest key.
llvm::Error setConfigField(ModelConfig &config, llvm::StringRef key, const Json &value);

} // namespace vitc

#endif // VITC_COMPILER_MODEL_CONFIGFIELDS_H
