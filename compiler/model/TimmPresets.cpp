//===- TimmPresets.cpp - the 78 vit* models of timm 0.6.13 ------------------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//
//
// Source: timm/models/vision_transformer.py, vision_transformer_relpos.py and vision_transformer_hybrid.py of version 0.6.13.
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/model/Presets.h"

using namespace vitc;

namespace {

/// What a model has beyond a plain one.
enum Trait : unsigned {
  Plain = 0,
  Clip = 1 << 0, ///< norm before the blocks, patches without bias, eps 1e-5
  NoQkvBias = 1 << 1,
  NoClass = 1 << 2,
  Avg = 1 << 3,      ///< mean of the patches instead of the class token
  FcNorm = 1 << 4,   ///< final norm after pooling
  Scale5 = 1 << 5,   ///< LayerScale, 1e-5
  Scale6 = 1 << 6,   ///< LayerScale, 1e-6
  Parallel = 1 << 7, ///< two attentions, then two mlps, side by side
  PostNorm = 1 << 8,
  RelPos = 1 << 9,        ///< relative positions by a network in each block, no absolute ones
  SharedRelPos = 1 << 10, ///< by one network for all blocks

  RelPosAvg = NoQkvBias | NoClass | Avg | Scale6 | RelPos,
  RelPosClassAvg = NoQkvBias | Avg | FcNorm | Scale6 | RelPos,
  RelPosPost = NoQkvBias | NoClass | Avg | PostNorm | RelPos,
  SharedRelPosAvg = NoQkvBias | NoClass | Avg | Scale6 | SharedRelPos
};

enum class Hybrid { None, Root, R26, R50s16, R50s32, R26D, R50Ds16, R50D };
enum Normalization { Half, ImageNet, OpenAi, Unit }; ///< mean and std: 0.5; ImageNet's; OpenAI CLIP's; 0 and 1

constexpr Interpolation Bicubic = Interpolation::Bicubic, Bilinear = Interpolation::Bilinear;

struct Row {
  const char *name;
  int64_t image, patch, width, depth, heads;
  double mlpRatio;
  int64_t classes;
  unsigned traits;
  int64_t relativePositionHidden;
  double cropPct;
  Interpolation interpolation;
  Normalization normalization;
  Hybrid hybrid = Hybrid::None;
};

} // namespace

