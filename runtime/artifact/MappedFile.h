//===- MappedFile.h - memory from the operating system ------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_RUNTIME_ARTIFACT_MAPPEDFILE_H
#define VITC_RUNTIME_ARTIFACT_MAPPEDFILE_H

#include "runtime/Error.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace vitrt {

/// A file mapped for reading: pages come when they are touched and are shared with every process that maps the file. An empty file has no
/// bytes.
class MappedFile {
public:
  static Expected<MappedFile> open(const std::string &path);
  MappedFile() = default;
  MappedFile(MappedFile &&other) noexcept : data(std::exchange(other.data, {})) {}
  MappedFile &operator=(MappedFile &&other) noexcept {
    std::swap(data, other.data);
    return *this;
  }
  ~MappedFile();

  std::span<const std::byte> bytes() const { return data; }

  /// Tells the system that the pages that lie wholly within `range` are not needed soon; they are read again from the file when touched.
  void release(std::span<const std::byte> range) const;

private:
  std::span<const std::byte> data;
};

/// Zeroed memory by the page, which costs nothing until it is touched.
class AnonymousMemory {
public:
  /// `what` names the memory in the error: "activations of 8 images".
  static Expected<AnonymousMemory> allocate(uint64_t bytes, const std::string &what);
  AnonymousMemory() = default;
  AnonymousMemory(AnonymousMemory &&other) noexcept : data(std::exchange(other.data, {})) {}
  AnonymousMemory &operator=(AnonymousMemory &&other) noexcept {
    std::swap(data, other.data);
    return *this;
  }
  ~AnonymousMemory();

  std::span<std::byte> bytes() const { return data; }

  /// From now on a write to this memory is a fault.
  void makeReadOnly();

private:
  std::span<std::byte> data;
};

} // namespace vitrt

#endif // VITC_RUNTIME_ARTIFACT_MAPPEDFILE_H
