//===- Preprocess.h - a picture to a model's input ----------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_RUNTIME_IMAGE_PREPROCESS_H
#define VITC_RUNTIME_IMAGE_PREPROCESS_H

#include "runtime/Error.h"
#include "runtime/image/Image.h"
#include "runtime/image/Resize.h"

#include <array>
#include <string_view>
#include <variant>
#include <vector>

namespace vitrt {

namespace fb {
struct Preprocess;
} // namespace fb

/// Height and width in pixels.
struct Extent {
  uint32_t height, width;
  bool operator==(const Extent &) const = default;
};

/// Size after resizing so that the shorter edge has `edge` pixels; the longer one is truncated (torchvision, transformers).
Extent shorterEdgeExtent(Extent from, uint32_t edge);

/// Size after resizing to fit into `box`, each edge rounded half to even (timm's ResizeKeepRatio with longest = 1).
Extent longestEdgeExtent(Extent from, Extent box);

/// How an odd margin is split: torchvision and timm round it half to even, transformers floors the crop's origin.
enum class CropRounding { HalfToEven, Floor };

/// The middle `to` pixels; an axis on which the image is smaller is first padded with `fill` (one byte a channel). Sample is uint8_t or float.
template <typename Sample>
BasicImage<Sample> centreCrop(const BasicImage<Sample> &image, Extent to, CropRounding rounding, std::array<uint8_t, 3> fill = {0, 0, 0});

/// A picture of the model's size before it is normalised: bytes, or what a resize without rounding gave.
using Crop = std::variant<Image, FloatImage>;

/// The steps that the manifest's Preprocess table describes.
class Preprocessor {
public:
  /// For inputs [channels, height, width]. Refused (VITRT_ERROR_ARGUMENT): other than 1 or 3 channels, mean or std that are not one a
  /// channel, a standard deviation of 0, a crop of another size than the input's.
  static Expected<Preprocessor> create(const fb::Preprocess *table, uint32_t channels, uint32_t height, uint32_t width);

  /// Colour conversion, resize and crop to [height, width, channels]. `name` is for the error that a picture of the wrong size is for a
  /// model that neither resizes nor crops.
  Expected<Crop> crop(Image image, std::string_view name) const;

  /// Rescale, mean and standard deviation in f32, as torch or transformers compute them: what crop() gave to floats
  /// [channels, height, width].
  void normalize(const Crop &crop, float *to) const;

  Extent input() const { return extent; }
  Filter interpolation() const { return filter; }
  uint32_t channels() const { return uint32_t(levels.size()); }

private:
  Preprocessor() = default;

  template <typename Sample> Expected<Crop> finish(BasicImage<Sample> image, std::string_view name) const;
  void normalizeSamples(const Image &image, float *to) const;
  void normalizeSamples(const FloatImage &image, float *to) const;

  Extent extent{};
  uint32_t resizeKind = 0; // fb::Resize
  Extent resizeTo{};
  Filter filter = Filter::Bilinear;
  bool antialias = true, rounds = true;
  Extent cropTo{};
  CropRounding rounding = CropRounding::HalfToEven;
  std::array<uint8_t, 3> padding{};
  std::vector<std::array<float, 256>> levels; // the normalised value of each byte, a channel
  std::vector<float> means, stds;
  bool multiplies = false; // fb::Rescale::Multiply255
};

} // namespace vitrt

#endif // VITC_RUNTIME_IMAGE_PREPROCESS_H
