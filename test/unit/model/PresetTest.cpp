//===- PresetTest.cpp - models by name --------------------------------------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "TestModels.h"

#include "compiler/model/ConfigJson.h"
#include "compiler/model/PresetFiles.h"
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

TEST(Presets, TimmsPresentNamesOfTheClipModelsAreTheirFirstTags) {
  EXPECT_EQ(resolve("vit_base_patch32_clip_224").config.numClasses, 1000); // laion2b_ft_in12k_in1k
  EXPECT_EQ(resolve("vit_giant_patch14_clip_224").config.numClasses, 1024);
  EXPECT_EQ(resolve("vit_base_patch32_clip_224.laion2b").config.numClasses, resolve("vit_base_patch32_224_clip_laion2b").config.numClasses);
  EXPECT_THAT(refusal("vit_huge_patch14_clip_22"), HasSubstr("the nearest names are vit_huge_patch14_clip_224"));
}

TEST(Presets, AreListedByPartOfTheNameOrPattern) {
  EXPECT_THAT(listPresets("vit_giant_patch14_224"), ElementsAre("vit_giant_patch14_224", "vit_giant_patch14_224_clip_laion2b"));
  EXPECT_THAT(listPresets("vit_tiny*_384"), ElementsAre("vit_tiny_patch16_384", "vit_tiny_r_s16_p8_384"));
  EXPECT_THAT(listPresets("patch8_224"), ElementsAre("vit_base_patch8_224", "vit_base_patch8_224_dino", "vit_base_patch8_224_in21k",
                                                     "vit_small_patch8_224", "vit_small_patch8_224_dino"));
  EXPECT_THAT(listPresets("vit_huge_patch14_gap_224."),
              ElementsAre("vit_huge_patch14_gap_224.in1k_ijepa", "vit_huge_patch14_gap_224.in22k_ijepa"));
  EXPECT_TRUE(listPresets("no-such").empty());
  EXPECT_TRUE(listPresets("[").empty());
  EXPECT_EQ(listPresets().size(), presets().size()); // and the present names of the CLIP models
}

//===--------------------------------------------------------------------------------------===//
// Preset files
//===--------------------------------------------------------------------------------------===//

TEST(PresetFiles, AreFreeOfErrorsAndHoldTimmsNames) {
  EXPECT_TRUE(presetFileErrors().empty()) << presetFileErrors().front();
  size_t tags = 0;
  for (const FilePreset &preset : filePresets()) {
    tags += preset.tags.size();
    for (ModelConfig tag : preset.tags)
      EXPECT_EQ(llvm::toString(validate(tag)), "") << tag.name;
  }
  EXPECT_EQ(filePresets().size(), 302u); // timm 1.0.31's but for the five sapiens2
  EXPECT_EQ(tags, 506u);
}

TEST(PresetFiles, NamesOf0613HaveTheSameConstructorsToday) {
  auto constructor = [](ModelConfig config) {
    config.numClasses = 0;
    config.preprocess = {};
    config.mlpDim = config.mlpWidth();
    config.mlpRatio = 4.0;
    return printConfig(config);
  };
  size_t common = 0;
  for (const ModelConfig &then : timmPresets())
    for (const FilePreset &now : filePresets())
      if (now.config.name == then.name) {
        ++common;
        EXPECT_EQ(constructor(now.config), constructor(then));
      }
  EXPECT_EQ(common, 52u); // the other 26 have a tag in their name today
}

TEST(PresetFiles, TagsSayClassesResolutionAndPreprocessing) {
  ModelConfig base = resolve("beitv2_large_patch16_224").config, tag = resolve("beitv2_large_patch16_224.in1k_ft_in22k").config;
  EXPECT_EQ(base.numClasses, 1000);
  EXPECT_EQ(base.preprocess.cropPct, 0.95);
  EXPECT_EQ(tag.name, "beitv2_large_patch16_224.in1k_ft_in22k");
  EXPECT_EQ(tag.numClasses, 21841);
  EXPECT_EQ(tag.preprocess.cropPct, 0.9);
  EXPECT_EQ(tag.layerScale, base.layerScale);
  EXPECT_EQ(resolve("vit_base_patch16_224.orig_in21k").config.numClasses, 0);
  EXPECT_EQ(resolve("vit_base_patch16_clip_224.laion2b").config.numClasses, 512);
  EXPECT_THAT(refusal("vit_base_patch16_224.dyno"), HasSubstr("the nearest tags are vit_base_patch16_224.dino,"));
  EXPECT_THAT(refusal("vit_base_patch16_224_dino.x"), HasSubstr("there is no model 'vit_base_patch16_224_dino.x'; the nearest names are"));
}

