//===- PickleTest.cpp ---------------------------------------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/weights/Checkpoint.h"

#include <gmock/gmock.h>

using namespace vitrt;
using namespace std::string_literals;
using testing::HasSubstr;
using Kind = PickleValue::Kind;

namespace {

Expected<Pickle> read(const std::string &program) { return Pickle::read(std::as_bytes(std::span(program)), "the pickle of 'w.pth'"); }

std::string problem(const std::string &program) {
  auto pickle = read(program);
  return pickle ? "read" : pickle.error().message;
}

/// What looking for tensors in the pickle says.
std::string verdict(const std::string &program) {
  auto pickle = read(program);
  if (!pickle)
    return pickle.error().message;
  auto dict = findStateDict(*pickle, "'w.pth'");
  return dict ? "found" : dict.error().message;
}

TEST(Pickle, ValuesOfEveryProtocol) {
  // pickle.dumps({"a": 1, "b": [True, None, 2.5, -70000], "c": (1, 2, 3)}, protocol) by hand of protocols 0 and 4.
  std::string lines = "(dp0\nVa\np1\nI1\nsVb\np2\n(lp3\nI01\naNaF2.5\naI-70000\nasVc\np4\n(I1\nI2\nI3\ntp5\ns.";
  std::string binary = "\x80\x04\x95\x2f\x00\x00\x00\x00\x00\x00\x00}\x94(\x8c\x01"
                       "a\x94K\x01\x8c\x01"
                       "b\x94]\x94(\x88NG@\x04\x00\x00\x00\x00\x00\x00J\x90\xee\xfe\xff"
                       "e\x8c\x01"
                       "c\x94K\x01K\x02K\x03\x87\x94u."s;
  for (const std::string &program : {lines, binary}) {
    auto pickle = read(program);
    ASSERT_TRUE(pickle) << pickle.error().message;
    EXPECT_EQ(pickle->size(), program.size());
    const PickleValue &root = pickle->root();
    ASSERT_TRUE(root.is(Kind::Dict));
    ASSERT_EQ(root.items.size(), 6u);
    EXPECT_EQ(root.items[0]->text, "a");
    EXPECT_EQ(root.items[1]->integer, 1);
    ASSERT_EQ(root.items[3]->items.size(), 4u);
    EXPECT_TRUE(root.items[3]->items[0]->is(Kind::Bool));
    EXPECT_TRUE(root.items[3]->items[1]->is(Kind::None));
    EXPECT_TRUE(root.items[3]->items[2]->is(Kind::Number));
    EXPECT_EQ(root.items[3]->items[3]->integer, -70000);
    EXPECT_TRUE(root.items[5]->is(Kind::Tuple));
    EXPECT_EQ(root.items[5]->items[2]->integer, 3);
  }
}

TEST(Pickle, LongIntegers) {
  EXPECT_EQ(read("\x8a\x00."s)->root().integer, 0);
  EXPECT_EQ(read("\x8a\x01\xff."s)->root().integer, -1);
  EXPECT_EQ(read("\x8a\x02\xff\x00."s)->root().integer, 255);
  EXPECT_EQ(read("\x8a\x08\x00\x00\x00\x00\x00\x00\x00\x80."s)->root().integer, INT64_MIN);
  EXPECT_TRUE(read("\x8a\x09\x00\x00\x00\x00\x00\x00\x00\x00\x01."s)->root().is(Kind::Number));
  EXPECT_EQ(read("L12345678901L\n."s)->root().integer, 12345678901);
  EXPECT_TRUE(read("I123456789012345678901\n."s)->root().is(Kind::Number));
}

TEST(Pickle, AListMayHoldItself) {
  auto pickle = read("]q\x00h\x00"
                     "a."s);
  ASSERT_TRUE(pickle);
  EXPECT_EQ(pickle->root().items[0], &pickle->root());
}

TEST(Pickle, EveryWayToCallIsSeen) {
  // os.system("x"), by REDUCE, by a name from the stack, by INST, by OBJ, by NEWOBJ and NEWOBJ_EX.
  for (const std::string &program :
       {"cos\nsystem\n(Vx\ntR."s, "\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x01x\x85R."s, "(Vx\nios\nsystem\n."s, "(cos\nsystem\nVx\no."s,
        "\x80\x02"
        "cos\nsystem\nVx\n\x85\x81."s,
        "\x80\x04"
        "cos\nsystem\nVx\n\x85}\x92."s}) {
    auto pickle = read(program);
    ASSERT_TRUE(pickle) << pickle.error().message;
    EXPECT_TRUE(pickle->root().is(Kind::Call));
    EXPECT_EQ(calledName(pickle->root()), "os.system");
    EXPECT_TRUE(pickle->globals().count("os.system"));
    EXPECT_THAT(verdict(program), HasSubstr("'w.pth': the pickle wants to call 'os.system'"));
  }
}

TEST(Pickle, NamesThatRunProgramsAreRefusedWhereverTheyStand) {
  // Among a list that is thrown away, as the argument of a harmless call, as the state of an object.
  EXPECT_THAT(verdict("cposix\nsystem\n0}."s), HasSubstr("'posix.system'"));
  EXPECT_THAT(verdict("cfunctools\npartial\n(cbuiltins\neval\ntR."s), HasSubstr("'builtins.eval'"));
  EXPECT_THAT(verdict("c__main__\nA\n)Rc__builtin__\nexec\nb."s), HasSubstr("'__builtin__.exec'"));
  EXPECT_THAT(verdict("(dVa\ncbuiltins\nset\n((ltRs."s), HasSubstr("holds no tensors"));
}

TEST(Pickle, CallsOfCallsHaveTheFirstName) {
  EXPECT_THAT(verdict("c__main__\nmake\n)R)R."s), HasSubstr("the pickle wants to call '__main__.make' for all that it holds"));
  EXPECT_THAT(verdict("N)R."s), HasSubstr("the pickle wants to call 'something without a name'"));
}

TEST(Pickle, TensorsMadeOfTheWrongThings) {
  auto tensor = [](const std::string &arguments) { return verdict("(dVw\nctorch._utils\n_rebuild_tensor_v2\n("s + arguments + "tRs."s); };
  std::string storage = "(Vstorage\nctorch\nFloatStorage\nV0\nVcpu\nI4\ntQ";
  EXPECT_EQ(tensor(storage + "I0\n(I2\nI2\nt(I2\nI1\nt"), "found");
  for (const std::string &arguments :
       {""s, storage, storage + "I0\n(I4\nt", storage + "I-1\n(I4\nt(I1\nt", storage + "I0\n(I-4\nt(I1\nt", storage + "I0\n(I4\nt(I-1\nt",
        storage + "I0\n(I4\nt(I1\nI1\nt", storage + "I0\nN(I1\nt", storage + "VI\n(I4\nt(I1\nt", "NI0\n(I4\nt(I1\nt"s,
        "(Vstorage\nctorch\nStrangeStorage\nV0\nVcpu\nI4\ntQI0\n(I4\nt(I1\nt"s, "(Vstorage\nVFloat\nV0\nVcpu\nI4\ntQI0\n(I4\nt(I1\nt"s,
        "(Vmodule\nctorch\nFloatStorage\nV0\nVcpu\nI4\ntQI0\n(I4\nt(I1\nt"s,
        "(Vstorage\nctorch\nFloatStorage\nV0\nVcpu\nI-4\ntQI0\n(I4\nt(I1\nt"s})
    EXPECT_THAT(tensor(arguments), HasSubstr("the tensor 'w' is not made of a storage")) << arguments;
}

TEST(Pickle, MalformedIsRefusedWithASentence) {
  for (const std::string &program :
       {""s,          "."s,     "N"s,         "NN."s,       "(."s,     "R."s,    "NR."s,   "NNR."s,        "t."s,
        "(Nd."s,      "NNs."s,  "}Ns."s,      "a."s,        "Na."s,    "NNa."s,  "e."s,    "(e."s,         "(Nu."s,
        "}(Nu."s,     "\x93."s, "NN\x93."s,   "h\x00."s,    "q\x00."s, "g1\n."s, "gx\n."s, "cos\nsystem"s, "X\xff\xff\xff\xffz"s,
        "\x8a\xffz"s, "I\n."s,  "Ix\n."s,     "0."s,        "1."s,     "2."s,    "b."s,    "Nb."s,         "Q."s,
        "o."s,        "(o."s,   "\x80\x06."s, "\x82\x01."s, "\x97."s,  "~."s,    "\x85."s, "(\x85."s,      "N(\x85."s,
        "N(0\x86."s})
    EXPECT_THAT(problem(program), HasSubstr("the pickle of 'w.pth' is damaged at byte")) << testing::PrintToString(program);
}

TEST(Pickle, FarTooManyObjectsAreRefused) {
  std::string program = "(" + std::string(8'100'000, ')') + "l.";
  EXPECT_THAT(problem(program), HasSubstr("more than 8000000 objects"));
  EXPECT_THAT(problem("(N" + std::string(8'100'000, '2') + "l."), HasSubstr("more than 8000000 objects"));
}

TEST(Pickle, DeepNestingEndsInASentence) {
  // Tuples in tuples, calls of calls and dictionaries in dictionaries, a million deep.
  EXPECT_THAT(verdict("N" + std::string(1'000'000, '\x85') + "."), HasSubstr("no dictionary of tensors"));
  std::string calls = "c__main__\na\n";
  for (int i = 0; i < 500'000; ++i)
    calls += ")R";
  EXPECT_THAT(verdict(calls + "."), HasSubstr("the pickle wants to call"));
  std::string nested = "}", close;
  for (int i = 0; i < 200'000; ++i) {
    nested += "Va\n}";
    close += "s";
  }
  EXPECT_THAT(verdict(nested + close + "."), HasSubstr("holds no tensors"));
}

} // namespace
