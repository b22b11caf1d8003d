//===- Pickle.cpp - a Python pickle as a tree that does nothing ---------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/weights/Pickle.h"

#include "runtime/weights/PickleOpcodes.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <unordered_map>

using namespace vitrt;
using namespace vitrt::pickle;

namespace vitrt {

namespace {

using Kind = PickleValue::Kind;

/// Values of one pickle: more than the histories of a long training, and far less than a file of single-byte opcodes could ask for.
constexpr size_t kMaxValues = 8'000'000;

} // namespace

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
  template <typename Length> Error pushText(Kind kind) {
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
  Error pushLine(Kind kind);

  // The machine's stack.
  PickleValue &make(Kind kind) {
    result.values.emplace_back().kind = kind;
    return result.values.back();
  }
  PickleValue &push(Kind kind) {
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
    PickleValue &tuple = make(Kind::Tuple);
    tuple.items.assign(stack.end() - ptrdiff_t(count), stack.end());
    stack.resize(stack.size() - count);
    stack.push_back(&tuple);
    return tuple;
  }
  /// Everything above the last mark, which goes.
  Error popMarked(std::vector<PickleValue *> &items);

  void pushGlobal(std::string_view module, std::string_view name) {
    push(Kind::Global).text = *result.names.insert(fmt::format("{}.{}", module, name)).first;
  }
  void pushCall(const PickleValue *callee, const PickleValue *arguments) {
    PickleValue &call = push(Kind::Call);
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

Error PickleReader::stepScalar(uint8_t opcode) {
  switch (opcode) {
  case NoneValue:
    return push(Kind::None), Error::success();
  case NewTrue:
  case NewFalse:
    return push(Kind::Bool).integer = opcode == NewTrue, Error::success();
  case BinInt1: {
    uint8_t value;
    return number(value) ? (push(Kind::Int).integer = value, Error::success()) : truncated();
  }
  case BinInt2: {
    uint16_t value;
    return number(value) ? (push(Kind::Int).integer = value, Error::success()) : truncated();
  }
  case BinInt: {
    int32_t value;
    return number(value) ? (push(Kind::Int).integer = value, Error::success()) : truncated();
  }
  case BinFloat: {
    std::string_view value;
    return take(8, value) ? (push(Kind::Number), Error::success()) : truncated();
  }
  case Long1:
    return pushLong<uint8_t>();
  case Long4:
    return pushLong<uint32_t>();
  case IntLine:
  case LongLine:
    return pushLine(Kind::Int);
  case FloatLine:
    return pushLine(Kind::Number);
  case StringLine:
    return pushLine(Kind::Bytes);
  case UnicodeLine:
    return pushLine(Kind::Text);
  // Python 2 has one type for both; names of tensors were written as these.
  case BinString:
  case BinUnicode:
    return pushText<uint32_t>(Kind::Text);
  case ShortBinString:
  case ShortBinUnicode:
    return pushText<uint8_t>(Kind::Text);
  case BinUnicode8:
    return pushText<uint64_t>(Kind::Text);
  case BinBytes:
    return pushText<uint32_t>(Kind::Bytes);
  case ShortBinBytes:
    return pushText<uint8_t>(Kind::Bytes);
  case BinBytes8:
  case ByteArray8:
    return pushText<uint64_t>(Kind::Bytes);
  default:
    return stepContainer(opcode);
  }
}

Error PickleReader::stepContainer(uint8_t opcode) {
  std::vector<PickleValue *> items;
  switch (opcode) {
  case Mark:
    marks.push_back(stack.size());
    return Error::success();
  case EmptyTuple:
    return push(Kind::Tuple), Error::success();
  case EmptyList:
    return push(Kind::List), Error::success();
  case EmptyDict:
    return push(Kind::Dict), Error::success();
  case EmptySet:
    return push(Kind::Set), Error::success();
  case Tuple1:
  case Tuple2:
  case Tuple3: {
    size_t count = size_t(opcode - Tuple1) + 1;
    return above() < count ? invalid("its stack is empty") : (pushTuple(count), Error::success());
  }
  case Tuple:
  case List:
  case Dict:
  case FrozenSet: {
    if (Error error = popMarked(items))
      return error;
    if (opcode == Dict && items.size() % 2 != 0)
      return invalid("a dictionary has a key without a value");
    PickleValue &value = push(opcode == Tuple ? Kind::Tuple : opcode == List ? Kind::List : opcode == Dict ? Kind::Dict : Kind::Set);
    value.items.assign(items.begin(), items.end());
    return Error::success();
  }
  case Append:
  case SetItem: {
    size_t count = opcode == Append ? 1 : 2;
    if (above() < count + 1)
      return invalid("its stack is empty");
    items.assign(stack.end() - ptrdiff_t(count), stack.end());
    stack.resize(stack.size() - count);
    return addItems(*stack.back(), items, opcode == SetItem);
  }
  case Appends:
  case AddItems:
  case SetItems:
    if (Error error = popMarked(items))
      return error;
    if (above() < 1)
      return invalid("its stack is empty");
    return addItems(*stack.back(), items, opcode == SetItems);
  default:
    return stepObject(opcode);
  }
}

Error PickleReader::stepObject(uint8_t opcode) {
  std::vector<PickleValue *> items;
  switch (opcode) {
  case Global:
  case Inst: {
    std::string_view module, name;
    if (!line(module) || !line(name))
      return truncated();
    if (opcode == Global)
      return pushGlobal(module, name), Error::success();
    if (Error error = popMarked(items))
      return error;
    pushGlobal(module, name);
    PickleValue *callee = pop();
    PickleValue &arguments = make(Kind::Tuple);
    arguments.items.assign(items.begin(), items.end());
    return pushCall(callee, &arguments), Error::success();
  }
  case StackGlobal: {
    if (above() < 2)
      return invalid("its stack is empty");
    PickleValue *name = pop(), *module = pop();
    if (!name->is(Kind::Text) || !module->is(Kind::Text))
      return invalid("it looks up a name that is no text");
    return pushGlobal(module->text, name->text), Error::success();
  }
  case Obj: {
    if (Error error = popMarked(items))
      return error;
    if (items.empty())
      return invalid("its stack is empty");
    PickleValue &arguments = make(Kind::Tuple);
    arguments.items.assign(items.begin() + 1, items.end());
    return pushCall(items.front(), &arguments), Error::success();
  }
  case NewObjEx:
  case NewObj:
  case Reduce: {
    if (above() < (opcode == NewObjEx ? 3u : 2u))
      return invalid("its stack is empty");
    if (opcode == NewObjEx)
      pop(); // keyword arguments
    PickleValue *arguments = pop();
    if (!arguments->is(Kind::Tuple))
      return invalid("it calls something with arguments that are no tuple");
    PickleValue *callee = pop();
    return pushCall(callee, arguments), Error::success();
  }
  case Build:
    if (above() < 2)
      return invalid("its stack is empty");
    pop();
    stack.back()->hasState = true;
    return Error::success();
  case BinPersId: {
    if (above() < 1)
      return invalid("its stack is empty");
    PickleValue *id = pop();
    push(Kind::Persistent).arguments = id;
    return Error::success();
  }
  case PersIdLine:
    if (Error error = pushLine(Kind::Text))
      return error;
    return step(BinPersId);
  case Ext1:
  case Ext2:
  case Ext4:
    return invalid("it names a class by a number of its writer's extension registry");
  case NextBuffer:
  case ReadonlyBuffer:
    return invalid("it refers to a buffer outside of it");
  default:
    return stepMemo(opcode);
  }
}

Error PickleReader::get(uint64_t slot) {
  auto found = memo.find(slot);
  if (found == memo.end())
    return invalid("it takes value {} again, which it has not kept", slot);
  stack.push_back(found->second);
  return Error::success();
}

Error PickleReader::put(uint64_t slot) {
  if (above() < 1)
    return invalid("its stack is empty");
  memo[slot] = stack.back();
  return Error::success();
}

Error PickleReader::stepMemo(uint8_t opcode) {
  uint8_t small;
  uint32_t wide;
  std::string_view text;
  std::vector<PickleValue *> items;
  switch (opcode) {
  case Pop:
    // As Python does: a mark counts as a value here.
    if (above() > 0)
      return pop(), Error::success();
    return marks.empty() ? invalid("its stack is empty") : (marks.pop_back(), Error::success());
  case PopMark:
    return popMarked(items);
  case Dup:
    return above() < 1 ? invalid("its stack is empty") : (stack.push_back(stack.back()), Error::success());
  case Memoize:
    return put(memo.size());
  case BinGet:
  case BinPut:
    return !number(small) ? truncated() : opcode == BinGet ? get(small) : put(small);
  case LongBinGet:
  case LongBinPut:
    return !number(wide) ? truncated() : opcode == LongBinGet ? get(wide) : put(wide);
  case GetLine:
  case PutLine: {
    if (!line(text))
      return truncated();
    auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), wide);
    if (code != std::errc() || end != text.data() + text.size())
      return invalid("'{}' is no number of a value", text);
    return opcode == GetLine ? get(wide) : put(wide);
  }
  case Proto:
    if (!number(small))
      return truncated();
    return small > 5 ? invalid("its protocol is {}, expected at most 5", small) : Error::success();
  case Frame:
    return take(8, text) ? Error::success() : truncated();
  default:
    return invalid("it has the unknown instruction {:#04x}", opcode);
  }
}

Error PickleReader::step(uint8_t opcode) { return stepScalar(opcode); }

Error PickleReader::run() {
  for (;;) {
    uint8_t opcode;
    if (!number(opcode))
      return truncated();
    if (opcode == Stop)
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

} // namespace vitrt

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
