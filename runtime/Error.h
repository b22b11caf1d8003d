//===- Error.h - errors as values: a status and one sentence ------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_RUNTIME_ERROR_H
#define VITC_RUNTIME_ERROR_H

#include "runtime/vitrt.h"

#include <cassert>
#include <fmt/format.h>
#include <string>
#include <utility>
#include <variant>

namespace vitrt {

/// What went wrong: one sentence that says what was given, what was expected and where.
struct [[nodiscard]] Error {
  vitrt_status status = VITRT_OK;
  std::string message;

  static Error success() { return {}; }
  /// True if something went wrong, as llvm::Error.
  explicit operator bool() const { return status != VITRT_OK; }
};

template <typename... Args> Error makeError(vitrt_status status, fmt::format_string<Args...> format, Args &&...args) {
  return {status, fmt::format(format, std::forward<Args>(args)...)};
}

/// A value or the reason why there is none; converts to true if there is a value, as llvm::Expected.
template <typename T> class [[nodiscard]] Expected {
public:
  Expected(T value) : storage(std::in_place_index<0>, std::move(value)) {}
  Expected(Error error) : storage(std::in_place_index<1>, std::move(error)) { assert(std::get<1>(storage) && "success is no error"); }

  explicit operator bool() const { return storage.index() == 0; }
  T &operator*() { return std::get<0>(storage); }
  const T &operator*() const { return std::get<0>(storage); }
  T *operator->() { return &std::get<0>(storage); }
  const T *operator->() const { return &std::get<0>(storage); }
  Error &error() { return std::get<1>(storage); }

private:
  std::variant<T, Error> storage;
};

} // namespace vitrt

#endif // VITC_RUNTIME_ERROR_H
