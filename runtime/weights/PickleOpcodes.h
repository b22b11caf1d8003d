//===- PickleOpcodes.h - the instructions of a pickle -------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_RUNTIME_WEIGHTS_PICKLEOPCODES_H
#define VITC_RUNTIME_WEIGHTS_PICKLEOPCODES_H

#include <cstdint>

namespace vitrt::pickle {

/// The machine's instructions by the names of Lib/pickletools.py; `Line` stands for an argument of protocol 0, a line of text.
enum Opcode : uint8_t {
  Mark = '(',
  Stop = '.',
  Pop = '0',
  PopMark = '1',
  Dup = '2',
  FloatLine = 'F',
  IntLine = 'I',
  BinInt = 'J',
  BinInt1 = 'K',
  LongLine = 'L',
  BinInt2 = 'M',
  NoneValue = 'N',
  PersIdLine = 'P',
  BinPersId = 'Q',
  Reduce = 'R',
  StringLine = 'S',
  BinString = 'T',
  ShortBinString = 'U',
  UnicodeLine = 'V',
  BinUnicode = 'X',
  Append = 'a',
  Build = 'b',
  Global = 'c',
  Dict = 'd',
  EmptyDict = '}',
  Appends = 'e',
  GetLine = 'g',
  BinGet = 'h',
  Inst = 'i',
  LongBinGet = 'j',
  List = 'l',
  EmptyList = ']',
  Obj = 'o',
  PutLine = 'p',
  BinPut = 'q',
  LongBinPut = 'r',
  SetItem = 's',
  Tuple = 't',
  EmptyTuple = ')',
  SetItems = 'u',
  BinFloat = 'G',
  BinBytes = 'B',
  ShortBinBytes = 'C',
  Proto = 0x80,
  NewObj = 0x81,
  Ext1 = 0x82,
  Ext2 = 0x83,
  Ext4 = 0x84,
  Tuple1 = 0x85,
  Tuple2 = 0x86,
  Tuple3 = 0x87,
  NewTrue = 0x88,
  NewFalse = 0x89,
  Long1 = 0x8a,
  Long4 = 0x8b,
  ShortBinUnicode = 0x8c,
  BinUnicode8 = 0x8d,
  BinBytes8 = 0x8e,
  EmptySet = 0x8f,
  AddItems = 0x90,
  FrozenSet = 0x91,
  NewObjEx = 0x92,
  StackGlobal = 0x93,
  Memoize = 0x94,
  Frame = 0x95,
  ByteArray8 = 0x96,
  NextBuffer = 0x97,
  ReadonlyBuffer = 0x98,
};

} // namespace vitrt::pickle

#endif // VITC_RUNTIME_WEIGHTS_PICKLEOPCODES_H
