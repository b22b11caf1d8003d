//===- Presets.h - models that are known by name ----------------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_COMPILER_MODEL_PRESETS_H
#define VITC_COMPILER_MODEL_PRESETS_H

#include "compiler/model/ModelConfig.h"

#include "llvm/ADT/StringRef.h"

namespace vitc {

/// The 78 `vit*` names of timm 0.6.13, with the class count and preprocessing of each name's first tag (its default_cfg).
std::vector<ModelConfig> timmPresets();

/// The reference systems and the models of Google's own code (vit_jax/configs/models.py).
std::vector<ModelConfig> referencePresets();

/// All of them by name: these, and the models of presets/*.json (PresetFiles.h). Where a name of 0.6.13 has a file too, the untagged name
/// keeps 0.6.13's class count and preprocessing.
const std::vector<ModelConfig> &presets();

/// By a name of `presets()`, by NAME.TAG of a preset file, or by timm's present name of a model of 0.6.13. An unknown name's error tells the
/// nearest ones.
llvm::Expected<ModelConfig> findPreset(llvm::StringRef name);

/// Names that contain `filter` or, if it holds one of `*?[`, match it as a glob pattern; sorted. If the filter has a dot: names with a tag.
std::vector<std::string> listPresets(llvm::StringRef filter = "");

} // namespace vitc

#endif // VITC_COMPILER_MODEL_PRESETS_H
