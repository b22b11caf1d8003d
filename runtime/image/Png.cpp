//===- Png.cpp - PNG through libpng, as Pillow reads it ------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/image/Decode.h"

#include <csetjmp>
#include <cstring>

#include <png.h>

namespace vitrt {
namespace {

/// libpng reports errors by a function that must not return. Everything that owns memory lives here, outside the frames that longjmp skips.
struct Reader {
  png_structp png = nullptr;
  png_infop info = nullptr;
  std::jmp_buf jump;
  std::span<const uint8_t> bytes;
  size_t position = 0;
  std::string_view name;
  Error error;
  Image image;
  std::vector<png_bytep> rows;
  unsigned orientation = 1;

  ~Reader() { png_destroy_read_struct(&png, &info, nullptr); }
};

void onError(png_structp png, png_const_charp message) {
  Reader &reader = *static_cast<Reader *>(png_get_error_ptr(png));
  reader.error = makeError(VITRT_ERROR_FORMAT, "{}: damaged PNG: {}", reader.name, message);
  std::longjmp(reader.jump, 1);
}

void onWarning(png_structp, png_const_charp) {}

void readBytes(png_structp png, png_bytep to, size_t size) {
  Reader &reader = *static_cast<Reader *>(png_get_io_ptr(png));
  if (size > reader.bytes.size() - reader.position) {
    reader.error = makeError(VITRT_ERROR_FORMAT, "{}: truncated PNG: the file ends after {} bytes, before the image does", reader.name,
                             reader.bytes.size());
    std::longjmp(reader.jump, 1);
  }
  std::memcpy(to, reader.bytes.data() + reader.position, size);
  reader.position += size;
}

/// Runs under setjmp: no object with a destructor may live in this frame.
void decode(Reader &reader) {
  png_structp png = reader.png;
  png_infop info = reader.info;
  png_set_read_fn(png, &reader, readBytes);
  png_set_user_limits(png, 0x7fffffff, 0x7fffffff); // ours is on the product
  png_read_info(png, info);
  png_uint_32 width = png_get_image_width(png, info), height = png_get_image_height(png, info);
  if (reader.error = checkImageSize(width, height, reader.name); reader.error)
    std::longjmp(reader.jump, 1);
  png_bytep exif = nullptr;
  png_uint_32 exifBytes = 0;
  if (png_get_eXIf_1(png, info, &exifBytes, &exif) && exif)
    reader.orientation = readOrientation({exif, exifBytes});

  int type = png_get_color_type(png, info);
  png_set_strip_16(png);
  if (type == PNG_COLOR_TYPE_PALETTE)
    png_set_palette_to_rgb(png);
  else if (type == PNG_COLOR_TYPE_GRAY)
    png_set_expand_gray_1_2_4_to_8(png);
  png_set_strip_alpha(png);
  png_set_interlace_handling(png);
  png_read_update_info(png, info);

  reader.image = Image(width, height, type & PNG_COLOR_MASK_COLOR ? 3 : 1);
  if (png_get_rowbytes(png, info) != reader.image.rowSamples())
    png_error(png, "unexpected row size");
  reader.rows.resize(height);
  for (png_uint_32 y = 0; y < height; ++y)
    reader.rows[y] = reader.image.row(y);
  png_read_image(png, reader.rows.data());
  png_read_end(png, info);
}

struct Writer {
  png_structp png = nullptr;
  png_infop info = nullptr;
  std::jmp_buf jump;
  Error error;
  std::vector<uint8_t> bytes;

  ~Writer() { png_destroy_write_struct(&png, &info); }
};

void onWriteError(png_structp png, png_const_charp message) {
  Writer &writer = *static_cast<Writer *>(png_get_error_ptr(png));
  writer.error = makeError(VITRT_ERROR_ARGUMENT, "the image cannot be written as PNG: {}", message);
  std::longjmp(writer.jump, 1);
}

void writeBytes(png_structp png, png_bytep from, size_t size) {
  Writer &writer = *static_cast<Writer *>(png_get_io_ptr(png));
  writer.bytes.insert(writer.bytes.end(), from, from + size);
}

void encode(Writer &writer, const Image &image) {
  png_set_write_fn(writer.png, &writer, writeBytes, nullptr);
  png_set_IHDR(writer.png, writer.info, image.width, image.height, 8, image.channels == 1 ? PNG_COLOR_TYPE_GRAY : PNG_COLOR_TYPE_RGB,
               PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  png_write_info(writer.png, writer.info);
  for (uint32_t y = 0; y < image.height; ++y)
    png_write_row(writer.png, image.row(y));
  png_write_end(writer.png, writer.info);
}

} // namespace

Expected<Image> decodePng(std::span<const uint8_t> bytes, std::string_view name, const DecodeOptions &options) {
  Reader reader;
  reader.bytes = bytes;
  reader.name = name;
  reader.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &reader, onError, onWarning);
  reader.info = reader.png ? png_create_info_struct(reader.png) : nullptr;
  if (!reader.info)
    return makeError(VITRT_ERROR_MEMORY, "{}: no memory for the PNG decoder", name);
  if (setjmp(reader.jump) == 0)
    decode(reader);
  if (reader.error)
    return std::move(reader.error);
  return options.applyOrientation ? applyOrientation(std::move(reader.image), reader.orientation) : std::move(reader.image);
}

Expected<std::vector<uint8_t>> encodePng(const Image &image) {
  Writer writer;
  writer.png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &writer, onWriteError, onWarning);
  writer.info = writer.png ? png_create_info_struct(writer.png) : nullptr;
  if (!writer.info)
    return makeError(VITRT_ERROR_MEMORY, "no memory for the PNG encoder");
  if (setjmp(writer.jump) == 0)
    encode(writer, image);
  if (writer.error)
    return std::move(writer.error);
  return std::move(writer.bytes);
}

} // namespace vitrt
