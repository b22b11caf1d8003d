//===- Enhance.h - Pillow's colour operations, bit for bit --------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//
//
// Images are [height, width, 1 or 3] and change in place. Factors are those of Pillow's ImageEnhance: 1 leaves the image as it is, 0 gives
// its degenerate version (black, grey, blurred), more than 1 goes further away from that (Pillow, ImageEnhance.py, libImaging/Blend.c).
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_RUNTIME_IMAGE_ENHANCE_H
#define VITC_RUNTIME_IMAGE_ENHANCE_H

#include "runtime/image/Image.h"

namespace vitrt {

/// Against black.
void adjustBrightness(Image &image, float factor);
/// Against the mean of the image's grey version.
void adjustContrast(Image &image, float factor);
/// Against the image's grey version; a grey image stays.
void adjustSaturation(Image &image, float factor);
/// Against the image smoothed by (1 1 1, 1 5 1, 1 1 1) / 13, whose border is the image's.
void adjustSharpness(Image &image, float factor);
/// Turns the hue by `turns` (-0.5 to 0.5) of the colour circle, in bytes of hue, saturation and value (torchvision's adjust_hue; Pillow,
/// libImaging/Convert.c). A grey image stays.
void adjustHue(Image &image, double turns);

/// Keeps the upper `bits` (1 to 8) of each sample.
void posterize(Image &image, unsigned bits);
/// Inverts samples of at least `threshold`.
void solarize(Image &image, float threshold);
/// Stretches each channel so that its darkest sample is 0 and its lightest 255.
void autoContrast(Image &image);
/// Gives each channel a flat histogram.
void equalize(Image &image);

} // namespace vitrt

#endif // VITC_RUNTIME_IMAGE_ENHANCE_H
