//===- RandomReferenceTest.cpp - dropout and patch dropout -----------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "Operation.h"

#include "runtime/data/Philox.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>

using namespace vitc::test;

namespace {

/// With a static and with a dynamic batch.
class RandomReference : public testing::TestWithParam<bool> {};

constexpr uint64_t seed = 0x100000f00d;
constexpr uint32_t step = 12;

/// [B, 4]: images from number 7 on.
Tensor keysOf(int64_t images) {
  Tensor keys({images, 4});
  for (int64_t image = 0; image < images; ++image) {
    uint32_t words[] = {uint32_t(7 + image), uint32_t(seed), step, uint32_t(seed >> 32)};
    for (int64_t i = 0; i < 4; ++i)
      keys.data[image * 4 + i] = std::bit_cast<float>(words[i]);
  }
  return keys;
}

uint32_t wordOf(int64_t image, int64_t element, uint32_t stream) {
  return vitrt::philox({uint32_t(element), stream, step, uint32_t(7 + image)}, {uint32_t(seed), uint32_t(seed >> 32)})[0];
}

/// The patches that image `image` keeps, in their order.
std::vector<int64_t> keptPatches(int64_t image, int64_t patches, int64_t keep, uint32_t stream) {
  std::vector<std::pair<uint32_t, int64_t>> numbers;
  for (int64_t patch = 0; patch < patches; ++patch)
    numbers.emplace_back(wordOf(image, patch, stream) >> 8, patch);
  std::sort(numbers.begin(), numbers.end());
  std::vector<int64_t> kept;
  for (int64_t i = 0; i < keep; ++i)
    kept.push_back(numbers[i].second);
  std::sort(kept.begin(), kept.end());
  return kept;
}

std::string typesOf(const Operation &op) { return op.type(0) + ", " + op.type(1); }

TEST_P(RandomReference, Dropout) {
  Tensor x = Tensor::random({3, 4, 5}, 1);
  Operation op(GetParam(), {x, keysOf(3)}, 2);
  Tensor y = op.run("vit.dropout %a0, %a1 {rate = 0.25 : f32, stream = 3 : i64}", typesOf(op), {3, 4, 5}, /*arrow=*/false);
  expectFormula(y, x.shape, [&](const Position &p) {
    bool kept = wordOf(p[0], p[1] * 5 + p[2], 3) >= 0x40000000;
    return kept ? x.at({p[0], p[1], p[2]}) / 0.75 : 0.0;
  });
}

TEST_P(RandomReference, DropPatches) {
  for (auto [prefix, patches, keep] : {std::tuple(1, 9, 4), {0, 7, 1}, {2, 5, 5}, {3, 1, 1}}) {
    Tensor x = Tensor::random({3, prefix + patches, 4}, 1);
    Operation op(GetParam(), {x, keysOf(3)}, 2);
    std::string attributes = " {prefix = " + std::to_string(prefix) + " : i64, stream = 5 : i64}";
    Position shape{3, prefix + keep, 4};
    Tensor y = op.run("vit.drop_patches %a0, %a1" + attributes, typesOf(op), shape);
    auto rowOf = [&, prefix = prefix, patches = patches, keep = keep](int64_t image, int64_t row) {
      return row < prefix ? row : prefix + keptPatches(image, patches, keep, 5)[row - prefix];
    };
    expectFormula(y, shape, [&](const Position &p) { return x.at({p[0], rowOf(p[0], p[1]), p[2]}); }, 0);

    // And back: each row where it was, zeros elsewhere.
    Operation back(GetParam(), {y, keysOf(3)}, 2);
    Tensor again = back.run("vit.drop_patches_grad %a0, %a1" + attributes, typesOf(back), x.shape);
    expectFormula(
        again, x.shape,
        [&, prefix = prefix, keep = keep](const Position &p) {
          for (int64_t row = 0; row < prefix + keep; ++row)
            if (rowOf(p[0], row) == p[1])
              return x.at({p[0], p[1], p[2]});
          return 0.0;
        },
        0);
  }
}

/// Of 2000 images each patch is in its share, within five deviations, and no image has one twice.
TEST(PatchDropout, PatchesAreKeptEquallyOften) {
  constexpr int64_t images = 2000, patches = 8, keep = 3;
  Tensor x({images, patches, 1});
  for (int64_t i = 0; i < images * patches; ++i)
    x.data[i] = float(i % patches);
  Operation op(true, {x, keysOf(images)}, 2);
  Tensor y = op.run("vit.drop_patches %a0, %a1 {prefix = 0 : i64, stream = 0 : i64}", typesOf(op), {images, keep, 1});
  std::vector<int64_t> counts(patches);
  for (int64_t image = 0; image < images; ++image)
    for (int64_t i = 0; i < keep; ++i) {
      auto patch = int64_t(y.data[image * keep + i]);
      ++counts[patch];
      if (i)
        EXPECT_LT(y.data[image * keep + i - 1], y.data[image * keep + i]);
    }
  double share = double(keep) / double(patches);
  for (int64_t count : counts)
    EXPECT_NEAR(double(count), share * images, 5 * std::sqrt(images * share * (1 - share)));
}

INSTANTIATE_TEST_SUITE_P(Batch, RandomReference, testing::Bool());

} // namespace