// clang-format off
static constexpr Row rows[] = {
    // name, image, patch, width, depth, heads, mlp ratio, classes, traits, width of the position network, crop_pct, filter, mean/std, stem
    {"vit_base_patch8_224", 224, 8, 768, 12, 12, 4, 1000, Plain, 0, 0.9, Bicubic, Half},
    {"vit_base_patch8_224_dino", 224, 8, 768, 12, 12, 4, 0, Plain, 0, 0.9, Bicubic, ImageNet},
    {"vit_base_patch8_224_in21k", 224, 8, 768, 12, 12, 4, 21843, Plain, 0, 0.9, Bicubic, Half},
    {"vit_base_patch16_18x2_224", 224, 16, 768, 18, 12, 4, 1000, Scale5 | Parallel, 0, 0.9, Bicubic, Half},
    {"vit_base_patch16_224", 224, 16, 768, 12, 12, 4, 1000, Plain, 0, 0.9, Bicubic, Half},
    {"vit_base_patch16_224_dino", 224, 16, 768, 12, 12, 4, 0, Plain, 0, 0.9, Bicubic, ImageNet},
    {"vit_base_patch16_224_in21k", 224, 16, 768, 12, 12, 4, 21843, Plain, 0, 0.9, Bicubic, Half},
    {"vit_base_patch16_224_miil", 224, 16, 768, 12, 12, 4, 1000, NoQkvBias, 0, 0.875, Bilinear, Unit},
    {"vit_base_patch16_224_miil_in21k", 224, 16, 768, 12, 12, 4, 11221, NoQkvBias, 0, 0.875, Bilinear, Unit},
    {"vit_base_patch16_224_sam", 224, 16, 768, 12, 12, 4, 1000, Plain, 0, 0.9, Bicubic, Half},
    {"vit_base_patch16_384", 384, 16, 768, 12, 12, 4, 1000, Plain, 0, 1, Bicubic, Half},
    {"vit_base_patch16_plus_240", 240, 16, 896, 12, 14, 4, 1000, Scale5, 0, 0.95, Bicubic, Half},
    {"vit_base_patch16_rpn_224", 224, 16, 768, 12, 12, 4, 1000, NoQkvBias | NoClass | Avg | FcNorm | PostNorm, 0, 0.9, Bicubic, Half},
    {"vit_base_patch32_224", 224, 32, 768, 12, 12, 4, 1000, Plain, 0, 0.9, Bicubic, Half},
    {"vit_base_patch32_224_clip_laion2b", 224, 32, 768, 12, 12, 4, 512, Clip, 0, 0.9, Bicubic, OpenAi},
    {"vit_base_patch32_224_in21k", 224, 32, 768, 12, 12, 4, 21843, Plain, 0, 0.9, Bicubic, Half},
    {"vit_base_patch32_224_sam", 224, 32, 768, 12, 12, 4, 1000, Plain, 0, 0.9, Bicubic, Half},
    {"vit_base_patch32_384", 384, 32, 768, 12, 12, 4, 1000, Plain, 0, 1, Bicubic, Half},
    {"vit_base_patch32_plus_256", 256, 32, 896, 12, 14, 4, 1000, Scale5, 0, 0.95, Bicubic, Half},
    {"vit_base_r26_s32_224", 224, 1, 768, 12, 12, 4, 1000, Plain, 0, 0.9, Bicubic, Half, Hybrid::R26},
    {"vit_base_r50_s16_224", 224, 1, 768, 12, 12, 4, 1000, Plain, 0, 0.9, Bicubic, Half, Hybrid::R50s16},
    {"vit_base_r50_s16_224_in21k", 224, 1, 768, 12, 12, 4, 21843, Plain, 0, 0.9, Bicubic, Half, Hybrid::R50s16},
    {"vit_base_r50_s16_384", 384, 1, 768, 12, 12, 4, 1000, Plain, 0, 1, Bicubic, Half, Hybrid::R50s16},
    {"vit_base_resnet26d_224", 224, 1, 768, 12, 12, 4, 1000, Plain, 0, 0.9, Bicubic, ImageNet, Hybrid::R26D},
    {"vit_base_resnet50_224_in21k", 224, 1, 768, 12, 12, 4, 21843, Plain, 0, 0.9, Bicubic, Half, Hybrid::R50s16},
    {"vit_base_resnet50_384", 384, 1, 768, 12, 12, 4, 1000, Plain, 0, 1, Bicubic, Half, Hybrid::R50s16},
    {"vit_base_resnet50d_224", 224, 1, 768, 12, 12, 4, 1000, Plain, 0, 0.9, Bicubic, ImageNet, Hybrid::R50D},
    {"vit_giant_patch14_224", 224, 14, 1408, 40, 16, 48.0 / 11, 1000, Plain, 0, 0.9, Bicubic, Half},
    {"vit_giant_patch14_224_clip_laion2b", 224, 14, 1408, 40, 16, 48.0 / 11, 1024, Clip, 0, 0.9, Bicubic, OpenAi},
    {"vit_gigantic_patch14_224", 224, 14, 1664, 48, 16, 64.0 / 13, 1000, Plain, 0, 0.9, Bicubic, Half},
    {"vit_huge_patch14_224", 224, 14, 1280, 32, 16, 4, 1000, Plain, 0, 0.9, Bicubic, Half},
    {"vit_huge_patch14_224_clip_laion2b", 224, 14, 1280, 32, 16, 4, 1024, Clip, 0, 0.9, Bicubic, OpenAi},
    {"vit_huge_patch14_224_in21k", 224, 14, 1280, 32, 16, 4, 21843, Plain, 0, 0.9, Bicubic, Half},
    {"vit_large_patch14_224", 224, 14, 1024, 24, 16, 4, 1000, Plain, 0, 0.9, Bicubic, Half},
    {"vit_large_patch14_224_clip_laion2b", 224, 14, 1024, 24, 16, 4, 768, Clip, 0, 0.9, Bicubic, Half},
    {"vit_large_patch16_224", 224, 16, 1024, 24, 16, 4, 1000, Plain, 0, 0.9, Bicubic, Half},
    {"vit_large_patch16_224_in21k", 224, 16, 1024, 24, 16, 4, 21843, Plain, 0, 0.9, Bicubic, Half},
    {"vit_large_patch16_384", 384, 16, 1024, 24, 16, 4, 1000, Plain, 0, 1, Bicubic, Half},
    {"vit_large_patch32_224", 224, 32, 1024, 24, 16, 4, 1000, Plain, 0, 0.9, Bicubic, Half},
    {"vit_large_patch32_224_in21k", 224, 32, 1024, 24, 16, 4, 21843, Plain, 0, 0.9, Bicubic, Half},
    {"vit_large_patch32_384", 384, 32, 1024, 24, 16, 4, 1000, Plain, 0, 1, Bicubic, Half},
    {"vit_large_r50_s32_224", 224, 1, 1024, 24, 16, 4, 1000, Plain, 0, 0.9, Bicubic, Half, Hybrid::R50s32},
    {"vit_large_r50_s32_224_in21k", 224, 1, 1024, 24, 16, 4, 21843, Plain, 0, 0.9, Bicubic, Half, Hybrid::R50s32},
    {"vit_large_r50_s32_384", 384, 1, 1024, 24, 16, 4, 1000, Plain, 0, 1, Bicubic, Half, Hybrid::R50s32},
    {"vit_relpos_base_patch16_224", 224, 16, 768, 12, 12, 4, 1000, RelPosAvg | FcNorm, 128, 0.9, Bicubic, Half},
    {"vit_relpos_base_patch16_cls_224", 224, 16, 768, 12, 12, 4, 1000, NoQkvBias | Scale6 | RelPos, 128, 0.9, Bicubic, Half},
    {"vit_relpos_base_patch16_clsgap_224", 224, 16, 768, 12, 12, 4, 1000, RelPosClassAvg, 128, 0.9, Bicubic, Half},
    {"vit_relpos_base_patch16_plus_240", 240, 16, 896, 12, 14, 4, 1000, NoClass | Avg | Scale6 | RelPos, 128, 0.9, Bicubic, Half},
    {"vit_relpos_base_patch16_rpn_224", 224, 16, 768, 12, 12, 4, 1000, RelPosPost, 128, 0.9, Bicubic, Half},
    {"vit_relpos_base_patch32_plus_rpn_256", 256, 32, 896, 12, 14, 4, 1000, NoClass | Avg | PostNorm | RelPos, 128, 0.9, Bicubic, Half},
    {"vit_relpos_medium_patch16_224", 224, 16, 512, 12, 8, 4, 1000, RelPosAvg | FcNorm, 128, 0.9, Bicubic, Half},
    {"vit_relpos_medium_patch16_cls_224", 224, 16, 512, 12, 8, 4, 1000, NoQkvBias | Scale6 | RelPos, 256, 0.9, Bicubic, Half},
    {"vit_relpos_medium_patch16_rpn_224", 224, 16, 512, 12, 8, 4, 1000, RelPosPost, 128, 0.9, Bicubic, Half},
    {"vit_relpos_small_patch16_224", 224, 16, 384, 12, 6, 4, 1000, RelPosAvg | FcNorm, 128, 0.9, Bicubic, Half},
    {"vit_relpos_small_patch16_rpn_224", 224, 16, 384, 12, 6, 4, 1000, RelPosPost, 128, 0.9, Bicubic, Half},
    {"vit_small_patch8_224_dino", 224, 8, 384, 12, 6, 4, 0, Plain, 0, 0.9, Bicubic, ImageNet},
    {"vit_small_patch16_18x2_224", 224, 16, 384, 18, 6, 4, 1000, Scale5 | Parallel, 0, 0.9, Bicubic, Half},
    {"vit_small_patch16_36x1_224", 224, 16, 384, 36, 6, 4, 1000, Scale5, 0, 0.9, Bicubic, Half},
    {"vit_small_patch16_224", 224, 16, 384, 12, 6, 4, 1000, Plain, 0, 0.9, Bicubic, Half},
    {"vit_small_patch16_224_dino", 224, 16, 384, 12, 6, 4, 0, Plain, 0, 0.9, Bicubic, ImageNet},
    {"vit_small_patch16_224_in21k", 224, 16, 384, 12, 6, 4, 21843, Plain, 0, 0.9, Bicubic, Half},
    {"vit_small_patch16_384", 384, 16, 384, 12, 6, 4, 1000, Plain, 0, 1, Bicubic, Half},
    {"vit_small_patch32_224", 224, 32, 384, 12, 6, 4, 1000, Plain, 0, 0.9, Bicubic, Half},
    {"vit_small_patch32_224_in21k", 224, 32, 384, 12, 6, 4, 21843, Plain, 0, 0.9, Bicubic, Half},
    {"vit_small_patch32_384", 384, 32, 384, 12, 6, 4, 1000, Plain, 0, 1, Bicubic, Half},
    {"vit_small_r26_s32_224", 224, 1, 384, 12, 6, 4, 1000, Plain, 0, 0.9, Bicubic, Half, Hybrid::R26},
    {"vit_small_r26_s32_224_in21k", 224, 1, 384, 12, 6, 4, 21843, Plain, 0, 0.9, Bicubic, Half, Hybrid::R26},
    {"vit_small_r26_s32_384", 384, 1, 384, 12, 6, 4, 1000, Plain, 0, 1, Bicubic, Half, Hybrid::R26},
    {"vit_small_resnet26d_224", 224, 1, 768, 8, 8, 3, 1000, Plain, 0, 0.9, Bicubic, ImageNet, Hybrid::R26D},
    {"vit_small_resnet50d_s16_224", 224, 1, 768, 8, 8, 3, 1000, Plain, 0, 0.9, Bicubic, ImageNet, Hybrid::R50Ds16},
    {"vit_srelpos_medium_patch16_224", 224, 16, 512, 12, 8, 4, 1000, SharedRelPosAvg, 512, 0.9, Bicubic, Half},
    {"vit_srelpos_small_patch16_224", 224, 16, 384, 12, 6, 4, 1000, SharedRelPosAvg, 384, 0.9, Bicubic, Half},
    {"vit_tiny_patch16_224", 224, 16, 192, 12, 3, 4, 1000, Plain, 0, 0.9, Bicubic, Half},
    {"vit_tiny_patch16_224_in21k", 224, 16, 192, 12, 3, 4, 21843, Plain, 0, 0.9, Bicubic, Half},
    {"vit_tiny_patch16_384", 384, 16, 192, 12, 3, 4, 1000, Plain, 0, 1, Bicubic, Half},
    {"vit_tiny_r_s16_p8_224", 224, 8, 192, 12, 3, 4, 1000, Plain, 0, 0.9, Bicubic, Half, Hybrid::Root},
    {"vit_tiny_r_s16_p8_224_in21k", 224, 8, 192, 12, 3, 4, 21843, Plain, 0, 0.9, Bicubic, Half, Hybrid::Root},
    {"vit_tiny_r_s16_p8_384", 384, 8, 192, 12, 3, 4, 1000, Plain, 0, 1, Bicubic, Half, Hybrid::Root},
};
// clang-format on

