//===- PickleReader.h - the stack machine of a pickle -------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_RUNTIME_WEIGHTS_PICKLEREADER_H
#define VITC_RUNTIME_WEIGHTS_PICKLEREADER_H

#include "runtime/weights/Pickle.h"

#include <cstring>
#include <unordered_map>

namespace vitrt {

/// Runs a pickle's instructions, with calls that are values (Pickle.h).
class PickleReader {
public:
  PickleReader(std::span<const std::byte> bytes, const std::string &what) : bytes(bytes), what(what) {}
  Error run();

  Pickle result;

private:
  template <typename... Args> Error invalid(fmt::format_string<Args...> format, Args &&...args) const {
    return makeError(VITRT_ERROR_WEIGHTS, "{} is damaged at byte {}: {}", what, position, fmt::format(format, std::forward<Args>(args)...));
  }
  Error truncated() const { return invalid("it ends where more is expected"); }

  // Reading the program. A failed read leaves `position` and returns an empty view or false.
  template <typename T> bool number(T &value) {
    if (bytes.size() - position < sizeof(T))
      return false;
    std::memcpy(&value, bytes.data() + position, sizeof(T));
    position += sizeof(T);
    return true;
  }
  bool take(uint64_t count, std::string_view &text) {
    if (bytes.size() - position < count)
      return false;
    text = {reinterpret_cast<const char *>(bytes.data()) + position, size_t(count)};
    position += count;
    return true;
  }
  bool line(std::string_view &text) {
    std::string_view rest(reinterpret_cast<const char *>(bytes.data()) + position, bytes.size() - position);
    size_t end = rest.find('\n');
    if (end == std::string_view::npos)
      return false;
    text = rest.substr(0, end);
    position += end + 1;
    return true;
  }
  template <typename Length> Error pushText(PickleValue::Kind kind) {
    Length length;
    std::string_view text;
    if (!number(length) || !take(length, text))
      return truncated();
    push(kind).text = text;
    return Error::success();
  }
  template <typename Length> Error pushLong() {
    Length length;
    std::string_view digits;
    if (!number(length) || !take(length, digits))
      return truncated();
    return pushInteger(digits);
  }
  Error pushInteger(std::string_view littleEndian);
  Error pushLine(PickleValue::Kind kind);

  // The machine's stack.
  PickleValue &make(PickleValue::Kind kind) {
    result.values.emplace_back().kind = kind;
    return result.values.back();
  }
  PickleValue &push(PickleValue::Kind kind) {
    PickleValue &value = make(kind);
    stack.push_back(&value);
    return value;
  }
  /// Values above the last mark.
  size_t above() const { return stack.size() - (marks.empty() ? 0 : marks.back()); }
  PickleValue *pop() {
    PickleValue *value = stack.back();
    stack.pop_back();
    return value;
  }
  PickleValue &pushTuple(size_t count) {
    PickleValue &tuple = make(PickleValue::Kind::Tuple);
    tuple.items.assign(stack.end() - ptrdiff_t(count), stack.end());
    stack.resize(stack.size() - count);
    stack.push_back(&tuple);
    return tuple;
  }
  /// Everything above the last mark, which goes.
  Error popMarked(std::vector<PickleValue *> &items);

  void pushGlobal(std::string_view module, std::string_view name) {
    push(PickleValue::Kind::Global).text = *result.names.insert(fmt::format("{}.{}", module, name)).first;
  }
  void pushCall(const PickleValue *callee, const PickleValue *arguments) {
    PickleValue &call = push(PickleValue::Kind::Call);
    call.callee = callee;
    call.arguments = arguments;
  }
  Error addItems(PickleValue &to, const std::vector<PickleValue *> &items, bool pairs);

  Error step(uint8_t opcode);
  Error stepScalar(uint8_t opcode);
  Error stepContainer(uint8_t opcode);
  Error stepObject(uint8_t opcode);
  Error stepMemo(uint8_t opcode);
  Error get(uint64_t slot);
  Error put(uint64_t slot);

  std::span<const std::byte> bytes;
  const std::string &what;
  size_t position = 0;
  std::vector<PickleValue *> stack;
  std::vector<size_t> marks;
  std::unordered_map<uint64_t, PickleValue *> memo;
};

} // namespace vitrt

#endif // VITC_RUNTIME_WEIGHTS_PICKLEREADER_H
