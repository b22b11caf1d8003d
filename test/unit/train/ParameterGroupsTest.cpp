//===- ParameterGroupsTest.cpp - decay, layer-wise rates, clipping -------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/train/ParameterGroups.h"
#include "test/unit/TestPaths.h"

#include <cmath>
#include <fstream>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace vitrt {
namespace {

using nlohmann::json;

TEST(ParameterGroups, DecayIsAsTimm) {
  DecayRule rule;
  EXPECT_TRUE(rule.decays("blocks.0.attn.qkv.weight", 2));
  EXPECT_TRUE(rule.decays("patch_embed.proj.weight", 4));
  EXPECT_FALSE(rule.decays("blocks.0.norm1.weight", 1));
  EXPECT_FALSE(rule.decays("cls_token", 3));
  EXPECT_FALSE(rule.decays("pos_embed", 3));
  EXPECT_FALSE(rule.decays("blocks.1.attn.relative_position_bias_table", 2));
  EXPECT_FALSE(rule.decays("vit.embeddings.position_embeddings", 3));
  EXPECT_TRUE(rule.decays("vit.embeddings.patch_embeddings.projection.weight", 4));
  EXPECT_FALSE(rule.decays("Transformer/posembed_input/pos_embedding", 3));
  EXPECT_FALSE(rule.decays("Transformer/encoderblock_0/MultiHeadDotProductAttention_0/query/bias", 2))
      << "a bias of Flax has an axis of heads";
  EXPECT_FALSE(rule.decays("cls", 3));
}

TEST(ParameterGroups, PatternsReplaceTheTokens) {
  DecayRule rule{.patterns = {"cls_token", "blocks.*.attn.*"}};
  EXPECT_FALSE(rule.decays("cls_token", 3));
  EXPECT_TRUE(rule.decays("pos_embed", 3));
  EXPECT_FALSE(rule.decays("blocks.3.attn.qkv.weight", 2));
  EXPECT_FALSE(rule.decays("norm.weight", 1)) << "vectors are left out in any case";
  EXPECT_TRUE(DecayRule{.exclude = false}.decays("norm.weight", 1));
}

/// test/data/train/layer-depths.json: what timm.models.group_parameters says of models cut down to two blocks.
TEST(ParameterGroups, DepthsAreAsTimm) {
  json models = json::parse(std::ifstream(vitc::test::dataPath("train/layer-depths.json")));
  ASSERT_GE(models.size(), 8u);
  for (const auto &[model, depths] : models.items()) {
    std::vector<std::string> names;
    for (const auto &[name, depth] : depths.items())
      names.push_back(name);
    std::vector<uint32_t> found = layerDepths(names);
    for (size_t i = 0; i < names.size(); ++i)
      EXPECT_EQ(found[i], depths[names[i]].get<uint32_t>()) << model << ": " << names[i];
  }
}

TEST(ParameterGroups, DepthsOfOtherFrameworks) {
  std::vector<std::string> names = {"Transformer/posembed_input/pos_embedding",
                                    "Transformer/encoderblock_1/LayerNorm_0/scale",
                                    "Transformer/encoder_norm/scale",
                                    "head/kernel",
                                    "embedding/kernel",
                                    "block1/unit1/conv1/kernel"};
  EXPECT_EQ(layerDepths(names), (std::vector<uint32_t>{0, 2, 2, 3, 0, 0}));
  names = {"vit.embeddings.patch_embeddings.projection.weight", "vit.encoder.layer.1.attention.attention.query.weight",
           "vit.layernorm.weight", "classifier.weight"};
  EXPECT_EQ(layerDepths(names), (std::vector<uint32_t>{0, 2, 2, 3}));
  EXPECT_EQ(layerFactors(names, 0.5), (std::vector<float>{0.125f, 0.5f, 0.5f, 1.0f}));
  names = {"input_layer.cls_token", "encoder.2.ln1.weight", "mlp_head.0.weight", "mlp_head.1.weight"};
  EXPECT_EQ(layerDepths(names), (std::vector<uint32_t>{0, 3, 4, 4}));
}

TEST(ParameterGroups, ClippingIsThatOfTheFrameworks) {
  json cases = json::parse(std::ifstream(vitc::test::dataPath("train/clipping.json")));
  ASSERT_FALSE(cases.empty());
  for (const json &one : cases) {
    double squares = 0;
    for (const json &tensor : one["gradients"])
      for (double g : tensor)
        squares += g * g;
    double norm = one["norm"], limit = one["limit"];
    EXPECT_NEAR(std::sqrt(squares), norm, 1e-12 * norm);
    for (auto [key, kind] : {std::pair{"clipped_optax", ClipKind::Optax}, std::pair{"clipped_torch", ClipKind::Torch}})
      for (size_t t = 0; t < one["gradients"].size(); ++t)
        for (size_t i = 0; i < one["gradients"][t].size(); ++i) {
          double g = one["gradients"][t][i];
          EXPECT_NEAR(g * clippingFactor(kind, norm, limit), one[key][t][i].get<double>(), 1e-12 * std::abs(g)) << key;
        }
  }
}

} // namespace
} // namespace vitrt
