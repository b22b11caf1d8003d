//===- Augmenter.cpp - a picture to a varied, normalised input -----------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/data/Augmenter.h"

#include "runtime/image/Enhance.h"
#include "runtime/image/Geometry.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace vitrt {
namespace {

constexpr int kTries = 10; // of torchvision and timm, to find a rectangle that fits

uint32_t rounded(double length) { return uint32_t(std::nearbyint(length)); }

/// Colour operations are defined on bytes; what a resize left between them is rounded.
Image toBytes(Crop crop) {
  if (auto *bytes = std::get_if<Image>(&crop))
    return std::move(*bytes);
  const FloatImage &floats = std::get<FloatImage>(crop);
  Image image(floats.width, floats.height, floats.channels);
  std::transform(floats.pixels.begin(), floats.pixels.end(), image.pixels.begin(),
                 [](float value) { return uint8_t(std::clamp(std::nearbyint(value), 0.0f, 255.0f)); });
  return image;
}

} // namespace

Region chooseResizedCrop(Extent size, const Augmentation::ResizedCrop &crop, RandomStream &random) {
  constexpr double leastRatio = 3.0 / 4.0, greatestRatio = 4.0 / 3.0;
  for (int i = 0; i < kTries; ++i) {
    double area = double(size.height) * size.width * random.uniform(crop.minArea, crop.maxArea);
    double ratio = std::exp(random.uniform(std::log(leastRatio), std::log(greatestRatio)));
    uint32_t width = rounded(std::sqrt(area * ratio)), height = rounded(std::sqrt(area / ratio));
    if (width > 0 && width <= size.width && height > 0 && height <= size.height) {
      uint32_t y = random.below(size.height - height + 1), x = random.below(size.width - width + 1);
      return {x, y, width, height};
    }
  }
  double ratio = double(size.width) / size.height;
  Region middle{0, 0, size.width, size.height};
  if (ratio < leastRatio)
    middle.height = std::max(rounded(size.width / leastRatio), 1u);
  else if (ratio > greatestRatio)
    middle.width = std::max(rounded(size.height * greatestRatio), 1u);
  middle.x = (size.width - middle.width) / 2;
  middle.y = (size.height - middle.height) / 2;
  return middle;
}

void jitterColors(Image &image, const Augmentation::Jitter &jitter, RandomStream random) {
  std::array<unsigned, 4> order{0, 1, 2, 3};
  for (uint32_t left = 4; left > 1; --left)
    std::swap(order[left - 1], order[random.below(left)]);
  auto factor = [&](double strength) { return float(random.uniform(std::max(0.0, 1.0 - strength), 1.0 + strength)); };
  float brightness = factor(jitter.brightness), contrast = factor(jitter.contrast), saturation = factor(jitter.saturation);
  double hue = random.uniform(-jitter.hue, jitter.hue);
  for (unsigned operation : order) {
    if (operation == 0 && jitter.brightness > 0.0)
      adjustBrightness(image, brightness);
    else if (operation == 1 && jitter.contrast > 0.0)
      adjustContrast(image, contrast);
    else if (operation == 2 && jitter.saturation > 0.0)
      adjustSaturation(image, saturation);
    else if (operation == 3 && jitter.hue > 0.0)
      adjustHue(image, hue);
  }
}

void eraseRegion(float *values, uint32_t channels, Extent size, const Augmentation::Erasing &erasing, RandomStream random) {
  constexpr double leastArea = 0.02, greatestArea = 1.0 / 3.0, leastRatio = 0.3;
  if (!random.chance(erasing.probability))
    return;
  for (int i = 0; i < kTries; ++i) {
    double area = double(size.height) * size.width * random.uniform(leastArea, greatestArea);
    double ratio = std::exp(random.uniform(std::log(leastRatio), -std::log(leastRatio)));
    uint32_t height = rounded(std::sqrt(area * ratio)), width = rounded(std::sqrt(area / ratio));
    if (width >= size.width || height >= size.height)
      continue;
    uint32_t top = random.below(size.height - height + 1), left = random.below(size.width - width + 1);
    using Fill = Augmentation::Erasing::Fill;
    for (uint32_t c = 0; c < channels; ++c) {
      float color = erasing.fill == Fill::Color ? float(random.normal()) : 0.0f;
      for (uint32_t y = top; y < top + height; ++y)
        for (uint32_t x = left; x < left + width; ++x)
          values[(size_t(c) * size.height + y) * size.width + x] = erasing.fill == Fill::Noise ? float(random.normal()) : color;
    }
    return;
  }
}

Image Augmenter::crop(Image picture, RandomStream random) const {
  Extent to = preprocessor.input();
  Region region = chooseResizedCrop({picture.height, picture.width}, *augmentation.resizedCrop, random);
  Image part = cropRegion(picture, region.x, region.y, region.width, region.height);
  return resize(part, to.width, to.height, preprocessor.interpolation());
}

Error Augmenter::apply(Image picture, std::string_view name, uint32_t epoch, uint32_t index, float *to) const {
  bool onBytes = augmentation.cropPadding || augmentation.flip > 0.0 || augmentation.randAugment || augmentation.jitter;
  Crop crop;
  if (augmentation.resizedCrop) {
    crop = this->crop(convertChannels(std::move(picture), preprocessor.channels()), stream(epoch, index, Place::Crop));
  } else {
    auto evaluated = preprocessor.crop(std::move(picture), name);
    if (!evaluated)
      return std::move(evaluated.error());
    crop = std::move(*evaluated);
  }
  Extent size = preprocessor.input();
  if (onBytes) {
    Image image = toBytes(std::move(crop));
    if (augmentation.cropPadding) {
      RandomStream random = stream(epoch, index, Place::Crop);
      uint32_t padding = *augmentation.cropPadding, y = random.below(2 * padding + 1), x = random.below(2 * padding + 1);
      image = cropRegion(image, int64_t(x) - padding, int64_t(y) - padding, size.width, size.height);
    }
    if (stream(epoch, index, Place::Flip).chance(augmentation.flip))
      flipHorizontally(image);
    if (augmentation.randAugment)
      randAugment(image, *augmentation.randAugment, stream(epoch, index, Place::RandAugment));
    if (augmentation.jitter)
      jitterColors(image, *augmentation.jitter, stream(epoch, index, Place::Jitter));
    crop = std::move(image);
  }
  preprocessor.normalize(crop, to);
  if (augmentation.erasing)
    eraseRegion(to, preprocessor.channels(), size, *augmentation.erasing, stream(epoch, index, Place::Erase));
  return Error::success();
}

} // namespace vitrt
