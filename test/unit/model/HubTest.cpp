//===- HubTest.cpp - folders of timm and OpenCLIP ---------------------------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "TestModels.h"

#include "compiler/model/ConfigJson.h"
#include "compiler/model/OpenClip.h"
#include "compiler/model/TimmHub.h"

#include "gmock/gmock.h"

using namespace vitc;
using namespace vitc::test;
using testing::ElementsAre;
using testing::HasSubstr;

namespace {

/// A config.json with these members, resolved.
LoadedModel timmHub(const std::string &members) {
  TemporaryFolder folder;
  return resolve(folder.write("config.json", "{" + members + "}"));
}

std::string timmRefusal(const std::string &members) {
  TemporaryFolder folder;
  return refusal(folder.write("config.json", "{" + members + "}"));
}

ModelConfig openClip(const std::string &members) {
  TemporaryFolder folder;
  return resolve(folder.write("open_clip_config.json", "{" + members + "}")).config;
}

std::string openClipRefusal(const std::string &vision) {
  TemporaryFolder folder;
  return refusal(folder.write("open_clip_config.json", R"({"model_cfg": {"embed_dim": 8, "vision_cfg": {)" + vision + "}}}"));
}

//===--------------------------------------------------------------------------------------===//
// timm
//===--------------------------------------------------------------------------------------===//

TEST(TimmHub, AFolderHasItsConfigWeightsAndLabels) {
  LoadedModel loaded = resolve(dataPath("hub/timm").string());
  const ModelConfig &config = loaded.config;
  EXPECT_EQ(config.name, "timm");
  EXPECT_EQ(std::filesystem::path(loaded.weightsPath).filename(), "model.safetensors");
  EXPECT_THAT(config.labels, ElementsAre("ant", "bee", "cat", "dog", "elk"));
  EXPECT_EQ(config.numClasses, 5);
  EXPECT_EQ(config.mlpWidth(), 54); // int(16 * 3.4)
  EXPECT_EQ(config.pool, Pool::Avg);
  EXPECT_TRUE(config.fcNorm && !config.finalNorm && config.normPre && !config.patchBias);
  EXPECT_EQ(config.activation, Activation::GeluTanh);
  EXPECT_EQ(config.preprocess.cropMode, CropMode::Squash);
  EXPECT_EQ(config.preprocessSteps().resizeHeight, 40);
}

TEST(TimmHub, AMissingKeyHasTheDefaultOfPretrainedCfg) {
  ModelConfig config = timmHub(R"("architecture": "vit_small_patch16_224", "pretrained_cfg": {"input_size": [3, 224, 224]})").config;
  EXPECT_EQ(config.numClasses, 1000);
  EXPECT_EQ(config.preprocess.cropPct, 0.875);
  EXPECT_EQ(config.preprocess.mean.front(), 0.485);
  EXPECT_EQ(config.embedDim, 384);
}

TEST(TimmHub, OldFilesHaveEverythingAtTheTopLevel) {
  ModelConfig config = timmHub(R"("architecture": "deit_tiny_patch16_224", "num_classes": 2, "num_features": 192, "crop_pct": 0.9,
                                  "input_size": [3, 224, 224], "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5], "labels": ["a", "b"])")
                           .config;
  EXPECT_EQ(config.embedDim, 192);
  EXPECT_EQ(config.numClasses, 2);
  EXPECT_EQ(config.preprocess.cropPct, 0.9);
  EXPECT_THAT(config.labels, ElementsAre("a", "b"));
}

TEST(TimmHub, ClassesComeFromArgumentsThenTheFileThenThePretrainedCfg) {
  std::string architecture = R"("architecture": "vit_tiny_patch16_224", )", cfg = R"("pretrained_cfg": {"num_classes": 3})";
  EXPECT_EQ(timmHub(architecture + cfg).config.numClasses, 3);
  EXPECT_EQ(timmHub(architecture + cfg + R"(, "num_classes": 0)").config.numClasses, 0);
  EXPECT_EQ(timmHub(architecture + cfg + R"(, "num_classes": 4, "model_args": {"num_classes": 5})").config.numClasses, 5);
}

TEST(TimmHub, LabelsOfAnotherCountAreNotUsed) {
  LoadedModel loaded = timmHub(R"("architecture": "vit_tiny_patch16_224", "num_classes": 3, "label_names": ["a"], "pretrained_cfg": {})");
  EXPECT_TRUE(loaded.config.labels.empty());
  ASSERT_EQ(loaded.warnings.size(), 1u);
  EXPECT_THAT(loaded.warnings.front(), HasSubstr("has 1 label_names for 3 classes; they are not used"));
}

TEST(TimmHub, ImageSizeIsTheInputsUnlessTheModelTakesAny) {
  std::string start =
      R"("architecture": "vit_tiny_patch16_224", "pretrained_cfg": {"input_size": [3, 224, 224]}, "model_args": {"img_size": 384)";
  ModelConfig fixed = timmHub(start + "}").config, dynamic = timmHub(start + R"(, "dynamic_img_size": true})").config;
  EXPECT_EQ(fixed.imageHeight, 384);
  EXPECT_EQ(fixed.positionGridHeight, 0);
  EXPECT_EQ(dynamic.imageHeight, 224);
  EXPECT_EQ(dynamic.positionGridHeight, 24);
}

TEST(TimmHub, ArgumentsMeanWhatTheyMeanToTheClass) {
  auto of = [](const std::string &architecture, const std::string &arguments) {
    return timmHub(R"("architecture": ")" + architecture + R"(", "pretrained_cfg": {}, "model_args": {)" + arguments + "}").config;
  };
  // A packed gate's ratio counts both halves; a new width keeps the ratio.
  EXPECT_EQ(of("vit_giant_patch14_dinov2", R"("mlp_ratio": 5.33334, "patch_size": 16)").mlpWidth(), 4096);
  EXPECT_EQ(of("vit_giant_patch14_dinov2", R"("embed_dim": 768)").mlpWidth(), 2048);
  EXPECT_EQ(of("eva02_base_patch14_224", R"("embed_dim": 384, "num_heads": 6)").mlpWidth(), 1024);
  EXPECT_EQ(of("vit_small_plus_patch16_dinov3", R"("mlp_ratio": 3.99, "swiglu_align_to": 8)").mlpWidth(), 1536);
  // The norm goes where the pooling wants it, but for an architecture that says where.
  EXPECT_TRUE(of("vit_tiny_patch16_224", R"("global_pool": "avg")").fcNorm);
  EXPECT_FALSE(of("vit_tiny_patch16_224", R"("global_pool": "avg", "fc_norm": false)").fcNorm);
  EXPECT_TRUE(of("vit_so400m_patch14_siglip_gap_224", R"("global_pool": "avg")").finalNorm);
  EXPECT_TRUE(of("beitv2_base_patch16_224", R"("global_pool": "token")").finalNorm);
  ModelConfig bare =
      of("vit_tiny_patch16_224", R"("final_norm": false, "global_pool": "", "drop_path_rate": 0.1, "norm_layer": "rmsnorm")");
  EXPECT_FALSE(bare.finalNorm || bare.fcNorm);
  EXPECT_EQ(bare.pool, Pool::None);
  EXPECT_EQ(bare.norm, NormKind::Rms);
}

TEST(TimmHub, WhatItDoesNotKnowIsNamed) {
  EXPECT_THAT(timmRefusal(R"("architecture": "vit_tinny_patch16_224", "pretrained_cfg": {})"),
              HasSubstr("architecture: there is no model 'vit_tinny_patch16_224'; the nearest names are vit_tiny_patch16_224"));
  EXPECT_THAT(timmRefusal(R"("architecture": 3)"), HasSubstr("architecture is 3, expected a name of timm"));
  EXPECT_THAT(timmRefusal(R"("architecture": "vit_tiny_patch16_224", "pretrained_cfg": [])"),
              HasSubstr("pretrained_cfg is array, expected an object"));
  EXPECT_THAT(timmRefusal(R"("architecture": "vit_tiny_patch16_224", "pretrained_cfg": {"input_size": [224, 224]})"),
              HasSubstr("input_size is [224,224], expected [channels, height, width]"));
  EXPECT_THAT(timmRefusal(R"("architecture": "vit_tiny_patch16_224", "pretrained_cfg": {}, "model_args": {"wings": 2})"),
              HasSubstr("model_args: vitc knows no argument 'wings' of timm's constructors"));
  EXPECT_THAT(timmRefusal(R"("architecture": "vit_tiny_patch16_224", "pretrained_cfg": {}, "model_args": {"fc_norm": 1})"),
              HasSubstr("fc_norm is 1, expected true, false or null"));
  EXPECT_THAT(
      timmRefusal(R"("architecture": "vit_tiny_patch16_224", "pretrained_cfg": {}, "model_args": {"embed_dim": 65536, "mlp_ratio": 99})"),
      HasSubstr("mlp_dim is 6488064, expected an integer from 1 to 1048576"));
  EXPECT_THAT(timmRefusal(R"("architecture": "vit_tiny_patch16_224", "pretrained_cfg": {}, "model_args": 7)"),
              HasSubstr("model_args is number, expected an object"));
}

//===--------------------------------------------------------------------------------------===//
// OpenCLIP
//===--------------------------------------------------------------------------------------===//

TEST(OpenClip, AFolderOfItsOwnClass) {
  LoadedModel loaded = resolve(dataPath("hub/open-clip").string());
  const ModelConfig &config = loaded.config;
  EXPECT_EQ(std::filesystem::path(loaded.weightsPath).filename(), "open_clip_model.safetensors");
  EXPECT_EQ(config.activation, Activation::QuickGelu);
  EXPECT_EQ(config.numHeads, 2);
  EXPECT_EQ(config.mlpWidth(), 56);
  EXPECT_EQ(config.numClasses, 12);
  EXPECT_EQ(config.normEps, 1e-5);
  EXPECT_EQ(config.layerScale, 0.3);
  EXPECT_TRUE(config.normPre && !config.patchBias && !config.headBias && config.fcNorm && !config.finalNorm);
  EXPECT_EQ(config.preprocess.cropMode, CropMode::Squash);
  EXPECT_EQ(config.preprocessSteps().resizeHeight, 32);
}

TEST(OpenClip, MissingKeysHaveTheLibrarysDefaults) {
  ModelConfig config = openClip(R"("model_cfg": {"embed_dim": 512, "vision_cfg": {}, "text_cfg": {}})");
  EXPECT_EQ(config.embedDim, 768);
  EXPECT_EQ(config.numHeads, 12);
  EXPECT_EQ(config.activation, Activation::Gelu);
  EXPECT_TRUE(config.finalNorm);
  EXPECT_EQ(config.preprocess.mean.front(), 0.48145466);
  EXPECT_EQ(config.preprocessSteps().resizeHeight, 224);
  // The library's own model_configs hold what is in model_cfg.
  EXPECT_EQ(
      openClip(R"("embed_dim": 1024, "vision_cfg": {"width": 1280, "head_width": 80, "norm_kwargs": {"eps": 1e-6}, "no_ln_pre": true})")
          .numHeads,
      16);
}

TEST(OpenClip, TimmsTowers) {
  auto tower = [](const std::string &vision) { return openClip(R"("embed_dim": 640, "vision_cfg": {)" + vision + "}"); };
  ModelConfig siglip =
      tower(R"("timm_model_name": "vit_base_patch16_siglip_224", "timm_pool": "map", "timm_proj": "none", "image_size": 224)");
  EXPECT_EQ(siglip.numClasses, 0);
  EXPECT_EQ(siglip.pool, Pool::Map);
  ModelConfig eva = tower(R"("timm_model_name": "eva02_base_patch16_clip_224", "timm_pool": "token", "timm_proj": null)");
  EXPECT_EQ(eva.numClasses, 640);
  EXPECT_TRUE(eva.headBias && eva.finalNorm);
  // A projection behind the trunk leaves the trunk's norms where its constructor put them.
  ModelConfig relpos = tower(R"("timm_model_name": "vit_relpos_medium_patch16_cls_224", "timm_pool": "avg", "timm_proj": "linear")");
  EXPECT_EQ(relpos.pool, Pool::Avg);
  EXPECT_TRUE(relpos.finalNorm && !relpos.headBias);
  EXPECT_EQ(relpos.numClasses, 640);
  EXPECT_EQ(tower(R"("timm_model_name": "vit_tiny_patch16_224", "timm_pool": "", "image_size": 384)").positionGridHeight, 14);
}

TEST(OpenClip, WhatItCannotCompileIsNamed) {
  EXPECT_THAT(openClipRefusal(R"("layers": [3, 4, 6, 3])"), HasSubstr("layers is [3,4,6,3], expected an integer (a list is a ResNet)"));
  EXPECT_THAT(openClipRefusal(R"("attentional_pool": true)"), HasSubstr("attentional_pool is true, expected false"));
  EXPECT_THAT(openClipRefusal(R"("pool_type": "max")"), HasSubstr("pool_type is max, expected one of tok, avg, none"));
  EXPECT_THAT(openClipRefusal(R"("head_width": 0)"), HasSubstr("head_width is 0, expected a positive integer"));
  EXPECT_THAT(openClipRefusal(R"("width": 16)"), HasSubstr("head_width is 64, expected at most the width 16"));
  EXPECT_THAT(openClipRefusal(R"("act_kwargs": {"inplace": true})"), HasSubstr("act_kwargs is"));
  EXPECT_THAT(openClipRefusal(R"("timm_model_name": "convnext_base")"), HasSubstr("timm_model_name: there is no model 'convnext_base'"));
  EXPECT_THAT(openClipRefusal(R"("timm_model_name": "vit_tiny_patch16_224", "timm_proj": "mlp")"),
              HasSubstr("timm_proj is mlp, expected linear, none or empty"));
  EXPECT_THAT(openClipRefusal(R"("timm_model_name": "vit_tiny_patch16_224", "timm_pool": "map")"),
              HasSubstr("timm_pool is map, expected avg or token: vit_tiny_patch16_224 has no attention pooling"));
  TemporaryFolder folder;
  EXPECT_THAT(refusal(folder.write("c.json", R"({"model_cfg": {"embed_dim": 8}})")), HasSubstr("has no object vision_cfg"));
  EXPECT_THAT(refusal(folder.write("d.json", R"({"model_cfg": {"vision_cfg": {}}})")), HasSubstr("embed_dim is missing"));
  EXPECT_THAT(refusal(folder.write("e.json", R"({"embed_dim": 8, "vision_cfg": {}, "preprocess_cfg": {"resize_mode": "longest"}})")),
              HasSubstr("resize_mode is longest, expected shortest or squash"));
}

} // namespace
