//===- Presets.cpp - looking up models by name ------------------------------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/model/Presets.h"

#include "compiler/model/Nearest.h"
#include "compiler/model/PresetFiles.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/GlobPattern.h"

using namespace vitc;

namespace {
struct PresetAlias {
  llvm::StringRef alias, name;
};
} // namespace

/// Names since timm 0.8 of models that 0.6.13 calls otherwise; what 0.6.13 has in the name is the tag there: vit_base_patch32_clip_224.laion2b.
static constexpr PresetAlias aliases[] = {
    {"vit_base_patch32_clip_224", "vit_base_patch32_224_clip_laion2b"},
    {"vit_large_patch14_clip_224", "vit_large_patch14_224_clip_laion2b"},
    {"vit_huge_patch14_clip_224", "vit_huge_patch14_224_clip_laion2b"},
    {"vit_giant_patch14_clip_224", "vit_giant_patch14_224_clip_laion2b"},
};

const std::vector<ModelConfig> &vitc::presets() {
  static const std::vector<ModelConfig> all = [] {
    std::vector<ModelConfig> list = timmPresets();
    llvm::append_range(list, referencePresets());
    llvm::StringSet<> taken;
    for (const ModelConfig &config : list)
      taken.insert(config.name);
    for (const PresetAlias &entry : aliases)
      taken.insert(entry.alias);
    for (const FilePreset &preset : filePresets())
      if (taken.insert(preset.config.name).second)
        list.push_back(preset.config);
    return list;
  }();
  return all;
}

/// Of `name`, which has a dot.
static llvm::Expected<ModelConfig> findTag(llvm::StringRef name) {
  std::vector<llvm::StringRef> names;
  for (const FilePreset &preset : filePresets()) {
    if (preset.config.name != name.split('.').first)
      continue;
    for (const ModelConfig &tag : preset.tags) {
      if (tag.name == name)
        return tag;
      names.push_back(tag.name);
    }
    if (names.empty())
      return sentence("there is no model '" + name + "': " + preset.config.name + " has no tags");
    return sentence("there is no model '" + name + "'; the nearest tags are " + llvm::join(nearest(name, names, 3), ", "));
  }
  for (const FilePreset &preset : filePresets())
    for (const ModelConfig &tag : preset.tags)
      names.push_back(tag.name);
  return sentence("there is no model '" + name + "'; the nearest names are " + llvm::join(nearest(name, names, 3), ", "));
}

llvm::Expected<ModelConfig> vitc::findPreset(llvm::StringRef name) {
  if (name.contains('.'))
    return findTag(name);
  std::vector<llvm::StringRef> names;
  const PresetAlias *alias = llvm::find_if(aliases, [&](const PresetAlias &entry) { return entry.alias == name; });
  for (const ModelConfig &config : presets()) {
    if (config.name == (alias == std::end(aliases) ? name : alias->name))
      return config;
    names.push_back(config.name);
  }
  for (const PresetAlias &entry : aliases)
    names.push_back(entry.alias);
  return sentence("there is no model '" + name + "'; the nearest names are " + llvm::join(nearest(name, names, 3), ", "));
}

std::vector<std::string> vitc::listPresets(llvm::StringRef filter) {
  std::vector<std::string> names;
  bool isPattern = filter.find_first_of("*?[") != llvm::StringRef::npos;
  llvm::Expected<llvm::GlobPattern> pattern = llvm::GlobPattern::create(isPattern ? filter : "*");
  if (!pattern) { // an unclosed bracket is in no name
    llvm::consumeError(pattern.takeError());
    return names;
  }
  auto list = [&](llvm::StringRef name) {
    if (isPattern ? pattern->match(name) : name.contains(filter))
      names.push_back(name.str());
  };
  if (filter.contains('.')) {
    for (const FilePreset &preset : filePresets())
      for (const ModelConfig &tag : preset.tags)
        list(tag.name);
  } else {
    for (const ModelConfig &config : presets())
      list(config.name);
    for (const PresetAlias &entry : aliases)
      list(entry.alias);
  }
  // patch8 before patch16
  llvm::sort(names, [](llvm::StringRef a, llvm::StringRef b) { return a.compare_numeric(b) < 0; });
  return names;
}
