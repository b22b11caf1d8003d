//===- CodeObject.h - an artifact's code, mapped to be called -----------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_RUNTIME_ARTIFACT_CODEOBJECT_H
#define VITC_RUNTIME_ARTIFACT_CODEOBJECT_H

#include "runtime/Error.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace vitrt {

// The functions of docs/abi.md.
using KernelFunction = void (*)(void *const *buffers, int64_t images, int64_t taskBegin, int64_t taskEnd, void *scratch);
struct BindSource {
  const float *data;
  int64_t strides[5];
};
using BindFunction = void (*)(void *packed, const BindSource *sources, void *scratch);
using ConvertFunction = void (*)(const void *from, float *to, int64_t count);

/// A shared object loaded from memory. Nothing is written to disk: the bytes go to an anonymous memory file, which the dynamic loader maps.
class CodeObject {
public:
  /// `name` is what debuggers and profilers show.
  static Expected<CodeObject> load(std::span<const std::byte> elf, const std::string &name);
  CodeObject() = default;
  CodeObject(CodeObject &&other) noexcept : handle(std::exchange(other.handle, nullptr)), file(std::exchange(other.file, -1)) {}
  CodeObject &operator=(CodeObject &&other) noexcept {
    std::swap(handle, other.handle);
    std::swap(file, other.file);
    return *this;
  }
  ~CodeObject();

  /// The address of an exported symbol, null if there is none.
  void *find(const char *symbol) const;

  template <typename Function> Expected<Function> get(const char *symbol) const {
    if (void *address = find(symbol))
      return reinterpret_cast<Function>(address);
    return makeError(VITRT_ERROR_FORMAT, "the artifact's code does not export '{}', which its manifest names", symbol);
  }

private:
  void *handle = nullptr;
  int file = -1;
};

} // namespace vitrt

#endif // VITC_RUNTIME_ARTIFACT_CODEOBJECT_H
