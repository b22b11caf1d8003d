//===- Safetensors.cpp - read .safetensors files ------------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//
//
// u64 N, little endian | N bytes of JSON | data. The JSON maps a name to {"dtype", "shape", "data_offsets": [begin, end)}, offsets from the
// first byte of the data, and "__metadata__" to an object of strings.
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/weights/Readers.h"

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>
#include <set>

using namespace vitrt;

namespace {

/// The format's own limit for the JSON part.
constexpr uint64_t kMaxHeaderBytes = 100'000'000;

struct SafetensorsType {
  std::string_view name;
  ElementType type;
  unsigned bits;
};
constexpr SafetensorsType kTypes[] = {
    {"BOOL", ElementType::Bool, 8},         {"U8", ElementType::U8, 8},         {"I8", ElementType::I8, 8},
    {"U16", ElementType::U16, 16},          {"I16", ElementType::I16, 16},      {"U32", ElementType::U32, 32},
    {"I32", ElementType::I32, 32},          {"U64", ElementType::U64, 64},      {"I64", ElementType::I64, 64},
    {"F16", ElementType::F16, 16},          {"BF16", ElementType::BF16, 16},    {"F32", ElementType::F32, 32},
    {"F64", ElementType::F64, 64},          {"C64", ElementType::Other, 64},    {"F8_E4M3", ElementType::Other, 8},
    {"F8_E5M2", ElementType::Other, 8},     {"F8_E8M0", ElementType::Other, 8}, {"F8_E4M3FNUZ", ElementType::Other, 8},
    {"F8_E5M2FNUZ", ElementType::Other, 8}, {"F6_E2M3", ElementType::Other, 6}, {"F6_E3M2", ElementType::Other, 6},
    {"F4", ElementType::Other, 4},
};

struct Entry {
  std::string name;
  std::string type;
  std::vector<uint64_t> shape;
  std::vector<uint64_t> offsets;
  bool hasShape = false;
};

/// Reads the header as a stream of events, because a parsed JSON object has already lost duplicate keys. Anything unexpected stops it.
class HeaderReader final : public nlohmann::json_sax<nlohmann::json> {
public:
  std::vector<Entry> entries;
  std::map<std::string, std::string> metadata;
  std::string problem;

  bool start_object(std::size_t) override {
    if (state == State::Start)
      return enter(State::Top);
    if (state == State::TensorValue)
      return enter(State::Tensor);
    if (state == State::MetadataValue)
      return enter(State::Metadata);
    return unexpected("an object");
  }
  bool end_object() override {
    if (state == State::Tensor) {
      const Entry &entry = entries.back();
      if (entry.type.empty() || !entry.hasShape || entry.offsets.size() != 2)
        return stop("tensor '{}' lacks its dtype, its shape or its two data_offsets", entry.name);
    }
    return enter(state == State::Top ? State::End : State::Top);
  }
  bool key(std::string &text) override {
    switch (state) {
    case State::Top:
      if (!names.insert(text).second)
        return stop("the name '{}' is there twice", text);
      if (text == "__metadata__")
        return enter(State::MetadataValue);
      entries.push_back({text, {}, {}, {}, false});
      return enter(State::TensorValue);
    case State::Tensor:
      if (text == "dtype" && entries.back().type.empty())
        return enter(State::Type);
      if (text == "shape" && !entries.back().hasShape)
        return enter(State::Shape);
      if (text == "data_offsets" && entries.back().offsets.empty())
        return enter(State::Offsets);
      return stop("tensor '{}' has an unknown or repeated field '{}'", entries.back().name, text);
    case State::Metadata:
      metadataKey = text;
      return enter(State::MetadataText);
    default:
      return unexpected("a key");
    }
  }
  bool start_array(std::size_t) override {
    if (state == State::Shape) {
      entries.back().hasShape = true;
      return enter(State::ShapeItems);
    }
    return state == State::Offsets ? enter(State::OffsetItems) : unexpected("an array");
  }
  bool end_array() override { return enter(State::Tensor); }
  bool number_unsigned(number_unsigned_t value) override {
    if (state == State::ShapeItems)
      entries.back().shape.push_back(value);
    else if (state == State::OffsetItems)
      entries.back().offsets.push_back(value);
    else
      return unexpected("a number");
    return true;
  }
  bool string(string_t &text) override {
    if (state == State::MetadataText) {
      metadata[metadataKey] = text;
      return enter(State::Metadata);
    }
    if (state != State::Type || text.empty())
      return unexpected("a string");
    entries.back().type = text;
    return enter(State::Tensor);
  }
  bool null() override { return unexpected("null"); }
  bool boolean(bool) override { return unexpected("a boolean"); }
  bool number_integer(number_integer_t) override { return unexpected("a negative number"); }
  bool number_float(number_float_t, const string_t &) override { return unexpected("a number that is no integer"); }
  bool binary(binary_t &) override { return unexpected("binary data"); }
  bool parse_error(std::size_t position, const std::string &, const nlohmann::detail::exception &) override {
    return stop("its header is not JSON at byte {}", 8 + position);
  }

private:
  enum class State {
    Start,
    Top,
    TensorValue,
    Tensor,
    Type,
    Shape,
    ShapeItems,
    Offsets,
    OffsetItems,
    MetadataValue,
    Metadata,
    MetadataText,
    End
  };

