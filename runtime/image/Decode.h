//===- Decode.h - JPEG and PNG to pixels, pixels to PNG -----------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//
//
// Pixels are those of Pillow's Image.open(...).convert("RGB") (grey files stay grey), with two differences that a person expects:
//  - the EXIF orientation is applied, unless asked not to;
//  - 16-bit grey is reduced to its high byte, as Pillow does for 16-bit colour; Pillow clips it at 255 and shows white.
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_RUNTIME_IMAGE_DECODE_H
#define VITC_RUNTIME_IMAGE_DECODE_H

#include "runtime/Error.h"
#include "runtime/image/Image.h"

#include <span>
#include <string>
#include <string_view>

namespace vitrt {

struct DecodeOptions {
  bool applyOrientation = true; ///< turn and mirror as the EXIF orientation says
};

/// Largest accepted picture in pixels: twice Pillow's MAX_IMAGE_PIXELS, where it too refuses. Checked before memory is asked for.
inline constexpr uint64_t kMaxImagePixels = 178'956'970;

/// Decodes a JPEG (baseline or progressive; grey, YCbCr, RGB, CMYK, YCCK) or a PNG (every colour type and depth, interlaced or not; alpha
/// is dropped). `name` is what error messages call the image. Truncated and damaged files, other formats and pictures of more than
/// kMaxImagePixels are VITRT_ERROR_FORMAT.
Expected<Image> decodeImage(std::span<const uint8_t> bytes, std::string_view name, const DecodeOptions &options = {});

/// The same for one format; decodeImage chooses between them by the first bytes.
Expected<Image> decodeJpeg(std::span<const uint8_t> bytes, std::string_view name, const DecodeOptions &options);
Expected<Image> decodePng(std::span<const uint8_t> bytes, std::string_view name, const DecodeOptions &options);

/// The orientation tag (1 to 8) of an Exif block in TIFF form; 1 if there is none or the block is damaged.
unsigned readOrientation(std::span<const uint8_t> tiff);

/// An eight-bit PNG file of the image.
Expected<std::vector<uint8_t>> encodePng(const Image &image);

/// VITRT_ERROR_FORMAT if a picture of this size is empty or has more than kMaxImagePixels.
Error checkImageSize(uint64_t width, uint64_t height, std::string_view name);

} // namespace vitrt

#endif // VITC_RUNTIME_IMAGE_DECODE_H
