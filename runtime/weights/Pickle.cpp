//===- Pickle.cpp - a Python pickle as a tree that does nothing -------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/weights/Pickle.h"

#include "runtime/weights/PickleOpcodes.h"
#include "runtime/weights/PickleReader.h"

#include <algorithm>
#include <charconv>

using namespace vitrt;
using Kind = PickleValue::Kind;

/// Values of one pickle: more than the histories of a long training, and far less than a file of single-byte opcodes could ask for.
static constexpr size_t kMaxValues = 8'000'000;

Error PickleReader::pushInteger(std::string_view littleEndian) {
  if (littleEndian.size() > sizeof(int64_t))
    return push(Kind::Number), Error::success();
  uint64_t value = !littleEndian.empty() && (littleEndian.back() & 0x80) ? ~uint64_t(0) : 0;
  for (size_t i = littleEndian.size(); i-- > 0;)
    value = value << 8 | uint8_t(littleEndian[i]);
  push(Kind::Int).integer = int64_t(value);
  return Error::success();
}

/// An argument of protocol 0, a line of text.
Error PickleReader::pushLine(Kind kind) {
  std::string_view text;
  if (!line(text))
    return truncated();
  if (kind != Kind::Int) {
    // The quotes of a string's repr; nothing that is looked for has escapes in it.
    if (kind == Kind::Bytes && text.size() >= 2)
      text = text.substr(1, text.size() - 2);
    push(kind == Kind::Bytes ? Kind::Text : kind).text = text;
    return Error::success();
  }
  if (text == "00" || text == "01") {
    push(Kind::Bool).integer = text == "01";
    return Error::success();
  }
  if (text.ends_with('L'))
    text.remove_suffix(1);
  int64_t value = 0;
  auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (end != text.data() + text.size() || text.empty())
    return invalid("'{}' is no integer", text);
  PickleValue &pushed = push(code == std::errc() ? Kind::Int : Kind::Number);
  pushed.integer = value;
  return Error::success();
}

Error PickleReader::popMarked(std::vector<PickleValue *> &items) {
  if (marks.empty())
    return invalid("it takes the values above a mark that it has not set");
  items.assign(stack.begin() + ptrdiff_t(marks.back()), stack.end());
  stack.resize(marks.back());
  marks.pop_back();
  return Error::success();
}

Error PickleReader::addItems(PickleValue &to, const std::vector<PickleValue *> &items, bool pairs) {
  bool fits = to.is(Kind::Call) || (pairs ? to.is(Kind::Dict) : to.is(Kind::List) || to.is(Kind::Set));
  if (!fits || (pairs && items.size() % 2 != 0))
    return invalid("it adds {} values to something that does not take them", items.size());
  // What a call's result gets one by one is of no use to anybody here, and would be taken for keys and values.
  if (pairs || !to.is(Kind::Call))
    to.items.insert(to.items.end(), items.begin(), items.end());
  return Error::success();
}

Error PickleReader::run() {
  for (;;) {
    uint8_t opcode;
    if (!number(opcode))
      return truncated();
    if (opcode == pickle::Stop)
      break;
    if (Error error = step(opcode))
      return error;
    if (std::max({result.values.size(), stack.size(), marks.size(), memo.size()}) > kMaxValues)
      return makeError(VITRT_ERROR_WEIGHTS, "{} has more than {} objects, too many for a file of weights", what, kMaxValues);
  }
  if (stack.size() != 1 || !marks.empty())
    return invalid("it leaves {} values instead of one", stack.size());
  result.top = stack.back();
  result.consumed = position;
  return Error::success();
}

Expected<Pickle> Pickle::read(std::span<const std::byte> bytes, const std::string &what) {
  PickleReader reader(bytes, what);
  if (Error error = reader.run())
    return error;
  return std::move(reader.result);
}

std::string_view vitrt::calledName(const PickleValue &value) {
  constexpr int kMaxCalls = 64;
  const PickleValue *at = &value;
  for (int i = 0; at->is(Kind::Call) && i < kMaxCalls; ++i)
    at = at->callee;
  return at->is(Kind::Global) ? at->text : std::string_view("something without a name");
}