  bool enter(State next) {
    state = next;
    return true;
  }
  template <typename... Args> bool stop(fmt::format_string<Args...> format, Args &&...args) {
    problem = fmt::format(format, std::forward<Args>(args)...);
    return false;
  }
  bool unexpected(const char *what) {
    return entries.empty() ? stop("its header has {} where a tensor's description is expected", what)
                           : stop("its header has {} where it is not expected, at or after tensor '{}'", what, entries.back().name);
  }

  State state = State::Start;
  std::set<std::string> names;
  std::string metadataKey;
};

class SafetensorsFile final : public TensorFile {
public:
  static Expected<std::unique_ptr<TensorFile>> open(MappedFile file, const std::string &path) {
    std::unique_ptr<SafetensorsFile> result(new SafetensorsFile);
    result->displayName = path;
    result->file = std::move(file);
    std::string problem = result->parse();
    if (!problem.empty())
      return makeError(VITRT_ERROR_WEIGHTS, "'{}' is not a valid safetensors file: {}", path, problem);
    return std::unique_ptr<TensorFile>(std::move(result));
  }

  Expected<TensorData> read(size_t index) const override { return TensorData{parts[index], nullptr}; }
  void release(size_t index) const override { file.release(parts[index]); }

private:
  /// Returns what is wrong, or nothing.
  std::string parse();
  std::string addTensor(Entry &entry, std::span<const std::byte> data);

  MappedFile file;
  std::vector<std::span<const std::byte>> parts;
};

std::string SafetensorsFile::addTensor(Entry &entry, std::span<const std::byte> data) {
  auto type = std::find_if(std::begin(kTypes), std::end(kTypes), [&](const SafetensorsType &known) { return known.name == entry.type; });
  if (type == std::end(kTypes))
    return fmt::format("tensor '{}' has the unknown dtype '{}'", entry.name, entry.type);
  uint64_t begin = entry.offsets[0], end = entry.offsets[1];
  if (begin > end || end > data.size())
    return fmt::format("tensor '{}' lies at bytes {} to {} of the data, which has {}", entry.name, begin, end, data.size());
  // Zero elements whatever the other axes are; otherwise each factor is checked before it can overflow.
  uint64_t bits = type->bits;
  bool empty = std::find(entry.shape.begin(), entry.shape.end(), 0u) != entry.shape.end();
  for (uint64_t extent : entry.shape) {
    if (empty)
      break;
    if (extent > UINT64_MAX / bits)
      return fmt::format("tensor '{}' of shape {} is larger than any file", entry.name, formatShape(entry.shape));
    bits *= extent;
  }
  if (empty)
    bits = 0;
  if (bits % 8 != 0 || bits / 8 != end - begin)
    return fmt::format("tensor '{}', {} of shape {}, has {} bytes, expected {}", entry.name, entry.type, formatShape(entry.shape),
                       end - begin, (bits + 7) / 8);
  infos.push_back({std::move(entry.name), type->type, std::move(entry.shape), end - begin});
  parts.push_back(data.subspan(begin, end - begin));
  return {};
}

std::string SafetensorsFile::parse() {
  std::span<const std::byte> bytes = file.bytes();
  uint64_t headerBytes;
  if (bytes.size() < sizeof(headerBytes))
    return fmt::format("it has {} bytes, and the length of the header alone takes 8", bytes.size());
  std::memcpy(&headerBytes, bytes.data(), sizeof(headerBytes));
  if (headerBytes > kMaxHeaderBytes)
    return fmt::format("its header would have {} bytes, more than the {} that the format allows", headerBytes, kMaxHeaderBytes);
  if (headerBytes > bytes.size() - sizeof(headerBytes))
    return fmt::format("its header would have {} bytes, but the file has {} (truncated?)", headerBytes, bytes.size());
  std::span<const std::byte> header = bytes.subspan(sizeof(headerBytes), headerBytes),
                             data = bytes.subspan(sizeof(headerBytes) + headerBytes);
  if (header.empty() || header[0] != std::byte('{'))
    return "its header does not begin with '{'";

  HeaderReader reader;
  auto *text = reinterpret_cast<const char *>(header.data());
  if (!nlohmann::json::sax_parse(text, text + header.size(), &reader))
    return reader.problem;
  std::sort(reader.entries.begin(), reader.entries.end(), [](const Entry &a, const Entry &b) { return a.offsets < b.offsets; });
  uint64_t position = 0;
  for (Entry &entry : reader.entries) {
    uint64_t begin = entry.offsets[0], end = entry.offsets[1];
    if (begin != position)
      return fmt::format("tensor '{}' begins at byte {} of the data, expected {}: there is a hole or an overlap", entry.name, begin,
                         position);
    if (std::string problem = addTensor(entry, data); !problem.empty())
      return problem;
    position = end;
  }
  if (position != data.size())
    return fmt::format("its tensors end at byte {} of the data, which has {}", position, data.size());

  std::vector<std::span<const std::byte>> sorted;
  for (size_t old : sortByName())
    sorted.push_back(parts[old]);
  parts = std::move(sorted);
  texts = std::move(reader.metadata);
  return {};
}

} // namespace

Expected<std::unique_ptr<TensorFile>> vitrt::openSafetensors(MappedFile file, const std::string &path) {
  return SafetensorsFile::open(std::move(file), path);
}
