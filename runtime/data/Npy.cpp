//===- Npy.cpp - NumPy's .npy ---------------------------------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/data/Npy.h"

#include "runtime/data/Files.h"
#include "runtime/data/Zip.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <fmt/ranges.h>

namespace vitrt {
namespace {

constexpr std::string_view npyMagic = "\x93NUMPY";

/// Reads the one Python dictionary that NumPy writes: {'descr': '<f4', 'fortran_order': False, 'shape': (8, 3), }
class HeaderText {
public:
  explicit HeaderText(std::string_view text) : text(text) {}

  /// The text after `'key':`, without leading spaces; empty if the key is missing.
  std::string_view after(std::string_view key) const {
    size_t at = text.find(fmt::format("'{}':", key));
    if (at == std::string_view::npos)
      return {};
    std::string_view rest = text.substr(at + key.size() + 3);
    return rest.substr(std::min(rest.find_first_not_of(' '), rest.size()));
  }

  bool readType(std::string &type) const {
    std::string_view rest = after("descr");
    if (rest.size() < 2 || rest[0] != '\'')
      return false;
    rest.remove_prefix(1);
    type = std::string(rest.substr(0, rest.find('\'')));
    return type.size() >= 3;
  }

  bool readShape(std::vector<int64_t> &shape) const {
    std::string_view rest = after("shape");
    size_t end = rest.find(')');
    if (rest.empty() || rest[0] != '(' || end == std::string_view::npos)
      return false;
    const char *at = rest.data() + 1, *last = rest.data() + end;
    for (;;) {
      while (at < last && (*at == ' ' || *at == ','))
        ++at;
      if (at == last)
        return true;
      int64_t extent;
      auto [next, error] = std::from_chars(at, last, extent);
      if (error != std::errc() || extent < 0)
        return false;
      shape.push_back(extent);
      at = next;
    }
  }

private:
  std::string_view text;
};

std::vector<uint8_t> makeHeader(const std::vector<int64_t> &shape) {
  std::string text = fmt::format("{{'descr': '<f4', 'fortran_order': False, 'shape': ({}{}), }}", fmt::join(shape, ", "), shape.size() == 1 ? "," : "");
  constexpr size_t prefix = 10, alignment = 64; // magic, version 1.0 and a 16-bit length; NumPy aligns the elements
  text.append(alignment - 1 - (prefix + text.size()) % alignment, ' ');
  text += '\n';
  std::vector<uint8_t> header(npyMagic.begin(), npyMagic.end());
  header.insert(header.end(), {1, 0, uint8_t(text.size()), uint8_t(text.size() >> 8)});
  header.insert(header.end(), text.begin(), text.end());
  return header;
}

std::span<const uint8_t> bytesOf(std::span<const float> floats) {
  return {reinterpret_cast<const uint8_t *>(floats.data()), floats.size_bytes()};
}

Expected<NpyArray> parseNpy(std::vector<uint8_t> bytes, std::string name) {
  auto header = parseNpyHeader(bytes, name);
  if (!header)
    return std::move(header.error());
  return NpyArray{std::move(*header), std::move(bytes), std::move(name)};
}

} // namespace

std::string formatShape(std::span<const int64_t> shape) { return fmt::format("[{}]", fmt::join(shape, ", ")); }

Expected<NpyHeader> parseNpyHeader(std::span<const uint8_t> bytes, std::string_view name) {
  auto damaged = [&](std::string_view what) { return makeError(VITRT_ERROR_FORMAT, "{}: damaged .npy file: {}", name, what); };
  if (bytes.size() < 10 || !std::equal(npyMagic.begin(), npyMagic.end(), reinterpret_cast<const char *>(bytes.data())))
    return makeError(VITRT_ERROR_FORMAT, "{}: expected a .npy file, which begins with the bytes \\x93NUMPY", name);
  unsigned version = bytes[6];
  if (version < 1 || version > 3)
    return makeError(VITRT_ERROR_FORMAT, "{}: .npy format version {}, versions 1 to 3 are known", name, version);
  size_t prefix = version == 1 ? 10 : 12, length = bytes[8] | size_t(bytes[9]) << 8;
  if (bytes.size() < prefix)
    return damaged("the file ends inside its header");
  if (version > 1)
    length |= size_t(bytes[10]) << 16 | size_t(bytes[11]) << 24;
  if (length > bytes.size() - prefix)
    return damaged("the file ends inside its header");

  NpyHeader header;
  HeaderText text({reinterpret_cast<const char *>(bytes.data()) + prefix, length});
  std::string type;
  if (!text.readType(type))
    return damaged("its header names no simple element type");
  if (!text.readShape(header.shape))
    return damaged("its header has no shape");
  if (type[0] == '>')
    return makeError(VITRT_ERROR_FORMAT, "{}: big-endian elements ({}); save it with .astype('<{}')", name, type, type.substr(1));
  if (text.after("fortran_order").starts_with("True") && header.shape.size() > 1)
    return makeError(VITRT_ERROR_FORMAT, "{}: the array is in Fortran order; save it with numpy.ascontiguousarray", name);
  header.type = type.substr(1);
  auto [end, error] = std::from_chars(header.type.data() + 1, header.type.data() + header.type.size(), header.itemBytes);
  if (error != std::errc() || end != header.type.data() + header.type.size() || !header.itemBytes || !std::strchr("fiub", header.type[0]))
    return makeError(VITRT_ERROR_FORMAT, "{}: elements of type {}, expected numbers", name, type);
  header.dataOffset = prefix + length;
  header.elements = 1;
  size_t available = (bytes.size() - header.dataOffset) / header.itemBytes;
  bool empty = std::find(header.shape.begin(), header.shape.end(), 0) != header.shape.end();
  for (int64_t extent : header.shape) {
    if (empty || header.elements > available / size_t(extent)) {
      header.elements = 0;
      break;
    }
    header.elements *= size_t(extent);
  }
  if (!empty && (header.elements == 0 || header.elements > available))
    return damaged(fmt::format("{} of {} need more bytes than the {} that follow the header", formatShape(header.shape), header.type,
                               bytes.size() - header.dataOffset));
  return header;
}

Expected<std::span<const float>> NpyArray::floats() const {
  if (header.type != "f4")
    return makeError(VITRT_ERROR_ARGUMENT, "{}: elements of type {}, expected f4; save it with .astype('f4')", name, header.type);
  // Headers are padded to a multiple of 64 by NumPy, but nothing makes other writers do so.
  if (reinterpret_cast<uintptr_t>(data().data()) % alignof(float))
    return makeError(VITRT_ERROR_FORMAT, "{}: the elements begin at byte {}, expected a multiple of 4", name, header.dataOffset);
  return std::span(reinterpret_cast<const float *>(data().data()), header.elements);
}

Expected<std::vector<int64_t>> NpyArray::integers() const {
  std::vector<int64_t> result(header.elements);
  const uint8_t *from = data().data();
  auto convert = [&]<typename T>(T) {
    for (int64_t &value : result) {
      T element;
      std::memcpy(&element, from, sizeof(T));
      value = int64_t(element);
      from += sizeof(T);
    }
    return result;
  };
  const std::string &type = header.type;
  if (type == "i8" || type == "u8")
    return convert(int64_t());
  if (type == "i4")
    return convert(int32_t());
  if (type == "u4")
    return convert(uint32_t());
  if (type == "i2")
    return convert(int16_t());
  if (type == "u2")
    return convert(uint16_t());
  if (type == "i1")
    return convert(int8_t());
  if (type == "u1")
    return convert(uint8_t());
  return makeError(VITRT_ERROR_ARGUMENT, "{}: elements of type {}, expected integers", name, type);
}

Expected<NpyArray> readNpy(const std::string &path) {
  auto bytes = readFile(path);
  if (!bytes)
    return std::move(bytes.error());
  return parseNpy(std::move(*bytes), path);
}

Expected<std::map<std::string, NpyArray>> readNpz(const std::string &path) {
  auto bytes = readFile(path);
  if (!bytes)
    return std::move(bytes.error());
  auto members = readZip(*bytes, path);
  if (!members)
    return std::move(members.error());
  std::map<std::string, NpyArray> arrays;
  for (ZipMember &member : *members) {
    std::string_view name = member.name;
    if (!name.ends_with(".npy"))
      continue;
    name.remove_suffix(4);
    auto array = parseNpy(std::move(member.bytes), fmt::format("{}: {}", path, name));
    if (!array)
      return std::move(array.error());
    arrays.emplace(name, std::move(*array));
  }
  return arrays;
}

Error writeNpy(const std::string &path, const NpyOutput &array) {
  auto file = OutputFile::create(path);
  if (!file)
    return std::move(file.error());
  if (Error error = file->write(makeHeader(array.shape)))
    return error;
  if (Error error = file->write(bytesOf(array.data)))
    return error;
  return file->commit();
}

Error writeNpz(const std::string &path, std::span<const NpyOutput> arrays) {
  auto file = OutputFile::create(path);
  if (!file)
    return std::move(file.error());
  ZipWriter zip(*file);
  for (const NpyOutput &array : arrays)
    if (Error error = zip.add(array.name + ".npy", makeHeader(array.shape), bytesOf(array.data)))
      return error;
  if (Error error = zip.finish())
    return error;
  return file->commit();
}

} // namespace vitrt
