//===- AdaptToWeightsTest.cpp - what a weight file tells a model ----------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "TestModels.h"

#include "compiler/frontend/AdaptToWeights.h"
#include "compiler/frontend/WeightNaming.h"
#include "compiler/model/ModelConfig.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

using namespace vitc;
using namespace vitc::test;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

namespace {

/// Names and shapes of the model's own tensors.
std::vector<FileShape> fileOf(const ModelConfig &config) {
  std::vector<FileShape> file;
  WeightNaming naming = describeWeights(config);
  for (const FileTensor &tensor : naming.schemes.front().tensors)
    file.push_back({tensor.names.front(), tensor.shape});
  return file;
}

} // namespace

TEST(AdaptToWeights, AFileForTheModelChangesNothing) {
  for (const char *model : {"vit_tiny_patch16_224", "beit_base_patch16_224", "ViT-B_16", "labml-vit", "naflexvit_base_patch16_gap"}) {
    ModelConfig config = resolve(model).config;
    Adaptation adaptation = adaptToWeights(config, fileOf(config), /*newClasses=*/true);
    EXPECT_THAT(adaptation.notes, IsEmpty()) << model;
    EXPECT_THAT(adaptation.fresh, IsEmpty()) << model;
  }
}

TEST(AdaptToWeights, PositionsOfAnotherGrid) {
  ModelConfig config = resolve("vit_tiny_patch16_224", {"image_size=[384, 320]"}).config;
  Adaptation adaptation = adaptToWeights(config, fileOf(resolve("vit_tiny_patch16_224").config), false);
  EXPECT_EQ(config.positionGridHeight, 14);
  EXPECT_EQ(config.positionGridWidth, 14);
  EXPECT_THAT(adaptation.notes, ElementsAre("pos_embed is for a grid of 14x14 patches and is resized to 24x20"));
  EXPECT_EQ(describeWeights(config).schemes.front().name, "timm");
}

TEST(AdaptToWeights, TimmResizesFlaxFilesByItsRuleForThem) {
  ModelConfig flax = resolve("ViT-B_16").config, config = resolve("vit_base_patch16_224", {"image_size=384"}).config;
  adaptToWeights(config, fileOf(flax), false);
  EXPECT_EQ(config.positionResize, PositionResize::Bilinear);
  EXPECT_EQ(config.positionGridHeight, 14);
}

TEST(AdaptToWeights, TablesOfDistances) {
  ModelConfig config = resolve("beit_base_patch16_224", {"image_size=384"}).config;
  adaptToWeights(config, fileOf(resolve("beit_base_patch16_224").config), false);
  EXPECT_EQ(config.positionGridHeight, 14);
}

TEST(AdaptToWeights, PatchKernelsOfAnotherSize) {
  ModelConfig config = resolve("flexivit_small", {"patch_size=30"}).config;
  Adaptation adaptation = adaptToWeights(config, fileOf(resolve("flexivit_small").config), false);
  EXPECT_EQ(config.weightPatchHeight, 16);
  EXPECT_EQ(config.positionGridHeight, 15);
  EXPECT_EQ(adaptation.notes.size(), 2u);
}

TEST(AdaptToWeights, AFreshClassifierOnRequestOnly) {
  std::vector<FileShape> file = fileOf(resolve("vit_tiny_patch16_224").config);
  ModelConfig config = resolve("vit_tiny_patch16_224", {"num_classes=7"}).config;
  Adaptation adaptation = adaptToWeights(config, file, /*newClasses=*/false);
  EXPECT_THAT(adaptation.fresh, IsEmpty());
  EXPECT_THAT(adaptation.notes, ElementsAre("head.weight has 1000 classes: --set num_classes=1000 makes the model fit"));
  adaptation = adaptToWeights(config, file, /*newClasses=*/true);
  ASSERT_EQ(adaptation.fresh.size(), 2u);
  EXPECT_EQ(adaptation.fresh[0].name, "head.weight");
  EXPECT_THAT(adaptation.fresh[0].shape, ElementsAre(7, 192));
  EXPECT_EQ(adaptation.fresh[0].draw, Draw::normal(0.02));
  EXPECT_EQ(adaptation.fresh[1].name, "head.bias");
  EXPECT_THAT(adaptation.notes, ElementsAre(HasSubstr("head.weight has 1000 classes: the model starts with a fresh one of 7 classes")));

  config = resolve("ViT-B_16", {"num_classes=7"}).config;
  adaptation = adaptToWeights(config, fileOf(resolve("ViT-B_16").config), true);
  ASSERT_EQ(adaptation.fresh.size(), 2u);
  EXPECT_EQ(adaptation.fresh[0].name, "head/kernel");
  EXPECT_THAT(adaptation.fresh[0].shape, ElementsAre(768, 7));
  EXPECT_EQ(adaptation.fresh[0].draw, Draw::constant(0.0));
}
