//===- Augmenter.h - a picture to a varied, normalised input ------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_RUNTIME_DATA_AUGMENTER_H
#define VITC_RUNTIME_DATA_AUGMENTER_H

#include "runtime/data/Augmentation.h"
#include "runtime/data/Philox.h"
#include "runtime/image/Preprocess.h"

#include <string_view>

namespace vitrt {

/// A rectangle of pixels.
struct Region {
  uint32_t x, y, width, height;
  bool operator==(const Region &) const = default;
};

/// What an Augmentation does to single images. Const members may be called from several threads.
class Augmenter {
public:
  Augmenter(const Augmentation &augmentation, Preprocessor preprocessor, uint64_t seed)
      : augmentation(augmentation), preprocessor(std::move(preprocessor)), seed(seed) {}

  /// The picture as floats [C, H, W] of the model's size; a function of picture, seed, epoch and index. `name` is for the preprocessor's
  /// errors.
  Error apply(Image picture, std::string_view name, uint32_t epoch, uint32_t index, float *to) const;

private:
  RandomStream stream(uint32_t epoch, uint32_t index, Place place) const { return {seed, epoch, index, place}; }
  Image crop(Image picture, RandomStream random) const;

  Augmentation augmentation;
  Preprocessor preprocessor;
  uint64_t seed;
};

/// The part of an image of `size` that torchvision's RandomResizedCrop.get_params chooses: ten tries, then the middle.
Region chooseResizedCrop(Extent size, const Augmentation::ResizedCrop &crop, RandomStream &random);
/// Colours of one image (torchvision's ColorJitter), in random order.
void jitterColors(Image &image, const Augmentation::Jitter &jitter, RandomStream random);
/// torchvision's RandAugment of one image.
void randAugment(Image &image, const Augmentation::RandAugment &rand, RandomStream random);
/// timm's RandomErasing of normalised [channels, size].
void eraseRegion(float *values, uint32_t channels, Extent size, const Augmentation::Erasing &erasing, RandomStream random);

/// The operations of torchvision's RandAugment, in its order.
enum class RandOperation {
  Identity,
  ShearX,
  ShearY,
  TranslateX,
  TranslateY,
  Rotate,
  Brightness,
  Color,
  Contrast,
  Sharpness,
  Posterize,
  Solarize,
  AutoContrast,
  Equalize
};
constexpr uint32_t kRandOperations = 14;

/// One of them at a magnitude from 0 to 30; `negative` turns around those that have a sign.
void applyRandOperation(Image &image, RandOperation operation, unsigned magnitude, bool negative);

} // namespace vitrt

#endif // VITC_RUNTIME_DATA_AUGMENTER_H
