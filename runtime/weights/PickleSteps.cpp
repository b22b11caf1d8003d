//===- PickleSteps.cpp - what each instruction of a pickle does -------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/weights/PickleOpcodes.h"
#include "runtime/weights/PickleReader.h"

#include <charconv>

using namespace vitrt;
using namespace vitrt::pickle;
using Kind = PickleValue::Kind;

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

/// Names are joined from texts that may be used many times over: without a limit a short file could ask for much memory.
static bool isPlausibleName(std::string_view module, std::string_view name) { return module.size() + name.size() <= 512; }

Error PickleReader::stepObject(uint8_t opcode) {
  std::vector<PickleValue *> items;
  switch (opcode) {
  case Global:
  case Inst: {
    std::string_view module, name;
    if (!line(module) || !line(name))
      return truncated();
    if (!isPlausibleName(module, name))
      return invalid("it looks up a name of more than 512 bytes");
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
    if (!isPlausibleName(module->text, name->text))
      return invalid("it looks up a name of more than 512 bytes");
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
  case Build: {
    if (above() < 2)
      return invalid("its stack is empty");
    PickleValue *state = pop();
    stack.back()->state = state;
    return Error::success();
  }
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
