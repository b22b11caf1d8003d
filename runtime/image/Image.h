//===- Image.h - images in memory ------------------------------------------------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===------------------------------------------------------------------------------------------------------===//

#ifndef VITC_RUNTIME_IMAGE_IMAGE_H
#define VITC_RUNTIME_IMAGE_IMAGE_H

#include <cstddef>
#include <cstdint>
#include <vector>

namespace vitrt {

/// Pixels [height, width, channels], row-major; channels is 1 (grey) or 3 (red, green, blue).
template <typename Sample> struct BasicImage {
  uint32_t width = 0;
  uint32_t height = 0;
  uint32_t channels = 0;
  std::vector<Sample> pixels;

  BasicImage() = default;
  BasicImage(uint32_t width, uint32_t height, uint32_t channels)
      : width(width), height(height), channels(channels), pixels(size_t(width) * height * channels) {}

  size_t rowSamples() const { return size_t(width) * channels; }
  Sample *row(uint32_t y) { return pixels.data() + y * rowSamples(); }
  const Sample *row(uint32_t y) const { return pixels.data() + y * rowSamples(); }
};

/// One byte a sample.
using Image = BasicImage<uint8_t>;
/// What a resize without rounding gives, still from 0 to 255 (a little beyond them where the filter overshoots).
using FloatImage = BasicImage<float>;

/// Colour to grey as Pillow's convert("L") (ITU-R 601, 16-bit fixed point), grey to colour by repetition; `channels` is 1 or 3.
Image convertChannels(Image image, uint32_t channels);

/// The image as a viewer shows it for the EXIF orientation 1 to 8 (mirrored and turned copies; Exif 2.32, tag 0x0112).
Image applyOrientation(Image image, unsigned orientation);

} // namespace vitrt

#endif // VITC_RUNTIME_IMAGE_IMAGE_H
