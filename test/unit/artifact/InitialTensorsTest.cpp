//===- InitialTensorsTest.cpp - weights before the first step, beside timm's ----------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/artifact/InitialTensors.h"

#include "test/unit/model/TestModels.h"

#include "compiler/artifact/DrawTensor.h"
#include "compiler/frontend/Sources.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"

#include <algorithm>
#include <cmath>

using namespace vitc;
using namespace vitc::artifact;
using namespace vitc::test;

namespace {

struct Moments {
  double least = INFINITY, most = -INFINITY, mean = 0.0, deviation = 0.0;

  explicit Moments(llvm::ArrayRef<float> values) {
    for (float value : values) {
      least = std::min<double>(least, value);
      most = std::max<double>(most, value);
      mean += value / double(values.size());
    }
    for (float value : values)
      deviation += (value - mean) * (value - mean) / double(values.size());
    deviation = std::sqrt(deviation);
  }
};

std::vector<float> draw(Draw how, uint64_t seed = 0, size_t count = 100000) {
  std::vector<float> values(count);
  drawTensor(how, "tensor", seed, values);
  return values;
}

TEST(DrawTensor, Constant) {
  Moments moments(draw(Draw::constant(0.25)));
  EXPECT_EQ(moments.least, 0.25);
  EXPECT_EQ(moments.most, 0.25);
}

/// The bounds are five deviations of the estimates from 100,000 draws.
TEST(DrawTensor, Normal) {
  std::vector<float> values = draw(Draw::normal(0.02));
  Moments moments(values);
  EXPECT_NEAR(moments.mean, 0.0, 5 * 0.02 / std::sqrt(1e5));
  EXPECT_NEAR(moments.deviation, 0.02, 5 * 0.02 / std::sqrt(2e5));
  for (auto [bound, share] : {std::pair(0.02, 0.682689), {0.04, 0.954500}, {0.06, 0.997300}}) {
    double within = double(std::count_if(values.begin(), values.end(), [&](float x) { return std::abs(x) < bound; })) / 1e5;
    EXPECT_NEAR(within, share, 5 * std::sqrt(share * (1 - share) / 1e5)) << bound;
  }
}

TEST(DrawTensor, CutNormalEndsAtTwoDeviations) {
  Moments moments(draw({Draw::Kind::CutNormal, 0.1}));
  EXPECT_GE(moments.least, -0.2);
  EXPECT_LE(moments.most, 0.2);
  EXPECT_GT(moments.most, 0.199);
  EXPECT_NEAR(moments.mean, 0.0, 5 * 0.088 / std::sqrt(1e5));
  EXPECT_NEAR(moments.deviation, 0.1 * 0.879626, 5 * 0.088 / std::sqrt(2e5)); // 1 - 4 phi(2) / (2 Phi(2) - 1)
}

TEST(DrawTensor, TorchsOwn) {
  Moments moments(draw(Draw::torchDefault(16)));
  EXPECT_GE(moments.least, -0.25);
  EXPECT_LE(moments.most, 0.25);
  EXPECT_NEAR(moments.deviation, 0.25 / std::sqrt(3.0), 5 * 0.145 / std::sqrt(2e5));
}

TEST(DrawTensor, FollowsFromNameSeedAndElement) {
  std::vector<float> values = draw(Draw::normal(1.0)), first = draw(Draw::normal(1.0), 0, 10), other = draw(Draw::normal(1.0), 1, 10);
  EXPECT_EQ(first, std::vector<float>(values.begin(), values.begin() + 10));
  EXPECT_NE(first, other);
  std::vector<float> named(10);
  drawTensor(Draw::normal(1.0), "another", 0, named);
  EXPECT_NE(first, named);
}

/// A line of test/data/initial-weights.tsv: model, tensor, elements, least, most, mean and deviation of a tensor as timm begins
/// (scripts/make_initial_goldens.py).
struct Golden {
  std::string model, tensor;
  double elements, least, most, mean, deviation;
};

std::vector<Golden> readGoldens() {
  std::istringstream lines(readText(dataPath("initial-weights.tsv")));
  std::vector<Golden> goldens;
  std::string line;
  std::getline(lines, line);
  EXPECT_EQ(line, "model\ttensor\telements\tleast\tmost\tmean\tdeviation");
  while (std::getline(lines, line)) {
    llvm::SmallVector<llvm::StringRef> fields;
    llvm::SplitString(line, fields, "\t");
    if (fields.size() != 7) {
      ADD_FAILURE() << line;
      continue;
    }
    auto number = [&](size_t i) { return std::strtod(fields[i].str().c_str(), nullptr); };
    goldens.push_back({fields[0].str(), fields[1].str(), number(2), number(3), number(4), number(5), number(6)});
  }
  return goldens;
}

/// A narrow model of two blocks of each of timm's classes: constants are equal, moments of draws within six deviations of their estimates, and a
/// uniform has the bound of timm's.
TEST(InitialTensors, AreDrawnAsTimmDrawsThem) {
  std::string model;
  std::unique_ptr<vitrt::TensorFile> file;
  size_t models = 0, tensors = 0;
  for (const Golden &golden : readGoldens()) {
    if (golden.model != model) {
      model = golden.model;
      ++models;
      std::vector<std::string> narrow = {"depth=2", "embed_dim=192", "num_heads=3", "num_classes=100", "global_blocks=[]"};
      // A stem of convolutions makes the width.
      ModelConfig config = resolve(model, model == "vit_base_mci_224" ? std::vector<std::string>{"depth=2"} : narrow).config;
      file = initialTensors(config, describeWeights(config), {Initialization::Timm, 1});
    }
    ++tensors;
    SCOPED_TRACE(model + " " + golden.tensor);
    ptrdiff_t index = file->find(golden.tensor);
    ASSERT_GE(index, 0);
    vitrt::Expected<vitrt::TensorData> data = file->read(static_cast<size_t>(index));
    ASSERT_TRUE(data);
    Moments moments(llvm::ArrayRef(reinterpret_cast<const float *>(data->bytes.data()), data->bytes.size() / sizeof(float)));
    EXPECT_EQ(double(data->bytes.size() / sizeof(float)), golden.elements);
    if (golden.least == golden.most) {
      EXPECT_FLOAT_EQ(moments.least, golden.least);
      EXPECT_FLOAT_EQ(moments.most, golden.most);
      continue;
    }
    // Both are estimates; the deviation of a few elements is a rough one.
    double error = std::sqrt(2.0 / golden.elements);
    EXPECT_NEAR(moments.mean, golden.mean, 6 * golden.deviation * error);
    EXPECT_NEAR(moments.deviation, golden.deviation, 6 * golden.deviation * error);
    bool isUniform = golden.elements > 1000 && golden.most < 1.75 * golden.deviation;
    if (isUniform) {
      EXPECT_NEAR(moments.most, golden.most, 0.01 * golden.most);
      EXPECT_NEAR(moments.least, golden.least, 0.01 * golden.most);
    } else if (golden.elements > 1000) {
      EXPECT_GT(moments.most, 2.0 * moments.deviation - moments.mean);
    }
  }
  EXPECT_EQ(models, 14u);
  EXPECT_GT(tensors, 300u);
}

/// One factor of a gated mlp begins at 1: of a packed one (GluMlp) the half behind, of two layers (SwiGLU) the activated one, in classes that
/// call their modules' init_weights.
TEST(InitialTensors, GatesBeginOpen) {
  auto drawsOf = [](llvm::StringRef model, std::vector<std::string> overrides, Role role) {
    overrides.insert(overrides.end(), {"gated_mlp=true", "depth=1"});
    ModelConfig config = resolve(model, overrides).config;
    std::vector<PlacedSource> sources = describeSources(config);
    std::vector<Draw> draws = initialDraws(config, sources), found;
    for (auto [source, draw] : llvm::zip_equal(sources, draws))
      if (source.role == role)
        found.push_back(draw);
    return found;
  };
  std::vector<Draw> open = {Draw::normal(1e-6), Draw::constant(1.0)}, layer = {Draw::normal(0.02), Draw::constant(0.0)};
  EXPECT_EQ(drawsOf("vit_tiny_patch16_224", {}, Role::Gate), open);
  EXPECT_EQ(drawsOf("vit_tiny_patch16_224", {}, Role::Fc1), layer);
  EXPECT_EQ(drawsOf("vit_tiny_patch16_224", {"gate_packed=false"}, Role::Gate), layer);
  EXPECT_EQ(drawsOf("vit_tiny_patch16_224", {"gate_packed=false"}, Role::Fc1), open);
  EXPECT_EQ(drawsOf("eva02_tiny_patch14_224", {}, Role::Gate), layer);
}

} // namespace
