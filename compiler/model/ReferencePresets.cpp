//===- ReferencePresets.cpp - the reference systems, Google's and torchvision's models --------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/model/Presets.h"

using namespace vitc;

static void setSquare(ModelConfig &config, int64_t image, int64_t patch) {
  config.imageHeight = config.imageWidth = image;
  config.patchHeight = config.patchWidth = patch;
}

static void setBlocks(ModelConfig &config, int64_t width, int64_t depth, int64_t heads, int64_t hidden) {
  config.embedDim = width;
  config.depth = depth;
  config.numHeads = heads;
  config.mlpDim = hidden;
}

/// Pictures straight to the network's size.
static void setSquash(Preprocess &preprocess) {
  preprocess.cropMode = CropMode::Squash;
  preprocess.cropPct = 1.0;
  preprocess.interpolation = Interpolation::Bilinear;
}

static void setImageNet(Preprocess &preprocess) {
  preprocess.mean = {0.485, 0.456, 0.406};
  preprocess.std = {0.229, 0.224, 0.225};
}

//===--------------------------------------------------------------------------------------===//
// One document each
//===--------------------------------------------------------------------------------------===//

/// labmlai/annotated_deep_learning_paper_implementations, labml_nn/transformers/vit: the CIFAR-10 experiment.
static ModelConfig labml() {
  ModelConfig config;
  config.name = "labml-vit";
  config.family = Family::Labml;
  setSquare(config, 32, 4);
  setBlocks(config, 512, 6, 8, 2048);
  config.positionOn = PositionOn::Patches;
  config.positionRows = 5000;
  config.activation = Activation::Relu;
  config.gateBias = false;
  config.normEps = 1e-5;
  config.finalNorm = false; // of the class token's row alone
  config.fcNorm = true;
  config.headHidden = 2048;
  config.headActivation = Activation::Relu;
  config.numClasses = 10;
  config.dropout = config.attentionDropout = 0.1;
  setSquash(config.preprocess);
  return config;
}

/// Fujita's slides (ver. 20241119): no biases, no epsilon, q k v packed head by head.
static ModelConfig slides() {
  ModelConfig config;
  config.name = "slides-vit";
  config.family = Family::Slides;
  config.patchBias = false;
  config.qkvBias = QkvBias::None;
  config.qkvPacking = QkvPacking::Heads;
  config.projBias = config.mlpBias = config.gateBias = config.headBias = false;
  config.normEps = 0.0;
  config.finalNorm = false;
  config.fcNorm = true;
  config.headHidden = 3072;
  config.headActivation = Activation::Gelu;
  return config;
}

/// The CSDN article's ViT: no final norm, pretraining head with tanh.
static ModelConfig csdn() {
  ModelConfig config;
  config.name = "csdn-vit";
  config.family = Family::Csdn;
  config.normEps = 1e-5;
  config.finalNorm = false;
  config.headHidden = 768;
  config.headActivation = Activation::Tanh;
  return config;
}

/// The notebook's ViT: scores divided by the root of the number of heads.
static ModelConfig notebook() {
  ModelConfig config;
  config.name = "notebook-vit";
  config.family = Family::Notebook;
  setSquare(config, 32, 16);
  setBlocks(config, 384, 7, 8, 1536);
  config.qkvBias = QkvBias::None;
  config.attentionScale = AttentionScale::Heads;
  config.normEps = 1e-5;
  config.finalNorm = false;
  config.fcNorm = true;
  config.numClasses = 10;
  config.preprocess.cropPct = 0.875; // Resize(256), CenterCrop(224)
  config.preprocess.interpolation = Interpolation::Bilinear;
  setImageNet(config.preprocess);
  return config;
}

//===--------------------------------------------------------------------------------------===//
// Google's models (vit_jax/configs/models.py)
//===--------------------------------------------------------------------------------------===//

namespace {
struct FlaxRow {
  const char *name;
  int64_t patch, width, depth, heads, hidden;
  double dropout = 0.0;
  bool gap = false;
  bool hybrid = false;
  std::vector<int64_t> stemLayers = {};
};
} // namespace

