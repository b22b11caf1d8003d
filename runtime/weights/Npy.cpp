//===- Npy.cpp - read .npy arrays ---------------------------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//
//
// "\x93NUMPY", major, minor, length of the header (u16 in version 1, u32 in 2 and 3), a Python dictionary literal, data.
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/weights/Readers.h"

#include <algorithm>
#include <cstring>

using namespace vitrt;

namespace {

/// Parses the one kind of dictionary that numpy writes: {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }.
class DictionaryParser {
public:
  explicit DictionaryParser(std::string_view text) : text(text) {}

  bool parse() {
    if (!accept('{'))
      return false;
    while (!accept('}')) {
      std::string key;
      if (!parseString(key) || !accept(':') || !parseValue(key) || !(accept(',') || peek() == '}'))
        return false;
    }
    return !descr.empty() && hasOrder && hasShape && peek() == '\0';
  }

  std::string descr;
  bool fortranOrder = false;
  std::vector<uint64_t> shape;

private:
  char peek() {
    while (position < text.size() && (text[position] == ' ' || text[position] == '\n'))
      ++position;
    return position < text.size() ? text[position] : '\0';
  }
  bool accept(char wanted) {
    if (peek() != wanted)
      return false;
    ++position;
    return true;
  }
  bool parseString(std::string &value) {
    char quote = peek();
    if (quote != '\'' && quote != '"')
      return false;
    size_t end = text.find(quote, position + 1);
    if (end == std::string_view::npos)
      return false;
    value = text.substr(position + 1, end - position - 1);
    position = end + 1;
    return true;
  }
  bool acceptWord(std::string_view word) {
    peek();
    if (text.substr(position, word.size()) != word)
      return false;
    position += word.size();
    return true;
  }
  bool parseShape() {
    if (!accept('('))
      return false;
    while (!accept(')')) {
      uint64_t extent = 0;
      size_t digits = 0;
      for (peek(); position < text.size() && text[position] >= '0' && text[position] <= '9' && digits < 18; ++position, ++digits)
        extent = extent * 10 + uint64_t(text[position] - '0');
      if (digits == 0 || !(accept(',') || peek() == ')'))
        return false;
      shape.push_back(extent);
    }
    return true;
  }
  bool parseValue(const std::string &key) {
    if (key == "descr")
      return descr.empty() && parseString(descr);
    if (key == "fortran_order" && !hasOrder) {
      hasOrder = true;
      fortranOrder = acceptWord("True");
      return fortranOrder || acceptWord("False");
    }
    if (key == "shape" && !hasShape) {
      hasShape = true;
      return parseShape();
    }
    return false;
  }

  std::string_view text;
  size_t position = 0;
  bool hasOrder = false;
  bool hasShape = false;
};

struct NpyType {
  std::string_view descr;
  ElementType type;
};
constexpr NpyType kTypes[] = {{"b1", ElementType::Bool}, {"u1", ElementType::U8},  {"i1", ElementType::I8},  {"u2", ElementType::U16},
                              {"i2", ElementType::I16},  {"u4", ElementType::U32}, {"i4", ElementType::I32}, {"u8", ElementType::U64},
                              {"i8", ElementType::I64},  {"f2", ElementType::F16}, {"f4", ElementType::F32}, {"f8", ElementType::F64}};

class NpyFile final : public TensorFile {
public:
  NpyFile(MappedFile mapped, ArrayHeader parsed, const std::string &path) : file(std::move(mapped)), header(std::move(parsed)) {
    displayName = path;
    std::string stem = path.substr(path.find_last_of('/') + 1);
    infos.push_back({stem.substr(0, stem.rfind(".npy")), header.type, header.shape, header.elements * bytesOf(header.type)});
  }
  Expected<TensorData> read(size_t) const override {
    return decodeArray(header, {file.bytes().subspan(header.dataOffset), nullptr}, displayName);
  }
  uint64_t readBytes(size_t index) const override { return isDecoded(header) ? infos[index].bytes : 0; }
  void release(size_t) const override { file.release(file.bytes()); }

private:
  MappedFile file;
  ArrayHeader header;
};

} // namespace

