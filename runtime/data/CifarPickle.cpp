//===- CifarPickle.cpp - CIFAR in the version for Python ------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/data/CifarPickle.h"

#include "runtime/data/Files.h"
#include "runtime/weights/Pickle.h"

#include <algorithm>
#include <optional>
#include <span>

namespace vitrt {
namespace {

using Kind = PickleValue::Kind;
constexpr int64_t imageBytes = 3 * 32 * 32;

/// A pickle and the bytes it refers to.
struct PickleFile {
  std::vector<uint8_t> bytes;
  std::optional<Pickle> pickle;

  static Expected<PickleFile> open(const std::string &path) {
    auto bytes = readFile(path);
    if (!bytes)
      return std::move(bytes.error());
    PickleFile file{std::move(*bytes), std::nullopt};
    auto pickle = Pickle::read(std::as_bytes(std::span(file.bytes)), fmt::format("the pickle of '{}'", path));
    if (!pickle)
      return std::move(pickle.error());
    file.pickle.emplace(std::move(*pickle));
    return file;
  }
};

bool isCallOf(const PickleValue &value, std::initializer_list<std::string_view> names) {
  if (!value.is(Kind::Call) || !value.callee->is(Kind::Global) || !value.arguments->is(Kind::Tuple))
    return false;
  return std::find(names.begin(), names.end(), value.callee->text) != names.end();
}

/// The bytes of a string of Python 2 or a bytes object; Python 3 writes the latter for old protocols as a text of Latin-1 to be encoded.
std::optional<std::string> stringOf(const PickleValue &value) {
  if (value.is(Kind::Text) || value.is(Kind::Bytes))
    return std::string(value.text);
  if (!isCallOf(value, {"_codecs.encode"}) || value.arguments->items.empty() || !value.arguments->items[0]->is(Kind::Text))
    return std::nullopt;
  std::string latin;
  std::string_view utf8 = value.arguments->items[0]->text;
  for (size_t i = 0; i < utf8.size(); ++i) {
    uint8_t byte = uint8_t(utf8[i]);
    bool pair = (byte == 0xC2 || byte == 0xC3) && i + 1 < utf8.size();
    if (byte >= 0x80 && !pair)
      return std::nullopt;
    latin += char(pair ? byte << 6 | (uint8_t(utf8[++i]) & 0x3f) : byte);
  }
  return latin;
}

/// The value of a dictionary's key; null if there is none.
const PickleValue *lookUp(const PickleValue &dictionary, const std::string &key) {
  if (dictionary.is(Kind::Dict))
    for (size_t i = 0; i + 1 < dictionary.items.size(); i += 2)
      if (stringOf(*dictionary.items[i]) == key)
        return dictionary.items[i + 1];
  return nullptr;
}

bool isByteType(const PickleValue &dtype) {
  if (!isCallOf(dtype, {"numpy.dtype"}) || dtype.arguments->items.empty())
    return false;
  auto name = stringOf(*dtype.arguments->items[0]);
  return name == "u1" || name == "|u1" || name == "uint8";
}

/// An array of bytes [N, imageBytes] in row-major order, however NumPy pickles it: rebuilt from a state (version, shape, type, is Fortran,
/// bytes), or from a buffer, its type, its shape and its order.
std::optional<std::vector<uint8_t>> arrayOf(const PickleValue &value) {
  const PickleValue *shape = nullptr, *type = nullptr, *data = nullptr;
  bool byColumns = false;
  if (isCallOf(value, {"numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct"}) && value.state &&
      value.state->is(Kind::Tuple) && value.state->items.size() == 5) {
    auto &items = value.state->items;
    shape = items[1], type = items[2], data = items[4];
    byColumns = items[3]->integer != 0;
  } else if (isCallOf(value, {"numpy.core.numeric._frombuffer", "numpy._core.numeric._frombuffer"}) && value.arguments->items.size() == 4) {
    auto &items = value.arguments->items;
    data = items[0], type = items[1], shape = items[2];
    byColumns = stringOf(*items[3]) == "F";
  }
  if (!shape || !shape->is(Kind::Tuple) || shape->items.size() != 2 || !isByteType(*type))
    return std::nullopt;
  int64_t rows = shape->items[0]->integer, columns = shape->items[1]->integer;
  auto bytes = stringOf(*data);
  if (columns != imageBytes || !bytes || bytes->empty() || bytes->size() % imageBytes || rows != int64_t(bytes->size()) / imageBytes)
    return std::nullopt;
  std::vector<uint8_t> result(bytes->begin(), bytes->end());
  if (byColumns)
    for (int64_t row = 0; row < rows; ++row)
      for (int64_t column = 0; column < columns; ++column)
        result[size_t(row * columns + column)] = uint8_t((*bytes)[size_t(column * rows + row)]);
  return result;
}

} // namespace

Expected<CifarImages> readCifarPickle(const std::string &path, const std::string &labelKey) {
  auto file = PickleFile::open(path);
  if (!file)
    return std::move(file.error());
  const PickleValue *data = lookUp(file->pickle->root(), "data"), *labels = lookUp(file->pickle->root(), labelKey);
  if (!data || !labels)
    return makeError(VITRT_ERROR_FORMAT, "{}: expected a pickled dictionary with `data` and `{}`, found no `{}`", path, labelKey,
                     data ? labelKey : "data");
  auto bytes = arrayOf(*data);
  if (!bytes)
    return makeError(VITRT_ERROR_FORMAT, "{}: `data` is not a NumPy array of bytes [N, {}]", path, imageBytes);
  CifarImages images{std::move(*bytes), {}};
  size_t count = images.bytes.size() / imageBytes;
  if (!labels->is(Kind::List) || labels->items.size() != count)
    return makeError(VITRT_ERROR_FORMAT, "{}: `{}` is not a list of {} labels, one for each image", path, labelKey, count);
  for (const PickleValue *label : labels->items) {
    if (!label->is(Kind::Int))
      return makeError(VITRT_ERROR_FORMAT, "{}: `{}` holds something else than integers", path, labelKey);
    images.labels.push_back(label->integer);
  }
  return images;
}

Expected<std::vector<std::string>> readCifarNames(const std::string &path, const std::string &key) {
  auto file = PickleFile::open(path);
  if (!file)
    return std::move(file.error());
  const PickleValue *list = lookUp(file->pickle->root(), key);
  std::vector<std::string> names;
  if (list && list->is(Kind::List))
    for (const PickleValue *item : list->items)
      if (auto name = stringOf(*item))
        names.push_back(std::move(*name));
  if (names.empty() || names.size() != list->items.size())
    return makeError(VITRT_ERROR_FORMAT, "{}: expected a pickled dictionary with `{}`, a list of names", path, key);
  return names;
}

} // namespace vitrt
