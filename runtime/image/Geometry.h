//===- Geometry.h - where an image's pixels come from -------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_RUNTIME_IMAGE_GEOMETRY_H
#define VITC_RUNTIME_IMAGE_GEOMETRY_H

#include "runtime/image/Image.h"

#include <array>

namespace vitrt {

/// `width` x `height` pixels whose upper left one is (x, y) of the image; black where they are outside of it.
Image cropRegion(const Image &image, int64_t x, int64_t y, uint32_t width, uint32_t height);

/// The image as a mirror shows it, in place.
void flipHorizontally(Image &image);

/// Output pixel (x, y) is input pixel floor(a x' + b y' + c, d x' + e y' + f) of x' = x + 0.5, y' = y + 0.5, black outside of the image:
/// Pillow's Image.transform(AFFINE, NEAREST), in its 16 fractional bits (libImaging/Geometry.c, affine_fixed).
Image transformAffine(const Image &image, const std::array<double, 6> &inverse);

/// The coefficients for transformAffine of torchvision's affine with shear (in radians, about the upper left corner).
std::array<double, 6> shearMatrix(double x, double y);
/// Of a shift by whole pixels.
std::array<double, 6> shiftMatrix(int x, int y);
/// Of Pillow's Image.rotate: by `degrees` counter-clockwise about the centre, and no larger than before.
std::array<double, 6> rotationMatrix(double degrees, uint32_t width, uint32_t height);

} // namespace vitrt

#endif // VITC_RUNTIME_IMAGE_GEOMETRY_H