static void setStem(ModelConfig &config, Hybrid hybrid) {
  if (hybrid == Hybrid::None)
    return;
  config.stem = hybrid < Hybrid::R26D ? Stem::ResNetV2 : Stem::ResNetD;
  switch (hybrid) {
  case Hybrid::None:
  case Hybrid::Root:
    break;
  case Hybrid::R26:
  case Hybrid::R26D:
    config.stemLayers = {2, 2, 2, 2};
    break;
  case Hybrid::R50s16:
    config.stemLayers = {3, 4, 9};
    break;
  case Hybrid::R50Ds16:
    config.stemLayers = {3, 4, 6};
    break;
  case Hybrid::R50s32:
  case Hybrid::R50D:
    config.stemLayers = {3, 4, 6, 3};
    break;
  }
}

static void setNormalization(Preprocess &preprocess, Normalization normalization) {
  switch (normalization) {
  case Half:
    preprocess.mean = preprocess.std = {0.5, 0.5, 0.5};
    break;
  case ImageNet:
    preprocess.mean = {0.485, 0.456, 0.406};
    preprocess.std = {0.229, 0.224, 0.225};
    break;
  case OpenAi:
    preprocess.mean = {0.48145466, 0.4578275, 0.40821073};
    preprocess.std = {0.26862954, 0.26130258, 0.27577711};
    break;
  case Unit:
    preprocess.mean = {0.0, 0.0, 0.0};
    preprocess.std = {1.0, 1.0, 1.0};
    break;
  }
}

