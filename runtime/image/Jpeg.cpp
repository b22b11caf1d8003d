//===- Jpeg.cpp - JPEG through libjpeg-turbo, as Pillow reads it ---------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/image/Decode.h"

#include <csetjmp>
#include <cstdio>
#include <cstring>

#include <jerror.h>
#include <jpeglib.h>

namespace vitrt {
namespace {

/// More scans than any encoder writes; each costs a pass over all coefficients, so that a small file could keep us busy for minutes.
constexpr int maxScans = 500;

/// libjpeg reports errors by a function that must not return. Everything that owns memory lives here, outside the frames that longjmp
/// skips.
struct Reader {
  jpeg_decompress_struct info{};
  jpeg_error_mgr errors{};
  jpeg_progress_mgr progress{};
  std::jmp_buf jump;
  std::span<const uint8_t> bytes;
  std::string_view name;
  Error error;
  Image image;
  std::vector<uint8_t> line;
  unsigned orientation = 1;

  ~Reader() { jpeg_destroy_decompress(&info); }
};

Reader &readerOf(j_common_ptr info) { return *static_cast<Reader *>(info->client_data); }

[[noreturn]] void onError(j_common_ptr info) {
  char message[JMSG_LENGTH_MAX];
  info->err->format_message(info, message);
  Reader &reader = readerOf(info);
  reader.error = makeError(VITRT_ERROR_FORMAT, "{}: damaged JPEG: {}", reader.name, message);
  std::longjmp(reader.jump, 1);
}

/// A negative level is a warning. Pillow goes on after most of them; a file that ends early is an error there too.
void onMessage(j_common_ptr info, int level) {
  if (level >= 0 || info->err->msg_code != JWRN_JPEG_EOF)
    return;
  Reader &reader = readerOf(info);
  reader.error = makeError(VITRT_ERROR_FORMAT, "{}: truncated JPEG: the file ends after {} bytes, before the image does", reader.name,
                           reader.bytes.size());
  std::longjmp(reader.jump, 1);
}

void onProgress(j_common_ptr info) {
  int scan = reinterpret_cast<j_decompress_ptr>(info)->input_scan_number;
  if (scan <= maxScans)
    return;
  Reader &reader = readerOf(info);
  reader.error = makeError(VITRT_ERROR_FORMAT, "{}: the JPEG has more than {} scans", reader.name, maxScans);
  std::longjmp(reader.jump, 1);
}

unsigned orientationOf(const jpeg_decompress_struct &info) {
  constexpr char exifHeader[] = "Exif\0"; // and the terminator: six bytes
  for (jpeg_saved_marker_ptr marker = info.marker_list; marker; marker = marker->next)
    if (marker->marker == JPEG_APP0 + 1 && marker->data_length > sizeof(exifHeader) &&
        std::memcmp(marker->data, exifHeader, sizeof(exifHeader)) == 0)
      return readOrientation({marker->data + sizeof(exifHeader), marker->data_length - sizeof(exifHeader)});
  return 1;
}

/// Adobe's inverted CMYK, which Pillow assumes of every JPEG with four components, to RGB as Pillow's convert does it.
void convertInvertedCmyk(const uint8_t *from, uint8_t *to, uint32_t width) {
  for (uint32_t x = 0; x < width; ++x, from += 4, to += 3) {
    uint32_t white = from[3];
    for (unsigned c = 0; c < 3; ++c) {
      uint32_t product = (255u - from[c]) * white + 128;
      int value = int(white) - int(((product >> 8) + product) >> 8);
      to[c] = uint8_t(value < 0 ? 0 : value);
    }
  }
}

/// Runs under setjmp: no object with a destructor may live in this frame.
void decode(Reader &reader) {
  jpeg_decompress_struct &info = reader.info;
  jpeg_create_decompress(&info);
  info.progress = &reader.progress;
  jpeg_save_markers(&info, JPEG_APP0 + 1, 0xffff);
  jpeg_mem_src(&info, reader.bytes.data(), reader.bytes.size());
  jpeg_read_header(&info, TRUE);
  if (reader.error = checkImageSize(info.image_width, info.image_height, reader.name); reader.error)
    std::longjmp(reader.jump, 1);
  reader.orientation = orientationOf(info);
  if (info.num_components == 1)
    info.out_color_space = JCS_GRAYSCALE;
  else
    info.out_color_space = info.num_components == 4 ? JCS_CMYK : JCS_RGB;
  info.dct_method = JDCT_ISLOW;
  info.do_fancy_upsampling = TRUE;
  jpeg_start_decompress(&info);
  reader.image = Image(info.output_width, info.output_height, info.num_components == 1 ? 1 : 3);
  reader.line.resize(info.num_components == 4 ? size_t(info.output_width) * 4 : 0);
  while (info.output_scanline < info.output_height) {
    uint8_t *to = reader.image.row(info.output_scanline);
    uint8_t *line = reader.line.empty() ? to : reader.line.data();
    jpeg_read_scanlines(&info, &line, 1);
    if (line != to)
      convertInvertedCmyk(line, to, info.output_width);
  }
  jpeg_finish_decompress(&info);
}

} // namespace

Expected<Image> decodeJpeg(std::span<const uint8_t> bytes, std::string_view name, const DecodeOptions &options) {
  Reader reader;
  reader.bytes = bytes;
  reader.name = name;
  reader.info.err = jpeg_std_error(&reader.errors);
  reader.info.client_data = &reader;
  reader.errors.error_exit = onError;
  reader.errors.emit_message = onMessage;
  reader.progress.progress_monitor = onProgress;
  if (setjmp(reader.jump) == 0)
    decode(reader);
  if (reader.error)
    return std::move(reader.error);
  return options.applyOrientation ? applyOrientation(std::move(reader.image), reader.orientation) : std::move(reader.image);
}

} // namespace vitrt
