//===- PresetTest.cpp - models by name --------------------------------------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "TestModels.h"

#include "compiler/model/ConfigJson.h"
#include "compiler/model/Presets.h"

#include "gmock/gmock.h"

using namespace vitc;
using namespace vitc::test;
using testing::ElementsAre;
using testing::HasSubstr;

namespace {

TEST(Presets, AreAllValidAndHaveNamesOfTheirOwn) {
  std::vector<std::string> names;
  for (ModelConfig config : presets()) {
    llvm::Error error = validate(config);
    EXPECT_FALSE(static_cast<bool>(error)) << config.name;
    llvm::consumeError(std::move(error));
    names.push_back(config.name);
  }
  std::sort(names.begin(), names.end());
  EXPECT_EQ(std::adjacent_find(names.begin(), names.end()), names.end());
}

TEST(Presets, TimmsNamesAreThoseOfVersion0613) {
  EXPECT_EQ(timmPresets().size(), 78u);
  std::filesystem::path folder = sharedData() / "timm-goldens" / "names";
  VITC_SKIP_WITHOUT(folder);
  for (const ModelConfig &config : timmPresets())
    EXPECT_TRUE(std::filesystem::exists(folder / (config.name + ".jsonl"))) << config.name;
}

TEST(Presets, PreprocessingIsThatOfTheFirstTag) {
  ModelConfig base = resolve("vit_base_patch16_224").config;
  EXPECT_EQ(base.preprocessSteps().resizeHeight, 248);
  EXPECT_EQ(base.preprocessSteps().cropHeight, 224);
  EXPECT_EQ(base.preprocess.interpolation, Interpolation::Bicubic);
  EXPECT_THAT(base.preprocess.mean, ElementsAre(0.5, 0.5, 0.5));
  EXPECT_EQ(resolve("vit_base_patch16_384").config.preprocessSteps().resizeHeight, 384);
  ModelConfig miil = resolve("vit_base_patch16_224_miil").config;
  EXPECT_EQ(miil.preprocessSteps().resizeHeight, 256);
  EXPECT_EQ(miil.preprocess.interpolation, Interpolation::Bilinear);
  EXPECT_THAT(miil.preprocess.std, ElementsAre(1.0, 1.0, 1.0));
  EXPECT_EQ(resolve("vit_base_patch16_plus_240").config.preprocessSteps().resizeHeight, 252);
  EXPECT_THAT(resolve("vit_base_patch16_224_dino").config.preprocess.mean, ElementsAre(0.485, 0.456, 0.406));
}

TEST(Presets, TheTrainedTinyNetworkOfTheReadme) {
  ModelConfig config =
      resolve("vit_tiny_patch16_224", {"num_classes=200", "norm_eps=1e-12", "crop_pct=0.875", "interpolation=bilinear"}).config;
  EXPECT_EQ(config.numClasses, 200);
  EXPECT_EQ(config.normEps, 1e-12);
  EXPECT_EQ(config.preprocessSteps().resizeHeight, 256);
  EXPECT_EQ(config.tokens(), 197);
}

TEST(Presets, AnUnknownNameIsAnsweredWithTheNearest) {
  EXPECT_THAT(refusal("vit_tiny_patch16_22"),
              HasSubstr("there is no model 'vit_tiny_patch16_22'; the nearest names are vit_tiny_patch16_224"));
  EXPECT_THAT(refusal("vit-b16"), HasSubstr("vit_b_16"));
}

TEST(Presets, TimmsPresentNamesOfTheClipModelsAreAliases) {
  struct Names {
    const char *now, *then;
    int64_t classes;
  };
  for (Names names : {Names{"vit_base_patch32_clip_224", "vit_base_patch32_224_clip_laion2b", 512},
                      Names{"vit_large_patch14_clip_224", "vit_large_patch14_224_clip_laion2b", 768},
                      Names{"vit_huge_patch14_clip_224", "vit_huge_patch14_224_clip_laion2b", 1024},
                      Names{"vit_giant_patch14_clip_224", "vit_giant_patch14_224_clip_laion2b", 1024}}) {
    ModelConfig config = resolve(names.now).config;
    EXPECT_EQ(printConfig(config), printConfig(resolve(names.then).config)) << names.now;
    EXPECT_EQ(config.numClasses, names.classes) << names.now;
  }
  EXPECT_THAT(refusal("vit_huge_patch14_clip_22"), HasSubstr("the nearest names are vit_huge_patch14_clip_224"));
}

TEST(Presets, AreListedByPartOfTheNameOrPattern) {
  EXPECT_THAT(listPresets("giant"), ElementsAre("vit_giant_patch14_224", "vit_giant_patch14_224_clip_laion2b"));
  EXPECT_THAT(listPresets("vit_tiny*_384"), ElementsAre("vit_tiny_patch16_384", "vit_tiny_r_s16_p8_384"));
  EXPECT_TRUE(listPresets("no-such").empty());
  EXPECT_TRUE(listPresets("[").empty());
  EXPECT_EQ(listPresets().size(), presets().size());
}

/// Parameter and operation counts of the common sizes (reference: torchvision's published `_ops`, ViT-B/16 17.56 GMAC).
TEST(Presets, NominalFlop) {
  EXPECT_EQ(nominalFlopPerImage(resolve("vit_base_patch16_224").config), uint64_t(2) * 17563828224);
  ModelConfig gated = resolve("vit_base_patch16_224", {"gated_mlp=true"}).config;
  EXPECT_EQ(nominalFlopPerImage(gated) - nominalFlopPerImage(resolve("vit_base_patch16_224").config), uint64_t(2) * 12 * 197 * 768 * 3072);
}

} // namespace
