//===- HuggingFace.h - transformers' config files ---------------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_COMPILER_MODEL_HUGGINGFACE_H
#define VITC_COMPILER_MODEL_HUGGINGFACE_H

#include "compiler/model/ModelConfig.h"

#include "llvm/ADT/StringRef.h"

namespace vitc {

/// A transformers config.json. A missing field has its class's default, as transformers writes only what differs; unknown fields are
/// ignored. `where` begins an error's sentence. Not yet validated.
llvm::Expected<ModelConfig> parseHuggingFaceConfig(llvm::StringRef text, llvm::StringRef where);

/// For a config whose image size was changed: the positions of its weight file stay those of the grid that it had, and are resized. Nothing
/// where the grid is the same, where there is no table of positions, or where `position_grid` has been said.
void keepPositionGrid(ModelConfig &config, int64_t gridHeight, int64_t gridWidth);

/// A preprocessor_config.json, or a processor_config.json with an `image_processor`, over the config's preprocessing. The image size of a
/// model that takes pictures of any size becomes that of the processor's pictures.
llvm::Error applyHuggingFacePreprocessor(ModelConfig &config, llvm::StringRef text, llvm::StringRef where);

} // namespace vitc

#endif // VITC_COMPILER_MODEL_HUGGINGFACE_H
