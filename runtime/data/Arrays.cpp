//===- Arrays.cpp - NumPy arrays in and out of files -------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/data/Arrays.h"

#include "runtime/data/Files.h"
#include "runtime/data/ZipWriter.h"

#include <cstring>
#include <fmt/ranges.h>

namespace vitrt {
namespace {

constexpr std::string_view npyMagic = "\x93NUMPY";

/// The header of version 1.0 as NumPy writes it (numpy/lib/format.py).
std::vector<uint8_t> makeHeader(const std::vector<int64_t> &shape) {
  std::string text =
      fmt::format("{{'descr': '<f4', 'fortran_order': False, 'shape': ({}{}), }}", fmt::join(shape, ", "), shape.size() == 1 ? "," : "");
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

template <typename T> std::vector<int64_t> widen(std::span<const std::byte> bytes) {
  std::vector<int64_t> result(bytes.size() / sizeof(T));
  for (size_t i = 0; i < result.size(); ++i) {
    T element;
    std::memcpy(&element, bytes.data() + i * sizeof(T), sizeof(T));
    result[i] = int64_t(element);
  }
  return result;
}

} // namespace

std::string formatShape(std::span<const int64_t> shape) { return fmt::format("[{}]", fmt::join(shape, ", ")); }

Expected<NpyArray> NpyArray::read(std::shared_ptr<const TensorFile> file, size_t index, std::string name) {
  auto data = file->read(index);
  if (!data)
    return std::move(data.error());
  const TensorInfo &info = file->tensors()[index];
  NpyArray array;
  array.displayName = std::move(name);
  array.type = info.type;
  array.extents.assign(info.shape.begin(), info.shape.end());
  size_t elementBytes = bytesOf(info.type);
  array.count = elementBytes ? data->bytes.size() / elementBytes : 0;
  // A member of an .npz begins at any byte of the file.
  if (elementBytes && reinterpret_cast<uintptr_t>(data->bytes.data()) % elementBytes) {
    auto copy = std::make_unique<std::byte[]>(data->bytes.size());
    std::memcpy(copy.get(), data->bytes.data(), data->bytes.size());
    data = TensorData{{copy.get(), data->bytes.size()}, std::move(copy)};
  }
  array.data = std::move(*data);
  array.file = std::move(file);
  return array;
}

Expected<std::span<const float>> NpyArray::floats() const {
  if (type != ElementType::F32)
    return makeError(VITRT_ERROR_ARGUMENT, "{}: elements of type {}, expected f32; save it with .astype('f4')", displayName, nameOf(type));
  return std::span(reinterpret_cast<const float *>(data.bytes.data()), count);
}

Expected<std::span<const uint8_t>> NpyArray::bytes() const {
  if (type != ElementType::U8)
    return makeError(VITRT_ERROR_ARGUMENT, "{}: elements of type {}, expected u8; save it with .astype('u1')", displayName, nameOf(type));
  return std::span(reinterpret_cast<const uint8_t *>(data.bytes.data()), count);
}

Expected<std::vector<int64_t>> NpyArray::integers() const {
  switch (type) {
  case ElementType::I64:
  case ElementType::U64:
    return widen<int64_t>(data.bytes);
  case ElementType::I32:
    return widen<int32_t>(data.bytes);
  case ElementType::U32:
    return widen<uint32_t>(data.bytes);
  case ElementType::I16:
    return widen<int16_t>(data.bytes);
  case ElementType::U16:
    return widen<uint16_t>(data.bytes);
  case ElementType::I8:
    return widen<int8_t>(data.bytes);
  case ElementType::U8:
    return widen<uint8_t>(data.bytes);
  default:
    return makeError(VITRT_ERROR_ARGUMENT, "{}: elements of type {}, expected integers", displayName, nameOf(type));
  }
}

Expected<NpyArray> readNpy(const std::string &path) {
  auto file = openTensorFile(path);
  if (!file)
    return std::move(file.error());
  if ((*file)->tensors().size() != 1)
    return makeError(VITRT_ERROR_FORMAT, "{}: {} arrays, expected an .npy file, which holds one", path, (*file)->tensors().size());
  return NpyArray::read(std::move(*file), 0, path);
}

Expected<std::map<std::string, NpyArray>> readNpz(const std::string &path) {
  auto opened = openTensorFile(path);
  if (!opened)
    return std::move(opened.error());
  std::shared_ptr<const TensorFile> file = std::move(*opened);
  std::map<std::string, NpyArray> arrays;
  for (size_t i = 0; i < file->tensors().size(); ++i) {
    const std::string &name = file->tensors()[i].name;
    auto array = NpyArray::read(file, i, fmt::format("{}: {}", path, name));
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
