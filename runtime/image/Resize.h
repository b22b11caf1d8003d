//===- Resize.h - Pillow's resampling, bit for bit ----------------------------------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===------------------------------------------------------------------------------------------------------===//

#ifndef VITC_RUNTIME_IMAGE_RESIZE_H
#define VITC_RUNTIME_IMAGE_RESIZE_H

#include "runtime/image/Image.h"

namespace vitrt {

enum class Filter { Nearest, Bilinear, Bicubic, Lanczos, Box, Hamming };

/// Which of the two passes runs first. The bytes between them are rounded and clamped, so results differ where both axes are resampled
/// (by up to 12 levels for bicubic at hard edges).
enum class PassOrder {
  Pillow13,       // vertical first where that shrinks the work: H - h > 0 and H - h > 2 (W - w)
  HorizontalFirst // every Pillow before
};

/// Resamples to `width` x `height`, both at least 1. Every sample equals that of Pillow's Image.resize: weights are normalised in f64 and
/// rounded to 22 fractional bits, each pass sums in 32 bits and clamps to a byte (Pillow, src/libImaging/Resample.c; nearest: Geometry.c).
Image resize(const Image &image, uint32_t width, uint32_t height, Filter filter, PassOrder order = PassOrder::Pillow13);

} // namespace vitrt

#endif // VITC_RUNTIME_IMAGE_RESIZE_H
