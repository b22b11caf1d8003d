//===- WeightNamingTest.cpp - tensor names and views against the frameworks' own ------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "TestModels.h"

#include "compiler/frontend/Import.h"
#include "compiler/frontend/WeightNaming.h"
#include "compiler/model/Presets.h"

#include "nlohmann/json.hpp"
#include "gmock/gmock.h"

#include <map>
#include <numeric>
#include <set>

using namespace vitc;
using namespace vitc::test;

namespace {

using Shapes = std::map<std::string, std::vector<int64_t>>;

Shapes shapesOf(const Scheme &scheme) {
  Shapes shapes;
  for (const FileTensor &tensor : scheme.tensors)
    shapes[tensor.names.front()] = tensor.shape;
  return shapes;
}

const Scheme *findScheme(const WeightNaming &naming, llvm::StringRef name) {
  for (const Scheme &scheme : naming.schemes)
    if (scheme.name == name)
      return &scheme;
  return nullptr;
}

Shapes shapesOf(const nlohmann::json &tensors) {
  Shapes shapes;
  for (auto &[name, shape] : tensors.items())
    shapes[name] = shape.get<std::vector<int64_t>>();
  return shapes;
}

/// The header of a safetensors file.
Shapes readSafetensors(const std::filesystem::path &path) {
  std::ifstream file(path, std::ios::binary);
  uint64_t length = 0;
  file.read(reinterpret_cast<char *>(&length), sizeof length);
  std::string header(length, ' ');
  file.read(header.data(), static_cast<std::streamsize>(length));
  Shapes shapes;
  nlohmann::json tensors = nlohmann::json::parse(header);
  for (auto &[name, tensor] : tensors.items())
    if (name != "__metadata__")
      shapes[name] = tensor["shape"].get<std::vector<int64_t>>();
  return shapes;
}

/// Every view of every scheme stays inside its tensor, and every element of a home tensor is some weight's, once.
void checkViews(const WeightNaming &naming, const std::string &model) {
  for (size_t s = 0; s < naming.schemes.size(); ++s) {
    std::vector<int64_t> covered(naming.schemes[s].tensors.size(), 0);
    for (const Source &source : naming.sources) {
      ASSERT_EQ(source.views.size(), naming.schemes.size()) << model << " " << source.name;
      const SourceView &view = source.views[s];
      ASSERT_EQ(view.strides.size(), source.shape.size()) << model << " " << source.name;
      ASSERT_LE(source.shape.size(), 5u);
      int64_t last = view.offset, elements = 1;
      for (size_t axis = 0; axis < source.shape.size(); ++axis) {
        last += (source.shape[axis] - 1) * view.strides[axis];
        elements *= source.shape[axis];
      }
      const FileTensor &tensor = naming.schemes[s].tensors.at(view.tensor);
      int64_t size = std::accumulate(tensor.shape.begin(), tensor.shape.end(), int64_t(1), std::multiplies<>());
      EXPECT_LT(last, size) << model << " " << source.name << " in " << naming.schemes[s].name;
      covered[view.tensor] += elements;
    }
    for (size_t t = 0; t < covered.size(); ++t) {
      const FileTensor &tensor = naming.schemes[s].tensors[t];
      int64_t size = std::accumulate(tensor.shape.begin(), tensor.shape.end(), int64_t(1), std::multiplies<>());
      // facebook's DINOv3 keeps the key's bias, which is masked to zeros, in the packed one.
      bool unusedBias = naming.schemes[s].name == "dinov3" && tensor.names.front().ends_with("qkv.bias");
      if (tensor.sliceable || unusedBias)
        EXPECT_LE(covered[t], size);
      else
        EXPECT_EQ(covered[t], size) << model << " " << tensor.names.front() << " in " << naming.schemes[s].name;
    }
  }
}

/// The element of a file that a weight's element is.
int64_t elementOf(const WeightNaming &naming, llvm::StringRef scheme, llvm::StringRef weight, std::vector<int64_t> index) {
  for (size_t s = 0; s < naming.schemes.size(); ++s)
    for (const Source &source : naming.sources)
      if (naming.schemes[s].name == scheme && source.name == weight) {
        int64_t at = source.views[s].offset;
        for (size_t axis = 0; axis < index.size(); ++axis)
          at += index[axis] * source.views[s].strides[axis];
        return at;
      }
  ADD_FAILURE() << "no weight " << weight.str() << " in scheme " << scheme.str();
  return -1;
}

TEST(WeightNaming, EveryPresetHasItsHomeAndViewsThatCoverTheirTensors) {
  for (const ModelConfig &config : presets())
    if (unsupportedSwitches(config).empty())
      checkViews(describeWeights(config), config.name);
}

TEST(WeightNaming, TimmNamesAndShapesAreThoseOfTimm) {
  std::filesystem::path folder = sharedData() / "timm-goldens";
  VITC_SKIP_WITHOUT(folder);
  int compared = 0;
  for (const ModelConfig &config : timmPresets()) {
    if (!unsupportedSwitches(config).empty())
      continue;
    Shapes expected;
    std::istringstream lines(readText(folder / "names" / (config.name + ".jsonl")));
    for (std::string line; std::getline(lines, line);) {
      nlohmann::json tensor = nlohmann::json::parse(line);
      if (!tensor.contains("dtype")) // counters of training steps
        expected[tensor["name"]] = tensor["shape"].get<std::vector<int64_t>>();
    }
    WeightNaming naming = describeWeights(config);
    EXPECT_EQ(naming.schemes.front().name, "timm");
    EXPECT_EQ(shapesOf(naming.schemes.front()), expected) << config.name;
    nlohmann::json golden = nlohmann::json::parse(readText(folder / (config.name + ".json")));
    EXPECT_EQ(parameterCount(naming), golden["parameters"].get<uint64_t>()) << config.name;
    EXPECT_EQ(nominalFlopPerImage(config), 2 * golden["macs"].get<uint64_t>()) << config.name;
    ++compared;
  }
  EXPECT_EQ(compared, 78);
}

TEST(WeightNaming, ReferenceSystemsNamesAndShapesAreTheirOwn) {
  std::filesystem::path folder = sharedData() / "reference-systems";
  VITC_SKIP_WITHOUT(folder);
  struct Case {
    const char *file, *preset;
    std::vector<std::string> overrides;
  };
  std::vector<std::string> small = {"image_size=32", "patch_size=8", "D=48", "heads=3", "depth=2", "mlp_dim=192", "num_classes=10"};
  std::vector<std::string> slides = small, flax = small, timm = small;
  slides.emplace_back("head_hidden=64");
  const Case cases[] = {
      {"000-small", "labml-vit", {"patch_size=8", "d_model=48", "heads=3", "layers=2", "d_ff=192", "n_hidden=64"}},
      {"001-small", "slides-vit", slides},
      {"002-small",
       "csdn-vit",
       {"image_size=32", "patch_size=4", "embedding_dim=48", "heads=4", "depth=2", "mlp_dim=96", "num_classes=10", "pretrain_dim=64"}},
      {"003-small", "notebook-vit", {"num_patch_row=4", "emb_dim=48", "heads=4", "hidden_dim=192", "num_blocks=3"}},
      {"004-small", "ViT-B_16", flax},
      {"004-hybrid-small",
       "R50+ViT-B_16",
       {"image_size=32", "stem_layers=[1, 1]", "width_factor=0.5", "D=48", "heads=3", "depth=1", "mlp_dim=96", "num_classes=10"}},
      {"timm-small", "vit_base_patch16_224", timm},
  };
  for (const Case &c : cases) {
    nlohmann::json golden = nlohmann::json::parse(readText(folder / c.file / "config.json"));
    WeightNaming naming = describeWeights(resolve(c.preset, c.overrides).config);
    EXPECT_EQ(shapesOf(naming.schemes.front()), shapesOf(golden["tensors"])) << c.file;
    EXPECT_EQ(parameterCount(naming), golden["parameters"].get<uint64_t>()) << c.file;
    checkViews(naming, c.file);
  }
}

TEST(WeightNaming, HuggingFaceNamesAndShapesAreThoseOfItsFiles) {
  std::filesystem::path folder = sharedData() / "hf-goldens";
  VITC_SKIP_WITHOUT(folder);
  for (const char *model :
       {"vit", "vit_model", "deit", "deit_with_teacher", "dinov2", "dinov2_with_registers_swiglu", "clip_vision", "clip"}) {
    WeightNaming naming = describeWeights(resolve((folder / model).string()).config);
    Shapes expected = readSafetensors(folder / model / "model.safetensors");
    std::erase_if(expected, [](auto &entry) {
      return entry.first.starts_with("text_") || entry.first == "logit_scale" || entry.first.ends_with("mask_token");
    });
    EXPECT_EQ(shapesOf(naming.schemes.front()), expected) << model;
    checkViews(naming, model);
  }
  WeightNaming naming = describeWeights(
      resolve("vit_b_16", {"image_size=64", "patch_size=8", "depth=3", "num_heads=4", "embed_dim=96", "mlp_dim=384", "num_classes=10"})
          .config);
  EXPECT_EQ(naming.schemes.front().name, "torchvision");
  EXPECT_EQ(shapesOf(naming.schemes.front()), readSafetensors(folder / "torchvision" / "model.safetensors"));
}

TEST(WeightNaming, PublishedFlaxFilesNumberABlocksModulesInOneSequence) {
  std::filesystem::path folder = sharedData() / "reference-systems" / "004-load";
  VITC_SKIP_WITHOUT(folder);
  nlohmann::json golden = nlohmann::json::parse(readText(folder / "config.json"));
  WeightNaming naming = describeWeights(resolve("ViT-B_16", {"image_size=32", "patch_size=8", "embed_dim=48", "num_heads=3", "depth=2",
                                                             "mlp_dim=96", "num_classes=21", "representation_size=24"})
                                            .config);
  const Scheme *published = findScheme(naming, "flax-published");
  ASSERT_NE(published, nullptr);
  EXPECT_EQ(shapesOf(*published), shapesOf(golden["checkpoint_keys"]["vit.npz"]));
  WeightNaming hybrid = describeWeights(resolve("R50+ViT-B_16", {"image_size=32", "stem_layers=[1]", "width_factor=0.5", "embed_dim=48",
                                                                 "num_heads=3", "depth=1", "mlp_dim=96", "num_classes=21"})
                                            .config);
  published = findScheme(hybrid, "flax-published");
  ASSERT_NE(published, nullptr);
  EXPECT_EQ(shapesOf(*published), shapesOf(golden["checkpoint_keys"]["hybrid.npz"])); // vectors [1, 1, 1, C]
}

TEST(WeightNaming, StemsKernelsInEachLayout) {
  WeightNaming naming = describeWeights(resolve("vit_base_r50_s16_224").config);
  const char *kernel = "patch_embed.backbone.stages.1.blocks.0.conv2.weight"; // 128 of 128 channels, 3 x 3
  EXPECT_EQ(elementOf(naming, "timm", kernel, {9, 5, 2, 1}), ((9 * 128 + 5) * 3 + 2) * 3 + 1);
  EXPECT_EQ(elementOf(naming, "flax", kernel, {9, 5, 2, 1}), ((2 * 3 + 1) * 128 + 5) * 128 + 9);
  EXPECT_EQ(findScheme(naming, "huggingface-vit"), nullptr);
  WeightNaming batchNorm = describeWeights(resolve("vit_small_resnet26d_224").config);
  EXPECT_EQ(findScheme(batchNorm, "flax"), nullptr);
}

TEST(WeightNaming, PackedQueryKeyValueAreViewsOfOneTensor) {
  WeightNaming naming = describeWeights(resolve("vit_tiny_patch16_224").config); // 3 heads of 64
  EXPECT_EQ(elementOf(naming, "timm", "blocks.0.attn.key.weight", {2, 5, 7}), (192 + 2 * 64 + 5) * 192 + 7);
  EXPECT_EQ(elementOf(naming, "timm", "blocks.0.attn.value.bias", {1, 5}), 2 * 192 + 64 + 5);
  EXPECT_EQ(elementOf(naming, "huggingface-vit", "blocks.0.attn.key.weight", {2, 5, 7}), (2 * 64 + 5) * 192 + 7);
  EXPECT_EQ(elementOf(naming, "flax", "blocks.0.attn.key.weight", {2, 5, 7}), (7 * 3 + 2) * 64 + 5);
  EXPECT_EQ(elementOf(naming, "flax", "blocks.0.attn.proj.weight", {9, 2, 5}), (2 * 64 + 5) * 192 + 9);
  EXPECT_EQ(elementOf(naming, "flax", "patch_embed.weight", {9, 1, 3, 4}), ((3 * 16 + 4) * 3 + 1) * 192 + 9);
}

TEST(WeightNaming, TheSlidesPackHeadByHeadUnlessToldOtherwise) {
  std::vector<std::string> small = {"D=48", "heads=3"}; // heads of 16
  EXPECT_EQ(elementOf(describeWeights(resolve("slides-vit", small).config), "slides", "blocks.0.attn.key.weight", {2, 5, 7}),
            7 * 144 + 2 * 48 + 16 + 5);
  small.emplace_back("qkv_packing=parts");
  EXPECT_EQ(elementOf(describeWeights(resolve("slides-vit", small).config), "slides", "blocks.0.attn.key.weight", {2, 5, 7}),
            7 * 144 + 48 + 2 * 16 + 5);
}

TEST(WeightNaming, LabmlsTableIsLongerThanNeeded) {
  WeightNaming naming = describeWeights(resolve("labml-vit").config);
  const auto &tensors = naming.schemes.front().tensors;
  auto table =
      std::find_if(tensors.begin(), tensors.end(), [](auto &tensor) { return tensor.names.front() == "pos_emb.positional_encodings"; });
  ASSERT_NE(table, tensors.end());
  EXPECT_TRUE(table->sliceable);
  EXPECT_EQ(table->shape, (std::vector<int64_t>{5000, 1, 512}));
  auto source = std::find_if(naming.sources.begin(), naming.sources.end(), [](auto &weight) { return weight.name == "pos_embed"; });
  EXPECT_EQ(source->shape, (std::vector<int64_t>{64, 512}));
}

TEST(WeightNaming, FilesOfOtherFrameworksServeAPlainModel) {
  WeightNaming naming = describeWeights(resolve("vit_tiny_patch16_224").config);
  for (const char *scheme : {"timm", "huggingface-vit", "torchvision", "flax", "flax-published"})
    EXPECT_NE(findScheme(naming, scheme), nullptr) << scheme;
  EXPECT_THAT(naming.schemes.front().tensors.front().names, testing::Contains("model.patch_embed.proj.weight"));
}

TEST(WeightNaming, AWeightThatTheHomeFrameworkLacksKeepsItsOwnName) {
  WeightNaming naming = describeWeights(resolve("vit_tiny_patch16_224", {"head_hidden=10"}).config);
  EXPECT_EQ(shapesOf(naming.schemes.front())["head_hidden.weight"], (std::vector<int64_t>{10, 192}));
}

} // namespace
