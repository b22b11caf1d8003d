//===- RandomImages.h - images from a seed ---*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_TOOLS_VITRUN_RANDOMIMAGES_H
#define VITC_TOOLS_VITRUN_RANDOMIMAGES_H

#include "tools/vit-run/Images.h"
#include <cstddef>

namespace vitrun {

/// `count` numbers, the same on every machine: in [-2, 2), the range of normalised pictures, or all bytes.
inline ImageBuffer randomImages(size_t count, uint64_t seed, bool pixels) {
  ImageBuffer images;
  images.arePixels = pixels;
  images.resize(count);
  for (size_t i = 0; i < count; ++i) {
    // SplitMix64 (Steele, Lea, Flood 2014) of a counter.
    uint64_t z = seed + (i + 1) * 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    if (pixels)
      images.pixels[i] = uint8_t(z >> 56);
    else
      images.values[i] = float(z >> 40) * (4.0f / (1 << 24)) - 2.0f;
  }
  return images;
}

} // namespace vitrun

#endif // VITC_TOOLS_VITRUN_RANDOMIMAGES_H
