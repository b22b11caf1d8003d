//===- Image.cpp - eight-bit images -------------------------------------------------------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===------------------------------------------------------------------------------------------------------===//

#include "runtime/image/Image.h"

#include <algorithm>

namespace vitrt {

Image convertChannels(Image image, uint32_t channels) {
  if (image.channels == channels)
    return image;
  Image result(image.width, image.height, channels);
  const uint8_t *from = image.pixels.data();
  uint8_t *to = result.pixels.data();
  size_t pixels = size_t(image.width) * image.height;
  if (channels == 1) {
    for (size_t i = 0; i < pixels; ++i, from += 3)
      to[i] = uint8_t((from[0] * 19595u + from[1] * 38470u + from[2] * 7471u + 0x8000u) >> 16);
  } else {
    for (size_t i = 0; i < pixels; ++i, to += 3)
      to[0] = to[1] = to[2] = from[i];
  }
  return result;
}

Image applyOrientation(Image image, unsigned orientation) {
  if (orientation < 2 || orientation > 8)
    return image;
  // Orientations 5 to 8 have the stored rows as columns. Row 0 and column 0 of the stored image are, in this order, ...
  bool transposed = orientation >= 5;
  bool flipX = orientation == 2 || orientation == 3 || orientation == 6 || orientation == 7;
  bool flipY = orientation == 3 || orientation == 4 || orientation == 7 || orientation == 8;
  Image result(transposed ? image.height : image.width, transposed ? image.width : image.height, image.channels);
  for (uint32_t y = 0; y < result.height; ++y) {
    uint8_t *to = result.row(y);
    for (uint32_t x = 0; x < result.width; ++x, to += image.channels) {
      uint32_t u = flipX ? result.width - 1 - x : x, v = flipY ? result.height - 1 - y : y;
      const uint8_t *from = transposed ? image.row(u) + size_t(v) * image.channels : image.row(v) + size_t(u) * image.channels;
      std::copy_n(from, image.channels, to);
    }
  }
  return result;
}

} // namespace vitrt
