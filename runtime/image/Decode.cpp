//===- Decode.cpp - which format a file is of, and its orientation -------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/image/Decode.h"

#include <algorithm>

namespace vitrt {
namespace {

using Bytes = std::span<const uint8_t>;

bool startsWith(Bytes bytes, std::string_view magic) {
  return bytes.size() >= magic.size() &&
         std::equal(magic.begin(), magic.end(), bytes.begin(), [](char a, uint8_t b) { return uint8_t(a) == b; });
}

/// What a file that is neither JPEG nor PNG most likely is.
std::string_view describeOther(Bytes bytes) {
  if (startsWith(bytes, "RIFF") && bytes.size() >= 12 && startsWith(bytes.subspan(8), "WEBP"))
    return "a WebP image";
  if (startsWith(bytes, "GIF8"))
    return "a GIF image";
  if (startsWith(bytes, "BM"))
    return "a BMP image";
  if (startsWith(bytes, "II*") || startsWith(bytes, "MM"))
    return "a TIFF image";
  if (bytes.size() >= 12 && (startsWith(bytes.subspan(4), "ftypavif") || startsWith(bytes.subspan(4), "ftyphei")))
    return "an AVIF or HEIF image";
  return bytes.empty() ? "empty" : "no image";
}

/// Numbers of a TIFF block in its own byte order; reads outside the block give 0.
struct TiffReader {
  Bytes bytes;
  bool bigEndian;

  uint32_t read(uint64_t offset, unsigned size) const {
    if (offset + size > bytes.size())
      return 0;
    uint32_t value = 0;
    for (unsigned i = 0; i < size; ++i)
      value |= uint32_t(bytes[offset + i]) << 8 * (bigEndian ? size - 1 - i : i);
    return value;
  }
};

} // namespace

unsigned readOrientation(Bytes tiff) {
  constexpr unsigned orientationTag = 0x0112, shortType = 3, entryBytes = 12;
  bool bigEndian = startsWith(tiff, "MM");
  if (!bigEndian && !startsWith(tiff, "II"))
    return 1;
  TiffReader reader{tiff, bigEndian};
  uint64_t directory = reader.read(4, 4);
  for (uint32_t i = 0, n = reader.read(directory, 2); i < n; ++i) {
    uint64_t entry = directory + 2 + uint64_t(i) * entryBytes;
    if (reader.read(entry, 2) != orientationTag || reader.read(entry + 2, 2) != shortType)
      continue;
    unsigned value = reader.read(entry + 8, 2);
    return value >= 1 && value <= 8 ? value : 1;
  }
  return 1;
}

Error checkImageSize(uint64_t width, uint64_t height, std::string_view name) {
  if (width == 0 || height == 0)
    return makeError(VITRT_ERROR_FORMAT, "{}: the image is empty ({} x {} pixels)", name, width, height);
  if (height > kMaxImagePixels / width)
    return makeError(VITRT_ERROR_FORMAT, "{}: {} x {} pixels are more than the limit of {}", name, width, height, kMaxImagePixels);
  return Error::success();
}

Expected<Image> decodeImage(Bytes bytes, std::string_view name, const DecodeOptions &options) {
  if (startsWith(bytes, "\xff\xd8\xff"))
    return decodeJpeg(bytes, name, options);
  if (startsWith(bytes, "\x89PNG\r\n\x1a\n"))
    return decodePng(bytes, name, options);
  return makeError(VITRT_ERROR_FORMAT, "{}: expected a JPEG or PNG image, the file is {}", name, describeOther(bytes));
}

} // namespace vitrt
