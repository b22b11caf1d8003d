//===- RandomTensorsTest.cpp --------------------------------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/weights/RandomTensors.h"

#include "test/unit/TestPaths.h"

#include <cmath>
#include <fstream>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>
#include <zlib.h>

using namespace vitrt;

namespace {

std::vector<float> weight(std::string_view name, std::vector<uint64_t> shape, uint64_t seed = 0) {
  size_t count = 1;
  for (uint64_t extent : shape)
    count *= extent;
  std::vector<float> values(count);
  fillRandomWeight(name, shape, seed, values);
  return values;
}

/// The definition, step by step, in 64-bit integers and f64: u is exact in both.
double unitByDefinition(const std::string &name, uint64_t seed, uint64_t index) {
  auto mix = [](uint64_t x) {
    x += 0x9e3779b97f4a7c15;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
    x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
    return x ^ (x >> 31);
  };
  uint64_t key = 0xcbf29ce484222325;
  for (unsigned char c : name) {
    key ^= c;
    key *= 0x100000001b3;
  }
  return double(mix((key ^ mix(seed)) + index) >> 40) / 8388608.0 - 1.0;
}

TEST(RandomTensors, UnitsFollowTheDefinition) {
  for (uint64_t seed : {0ull, 1ull, 0xffffffffffffffffull})
    for (const char *name : {"input", "head.weight", "Transformer/encoder_norm/scale"}) {
      RandomBits bits(name, seed);
      for (uint64_t i = 0; i < 1000; ++i) {
        EXPECT_EQ(double(bits.unit(i)), unitByDefinition(name, seed, i)) << name << " " << i;
        EXPECT_GE(bits.unit(i), -1.0f);
        EXPECT_LT(bits.unit(i), 1.0f);
      }
    }
}

TEST(RandomTensors, EveryRowOfTheTable) {
  auto expectAffine = [](const char *name, std::vector<uint64_t> shape, float base, double factor) {
    std::vector<float> values = weight(name, shape, 3);
    for (size_t i = 0; i < values.size(); ++i)
      ASSERT_EQ(values[i], base + float(factor) * float(unitByDefinition(name, 3, i))) << name << " " << i;
  };
  expectAffine("norm.weight", {7}, 1, 0.25);
  expectAffine("Transformer/encoder_norm/scale", {7}, 1, 0.25);
  expectAffine("bn.running_var", {7}, 1, 0.25);
  expectAffine("norm.bias", {7}, 0, 0.125);
  expectAffine("ls1.gamma", {7}, 0, 0.125);
  expectAffine("logit_scale", {}, 1, 0.25);
  expectAffine("logit_bias", {}, 0, 0.125);
  expectAffine("cls_token", {1, 1, 7}, 0, 0.5);
  expectAffine("pos_embed", {1, 3, 7}, 0, 0.5);
  expectAffine("head.weight", {3, 5}, 0, std::sqrt(3.0 / 5));
  expectAffine("patch_embed.proj.weight", {4, 3, 2, 2}, 0, std::sqrt(3.0 / 12));
  expectAffine("head/kernel", {5, 3}, 0, std::sqrt(3.0 / 5));
  expectAffine("embedding/kernel", {2, 2, 3, 4}, 0, std::sqrt(3.0 / 12));
  expectAffine("query/kernel", {8, 2, 4}, 0, std::sqrt(3.0 / 8));
  expectAffine("out/kernel", {2, 4, 8}, 0, std::sqrt(3.0 / 8));
}

TEST(RandomTensors, Input) {
  std::vector<float> values(100);
  fillRandomInput(5, values);
  for (size_t i = 0; i < values.size(); ++i)
    EXPECT_EQ(values[i], 2 * float(unitByDefinition("input", 5, i)));
}

/// Checksums of all tensors of real networks, made by an independent implementation.
TEST(RandomTensors, ChecksumsOfRealNetworks) {
  auto folder = vitc::test::sharedPath("data/timm-goldens/names");
  VITC_SKIP_WITHOUT(folder);
  size_t tensors = 0;
  for (const char *model : {"vit_tiny_patch16_224", "vit_small_patch32_224", "vit_tiny_r_s16_p8_224"}) {
    std::ifstream lines(folder / (std::string(model) + ".jsonl"));
    for (std::string line; std::getline(lines, line);) {
      auto entry = nlohmann::json::parse(line);
      if (!entry.contains("crc32"))
        continue;
      std::vector<float> values = weight(entry["name"].get<std::string>(), entry["shape"].get<std::vector<uint64_t>>());
      uint64_t crc = crc32(0, reinterpret_cast<const Bytef *>(values.data()), uInt(values.size() * sizeof(float)));
      ASSERT_EQ(crc, std::stoull(entry["crc32"].get<std::string>(), nullptr, 16)) << model << " " << entry["name"];
      ++tensors;
    }
  }
  EXPECT_GT(tensors, 300u);
}

} // namespace
