//===- ConfigJson.cpp - a config as JSON, and changes to it on the command line --------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/model/ConfigJson.h"

#include "compiler/model/Presets.h"

#include "fmt/format.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"

using namespace vitc;

/// Objects and lists inside each other. A Json is copied and printed recursively, so text from outside must not choose how deep; a config
/// needs three levels.
static constexpr int64_t deepestNesting = 64;

static bool isNestedTooDeeply(llvm::StringRef text) {
  int64_t depth = 0;
  bool inString = false;
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '"')
      inString = !inString;
    else if (inString && c == '\\')
      ++i; // a quote after it does not end the string
    else if (!inString && (c == '[' || c == '{') && ++depth > deepestNesting)
      return true;
    else if (!inString && (c == ']' || c == '}'))
      --depth;
  }
  return false;
}

static llvm::Error nestingError(const llvm::Twine &where) {
  return sentence(where + " nests lists or objects deeper than " + llvm::Twine(deepestNesting) + " levels, expected at most that many");
}

llvm::Expected<Json> vitc::parseJson(llvm::StringRef text, llvm::StringRef where) {
  if (isNestedTooDeeply(text))
    return nestingError(where);
  try {
    return Json::parse(text.begin(), text.end());
  } catch (const Json::exception &error) {
    llvm::StringRef message = error.what();
    return sentence(fmt::format("{} is not valid JSON: {}", where.str(), message.split("] ").second.str()));
  }
}

static constexpr llvm::StringRef baseKey = "base";

/// The model that a file changes.
static llvm::Expected<ModelConfig> baseOf(const Json &file, llvm::StringRef where) {
  if (!file.contains(baseKey.str()))
    return ModelConfig();
  const Json &base = file[baseKey.str()];
  if (!base.is_string())
    return sentence(fmt::format("{}: base is {}, expected the name of a preset", where.str(), base.dump()));
  return findPreset(base.get<std::string>());
}

llvm::Error vitc::applyFields(ModelConfig &config, const Json &object, llvm::StringRef where) {
  std::vector<std::pair<const ConfigField *, std::string>> keys;
  for (auto &[key, value] : object.items())
    keys.emplace_back(findConfigField(key), key);
  // In the table's order, because some fields depend on others; unknown keys (null) come first.
  llvm::sort(keys);
  llvm::Error errors = llvm::Error::success();
  auto refuse = [&](const llvm::Twine &text) { errors = llvm::joinErrors(std::move(errors), sentence(where + ": " + text)); };
  for (size_t i = 0; i < keys.size(); ++i) {
    auto &[field, key] = keys[i];
    if (field && i > 0 && keys[i - 1].first == field)
      refuse(keys[i - 1].second + " and " + key + " are names of the same key");
    else if (llvm::Error error = setConfigField(config, key, object[key]))
      refuse(llvm::toString(std::move(error)));
  }
  return errors;
}

llvm::Expected<ModelConfig> vitc::parseConfig(llvm::StringRef text, llvm::StringRef where) {
  llvm::Expected<Json> file = parseJson(text, where);
  if (!file)
    return file.takeError();
  if (!file->is_object())
    return sentence(fmt::format("{} holds {}, expected an object of config keys", where.str(), file->type_name()));
  llvm::Expected<ModelConfig> config = baseOf(*file, where);
  if (!config)
    return config.takeError();
  file->erase(baseKey.str());
  if (llvm::Error errors = applyFields(*config, *file, where))
    return std::move(errors);
  return config;
}

llvm::Error vitc::applyOverride(ModelConfig &config, llvm::StringRef assignment) {
  if (!assignment.contains('='))
    return sentence("--set " + assignment + " has no value, expected KEY=VALUE");
  auto [key, text] = assignment.split('=');
  if (isNestedTooDeeply(text))
    return nestingError("--set " + key.trim() + ": the value");
  Json value = Json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  if (value.is_discarded())
    value = text.str();
  if (llvm::Error error = setConfigField(config, key.trim(), value))
    return sentence("--set " + assignment + ": " + llvm::toString(std::move(error)));
  return llvm::Error::success();
}

std::string vitc::printConfig(const ModelConfig &config) {
  // One key a line, lists on one line: short enough to read and to compare with diff.
  std::vector<std::string> lines;
  for (const ConfigField &field : configFields())
    if (field.write)
      lines.push_back(fmt::format("  \"{}\": {}", field.key.str(), field.write(config).dump()));
  return "{\n" + llvm::join(lines, ",\n") + "\n}\n";
}

//===--------------------------------------------------------------------------------------===//
// Documentation
//===--------------------------------------------------------------------------------------===//

std::string vitc::configReference() {
  ModelConfig defaults;
  std::string out = "| key | also | value | default | meaning |\n|---|---|---|---|---|\n";
  for (const ConfigField &field : configFields()) {
    std::vector<std::string> aliases;
    for (llvm::StringRef alias : field.aliases)
      aliases.push_back("`" + alias.str() + "`");
    std::string written = field.write ? "`" + field.write(defaults).dump() + "`" : "";
    out += fmt::format("| `{}` | {} | {} | {} | {} |\n", field.key.str(), llvm::join(aliases, ", "), field.expectation, written,
                       field.description.str());
  }
  return out;
}

std::string vitc::configSchema() {
  Json properties = {{baseKey.str(), {{"description", "the preset that the other keys change"}, {"type", "string"}}}};
  for (const ConfigField &field : configFields()) {
    Json property = {{"description", field.description.str()}};
    property.update(field.schema);
    properties[field.key.str()] = property;
    for (llvm::StringRef alias : field.aliases)
      properties[alias.str()] = {{"description", "same as " + field.key.str()}, {"$ref", "#/properties/" + field.key.str()}};
  }
  Json schema = {{"$schema", "https://json-schema.org/draft/2020-12/schema"},
                 {"title", "vitc model config"},
                 {"type", "object"},
                 {"additionalProperties", false},
                 {"properties", properties}};
  return schema.dump(2) + "\n";
}
