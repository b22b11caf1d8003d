//===- Pickle.h - a Python pickle as a tree that does nothing -----------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//
//
// A pickle is a program for a stack machine that may import and call any Python function (CPython's Lib/pickle.py, Lib/pickletools.py,
// protocols 0 to 5). Here nothing is imported or called: a call becomes a value that holds the function's name and the arguments, and
// whoever reads the tree decides which of these names mean something.
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_RUNTIME_WEIGHTS_PICKLE_H
#define VITC_RUNTIME_WEIGHTS_PICKLE_H

#include "runtime/Error.h"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace vitrt {

struct PickleValue {
  enum class Kind : uint8_t {
    None,
    Bool,
    Int,
    Number, ///< a float, or an integer beyond 64 bits
    Text,
    Bytes,
    Tuple,
    List,
    Dict,
    Set,
    Global,     ///< a name: "torch.FloatStorage"
    Call,       ///< what calling `callee` with `arguments` would give
    Persistent, ///< an object outside the pickle, by the id in `arguments`
  };
  Kind kind = Kind::None;
  int64_t integer = 0;   ///< of Bool and Int
  std::string_view text; ///< of Text, Bytes and Global; in the pickle's bytes or owned by the Pickle
  const PickleValue *callee = nullptr, *arguments = nullptr;
  const PickleValue *state = nullptr; ///< of a Call: what the pickle then sets the result's attributes from, if it does
  /// Elements of Tuple, List and Set; keys and values in turn of Dict, and of a Call whose result is filled like a dictionary.
  std::vector<const PickleValue *> items;

  bool is(Kind other) const { return kind == other; }
};

/// Values may refer to each other in circles, and to one value from many places: a walk through them must be of limited depth.
class Pickle {
public:
  /// Reads one pickle from the beginning of `bytes`, which must outlive the result. `what` begins the messages: "the pickle of 'w.pth'".
  static Expected<Pickle> read(std::span<const std::byte> bytes, const std::string &what);

  // The values point at each other.
  Pickle(Pickle &&) = default;
  Pickle &operator=(Pickle &&) = default;

  const PickleValue &root() const { return *top; }
  /// Every value, in the order in which they are made.
  const std::deque<PickleValue> &all() const { return values; }
  /// Bytes that the pickle takes.
  size_t size() const { return consumed; }
  /// The names of everything that loading it in Python would import, "os.system".
  const std::set<std::string, std::less<>> &globals() const { return names; }

private:
  friend class PickleReader;
  Pickle() = default;

  std::deque<PickleValue> values;
  std::set<std::string, std::less<>> names; ///< owns the texts of Global
  const PickleValue *top = nullptr;
  size_t consumed = 0;
};

/// The name that a Global stands for or that a Call (of a call...) begins with: "os.system"; "something without a name" of anything else.
std::string_view calledName(const PickleValue &value);

} // namespace vitrt

#endif // VITC_RUNTIME_WEIGHTS_PICKLE_H
