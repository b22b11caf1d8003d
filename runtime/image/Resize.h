//===- Resize.h - Pillow's resampling, bit for bit, and that of tensors ----------------------------------------------------*- C++ -*-===//
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
/// Without `antialias` the filter does not widen when the image shrinks, so that a bilinear one sees two pixels an axis.
Image resize(const Image &image, uint32_t width, uint32_t height, Filter filter, PassOrder order = PassOrder::Pillow13,
             bool antialias = true);

/// The same weights in f32 and nothing rounded to bytes or clamped. Without `antialias`, bilinear: tf.image.resize of TensorFlow 2
/// (half-pixel centres; tensorflow/core/kernels/image/resize_bilinear_op.cc). With it: torchvision's resize of a float tensor
/// (ATen/native/cpu/UpSampleKernel.cpp), which transformers' DINOv3 processor uses.
FloatImage resizeToFloats(const Image &image, uint32_t width, uint32_t height, Filter filter, bool antialias);

} // namespace vitrt

#endif // VITC_RUNTIME_IMAGE_RESIZE_H
