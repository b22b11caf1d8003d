//===- PixelOperationsTest.cpp - operations on pictures, compared with Pillow's and torchvision's ---*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/data/Augmenter.h"
#include "runtime/image/Enhance.h"
#include "runtime/image/Geometry.h"
#include "test/unit/image/ImageTestUtils.h"

#include <gmock/gmock.h>
#include <map>
#include <sstream>

using namespace vitrt;
using namespace vitc::test;
using testing::ElementsAre;

namespace {

/// The pictures of scripts/make_augmentation_goldens.py.
std::map<std::string, Image> pictures() {
  Image color = decodeFile(dataPath("image/picture.png")), ramps(96, 64, 3), faint(96, 64, 3);
  for (uint32_t y = 0; y < 64; ++y)
    for (uint32_t x = 0; x < 96; ++x) {
      uint8_t pixel[3] = {uint8_t(x * 255 / 95), uint8_t(y * 4), uint8_t((x * 7 + y * 5) % 256)};
      for (uint32_t c = 0; c < 3; ++c) {
        ramps.row(y)[x * 3 + c] = pixel[c];
        faint.row(y)[x * 3 + c] = uint8_t(pixel[c] / 5 + 90);
      }
    }
  return {{"grey", convertChannels(color, 1)}, {"color", color}, {"ramps", ramps}, {"faint", faint}};
}

using Operation = void (*)(Image &image, double parameter);
struct NamedOperation {
  std::string_view name;
  Operation apply;
};
constexpr NamedOperation operations[] = {
    {"brightness", [](Image &image, double p) { adjustBrightness(image, float(p)); }},
    {"contrast", [](Image &image, double p) { adjustContrast(image, float(p)); }},
    {"saturation", [](Image &image, double p) { adjustSaturation(image, float(p)); }},
    {"sharpness", [](Image &image, double p) { adjustSharpness(image, float(p)); }},
    {"hue", [](Image &image, double p) { adjustHue(image, p); }},
    {"posterize", [](Image &image, double p) { posterize(image, unsigned(p)); }},
    {"solarize", [](Image &image, double p) { solarize(image, float(p)); }},
    {"autocontrast", [](Image &image, double) { autoContrast(image); }},
    {"equalize", [](Image &image, double) { equalize(image); }},
};
const char *const randOperations[] = {"Identity", "ShearX",   "ShearY",    "TranslateX", "TranslateY", "Rotate",       "Brightness",
                                      "Color",    "Contrast", "Sharpness", "Posterize",  "Solarize",   "AutoContrast", "Equalize"};

TEST(PixelOperationsTest, equalPillowAndTorchvision) {
  auto originals = pictures();
  std::ifstream lines(dataPath("augmentation/pixels.tsv"));
  std::map<std::string, int> compared;
  std::string operation, picture, parameter, checksumText;
  while (lines >> operation >> picture >> parameter >> checksumText) {
    Image image = originals.at(picture);
    double number = std::stod(parameter);
    auto byName = [&](const NamedOperation &named) { return named.name == operation; };
    if (auto it = std::find_if(std::begin(operations), std::end(operations), byName); it != std::end(operations)) {
      it->apply(image, number);
    } else {
      auto found = std::find(std::begin(randOperations), std::end(randOperations), operation);
      ASSERT_NE(found, std::end(randOperations)) << operation;
      applyRandOperation(image, RandOperation(found - std::begin(randOperations)), unsigned(std::abs(number)), std::signbit(number));
    }
    EXPECT_EQ(fmt::format("{:08x}", checksum(image)), checksumText) << operation << " of " << picture << " by " << parameter;
    ++compared[operation];
  }
  EXPECT_EQ(compared.size(), std::size(operations) + std::size(randOperations));
}

TEST(PixelOperationsTest, tinyPicturesAreNoTrouble) {
  for (uint32_t channels : {1u, 3u})
    for (auto [width, height] : {std::pair(1u, 1u), {2u, 5u}, {5u, 2u}})
      for (const char *operation : randOperations)
        for (bool negative : {false, true}) {
          Image image(width, height, channels);
          auto kind = RandOperation(std::find(std::begin(randOperations), std::end(randOperations), operation) - randOperations);
          applyRandOperation(image, kind, 30, negative);
          EXPECT_EQ(image.pixels.size(), size_t(width) * height * channels);
        }
}

TEST(PixelOperationsTest, regionsMayLieOutside) {
  Image ramp(4, 1, 1);
  ramp.pixels = {1, 2, 3, 4};
  EXPECT_THAT(cropRegion(ramp, 1, 0, 2, 1).pixels, ElementsAre(2, 3));
  EXPECT_THAT(cropRegion(ramp, -2, 0, 4, 1).pixels, ElementsAre(0, 0, 1, 2));
  EXPECT_THAT(cropRegion(ramp, 3, -1, 2, 2).pixels, ElementsAre(0, 0, 4, 0));
  EXPECT_THAT(cropRegion(ramp, 9, 0, 2, 1).pixels, ElementsAre(0, 0));
  flipHorizontally(ramp);
  EXPECT_THAT(ramp.pixels, ElementsAre(4, 3, 2, 1));
  Image color(3, 1, 3);
  color.pixels = {1, 2, 3, 4, 5, 6, 7, 8, 9};
  flipHorizontally(color);
  EXPECT_THAT(color.pixels, ElementsAre(7, 8, 9, 4, 5, 6, 1, 2, 3));
}

} // namespace