static ModelConfig flax(const FlaxRow &row) {
  ModelConfig config;
  config.name = row.name;
  config.family = Family::Flax;
  setSquare(config, 224, row.patch);
  setBlocks(config, row.width, row.depth, row.heads, row.hidden);
  config.activation = Activation::GeluTanh;
  config.dropout = config.embeddingDropout = row.dropout;
  if (row.hybrid)
    config.stem = Stem::ResNetV2;
  config.stemNormEps = 1e-6;
  config.stemStandardizeEps = 1e-5;
  config.stemEpsOnDeviation = true;
  config.stemLayers = row.stemLayers;
  if (row.gap) {
    config.pool = Pool::Avg; // after the norm of all tokens
    config.classToken = false;
  }
  setSquash(config.preprocess); // tf.image.resize to the crop's size, (x - 127.5) / 127.5
  config.preprocess.antialias = config.preprocess.resizeRounding = false;
  return config;
}

static std::vector<ModelConfig> flaxModels() {
  const FlaxRow rows[] = {
      {"ViT-Ti_16", 16, 192, 12, 3, 768},
      {"ViT-S_16", 16, 384, 12, 6, 1536},
      {"ViT-S_32", 32, 384, 12, 6, 1536},
      {"ViT-B_8", 8, 768, 12, 12, 3072},
      {"ViT-B_16", 16, 768, 12, 12, 3072},
      {"ViT-B_32", 32, 768, 12, 12, 3072},
      {"ViT-L_16", 16, 1024, 24, 16, 4096, 0.1},
      {"ViT-L_32", 32, 1024, 24, 16, 4096},
      {"ViT-H_14", 14, 1280, 32, 16, 5120, 0.1},
      {"ViT-S_16-gap-norep", 16, 384, 12, 6, 1536, 0.0, true},
      {"ViT-S_32-gap-norep", 32, 384, 12, 6, 1536, 0.0, true},
      {"ViT-B_16-gap-norep", 16, 768, 12, 12, 3072, 0.0, true},
      {"ViT-B_32-gap-norep", 32, 768, 12, 12, 3072, 0.0, true},
      {"R+ViT-Ti_16", 8, 192, 12, 3, 768, 0.0, false, true, {}},
      {"R26+ViT-S_32", 1, 384, 12, 6, 1536, 0.0, false, true, {2, 2, 2, 2}},
      {"R26+ViT-B_32", 1, 768, 12, 12, 3072, 0.0, false, true, {2, 2, 2, 2}},
      {"R50+ViT-B_16", 1, 768, 12, 12, 3072, 0.1, false, true, {3, 4, 9}},
      {"R50+ViT-L_32", 1, 1024, 24, 16, 4096, 0.1, false, true, {3, 4, 6, 3}},
      {"testing", 16, 10, 1, 2, 10, 0.1},
  };
  std::vector<ModelConfig> models;
  for (const FlaxRow &row : rows)
    models.push_back(flax(row));
  ModelConfig unpooled = models.back();
  unpooled.name = "testing-unpooled";
  unpooled.pool = Pool::None;
  unpooled.classToken = false;
  models.push_back(unpooled);
  return models;
}

//===--------------------------------------------------------------------------------------===//
// torchvision.models.vision_transformer
//===--------------------------------------------------------------------------------------===//

static ModelConfig torchvision(const char *name, int64_t patch, int64_t width, int64_t depth, int64_t heads, int64_t resize) {
  ModelConfig config;
  config.name = name;
  config.family = Family::Torchvision;
  setSquare(config, 224, patch);
  setBlocks(config, width, depth, heads, 4 * width);
  config.preprocess.resizeHeight = config.preprocess.resizeWidth = resize;
  config.preprocess.interpolation = Interpolation::Bilinear;
  setImageNet(config.preprocess);
  return config;
}

std::vector<ModelConfig> vitc::referencePresets() {
  std::vector<ModelConfig> models = {labml(), slides(), csdn(), notebook()};
  for (ModelConfig &model : flaxModels())
    models.push_back(std::move(model));
  models.push_back(torchvision("vit_b_16", 16, 768, 12, 12, 256));
  models.push_back(torchvision("vit_b_32", 32, 768, 12, 12, 256));
  models.push_back(torchvision("vit_l_16", 16, 1024, 24, 16, 242));
  models.push_back(torchvision("vit_l_32", 32, 1024, 24, 16, 256));
  models.push_back(torchvision("vit_h_14", 14, 1280, 32, 16, 256));
  return models;
}
