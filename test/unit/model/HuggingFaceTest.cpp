//===- HuggingFaceTest.cpp - transformers' folders ---------------------------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "TestModels.h"

#include "gmock/gmock.h"

using namespace vitc;
using namespace vitc::test;
using testing::ElementsAre;
using testing::HasSubstr;

namespace {

/// A folder with these files.
struct Folder : TemporaryFolder {
  explicit Folder(const std::string &config, const std::string &preprocessor = "") {
    write("config.json", config);
    if (!preprocessor.empty())
      write("preprocessor_config.json", preprocessor);
  }
  operator std::string() const { return path.string(); }
};

constexpr const char *vit = R"({"model_type": "vit", "architectures": ["ViTForImageClassification"]})";

TEST(HuggingFace, AMissingFieldHasItsClassesDefault) {
  ModelConfig config = resolve(std::string(Folder(vit))).config;
  EXPECT_EQ(config.family, Family::HuggingFaceVit);
  EXPECT_EQ(config.normEps, 1e-12);
  EXPECT_EQ(config.mlpWidth(), 3072);
  EXPECT_EQ(config.numClasses, 2);
  ModelConfig clip = resolve(std::string(Folder(R"({"model_type": "clip_vision_model"})"))).config;
  EXPECT_EQ(clip.patchHeight, 32);
  EXPECT_EQ(clip.activation, Activation::QuickGelu);
  EXPECT_EQ(clip.numClasses, 0);
  ModelConfig dinov2 = resolve(std::string(Folder(R"({"model_type": "dinov2", "image_size": 518})"))).config;
  EXPECT_EQ(dinov2.patches(), 37 * 37);
  EXPECT_EQ(dinov2.layerScale, 1.0);
  EXPECT_EQ(resolve(std::string(Folder(R"({"model_type": "dinov2_with_registers"})"))).config.patchHeight, 16);
}

/// A folder of a config with these fields.
ModelConfig parse(const std::string &fields, const std::string &preprocessor = "") {
  return resolve(std::string(Folder("{" + fields + "}", preprocessor))).config;
}

TEST(HuggingFace, TypesBuiltAsVit) {
  ModelConfig msn = parse(R"("model_type": "vit_msn", "architectures": ["ViTMSNModel"])");
  EXPECT_EQ(msn.normEps, 1e-6);
  EXPECT_EQ(msn.pool, Pool::None);
  ModelConfig ijepa = parse(R"("model_type": "ijepa", "architectures": ["IJepaForImageClassification"])");
  EXPECT_EQ(ijepa.tokens(), 196);
  EXPECT_EQ(ijepa.pool, Pool::AvgAll);
  ModelConfig mae = parse(R"("model_type": "vit_mae", "architectures": ["ViTMAEForPreTraining"], "mask_ratio": 0.0)");
  EXPECT_EQ(mae.pool, Pool::None);
  EXPECT_EQ(mae.numClasses, 0);
  EXPECT_THAT(refusal(std::string(Folder(R"({"model_type": "vit_mae"})"))), HasSubstr("hides patches at random"));
}

TEST(HuggingFace, BeitsNormStandsWhereThePoolIs) {
  ModelConfig mean = parse(R"("model_type": "beit", "architectures": ["BeitForImageClassification"], "use_relative_position_bias": true)");
  EXPECT_EQ(mean.pool, Pool::Avg);
  EXPECT_TRUE(mean.fcNorm && !mean.finalNorm);
  EXPECT_EQ(mean.position, Position::None);
  EXPECT_EQ(mean.qkvBias, QkvBias::QueryValue);
  EXPECT_EQ(mean.layerScale, 0.1);
  EXPECT_EQ(mean.preprocess.interpolation, Interpolation::Bicubic);
  ModelConfig token = parse(R"("model_type": "beit", "use_mean_pooling": false, "use_absolute_position_embeddings": true,
      "use_shared_relative_position_bias": true, "layer_scale_init_value": 0)");
  EXPECT_EQ(token.pool, Pool::Token);
  EXPECT_TRUE(token.finalNorm && !token.fcNorm);
  EXPECT_EQ(token.usedPositionRows(), 197);
  EXPECT_EQ(token.relativePosition, RelativePosition::SharedTable);
  EXPECT_EQ(token.layerScale, 0.0);
  ModelConfig data2vec = parse(R"("model_type": "data2vec-vision")");
  EXPECT_EQ(data2vec.pool, Pool::None);
  EXPECT_FALSE(data2vec.finalNorm || data2vec.fcNorm);
  EXPECT_THAT(refusal(std::string(Folder(R"({"model_type": "beit", "use_relative_position_bias": true,
      "use_shared_relative_position_bias": true})"))),
              HasSubstr("at most one"));
  EXPECT_THAT(refusal(std::string(Folder(R"({"model_type": "beit", "use_relative_position_bias": true, "image_size": [224, 160]})"))),
              HasSubstr("expected a square"));
}

TEST(HuggingFace, Dinov3sBiases) {
  ModelConfig plain = parse(R"("model_type": "dinov3_vit")");
  EXPECT_EQ(plain.embedDim, 384);
  EXPECT_EQ(plain.qkvBias, QkvBias::QueryValue);
  EXPECT_EQ(plain.rope, Rope::DinoV3);
  EXPECT_EQ(plain.ropeTheta, 100.0);
  EXPECT_EQ(plain.regTokens, 0);
  ModelConfig large = parse(R"("model_type": "dinov3_vit", "use_gated_mlp": true, "hidden_act": "silu", "query_bias": false,
      "value_bias": false, "proj_bias": false, "mlp_bias": false, "num_register_tokens": 4, "rope_theta": 50, "layerscale_value": 0)");
  EXPECT_EQ(large.qkvBias, QkvBias::None);
  EXPECT_TRUE(large.gatedMlp && !large.projBias && !large.mlpBias && !large.gateBias);
  EXPECT_GT(large.layerScale, 0.0);
  EXPECT_EQ(large.ropeTheta, 50.0);
  EXPECT_THAT(refusal(std::string(Folder(R"({"model_type": "dinov3_vit", "value_bias": false})"))), HasSubstr("query_bias is true"));
}

TEST(HuggingFace, ClipsClasses) {
  ModelConfig both = parse(R"("model_type": "clip", "architectures": ["CLIPModel"], "projection_dim": 1024,
      "vision_config": {"hidden_size": 1280, "num_attention_heads": 16, "hidden_act": "gelu", "projection_dim": 7}, "vision_config_dict": null)");
  EXPECT_EQ(both.numClasses, 1024);
  EXPECT_FALSE(both.headBias);
  EXPECT_EQ(both.activation, Activation::Gelu);
  EXPECT_EQ(both.embedDim, 1280);
  ModelConfig old = parse(R"("model_type": "clip", "vision_config": {"hidden_size": 64}, "vision_config_dict": {"patch_size": 16})");
  EXPECT_EQ(old.embedDim, 768);
  EXPECT_EQ(old.patchHeight, 16);
  ModelConfig tower =
      parse(R"("model_type": "clip_vision_model", "architectures": ["CLIPVisionModelWithProjection"], "projection_dim": 640)");
  EXPECT_EQ(tower.numClasses, 640);
  ModelConfig classifier = parse(R"("model_type": "clip", "architectures": ["CLIPForImageClassification"], "num_labels": 5)");
  EXPECT_EQ(classifier.numClasses, 5);
  EXPECT_EQ(classifier.pool, Pool::Avg);
  EXPECT_TRUE(classifier.headBias && !classifier.fcNorm && !classifier.finalNorm);
  EXPECT_EQ(parse(R"("model_type": "altclip")").numClasses, 768);
}

TEST(HuggingFace, SiglipsHeads) {
  ModelConfig tower = parse(R"("model_type": "siglip_vision_model", "hidden_size": 96, "num_attention_heads": 4)");
  EXPECT_EQ(tower.pool, Pool::Map);
  EXPECT_EQ(tower.activation, Activation::GeluTanh);
  EXPECT_EQ(tower.tokens(), 196);
  EXPECT_EQ(tower.preprocess.interpolation, Interpolation::Bicubic);
  EXPECT_EQ(parse(R"("model_type": "siglip_vision_model", "vision_use_head": false)").pool, Pool::None);
  ModelConfig classifier = parse(R"("model_type": "siglip", "architectures": ["SiglipForImageClassification"], "id2label": {"0": "a"})");
  EXPECT_EQ(classifier.pool, Pool::AvgAll);
  EXPECT_EQ(classifier.numClasses, 1);
  EXPECT_THAT(refusal(std::string(Folder(R"({"model_type": "siglip2"})"))), HasSubstr("NaFlex"));
}

TEST(HuggingFace, ModelsOfAnySizeFollowTheirProcessor) {
  ModelConfig dinov2 = parse(R"("model_type": "dinov2", "image_size": 518)", R"({"image_processor_type": "BitImageProcessor",
      "size": {"shortest_edge": 256}, "crop_size": {"height": 224, "width": 224}, "do_center_crop": true})");
  EXPECT_EQ(dinov2.imageHeight, 224);
  EXPECT_EQ(dinov2.positionGridHeight, 37);
  EXPECT_EQ(dinov2.preprocessSteps().resizeHeight, 256);
  ModelConfig dinov3 =
      parse(R"("model_type": "dinov3_vit")", R"({"image_processor_type": "DINOv3ViTImageProcessorFast", "size": [448, 336]})");
  EXPECT_EQ(dinov3.gridHeight(), 28);
  EXPECT_EQ(dinov3.gridWidth(), 21);
  EXPECT_EQ(dinov3.positionGridHeight, 0);
  EXPECT_FALSE(dinov3.preprocess.resizeRounding);
  EXPECT_THAT(dinov3.preprocess.mean, ElementsAre(0.485, 0.456, 0.406));
}

TEST(HuggingFace, AnotherSizeKeepsTheFilesGrid) {
  Folder folder(R"({"model_type": "siglip_vision_model"})");
  ModelConfig larger = resolve(std::string(folder), {"image_size=[384,256]"}).config;
  EXPECT_EQ(larger.patches(), 24 * 16);
  EXPECT_EQ(larger.positionGridHeight, 14);
  EXPECT_EQ(larger.weightPositionRows(), 196);
  EXPECT_EQ(resolve(std::string(folder), {"image_size=384", "position_grid=24"}).config.positionGridHeight, 24);
  EXPECT_EQ(resolve(std::string(folder), {"image_size=230"}).config.positionGridHeight, 0);
  EXPECT_EQ(resolve("vit_tiny_patch16_224", {"image_size=384"}).config.positionGridHeight, 0);
}

TEST(HuggingFace, UnknownFieldsAreIgnoredAndLabelsRead) {
  ModelConfig config = resolve(std::string(Folder(R"({"model_type": "vit", "architectures": ["ViTForImageClassification"], "brand_new": [1],
      "id2label": {"1": "dog", "0": "cat"}, "layer_norm_eps": 1e-6})")))
                           .config;
  EXPECT_THAT(config.labels, ElementsAre("cat", "dog"));
  EXPECT_EQ(config.numClasses, 2);
  EXPECT_EQ(config.normEps, 1e-6);
}

TEST(HuggingFace, ClassesThatAreNotKnownAreNamed) {
  EXPECT_THAT(refusal(std::string(Folder(R"({"model_type": "swin"})"))), HasSubstr("model_type is 'swin', expected one of vit, deit"));
  EXPECT_THAT(refusal(std::string(Folder(R"({"hidden_size": 8})"))), HasSubstr("has neither model_type"));
  EXPECT_THAT(refusal(std::string(Folder(R"({"model_type": "vit", "architectures": ["ViTForMaskedImageModeling"]})"))),
              HasSubstr("expected one of ViTForImageClassification, ViTModel"));
  EXPECT_THAT(refusal(std::string(Folder(R"({"model_type": "vit", "hidden_size": "wide"})"))), HasSubstr("hidden_size is \"wide\""));
  EXPECT_THAT(refusal(std::string(Folder(R"({"model_type": "vit", "id2label": {"7": "x"}})"))), HasSubstr("expected a number below 1"));
}

TEST(HuggingFace, TheVitProcessorSquashes) {
  ModelConfig config =
      resolve(std::string(Folder(vit, R"({"image_processor_type": "ViTImageProcessor", "size": 224, "resample": 2})"))).config;
  PreprocessSteps steps = config.preprocessSteps();
  EXPECT_EQ(steps.resize, PreprocessSteps::Resize::Squash);
  EXPECT_EQ(steps.resizeHeight, 224);
  EXPECT_EQ(steps.cropHeight, 0);
  EXPECT_EQ(config.preprocess.interpolation, Interpolation::Bilinear);
  EXPECT_EQ(config.preprocess.rescale, Rescale::Multiply255);
}

TEST(HuggingFace, TheClipProcessorCropsWithRoundingDown) {
  Folder folder(R"({"model_type": "clip_vision_model"})", R"({"image_processor_type": "CLIPImageProcessor", "size": {"shortest_edge": 256},
      "crop_size": {"height": 224, "width": 224}, "resample": 3, "image_mean": [0.1, 0.2, 0.3]})");
  ModelConfig config = resolve(std::string(folder)).config;
  PreprocessSteps steps = config.preprocessSteps();
  EXPECT_EQ(steps.resize, PreprocessSteps::Resize::ShorterEdge);
  EXPECT_EQ(steps.resizeHeight, 256);
  EXPECT_EQ(steps.cropHeight, 224);
  EXPECT_EQ(config.preprocess.cropRounding, CropRounding::Floor);
  EXPECT_THAT(config.preprocess.mean, ElementsAre(0.1, 0.2, 0.3));
}

TEST(HuggingFace, APreprocessorFileServesAPresetToo) {
  TemporaryFolder folder;
  std::string file = folder.write("p.json", R"({"image_processor_type": "DeiTImageProcessor", "size": {"height": 256, "width": 256},
      "crop_size": {"height": 224, "width": 224}, "do_normalize": false})");
  ModelConfig config = resolve("vit_tiny_patch16_224", {}, file).config;
  EXPECT_EQ(config.preprocessSteps().resize, PreprocessSteps::Resize::Squash);
  EXPECT_EQ(config.preprocessSteps().resizeHeight, 256);
  EXPECT_THAT(config.preprocess.std, ElementsAre(1.0, 1.0, 1.0));
}

