//===- OpenClip.h - OpenCLIP's open_clip_config.json --------------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_COMPILER_MODEL_OPENCLIP_H
#define VITC_COMPILER_MODEL_OPENCLIP_H

#include "compiler/model/ConfigFields.h"

namespace vitc {

/// Whether a file is OpenCLIP's: it has `model_cfg`, or is one of the library's own model_configs, which hold what is in it.
bool isOpenClipConfig(const Json &file);

/// The image tower of `{"model_cfg": {"embed_dim", "quick_gelu", "vision_cfg"}, "preprocess_cfg"}`: OpenCLIP's own Vision Transformer, or timm's
/// under `timm_model_name`. Its answer is what encode_image returns without normalization: [embed_dim]. Not yet validated.
llvm::Expected<ModelConfig> parseOpenClipConfig(const Json &file, llvm::StringRef where);

} // namespace vitc

#endif // VITC_COMPILER_MODEL_OPENCLIP_H
