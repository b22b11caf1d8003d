//===- AugmentationTest.cpp - how training images are varied ---*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/data/Augmenter.h"
#include "runtime/image/Enhance.h"
#include "runtime/image/Geometry.h"
#include "test/unit/data/TrainingFixtures.h"

#include <gmock/gmock.h>
#include <map>

using namespace vitrt;
using namespace vitc::test;
using testing::AllOf;
using testing::HasSubstr;

namespace {

std::string messageOf(const char *text) {
  auto parsed = Augmentation::parse(text);
  return parsed ? "parsed: " + parsed->text() : parsed.error().message;
}

TEST(AugmentationTest, textsAreReadAndWritten) {
  EXPECT_EQ(*Augmentation::parse("none"), Augmentation());
  EXPECT_EQ(*Augmentation::parse(""), Augmentation());
  EXPECT_EQ(Augmentation().text(), "none");
  Augmentation expected{.cropPadding = 4, .flip = 0.5};
  EXPECT_EQ(*Augmentation::parse("crop:4,flip"), expected);
  auto all = Augmentation::parse("cutmix:1.0,rrc:0.08:1,flip:0.25,jitter:0.4,randaugment:2:9,erase:0.25:noise,mixup:0.8");
  ASSERT_TRUE(bool(all)) << all.error().message;
  EXPECT_EQ(all->text(), "rrc:0.08:1,flip:0.25,randaugment:2:9,jitter:0.4:0.4:0.4:0,erase:0.25:noise,mixup:0.8,cutmix:1");
  for (const char *text :
       {"none", "crop:4,flip", "rrc,erase", "mixup", "jitter:0.1:0.2:0.3:0.05", "randaugment", "cutmix:0.3", "rrc:0.5"}) {
    auto once = Augmentation::parse(text);
    ASSERT_TRUE(bool(once)) << text;
    EXPECT_EQ(*Augmentation::parse(once->text()), *once);
  }
}

TEST(AugmentationTest, mistakesAreNamedWithWhatIsPossible) {
  EXPECT_THAT(messageOf("flipp"), AllOf(HasSubstr("'flipp' is unknown, the nearest is flip[:PROBABILITY]"), HasSubstr("crop, rrc, flip")));
  EXPECT_THAT(messageOf("cutmx:1"), HasSubstr("the nearest is cutmix[:ALPHA]"));
  EXPECT_THAT(messageOf("flip,"), HasSubstr("'' is unknown"));
  EXPECT_THAT(messageOf("flip,none"), HasSubstr("'none' is unknown"));
  EXPECT_THAT(messageOf("crop"), HasSubstr("crop: 0 values, expected crop:PIXELS"));
  EXPECT_THAT(messageOf("crop:2.5"), HasSubstr("'2.5', expected a whole number from 1 to 4096"));
  EXPECT_THAT(messageOf("crop:-1"), HasSubstr("expected a number from 1 to 4096"));
  EXPECT_THAT(messageOf("flip:1.5"), HasSubstr("augmentation flip:1.5: '1.5', expected a number from 0 to 1"));
  EXPECT_THAT(messageOf("flip:nan"), HasSubstr("expected a number"));
  EXPECT_THAT(messageOf("flip:"), HasSubstr("'', expected a number"));
  EXPECT_THAT(messageOf("flip:0.5x"), HasSubstr("'0.5x', expected a number"));
  EXPECT_THAT(messageOf("rrc:0.5:0.2"), HasSubstr("'0.2', expected a number from 0.5 to 1"));
  EXPECT_THAT(messageOf("jitter:0.1:0.2"), HasSubstr("2 numbers, expected one"));
  EXPECT_THAT(messageOf("jitter:0:0:0:0.6"), HasSubstr("expected a number from 0 to 0.5"));
  EXPECT_THAT(messageOf("randaugment:2:31"), HasSubstr("expected a number from 0 to 30"));
  EXPECT_THAT(messageOf("erase:0.1:red"), HasSubstr("'red', expected zero, color or noise"));
  EXPECT_THAT(messageOf("mixup:0"), HasSubstr("expected a number from 0.01 to 100"));
  EXPECT_THAT(messageOf("flip,crop:2,flip"), HasSubstr("flip is given twice"));
  EXPECT_THAT(messageOf("rrc,crop:4"), HasSubstr("has crop and rrc, expected one of them"));
  EXPECT_THAT(messageOf("flip:0.5:1"), HasSubstr("2 values, expected flip[:PROBABILITY]"));
}

constexpr uint32_t edge = 16;

std::vector<float> apply(const char *text, uint32_t epoch, uint32_t index, uint32_t pictureEdge = edge, uint64_t seed = 3) {
  Augmenter augmenter(*Augmentation::parse(text), plainPreprocessor(edge), seed);
  std::vector<float> values(3 * edge * edge);
  Error error = augmenter.apply(*MadeUpPictures(1, pictureEdge).picture(0), "it", epoch, index, values.data());
  EXPECT_FALSE(bool(error)) << error.message;
  return values;
}

TEST(AugmentationTest, everyKindIsAFunctionOfSeedEpochAndIndex) {
  for (const char *text : {"crop:4", "rrc", "flip", "jitter:0.4", "jitter:0:0:0:0.3", "randaugment", "erase:0.9", "erase:0.9:color"}) {
    SCOPED_TRACE(text);
    std::map<std::vector<float>, int> seen;
    for (uint32_t i = 0; i < 12; ++i) {
      EXPECT_EQ(apply(text, 1, i), apply(text, 1, i));
      ++seen[apply(text, 1, i)];
      ++seen[apply(text, i + 2, 0)];
      ++seen[apply(text, 1, 0, edge, i + 10)];
    }
    EXPECT_GT(seen.size(), text == std::string("flip") ? 1u : 10u);
  }
}

TEST(AugmentationTest, oneKindDoesNotMoveTheOthers) {
  // Flips are drawn from a stream of their own: with erasing that never happens, images are the same.
  for (uint32_t i = 0; i < 8; ++i)
    EXPECT_EQ(apply("flip", 0, i), apply("flip,erase:0", 0, i));
}

TEST(AugmentationTest, flipsAndShiftsAreThoseOfPixels) {
  Preprocessor preprocessor = plainPreprocessor(edge);
  auto normalized = [&](const Image &image) {
    std::vector<float> values(3 * edge * edge);
    preprocessor.normalize(image, values.data());
    return values;
  };
  Image plain = *MadeUpPictures(1, edge).picture(0), mirrored = plain;
  flipHorizontally(mirrored);
  EXPECT_EQ(apply("none", 0, 0), normalized(plain));
  EXPECT_EQ(apply("flip:1", 0, 0), normalized(mirrored));
  // All are one of the 5 x 5 shifts, black where nothing is, and each of them occurs.
  std::map<std::pair<int, int>, int> found;
  for (uint32_t i = 0; i < 200; ++i) {
    std::vector<float> values = apply("crop:2", 0, i);
    for (int y = -2; y <= 2; ++y)
      for (int x = -2; x <= 2; ++x)
        if (values == normalized(cropRegion(plain, x, y, edge, edge)))
          ++found[{x, y}];
  }
  int total = 0;
  for (auto &[place, count] : found)
    total += count;
  EXPECT_EQ(total, 200);
  EXPECT_EQ(found.size(), 25u);
}

TEST(AugmentationTest, resizedCropsHaveTheAskedForAreaAndRatio) {
  Extent size{120, 200};
  double least = 1, greatest = 0;
  for (uint32_t i = 0; i < 500; ++i) {
    RandomStream random(0, 0, i, Place::Crop);
    Region region = chooseResizedCrop(size, {0.2, 0.6}, random);
    ASSERT_LE(region.x + region.width, size.width);
    ASSERT_LE(region.y + region.height, size.height);
    double area = double(region.width) * region.height / (120 * 200), ratio = double(region.width) / region.height;
    EXPECT_TRUE(area > 0.19 && area < 0.61) << area;
    EXPECT_TRUE(ratio > 0.73 && ratio < 1.36) << ratio;
    least = std::min(least, area);
    greatest = std::max(greatest, area);
  }
  EXPECT_LT(least, 0.22);
  EXPECT_GT(greatest, 0.55);
}

TEST(AugmentationTest, whereNoCropFitsItIsTheMiddle) {
  RandomStream random(0, 0, 0, Place::Crop);
  EXPECT_EQ(chooseResizedCrop({10, 1000}, {0.9, 1.0}, random), (Region{493, 0, 13, 10})); // as wide as 4/3 allows
  EXPECT_EQ(chooseResizedCrop({1000, 30}, {0.9, 1.0}, random), (Region{0, 480, 30, 40}));
  EXPECT_EQ(chooseResizedCrop({1, 1}, {0.08, 0.1}, random), (Region{0, 0, 1, 1}));
}

TEST(AugmentationTest, resizedCropsOfTheWholeAreTheEvaluatedImage) {
  // A square picture is the only crop of its whole area that fits, up to one pixel of rounding; look for one that is it.
  int same = 0;
  std::vector<float> evaluated = apply("none", 0, 0, 40);
  for (uint32_t i = 0; i < 400 && !same; ++i)
    same += apply("rrc:1:1", 0, i, 40) == evaluated;
  EXPECT_EQ(same, 1);
}

TEST(AugmentationTest, erasedRegionsHaveTheirFill) {
  std::vector<float> plain = apply("none", 0, 0);
  int erased = 0;
  for (uint32_t i = 0; i < 400; ++i) {
    std::vector<float> values = apply("erase:0.5", 0, i);
    size_t changed = 0;
    for (size_t k = 0; k < values.size(); ++k)
      if (values[k] != plain[k]) {
        EXPECT_EQ(values[k], 0.0f);
        ++changed;
      }
    EXPECT_LE(changed, values.size() * 0.4);
    erased += changed > 0;
  }
  EXPECT_NEAR(erased, 200, 60);
}

} // namespace