Expected<ArrayHeader> vitrt::parseArrayHeader(std::span<const std::byte> prefix, const std::string &name) {
  auto invalid = [&](const std::string &why) { return makeError(VITRT_ERROR_WEIGHTS, "{} is not a valid .npy array: {}", name, why); };
  auto byteAt = [&](size_t i) { return size_t(prefix[i]); };
  if (prefix.size() < 10 || std::memcmp(prefix.data(), "\x93NUMPY", 6) != 0)
    return invalid("it does not begin with '\\x93NUMPY'");
  size_t major = byteAt(6), start = major == 1 ? 10 : 12;
  if (major < 1 || major > 3)
    return invalid(fmt::format("its version is {}, expected 1 to 3", major));
  if (prefix.size() < start)
    return invalid("it is truncated in its header");
  size_t length = byteAt(8) | byteAt(9) << 8;
  if (major > 1)
    length |= byteAt(10) << 16 | byteAt(11) << 24;
  if (length > prefix.size() - start)
    return invalid(fmt::format("its header would have {} bytes", length));

  DictionaryParser dictionary({reinterpret_cast<const char *>(prefix.data()) + start, length});
  if (!dictionary.parse())
    return invalid("its header is not the dictionary of descr, fortran_order and shape that numpy writes");
  ArrayHeader header = {ElementType::Other, false, dictionary.fortranOrder, std::move(dictionary.shape), 1, start + length};
  std::string_view descr = dictionary.descr;
  char order = descr.front();
  for (const NpyType &known : kTypes)
    if (descr.substr(1) == known.descr && (order == '<' || order == '>' || order == '|' || order == '='))
      header.type = known.type;
  if (header.type == ElementType::Other)
    return invalid(fmt::format("its element type '{}' is none of booleans, integers and f16, f32, f64", descr));
  header.bigEndian = order == '>' && bytesOf(header.type) > 1;
  bool empty = std::find(header.shape.begin(), header.shape.end(), 0u) != header.shape.end();
  for (uint64_t extent : header.shape) {
    if (!empty && extent > (UINT64_MAX >> 8) / header.elements)
      return invalid(fmt::format("its shape {} is larger than any file", formatShape(header.shape)));
    header.elements = empty ? 0 : header.elements * extent;
  }
  return header;
}

bool vitrt::isDecoded(const ArrayHeader &header) { return header.bigEndian || (header.fortranOrder && header.shape.size() > 1); }

Expected<TensorData> vitrt::decodeArray(const ArrayHeader &header, TensorData data, const std::string &name) {
  size_t size = bytesOf(header.type), rank = header.shape.size();
  if (data.bytes.size() != header.elements * size)
    return makeError(VITRT_ERROR_WEIGHTS, "{} has {} bytes of data, expected {} for {} of shape {}", name, data.bytes.size(),
                     header.elements * size, nameOf(header.type), formatShape(header.shape));
  if (header.elements == 0 || !isDecoded(header))
    return data;
  bool transpose = header.fortranOrder && rank > 1;

  std::vector<uint64_t> strides(rank, 1);
  if (transpose)
    for (size_t axis = 1; axis < rank; ++axis)
      strides[axis] = strides[axis - 1] * header.shape[axis - 1];
  else
    for (size_t axis = rank; axis-- > 1;)
      strides[axis - 1] = strides[axis] * header.shape[axis];
  return gatherRowMajor(data.bytes, size, header.bigEndian, header.shape, strides, name);
}

Expected<std::unique_ptr<TensorFile>> vitrt::openNpy(MappedFile file, const std::string &path) {
  std::string name = "'" + path + "'";
  Expected<ArrayHeader> header = parseArrayHeader(file.bytes(), name);
  if (!header)
    return std::move(header.error());
  uint64_t expected = header->elements * bytesOf(header->type), there = file.bytes().size() - header->dataOffset;
  if (expected != there)
    return makeError(VITRT_ERROR_WEIGHTS, "{} has {} bytes of data, expected {} for {} of shape {}", name, there, expected,
                     nameOf(header->type), formatShape(header->shape));
  return std::unique_ptr<TensorFile>(new NpyFile(std::move(file), std::move(*header), path));
}
