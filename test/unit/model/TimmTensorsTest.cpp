//===- TimmTensorsTest.cpp - every preset's tensors against timm's own ----------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "TestModels.h"

#include "compiler/frontend/Import.h"
#include "compiler/frontend/WeightNaming.h"

#include "fmt/format.h"
#include "fmt/ranges.h"
#include "gmock/gmock.h"

#include <algorithm>

using namespace vitc;
using namespace vitc::test;

namespace {

/// What scripts/make_timm_presets.py computes of a checkpoint: elements, tensors, and the FNV-1a-64 of "NAME D0xD1x...\n", sorted by name.
std::string signature(const Scheme &home) {
  uint64_t elements = 0, digest = 0xCBF29CE484222325;
  std::vector<std::string> lines;
  for (const FileTensor &tensor : home.tensors) {
    uint64_t size = 1;
    for (int64_t side : tensor.shape)
      size *= static_cast<uint64_t>(side);
    elements += size;
    lines.push_back(fmt::format("{} {}\n", tensor.names.front(), fmt::join(tensor.shape, "x")));
  }
  std::sort(lines.begin(), lines.end());
  for (const std::string &line : lines)
    for (char byte : line)
      digest = (digest ^ static_cast<unsigned char>(byte)) * 0x100000001B3;
  return fmt::format("{}\t{}\t{:016x}", elements, lines.size(), digest);
}

TEST(TimmTensors, OfEveryPresetFileAreThoseOfTimm) {
  std::istringstream rows(readText(dataPath("timm-presets.tsv")));
  std::string row;
  std::getline(rows, row);
  ASSERT_EQ(row, "model\telements\ttensors\tdigest");
  size_t models = 0, compared = 0;
  while (std::getline(rows, row)) {
    ++models;
    llvm::StringRef name = llvm::StringRef(row).split('\t').first;
    ModelConfig config = resolve(name).config;
    if (!unsupportedSwitches(config).empty())
      continue;
    ++compared;
    EXPECT_EQ(row, name.str() + "\t" + signature(describeWeights(config).schemes.front()));
  }
  EXPECT_EQ(models, 302u);
  EXPECT_EQ(compared, models);
}

TEST(TimmTensors, OpenClipKeepsThemUnderTheTrunk) {
  auto namesOf = [](llvm::StringRef model, llvm::StringRef tensor) {
    WeightNaming naming = describeWeights(resolve(model).config);
    for (const FileTensor &one : naming.schemes.front().tensors)
      if (one.names.front() == tensor)
        return one.names;
    return std::vector<std::string>();
  };
  EXPECT_THAT(namesOf("vit_tiny_patch16_224", "cls_token"), testing::Contains("visual.trunk.cls_token"));
  EXPECT_THAT(namesOf("vit_tiny_patch16_224", "head.weight"),
              testing::IsSupersetOf({"visual.trunk.head.weight", "visual.head.proj.weight"}));
  EXPECT_THAT(namesOf("eva02_base_patch16_clip_224", "head.bias"), testing::Contains("visual.trunk.head.bias"));
}

} // namespace