static void setTraits(ModelConfig &config, unsigned traits) {
  if (traits & Clip) {
    config.normPre = true;
    config.patchBias = false;
    config.normEps = 1e-5;
  }
  if (traits & NoQkvBias)
    config.qkvBias = QkvBias::None;
  config.classToken = !(traits & NoClass);
  if (traits & Avg)
    config.pool = Pool::Avg;
  config.fcNorm = traits & FcNorm;
  config.finalNorm = !config.fcNorm;
  config.layerScale = traits & Scale5 ? 1e-5 : traits & Scale6 ? 1e-6 : 0.0;
  config.parallelBranches = traits & Parallel ? 2 : 1;
  if (traits & PostNorm)
    config.block = BlockKind::PostNorm;
  if (traits & (RelPos | SharedRelPos)) {
    config.position = Position::None;
    config.relativePosition = traits & RelPos ? RelativePosition::Mlp : RelativePosition::SharedMlp;
  }
}

static ModelConfig makeConfig(const Row &row) {
  ModelConfig config;
  config.name = row.name;
  config.imageHeight = config.imageWidth = row.image;
  config.patchHeight = config.patchWidth = row.patch;
  config.embedDim = row.width;
  config.depth = row.depth;
  config.numHeads = row.heads;
  config.mlpRatio = row.mlpRatio;
  config.numClasses = row.classes;
  setTraits(config, row.traits);
  if (row.relativePositionHidden)
    config.relativePositionHidden = row.relativePositionHidden;
  setStem(config, row.hybrid);
  config.preprocess.cropPct = row.cropPct;
  config.preprocess.interpolation = row.interpolation;
  setNormalization(config.preprocess, row.normalization);
  return config;
}

std::vector<ModelConfig> vitc::timmPresets() {
  std::vector<ModelConfig> presets;
  for (const Row &row : rows)
    presets.push_back(makeConfig(row));
  return presets;
}
