//===- StemLayoutTest.cpp - sizes, channels and padding of stems ------------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "TestModels.h"

#include "compiler/model/StemLayout.h"

#include "gmock/gmock.h"

using namespace vitc;
using namespace vitc::test;
using testing::ElementsAre;

namespace {

StemLayout layoutOf(llvm::StringRef model, std::vector<std::string> overrides = {}) {
  return stemLayout(resolve(model, std::move(overrides)).config);
}

TEST(StemLayout, WithoutAStemTheImageIsTheMap) {
  StemLayout layout = layoutOf("vit_tiny_patch16_224", {"image_size=[32, 48]", "in_channels=1"});
  EXPECT_TRUE(layout.convolutions().empty());
  EXPECT_EQ(layout.channels, 1);
  EXPECT_THAT(layout.size, ElementsAre(32, 48));
}

TEST(StemLayout, ResNetV2PadsAsTensorFlowDoes) {
  StemLayout layout = layoutOf("vit_base_r50_s16_224");
  EXPECT_EQ(layout.convolutions().size(), 1u + 3 * 16 + 3);
  EXPECT_EQ(layout.channels, 1024);
  EXPECT_THAT(layout.size, ElementsAre(14, 14));
  // 7 x 7 by 2 on an even size: 2 before, 3 after; the pool's 3 x 3 by 2: 0 and 1.
  EXPECT_THAT(layout.root.front().window.padding, ElementsAre(2, 3, 2, 3));
  EXPECT_THAT(layout.maxPool->window.padding, ElementsAre(0, 1, 0, 1));
  const StemUnit &strided = layout.units[3];
  EXPECT_EQ(strided.name, "patch_embed.backbone.stages.1.blocks.0");
  EXPECT_THAT(strided.branch[1].window.padding, ElementsAre(0, 1, 0, 1));
  EXPECT_THAT(strided.branch[1].window.to, ElementsAre(28, 28));
  EXPECT_THAT(strided.shortcut->window.to, ElementsAre(28, 28));
  EXPECT_EQ(strided.shortcut->flaxConv, "block2/unit1/conv_proj");
  EXPECT_FALSE(layout.units[4].shortcut);
  // On an odd size it is symmetric.
  EXPECT_THAT(layoutOf("vit_base_r50_s16_224", {"image_size=45"}).root.front().window.padding, ElementsAre(3, 3, 3, 3));
}

TEST(StemLayout, ResNetDAveragesItsShortcutsFirst) {
  StemLayout layout = layoutOf("vit_small_resnet50d_s16_224", {"image_size=[50, 224]"});
  EXPECT_THAT(layout.size, ElementsAre(4, 14));
  EXPECT_FALSE(layout.units[0].shortcutPool);
  const StemUnit &strided = layout.units[3];
  // 13 rows: the last window of the mean has one of them.
  EXPECT_THAT(strided.shortcutPool->window.from, ElementsAre(13, 56));
  EXPECT_THAT(strided.shortcutPool->window.padding, ElementsAre(0, 1, 0, 0));
  EXPECT_THAT(strided.shortcutPool->window.to, ElementsAre(7, 28));
  EXPECT_EQ(strided.shortcut->conv, "patch_embed.backbone.layer2.0.downsample.1");
  EXPECT_EQ(strided.branch[2].result, "patch_embed.backbone.layer2.0.bn3");
}

TEST(StemLayout, AConvolutionForEachStride) {
  StemLayout layout = layoutOf("vit_base_mci_224");
  ASSERT_EQ(layout.root.size(), 2u);
  EXPECT_EQ(layout.channels, 192);
  EXPECT_THAT(layout.size, ElementsAre(56 / 2, 56 / 2));
  EXPECT_EQ(layout.root[1].norm, "patch_embed.backbone.1.bn");
}

/// The tokens that a config counts are those that its stem makes, at any size.
TEST(StemLayout, AgreesWithTheConfigsGrid) {
  const std::pair<const char *, const char *> models[] = {{"vit_base_r50_s16_224", "stem_layers=[1, 1, 1, 1]"},
                                                          {"vit_small_resnet26d_224", "stem_layers=[1, 1, 1]"},
                                                          {"R+ViT-Ti_16", "stem_layers=[]"},
                                                          {"vit_base_mci_224", "stem_layers=[3, 2]"}};
  for (auto [model, layers] : models)
    for (int height : {33, 45, 64, 97})
      for (int width : {34, 63, 96}) {
        std::string size = "image_size=[" + std::to_string(height) + ", " + std::to_string(width) + "]";
        ModelConfig config = resolve(model, {layers, size, "patch_size=1"}).config;
        EXPECT_THAT(stemLayout(config).size, ElementsAre(config.gridHeight(), config.gridWidth())) << model << " " << size;
      }
}

} // namespace