TEST(PresetFiles, ABadFileIsRefusedWithItsPlace) {
  auto parse = [](llvm::StringRef text) {
    llvm::Expected<std::vector<FilePreset>> presets = parsePresetFile(text, "p.json");
    return presets ? "" : llvm::toString(presets.takeError());
  };
  EXPECT_EQ(parse(R"({"about": "x", "base": {"depth": 3}, "models": {"m": {"num_heads": 4, "tags": {"a": {"num_classes": 5}}}}})"), "");
  EXPECT_THAT(parse("{"), HasSubstr("p.json is not valid JSON"));
  EXPECT_EQ(parse("[]"), "p.json holds array, expected an object of about, base and models");
  EXPECT_EQ(parse(R"({"model": {}})"), "p.json has the key model, expected about, base and models");
  EXPECT_EQ(parse(R"({"models": []})"), "p.json: models is array, expected an object");
  EXPECT_EQ(parse(R"({"base": {"dept": 3}})"), "p.json: base: there is no config key 'dept'; the nearest is 'depth'");
  EXPECT_EQ(parse(R"({"models": {"m": 1}})"), "p.json: m is number, expected an object of config keys");
  EXPECT_EQ(parse(R"({"models": {"m.a": {}}})"), "p.json: m.a: a model's name has no dot, which begins a tag");
  EXPECT_EQ(parse(R"({"models": {"m": {"depth": -1}}})"), "p.json: m: depth is -1, expected an integer from 0 to 4096");
  EXPECT_EQ(parse(R"({"models": {"m": {"tags": {"a": {"pool": 7}}}}})").substr(0, 29), "p.json: m.a: pool is 7, expec");
  EXPECT_EQ(parse(R"({"models": {"m": {"tags": 3}}})"), "p.json: m: tags is number, expected an object");
}

TEST(PresetFiles, MapPoolsAndGatesHaveTimmsWidths) {
  ModelConfig giant = resolve("vit_giant_patch14_dinov2").config; // SwiGLUPacked: int(1536 * 2.66667 * 2) / 2
  EXPECT_TRUE(giant.gatedMlp && giant.gatePacked);
  EXPECT_EQ(giant.mlpWidth(), 4096);
  EXPECT_EQ(resolve("eva02_base_patch14_224").config.mlpWidth(), 2048);
  EXPECT_EQ(resolve("vit_huge_plus_patch16_dinov3").config.mlpWidth(), 5120); // aligned to 8
  ModelConfig core = resolve("vit_pe_core_gigantic_patch14_448").config;
  EXPECT_EQ(core.mlpWidth(), 8960);
  EXPECT_EQ(core.poolMlpRatio, 4.0);
  EXPECT_EQ(core.poolHeads, 8);
  EXPECT_EQ(resolve("vit_so400m_patch14_siglip_224").config.poolMlpRatio, 0.0); // that of the blocks
}

/// Parameter and operation counts of the common sizes (reference: torchvision's published `_ops`, ViT-B/16 17.56 GMAC).
TEST(Presets, NominalFlop) {
  EXPECT_EQ(nominalFlopPerImage(resolve("vit_base_patch16_224").config), uint64_t(2) * 17563828224);
  EXPECT_EQ(nominalFlopPerImage(resolve("vit_relpos_base_patch16_224").config), uint64_t(34974652416)); // timm-goldens
  EXPECT_EQ(nominalFlopPerImage(resolve("vit_base_patch16_224", {"pool=map", "num_classes=0"}).config) -
                nominalFlopPerImage(resolve("vit_base_patch16_224", {"num_classes=0"}).config),
            uint64_t(2) * (2 * 768 * 768 + 196 * (2 * 768 * 768 + 2 * 768) + 8 * 768 * 768));
  ModelConfig gated = resolve("vit_base_patch16_224", {"gated_mlp=true"}).config;
  EXPECT_EQ(nominalFlopPerImage(gated) - nominalFlopPerImage(resolve("vit_base_patch16_224").config), uint64_t(2) * 12 * 197 * 768 * 3072);
}

} // namespace
