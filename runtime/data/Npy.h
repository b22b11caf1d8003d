//===- Npy.h - NumPy's .npy and .npz ------------------------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//
//
// The format is numpy/lib/format.py, versions 1 to 3. Arrays are little endian and in C order; others are refused with a sentence.
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_RUNTIME_DATA_NPY_H
#define VITC_RUNTIME_DATA_NPY_H

#include "runtime/Error.h"

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace vitrt {

/// What the text in front of the elements says.
struct NpyHeader {
  std::string type; ///< as NumPy writes it, without the byte order: "f4", "i8", "u1", "b1"
  size_t itemBytes = 0;
  std::vector<int64_t> shape;
  size_t elements = 0;   ///< product of shape, checked not to overflow
  size_t dataOffset = 0; ///< where the elements begin
};

/// Reads and checks the header of a .npy file: also that the file holds as many bytes as it promises. `name` is for messages.
Expected<NpyHeader> parseNpyHeader(std::span<const uint8_t> bytes, std::string_view name);

/// An array and the bytes of the file it came in.
struct NpyArray {
  NpyHeader header;
  std::vector<uint8_t> bytes;
  std::string name; ///< for messages

  std::span<const uint8_t> data() const { return std::span(bytes).subspan(header.dataOffset, header.elements * header.itemBytes); }
  /// The elements of an "f4" array, without a copy; VITRT_ERROR_ARGUMENT for other types.
  Expected<std::span<const float>> floats() const;
  /// The elements of an array of any integer type.
  Expected<std::vector<int64_t>> integers() const;
};

Expected<NpyArray> readNpy(const std::string &path);

/// All arrays of an .npz (stored or deflated), by name without ".npy".
Expected<std::map<std::string, NpyArray>> readNpz(const std::string &path);

/// f32 data to be written; `data` has the product of `shape` elements.
struct NpyOutput {
  std::string name;
  std::vector<int64_t> shape;
  std::span<const float> data;
};

/// Write an f32 array, or several under their names, as complete files (runtime/data/Files.h).
Error writeNpy(const std::string &path, const NpyOutput &array);
Error writeNpz(const std::string &path, std::span<const NpyOutput> arrays);

/// A shape as people write it: "[8, 3, 224, 224]".
std::string formatShape(std::span<const int64_t> shape);

} // namespace vitrt

#endif // VITC_RUNTIME_DATA_NPY_H
