//===- RandAugment.cpp - operations in random order ----------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//
//
// torchvision/transforms/autoaugment.py, class RandAugment with 31 magnitudes, nearest interpolation and black fill, and its table of
// _augmentation_space (Cubuk et al.: RandAugment, 2020).
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/data/Augmenter.h"

#include "runtime/image/Enhance.h"
#include "runtime/image/Geometry.h"

#include <cmath>

namespace vitrt {

constexpr unsigned kMagnitudes = 31;

/// Element `i` of torch.linspace(start, end, kMagnitudes) in f32, which counts from the nearer end.
static float linspace(float start, float end, unsigned i) {
  float step = (end - start) / float(kMagnitudes - 1);
  float offset = step * float(i < kMagnitudes / 2 ? i : kMagnitudes - 1 - i);
  return i < kMagnitudes / 2 ? start + offset : end - offset;
}

void applyRandOperation(Image &image, RandOperation operation, unsigned magnitude, bool negative) {
  // What every operation can do at most, as in the paper's search space; shifts are 150 of its 331 pixels.
  constexpr float mostShear = 0.3f, mostRotation = 30.0f, mostEnhancement = 0.9f;
  constexpr double mostShift = 150.0 / 331.0;
  auto strength = [&](float most) { return double(linspace(0.0f, most, magnitude)) * (negative ? -1.0 : 1.0); };
  auto factor = [&] { return float(1.0 + strength(mostEnhancement)); };
  auto transform = [&](const std::array<double, 6> &matrix) { image = transformAffine(image, matrix); };
  switch (operation) {
  case RandOperation::Identity:
    return;
  case RandOperation::ShearX:
    return transform(shearMatrix(std::atan(strength(mostShear)), 0.0));
  case RandOperation::ShearY:
    return transform(shearMatrix(0.0, std::atan(strength(mostShear))));
  case RandOperation::TranslateX:
    return transform(shiftMatrix(int(strength(float(mostShift * image.width))), 0));
  case RandOperation::TranslateY:
    return transform(shiftMatrix(0, int(strength(float(mostShift * image.height)))));
  case RandOperation::Rotate:
    return transform(rotationMatrix(strength(mostRotation), image.width, image.height));
  case RandOperation::Brightness:
    return adjustBrightness(image, factor());
  case RandOperation::Color:
    return adjustSaturation(image, factor());
  case RandOperation::Contrast:
    return adjustContrast(image, factor());
  case RandOperation::Sharpness:
    return adjustSharpness(image, factor());
  case RandOperation::Posterize:
    return posterize(image, 8 - unsigned(std::nearbyint(float(magnitude) / (float(kMagnitudes - 1) / 4))));
  case RandOperation::Solarize:
    return solarize(image, linspace(255.0f, 0.0f, magnitude));
  case RandOperation::AutoContrast:
    return autoContrast(image);
  case RandOperation::Equalize:
    return equalize(image);
  }
}

void randAugment(Image &image, const Augmentation::RandAugment &rand, RandomStream random) {
  for (unsigned i = 0; i < rand.operations; ++i) {
    auto operation = RandOperation(random.below(kRandOperations));
    bool negative = random.below(2);
    applyRandOperation(image, operation, rand.magnitude, negative);
  }
}

} // namespace vitrt
