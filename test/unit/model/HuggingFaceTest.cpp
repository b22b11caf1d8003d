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
  EXPECT_THAT(refusal(std::string(Folder(R"({"hidden_size": 8})"))), HasSubstr("has no model_type"));
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

TEST(HuggingFace, WrongPreprocessorsAreRefusedWithASentence) {
  EXPECT_THAT(refusal(std::string(Folder(vit, R"({"size": {"height": 64}})"))), HasSubstr("size is {\"height\":64}, expected"));
  EXPECT_THAT(refusal(std::string(Folder(vit, R"({"size": 100})"))), HasSubstr("pictures of 100x100"));
  EXPECT_THAT(refusal(std::string(Folder(vit, R"({"do_center_crop": true, "crop_size": 100})"))), HasSubstr("crop_size is 100x100"));
  EXPECT_THAT(refusal(std::string(Folder(vit, R"({"resample": 9})"))), HasSubstr("resample is 9"));
  EXPECT_THAT(refusal(std::string(Folder(vit, R"({"do_rescale": false})"))), HasSubstr("expected true and 1/255"));
  EXPECT_THAT(refusal(std::string(Folder(vit, R"({"image_processor_type": "SamImageProcessor"})"))), HasSubstr("SamImageProcessor"));
  EXPECT_THAT(refusal(std::string(Folder(vit, R"({"image_processor_type": 3})"))), HasSubstr("expected a string"));
}

TEST(HuggingFace, DeepNestingIsRefusedWithASentence) {
  std::string deep = "{\"size\": " + std::string(500'000, '[') + std::string(500'000, ']') + "}";
  EXPECT_THAT(refusal(std::string(Folder(deep))), HasSubstr("/config.json nests lists or objects deeper than 64 levels"));
  EXPECT_THAT(refusal(std::string(Folder(vit, deep))), HasSubstr("/preprocessor_config.json nests lists or objects deeper than 64 levels"));
  Folder folder(vit);
  EXPECT_THAT(refusal(std::string(folder), {}, folder.write("p.json", deep)), HasSubstr("p.json nests lists or objects deeper than 64 levels"));
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
  EXPECT_THAT(refusal((folder / "siglip").string()), HasSubstr("model_type is 'siglip'"));
}

} // namespace