TEST(HuggingFace, AProcessorOfPicturesAndTextsHoldsOne) {
  Folder folder(R"({"model_type": "siglip_vision_model"})");
  folder.write("processor_config.json",
               R"({"processor_class": "SiglipProcessor", "image_processor": {"resample": 2, "image_mean": [0, 0, 0],
      "image_processor_type": "SiglipImageProcessor", "size": {"height": 224, "width": 224}}})");
  ModelConfig config = resolve(std::string(folder)).config;
  EXPECT_EQ(config.preprocess.interpolation, Interpolation::Bilinear);
  EXPECT_THAT(config.preprocess.mean, ElementsAre(0.0, 0.0, 0.0));
}

TEST(HuggingFace, TimmsFoldersNameAnArchitecture) {
  ModelConfig config =
      parse(R"("architecture": "vit_tiny_patch16_224", "num_classes": 3, "label_names": ["a", "b", "c"], "global_pool": "token",
      "pretrained_cfg": {"tag": "mine", "input_size": [1, 64, 96], "crop_pct": 0.8, "crop_mode": "squash", "interpolation": "bilinear",
      "mean": [0.4], "std": [0.2], "num_classes": 1000}, "model_args": {"img_size": [64, 96], "init_values": 1e-5, "global_pool": "avg"})");
  EXPECT_EQ(config.family, Family::Timm);
  EXPECT_EQ(config.embedDim, 192);
  EXPECT_EQ(config.numClasses, 3);
  EXPECT_THAT(config.labels, ElementsAre("a", "b", "c"));
  EXPECT_EQ(config.patches(), 4 * 6);
  EXPECT_EQ(config.inChannels, 1);
  EXPECT_EQ(config.layerScale, 1e-5);
  EXPECT_EQ(config.pool, Pool::Avg);
  EXPECT_TRUE(config.fcNorm && !config.finalNorm);
  EXPECT_EQ(config.preprocess.cropMode, CropMode::Squash);
  EXPECT_EQ(config.preprocess.interpolation, Interpolation::Bilinear);
  EXPECT_THAT(config.preprocess.mean, ElementsAre(0.4));
  ModelConfig old = parse(R"("architecture": "vit_tiny_patch16_224", "num_classes": 7, "crop_pct": 1.0, "first_conv": "patch_embed.proj")");
  EXPECT_EQ(old.numClasses, 7);
  EXPECT_EQ(old.preprocess.cropPct, 1.0);
  EXPECT_THAT(refusal(std::string(Folder(R"({"architecture": "resnet50"})"))), HasSubstr("architecture: "));
  EXPECT_THAT(
      refusal(std::string(Folder(R"({"architecture": "vit_tiny_patch16_224", "pretrained_cfg": {}, "model_args": {"window": 7}})"))),
      HasSubstr("window"));
}

