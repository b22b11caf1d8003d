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

const std::vector<ModelConfig> &vitc::presets() {
  static const std::vector<ModelConfig> all = [] {
    std::vector<ModelConfig> list = timmPresets();
    llvm::append_range(list, referencePresets());
    llvm::StringSet<> taken;
    for (const ModelConfig &config : list)
      taken.insert(config.name);
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
  for (const ModelConfig &config : presets()) {
    if (config.name == name)
      return config;
    names.push_back(config.name);
  }
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
  }
  // patch8 before patch16
  llvm::sort(names, [](llvm::StringRef a, llvm::StringRef b) { return a.compare_numeric(b) < 0; });
  return names;
}
