//===- Arrays.h - NumPy arrays in and out of files ---------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_RUNTIME_DATA_ARRAYS_H
#define VITC_RUNTIME_DATA_ARRAYS_H

#include "runtime/weights/TensorFile.h"

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace vitrt {

/// An array read from a file; of an .npy the pages of the mapped file.
class NpyArray {
public:
  NpyArray() = default;
  static Expected<NpyArray> read(std::shared_ptr<const TensorFile> file, size_t index, std::string name);

  const std::string &name() const { return displayName; }
  const std::vector<int64_t> &shape() const { return extents; }
  size_t elements() const { return count; }

  /// The elements of an f32 array, row-major; VITRT_ERROR_ARGUMENT for other types.
  Expected<std::span<const float>> floats() const;
  /// The same of a u8 array.
  Expected<std::span<const uint8_t>> bytes() const;
  /// The elements of an array of any integer type.
  Expected<std::vector<int64_t>> integers() const;

private:
  std::string displayName;
  ElementType type = ElementType::Other;
  std::vector<int64_t> extents;
  size_t count = 0;
  std::shared_ptr<const TensorFile> file; // owns the pages
  TensorData data;                        // aligned to its elements
};

/// The array of an .npy file.
Expected<NpyArray> readNpy(const std::string &path);

/// All arrays of an .npz (stored or deflated), by name.
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

#endif // VITC_RUNTIME_DATA_ARRAYS_H