TEST(HuggingFace, WrongPreprocessorsAreRefusedWithASentence) {
  EXPECT_THAT(refusal(std::string(Folder(vit, R"({"size": {"height": 64}})"))), HasSubstr("size is {\"height\":64}, expected"));
  EXPECT_THAT(refusal(std::string(Folder(vit, R"({"size": 100})"))), HasSubstr("pictures of 100x100"));
  EXPECT_THAT(refusal(std::string(Folder(vit, R"({"do_center_crop": true, "crop_size": 100})"))), HasSubstr("crop_size is 100x100"));
  EXPECT_THAT(refusal(std::string(Folder(vit, R"({"resample": 9})"))), HasSubstr("resample is 9"));
  EXPECT_THAT(refusal(std::string(Folder(vit, R"({"do_rescale": false})"))), HasSubstr("expected true and 1/255"));
  EXPECT_THAT(refusal(std::string(Folder(vit, R"({"image_processor_type": "SamImageProcessor"})"))), HasSubstr("SamImageProcessor"));
  EXPECT_THAT(refusal(std::string(Folder(vit, R"({"image_processor_type": 3})"))), HasSubstr("expected a string"));
  EXPECT_THAT(refusal(std::string(Folder(vit, R"({"image_processor_type": "Siglip2ImageProcessor"})"))), HasSubstr("NaFlex"));
}

