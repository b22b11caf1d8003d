//===- MixingTest.cpp - mixup, cutmix and soft targets ---*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/data/Mixing.h"
#include "test/unit/TestPaths.h"

#include <fstream>
#include <gmock/gmock.h>

using namespace vitrt;
using namespace vitc::test;

namespace {

constexpr size_t count = 4, channels = 3, edge = 8, classes = 5, elements = channels * edge * edge;
constexpr Extent size{edge, edge};

std::vector<float> readRow(std::istream &from, size_t length) {
  std::vector<float> row(length);
  for (float &value : row)
    from >> value;
  EXPECT_TRUE(bool(from));
  return row;
}

void expectNear(std::span<const float> values, std::span<const float> expected) {
  for (size_t i = 0; i < expected.size(); ++i)
    ASSERT_NEAR(values[i], expected[i], 1e-6f) << i; // f64 rounded to f32, of values up to 2
}

// Lambda and partners are given; see scripts/make_augmentation_goldens.py.
TEST(MixingTest, equalsTheReference) {
  std::ifstream file(dataPath("augmentation/mixing.txt"));
  std::vector<float> images = readRow(file, count * elements);
  size_t labels[count];
  for (size_t &label : labels)
    file >> label;
  std::string name;
  int cases = 0;
  double lambda, smoothing, used;
  for (int row, column; file >> name >> lambda >> smoothing >> row >> column; ++cases) {
    SCOPED_TRACE(name);
    size_t partners[count];
    for (size_t &partner : partners)
      file >> partner;
    file >> used;
    Mix mix = row < 0 ? Mix{.lambda = lambda} : Mix::cut(size, lambda, uint32_t(column), uint32_t(row));
    EXPECT_EQ(mix.lambda, used);
    std::vector<float> pure(count * classes);
    for (size_t i = 0; i < count; ++i)
      smoothTarget(std::span(pure).subspan(i * classes, classes), labels[i], smoothing);
    std::vector<float> mixed = images, targets = pure;
    bool flipped = true;
    for (size_t i = 0; i < count; ++i) {
      flipped &= partners[i] == count - 1 - i;
      mixImage(&mixed[i * elements], &images[partners[i] * elements], channels, size, mix);
      mixTargets(std::span(targets).subspan(i * classes, classes), std::span(pure).subspan(partners[i] * classes, classes), mix);
    }
    std::vector<float> expectedImages = readRow(file, count * elements), expectedTargets = readRow(file, count * classes);
    expectNear(mixed, expectedImages);
    expectNear(targets, expectedTargets);
    if (!flipped)
      continue;
    std::vector<float> batch = images, batchTargets = pure;
    mixBatch(batch, batchTargets, count, channels, size, mix);
    EXPECT_EQ(batch, mixed);
    EXPECT_EQ(batchTargets, targets);
  }
  EXPECT_EQ(cases, 5);
}

TEST(MixingTest, theMiddleOfAnOddBatchKeepsItsTarget) {
  std::vector<float> images = {1, 2, 3}, targets = {1, 0, 0, 1, 1, 0};
  mixBatch(images, targets, 3, 1, {1, 1}, {.lambda = 0.75});
  EXPECT_THAT(images, testing::ElementsAre(1.5f, 2, 2.5f));
  EXPECT_THAT(targets, testing::ElementsAre(1, 0, 0, 1, 1, 0));
}

TEST(MixingTest, softLabelsAreSmoothedToo) {
  std::vector<float> target(4);
  smoothTarget(target, std::vector<float>{0.5f, 0.5f, 0, 0}, 0.2);
  EXPECT_THAT(target, testing::Pointwise(testing::FloatEq(), {0.45f, 0.45f, 0.05f, 0.05f}));
  smoothTarget(target, std::vector<float>{0.1f, 0.2f, 0.3f, 0.4f}, 0);
  EXPECT_THAT(target, testing::ElementsAre(0.1f, 0.2f, 0.3f, 0.4f));
}

TEST(MixingTest, lambdaIsOfBeta) {
  RandomStream random(5, 0, 0, Place::Mixing);
  constexpr int draws = 20000;
  for (double alpha : {0.05, 0.2, 0.8, 1.0, 4.0}) {
    double mean = 0, variance = 0;
    for (int i = 0; i < draws; ++i) {
      double lambda = drawBeta(alpha, random);
      ASSERT_TRUE(lambda >= 0 && lambda <= 1);
      mean += lambda / draws;
      variance += (lambda - 0.5) * (lambda - 0.5) / draws;
    }
    EXPECT_NEAR(mean, 0.5, 0.015) << alpha;
    EXPECT_NEAR(variance, 0.25 / (2 * alpha + 1), 0.006) << alpha; // of Beta(a, a)
  }
}

TEST(MixingTest, bothKindsAreDrawn) {
  auto both = *Augmentation::parse("mixup:0.8,cutmix:1.0"), cutmix = *Augmentation::parse("cutmix:1.0");
  int cuts = 0;
  constexpr int draws = 1000;
  for (uint32_t i = 0; i < draws; ++i) {
    Mix mix = Mix::draw(both, size, RandomStream(0, 0, i, Place::Mixing));
    cuts += mix.cuts;
    if (mix.cuts)
      EXPECT_DOUBLE_EQ(mix.lambda, 1.0 - mix.box.width * mix.box.height / double(edge * edge));
    EXPECT_TRUE(Mix::draw(cutmix, size, RandomStream(0, 0, i, Place::Mixing)).cuts);
  }
  EXPECT_NEAR(cuts, draws / 2.0, 80);
  EXPECT_EQ(Mix::draw(Augmentation(), size, RandomStream(0, 0, 0, Place::Mixing)).lambda, 1.0);
}

} // namespace
