//===- PatchEmbedTest.cpp - kernel.patch_embed against sums in double ---------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "KernelHarness.h"
#include "Numbers.h"

#include <cmath>
#include <cstring>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sstream>

using namespace vitc::test;

namespace {

enum class Kind { F32, Bf16Weights, Bf16 };

struct Case {
  int64_t channels, height, width, patchHeight, patchWidth, outputs, prefix;
  bool position = true;
  int64_t kBlock = 768, rowBlock = 0; ///< 0: 198 rows, or the next multiple of the tile's; k-blocks are of words
  Kind kind = Kind::F32;
};

std::ostream &operator<<(std::ostream &os, const Case &c) {
  const char *kinds[] = {"f32", "bf16 weights", "bf16"};
  return os << fmt::format("{} {}x{}x{} patch {}x{} to {} prefix {}{} k{} r{}", kinds[int(c.kind)], c.channels, c.height, c.width,
                           c.patchHeight, c.patchWidth, c.outputs, c.prefix, c.position ? " position" : "", c.kBlock, c.rowBlock);
}

std::vector<Level> levels(Kind kind) {
  if (kind != Kind::Bf16)
    return runnableLevels();
  std::optional<Level> level = levelWith("avx512bf16");
  return level ? std::vector<Level>{*level} : std::vector<Level>{};
}

class PatchEmbed : public testing::TestWithParam<Case> {};

TEST_P(PatchEmbed, MatchesDoubleOnEveryLevel) {
  const Case &c = GetParam();
  const int64_t images = 3, patchesPerRow = c.width / c.patchWidth, patches = c.height / c.patchHeight * patchesPerRow;
  const int64_t tokens = c.prefix + patches, depth = c.channels * c.patchHeight * c.patchWidth;
  const int64_t perWord = c.kind == Kind::F32 ? 1 : 2, words = depth / perWord, kBlock = std::min(words, c.kBlock);
  const int64_t imageSize = c.channels * c.height * c.width;
  std::vector<float> pixels = randomFloats(images * imageSize, 1), weight = randomFloats(c.outputs * depth, 2, 1 / std::sqrt(float(depth)));
  if (c.kind == Kind::Bf16)
    pixels = roundedToBf16(pixels);
  if (c.kind != Kind::F32)
    weight = roundedToBf16(weight);
  std::vector<float> position = randomFloats(patches * c.outputs, 3), prefix = randomFloats(c.prefix * c.outputs, 4);
  std::vector<double> expected;
  for (int64_t image = 0; image < images; ++image) {
    expected.insert(expected.end(), prefix.begin(), prefix.end());
    for (int64_t patch = 0; patch < patches; ++patch)
      for (int64_t n = 0; n < c.outputs; ++n) {
        double sum = c.position ? position[patch * c.outputs + n] : 0;
        for (int64_t k = 0; k < depth; ++k) {
          int64_t channel = k / (c.patchHeight * c.patchWidth),
                  y = patch / patchesPerRow * c.patchHeight + k / c.patchWidth % c.patchHeight;
          int64_t x = patch % patchesPerRow * c.patchWidth + k % c.patchWidth;
          sum += double(pixels[image * imageSize + (channel * c.height + y) * c.width + x]) * weight[n * depth + k];
        }
        expected.push_back(sum);
      }
  }

  std::vector<Level> runnable = levels(c.kind);
  if (runnable.empty())
    GTEST_SKIP() << "this machine has no products of bf16";
  for (const Level &level : runnable) {
    SCOPED_TRACE(level.name);
    int64_t columns = level.columns, panels = (c.outputs + columns - 1) / columns, blocks = (words + kBlock - 1) / kBlock;
    int64_t rowBlock = c.rowBlock ? c.rowBlock : (198 + level.rows - 1) / level.rows * level.rows;
    std::string imageType = fmt::format("tensor<?x{}x{}x{}x{}>", c.channels, c.height, c.width, c.kind == Kind::Bf16 ? "bf16" : "f32");
    std::string weightType = fmt::format("tensor<{}x{}x{}x{}x{}>", blocks, panels, kBlock, columns, c.kind == Kind::F32 ? "f32" : "2xbf16");
    std::string positionType = fmt::format("tensor<{}x{}xf32>", patches, c.outputs),
                prefixType = fmt::format("tensor<{}x{}xf32>", c.prefix, c.outputs);
    std::string ir = fmt::format(
        "func.func @f(%x: {0}, %w: {1}, %p: {2}, %t: {3}) {{\n  %y = kernel.patch_embed %x, %w{4}{5} {{patch = array<i64: {6}, {7}>, "
        "schedule = "
        "#kernel.gemm_schedule<rows = {8}, columns = {9}, k_block = {10}, row_block = {11}, prefetch = 8, vector = {12}>}} : {0}, {1} -> "
        "tensor<?x{13}x{14}xf32>\n  return\n}}\n",
        imageType, weightType, positionType, prefixType, c.position ? " position(%p : " + positionType + ")" : "",
        c.prefix ? " prefix(%t : " + prefixType + ")" : "", c.patchHeight, c.patchWidth, level.rows, columns, kBlock, rowBlock,
        level.target.vectorLanes, tokens, c.outputs);
    std::optional<Kernel> kernel = compileLaunch(ir, level.target);
    ASSERT_TRUE(kernel);

    std::vector<float> packed(blocks * panels * kBlock * columns * perWord);
    for (int64_t n = 0; n < c.outputs; ++n)
      for (int64_t k = 0; k < depth; ++k)
        packed[(((k / perWord / kBlock * panels + n / columns) * kBlock + k / perWord % kBlock) * columns + n % columns) * perWord +
               k % perWord] = weight[n * depth + k];
    auto stored = [&](const std::vector<float> &images) { return c.kind == Kind::Bf16 ? bf16Words(images) : images; };
    std::vector<std::vector<float>> operands{stored(pixels), c.kind == Kind::F32 ? packed : bf16Words(packed)};
    if (c.position)
      operands.push_back(position);
    if (c.prefix)
      operands.push_back(prefix);
    expectKernel(*kernel, operands, expected, images, 4e-7 * std::sqrt(double(depth)) + 1e-6);

    // Each image by itself gives the same bits as in the group.
    std::vector<float> whole = runGuarded(*kernel, operands, expected.size(), images), alone;
    for (int64_t image = 0; image < images; ++image) {
      operands[0] = stored({pixels.begin() + image * imageSize, pixels.begin() + (image + 1) * imageSize});
      std::vector<float> one = runGuarded(*kernel, operands, tokens * c.outputs, 1);
      alone.insert(alone.end(), one.begin(), one.end());
    }
    EXPECT_EQ(std::memcmp(whole.data(), alone.data(), whole.size() * sizeof(float)), 0) << "the bits depend on the group of images";
  }
}

std::string name(const testing::TestParamInfo<Case> &info) {
  std::ostringstream os;
  os << info.param;
  return parameterName(os.str());
}

INSTANTIATE_TEST_SUITE_P(Shapes, PatchEmbed,
                         testing::Values(Case{3, 29, 43, 7, 7, 65, 1}, Case{1, 29, 43, 7, 7, 64, 0}, Case{3, 29, 43, 14, 14, 200, 5},
                                         Case{1, 29, 43, 16, 16, 10, 1}, Case{3, 48, 32, 16, 16, 192, 1},
                                         Case{1, 28, 28, 4, 4, 64, 1, false}, Case{2, 20, 33, 5, 3, 70, 2},
                                         Case{3, 70, 70, 7, 7, 72, 1, true, 768, 12},
                                         // k-blocks of whole and of cut pixel rows
                                         Case{3, 32, 48, 16, 16, 72, 1, true, 64, 12}, Case{3, 29, 43, 7, 7, 72, 1, true, 40, 12},
                                         // more than one pixel row's worth of k, but one patch
                                         Case{3, 32, 32, 32, 32, 65, 1}),
                         name);

std::vector<Case> reduced() {
  std::vector<Case> cases;
  for (Kind kind : {Kind::Bf16Weights, Kind::Bf16})
    for (Case c : {Case{3, 29, 44, 7, 14, 65, 1}, Case{1, 28, 28, 4, 4, 64, 1, false}, Case{3, 48, 32, 16, 16, 200, 5},
                   // a column of pixels that fills no patch, k-blocks of whole and of cut pixel rows, one patch
                   Case{2, 20, 34, 5, 6, 70, 2}, Case{3, 32, 48, 16, 16, 72, 1, true, 64, 12}, Case{3, 29, 46, 6, 10, 72, 1, true, 7, 12},
                   Case{3, 32, 32, 32, 32, 65, 1}}) {
      c.kind = kind;
      cases.push_back(c);
    }
  return cases;
}

INSTANTIATE_TEST_SUITE_P(Reduced, PatchEmbed, testing::ValuesIn(reduced()), name);

} // namespace