TEST(HuggingFace, DeepNestingIsRefusedWithASentence) {
  std::string deep = "{\"size\": " + std::string(500'000, '[') + std::string(500'000, ']') + "}";
  EXPECT_THAT(refusal(std::string(Folder(deep))), HasSubstr("/config.json nests lists or objects deeper than 64 levels"));
  EXPECT_THAT(refusal(std::string(Folder(vit, deep))), HasSubstr("/preprocessor_config.json nests lists or objects deeper than 64 levels"));
  Folder folder(vit);
  EXPECT_THAT(refusal(std::string(folder), {}, folder.write("p.json", deep)),
              HasSubstr("p.json nests lists or objects deeper than 64 levels"));
}

TEST(HuggingFace, TheWeightFileIsFound) {
  Folder folder(vit);
  EXPECT_EQ(resolve(std::string(folder)).weightsPath, "");
  folder.write("pytorch_model.bin", "");
  EXPECT_THAT(resolve(std::string(folder)).weightsPath, testing::EndsWith("pytorch_model.bin"));
  folder.write("model.safetensors", "");
  EXPECT_THAT(resolve(std::string(folder)).weightsPath, testing::EndsWith("model.safetensors"));
}

TEST(HuggingFace, SharedFoldersResolve) {
  std::filesystem::path folder = sharedData() / "hf-goldens";
  VITC_SKIP_WITHOUT(folder);
  ModelConfig swiglu = resolve((folder / "dinov2_with_registers_swiglu").string()).config;
  EXPECT_EQ(swiglu.mlpWidth(), 256);
  EXPECT_EQ(swiglu.prefixTokens(), 5);
  EXPECT_EQ(swiglu.usedPositionRows(), 65);
  EXPECT_EQ(resolve((folder / "deit").string()).config.preprocessSteps().resizeHeight, 73);
  EXPECT_EQ(resolve((folder / "clip").string()).config.numClasses, 32);
  EXPECT_EQ(resolve((folder / "siglip").string()).config.pool, Pool::Map);
  EXPECT_EQ(resolve((folder / "siglip_classifier").string()).config.numClasses, 10);
  EXPECT_EQ(resolve((folder / "dinov3").string()).config.tokens(), 69);
  EXPECT_EQ(resolve((folder / "beit").string()).config.relativePosition, RelativePosition::Table);
}

} // namespace
