//===- NpzTest.cpp ------------------------------------------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/weights/TensorFile.h"

#include "test/unit/runtime/TemporaryFolder.h"

#include <cstring>
#include <gmock/gmock.h>
#include <zlib.h>

using namespace vitrt;
using namespace vitrt::test;
using testing::HasSubstr;

namespace {

template <typename T> std::string raw(T value) { return {reinterpret_cast<const char *>(&value), sizeof(T)}; }

std::string rawFloats(std::initializer_list<float> values) {
  return {reinterpret_cast<const char *>(values.begin()), values.size() * sizeof(float)};
}

/// A `.npy` of version 1 as numpy writes it.
std::string npy(const std::string &dictionary, const std::string &data, char version = 1) {
  std::string text = dictionary;
  size_t prefix = version == 1 ? 10 : 12;
  while ((prefix + text.size() + 1) % 64 != 0)
    text += ' ';
  text += '\n';
  std::string length = version == 1 ? raw(uint16_t(text.size())) : raw(uint32_t(text.size()));
  return "\x93NUMPY" + std::string{version, '\0'} + length + text + data;
}

std::string f4(const std::string &shape, const std::string &data) {
  return npy("{'descr': '<f4', 'fortran_order': False, 'shape': " + shape + ", }", data);
}

std::string deflated(const std::string &text) {
  z_stream stream = {};
  deflateInit2(&stream, 9, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
  std::string out(deflateBound(&stream, text.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef *>(const_cast<char *>(text.data()));
  stream.avail_in = uInt(text.size());
  stream.next_out = reinterpret_cast<Bytef *>(out.data());
  stream.avail_out = uInt(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

struct Member {
  std::string name;
  std::string bytes;
  bool deflate = false;
};

/// An archive as numpy writes it: sizes of local headers in a zip64 extra, true ones in the directory.
std::string zip(const std::vector<Member> &members) {
  std::string file, directory;
  for (const Member &member : members) {
    std::string packed = member.deflate ? deflated(member.bytes) : member.bytes;
    uint32_t crc = uint32_t(crc32(0, reinterpret_cast<const Bytef *>(member.bytes.data()), uInt(member.bytes.size())));
    std::string common = raw(uint16_t(45)) + raw(uint16_t(0)) + raw(uint16_t(member.deflate ? 8 : 0)) + raw(uint32_t(0)) + raw(crc);
    uint32_t offset = uint32_t(file.size());
    file += raw(uint32_t(0x04034b50)) + common + raw(uint32_t(-1)) + raw(uint32_t(-1)) + raw(uint16_t(member.name.size())) +
            raw(uint16_t(20)) + member.name + raw(uint16_t(1)) + raw(uint16_t(16)) + raw(uint64_t(member.bytes.size())) +
            raw(uint64_t(packed.size())) + packed;
    directory += raw(uint32_t(0x02014b50)) + raw(uint16_t(45)) + common + raw(uint32_t(packed.size())) +
                 raw(uint32_t(member.bytes.size())) + raw(uint16_t(member.name.size())) + raw(uint16_t(0)) + raw(uint16_t(0)) +
                 raw(uint16_t(0)) + raw(uint16_t(0)) + raw(uint32_t(0)) + raw(offset) + member.name;
  }
  uint32_t at = uint32_t(file.size());
  return file + directory + raw(uint32_t(0x06054b50)) + raw(uint32_t(0)) + raw(uint16_t(members.size())) + raw(uint16_t(members.size())) +
         raw(uint32_t(directory.size())) + raw(at) + raw(uint16_t(0));
}

std::vector<float> readFloats(const TensorFile &file, const std::string &name) {
  ptrdiff_t index = file.find(name);
  EXPECT_GE(index, 0) << name;
  auto data = file.read(size_t(index));
  EXPECT_TRUE(data) << data.error().message;
  std::vector<float> values(data->bytes.size() / sizeof(float));
  std::memcpy(values.data(), data->bytes.data(), data->bytes.size());
  return values;
}

std::string openMessage(const std::string &bytes, const char *name = "w.npz") {
  TemporaryFolder folder;
  auto opened = openTensorFile(folder.write(name, bytes));
  return opened ? "opened" : opened.error().message;
}

TEST(Npz, StoredAndDeflatedMembers) {
  TemporaryFolder folder;
  std::string zeros(4 * 100000, '\0');
  auto opened = openTensorFile(folder.write("w.npz", zip({{"head/kernel.npy", f4("(2, 3)", rawFloats({1, 2, 3, 4, 5, 6}))},
                                                          {"cls.npy", f4("(1,)", rawFloats({7})), true},
                                                          {"zeros.npy", f4("(100, 1000)", zeros), true},
                                                          {"scalar.npy", f4("()", rawFloats({8}))},
                                                          {"notes.txt", "not an array"}})));
  ASSERT_TRUE(opened) << opened.error().message;
  ASSERT_EQ((*opened)->tensors().size(), 4u);
  EXPECT_EQ(readFloats(**opened, "head/kernel"), (std::vector<float>{1, 2, 3, 4, 5, 6}));
  EXPECT_EQ((*opened)->tensors()[size_t((*opened)->find("head/kernel"))].shape, (std::vector<uint64_t>{2, 3}));
  EXPECT_EQ(readFloats(**opened, "cls"), std::vector<float>{7});
  EXPECT_EQ(readFloats(**opened, "zeros"), std::vector<float>(100000));
  EXPECT_EQ(readFloats(**opened, "scalar"), std::vector<float>{8});
}

TEST(Npz, FortranOrderAndBigEndian) {
  TemporaryFolder folder;
  std::string big;
  for (float value : {1.0f, 2.5f, -3.0f}) {
    std::string bytes = raw(value);
    big.append(bytes.rbegin(), bytes.rend());
  }
  // The array [[[0, 1, 2], [3, 4, 5]]] of shape (1, 2, 3), its first axis fastest.
  auto opened = openTensorFile(folder.write(
      "w.npz", zip({{"f.npy", npy("{'descr': '<f4', 'fortran_order': True, 'shape': (1, 2, 3)}", rawFloats({0, 3, 1, 4, 2, 5}), 2)},
                    {"b.npy", npy("{\"shape\": (3,), \"descr\": \">f4\", \"fortran_order\": False}", big, 3)}})));
  ASSERT_TRUE(opened) << opened.error().message;
  EXPECT_EQ(readFloats(**opened, "f"), (std::vector<float>{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(readFloats(**opened, "b"), (std::vector<float>{1, 2.5f, -3}));
}

TEST(Npy, IsOneTensor) {
  TemporaryFolder folder;
  auto opened = openTensorFile(folder.write("head.weight.npy", f4("(2,)", rawFloats({1, 2}))));
  ASSERT_TRUE(opened) << opened.error().message;
  EXPECT_EQ(readFloats(**opened, "head.weight"), (std::vector<float>{1, 2}));
}

TEST(Npy, MalformedIsRefusedWithASentence) {
  auto npyMessage = [](const std::string &bytes) { return openMessage(bytes, "w.npy"); };
  EXPECT_THAT(npyMessage("\x93NUMPY"), HasSubstr("does not begin with"));
  EXPECT_THAT(npyMessage(f4("(2,)", rawFloats({1}))), HasSubstr("has 4 bytes of data, expected 8 for f32 of shape [2]"));
  EXPECT_THAT(npyMessage(f4("(2,)", rawFloats({1, 2, 3}))), HasSubstr("has 12 bytes of data, expected 8"));
  EXPECT_THAT(npyMessage(f4("(4294967296, 4294967296, 4294967296)", "")), HasSubstr("is larger than any file"));
  for (const char *shape : {"(-1,)", "(1.5,)", "[2]", "(2", "(x,)", "99999999999999999999", "(99999999999999999999,)", "", "(1 2)"})
    EXPECT_THAT(npyMessage(f4(shape, "")), HasSubstr("its header is not the dictionary")) << shape;
  for (const char *dictionary :
       {"", "{", "{}", "{'descr': '<f4'}", "{'descr': '<f4', 'fortran_order': maybe, 'shape': (1,)}",
        "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (1,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'more': 1}", "{'descr': '<f4', 'fortran_order': False, 'shape': (1,)} x",
        "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}", "{'descr': '<f4"})
    EXPECT_THAT(npyMessage(npy(dictionary, "0123")), HasSubstr("its header is not the dictionary")) << dictionary;
  EXPECT_THAT(npyMessage(npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", "0123")), HasSubstr("its element type '|O'"));
  EXPECT_THAT(npyMessage(npy("{'descr': '<c8', 'fortran_order': False, 'shape': (1,)}", "01234567")), HasSubstr("its element type '<c8'"));
  EXPECT_THAT(npyMessage(npy("{}", "", 9)), HasSubstr("its version is 9"));
  std::string longHeader = f4("(1,)", "0123");
  longHeader[9] = '\x7f';
  EXPECT_THAT(npyMessage(longHeader), HasSubstr("its header would have"));
}

TEST(Npz, MalformedIsRefusedWithASentence) {
  std::string array = f4("(2,)", rawFloats({1, 2}));
  EXPECT_THAT(openMessage(zip({{"a.npy", array}, {"a.npy", array}})), HasSubstr("two members are called 'a.npy'"));
  EXPECT_THAT(openMessage(zip({{"a.npy", "no array"}})), HasSubstr("member 'a.npy' of"));
  EXPECT_THAT(openMessage(zip({{"a.npy", f4("(3,)", rawFloats({1, 2}))}})), HasSubstr("bytes, expected"));
  EXPECT_THAT(openMessage(zip({{"a.npy", f4("(1000000000, 1000000000)", "")}})), HasSubstr("is larger than any file"));
  EXPECT_THAT(openMessage(zip({{"a.npy", f4("(1000000000, 1000000)", "")}})), HasSubstr("bytes, expected 4000000000"));
  EXPECT_THAT(openMessage("PK\x03\x04"), HasSubstr("it has 4 bytes"));
  EXPECT_THAT(openMessage("PK\x03\x04 and then nothing more of an archive"), HasSubstr("no directory at its end"));
  std::string good = zip({{"a.npy", array}});
  auto patched = [&](size_t fromEnd, const std::string &bytes) {
    std::string copy = good;
    copy.replace(copy.size() - fromEnd, bytes.size(), bytes);
    return openMessage(copy);
  };
  // Distances from the end: the end record has 22 bytes, the one directory entry 46 and its name 5 before that.
  constexpr size_t kEntry = 22 + 5 + 46;
  EXPECT_THAT(patched(22 - 16, raw(uint32_t(0xfffffff0))), HasSubstr("its directory of 1 members would take bytes"));
  EXPECT_THAT(patched(22 - 10, raw(uint16_t(9))), HasSubstr("its directory of 9 members"));
  EXPECT_THAT(patched(kEntry, raw(uint32_t(0))), HasSubstr("entry 0 of its directory is not at byte"));
  EXPECT_THAT(patched(kEntry - 28, raw(uint16_t(999))), HasSubstr("entry 0 of its directory runs past its end"));
  EXPECT_THAT(patched(kEntry - 8, raw(uint16_t(1))), HasSubstr("is encrypted"));
  EXPECT_THAT(patched(kEntry - 10, raw(uint16_t(12))), HasSubstr("compressed by method 12"));
  EXPECT_THAT(patched(kEntry - 24, raw(uint32_t(7))), HasSubstr("cannot have 7 bytes"));
  EXPECT_THAT(patched(kEntry - 20, raw(uint32_t(1u << 30))), HasSubstr("would have 1073741824 bytes"));
  EXPECT_THAT(patched(kEntry - 42, raw(uint32_t(1))), HasSubstr("does not begin at byte 1"));
  // Deflate cannot have packed a gigabyte into this little: refused before memory is taken for it.
  std::string bomb = zip({{"a.npy", array, true}});
  bomb.replace(bomb.size() - kEntry + 24, 4, raw(uint32_t(1u << 30)));
  EXPECT_THAT(openMessage(bomb), HasSubstr("cannot have 1073741824 bytes"));
}

TEST(Npz, DamagedDataIsFoundWhenRead) {
  TemporaryFolder folder;
  std::string file = zip({{"a.npy", f4("(2,)", rawFloats({1, 2}))}});
  size_t data = file.find(rawFloats({1, 2}));
  file[data] ^= 1;
  auto opened = openTensorFile(folder.write("w.npz", file));
  ASSERT_TRUE(opened) << opened.error().message;
  auto read = (*opened)->read(0);
  ASSERT_FALSE(read);
  EXPECT_THAT(read.error().message, HasSubstr("member 'a.npy' of"));
  EXPECT_THAT(read.error().message, HasSubstr("does not match its checksum"));
}

TEST(Npz, EveryTruncationAndEveryFlipIsReadOrRefused) {
  TemporaryFolder folder;
  std::string whole = zip({{"a.npy", f4("(2, 2)", rawFloats({1, 2, 3, 4}))}, {"b.npy", f4("(3,)", rawFloats({5, 6, 7})), true}});
  for (size_t size = 0; size < whole.size(); ++size)
    ASSERT_FALSE(openTensorFile(folder.write("cut.npz", whole.substr(0, size)))) << size;
  for (size_t i = 0; i < whole.size(); ++i)
    for (int bit : {0, 4, 7}) {
      std::string flipped = whole;
      flipped[i] = char(flipped[i] ^ 1 << bit);
      auto opened = openTensorFile(folder.write("flip.npz", flipped));
      if (!opened) {
        ASSERT_FALSE(opened.error().message.empty());
        continue;
      }
      for (size_t t = 0; t < (*opened)->tensors().size(); ++t) {
        auto data = (*opened)->read(t);
        ASSERT_TRUE(data || !data.error().message.empty());
        if (data)
          ASSERT_EQ(data->bytes.size(), (*opened)->tensors()[t].bytes);
      }
    }
}

} // namespace
