//===- CifarPickleTest.cpp - CIFAR in the version for Python ---*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/data/CifarPickle.h"
#include "runtime/data/Dataset.h"
#include "test/unit/data/TemporaryFolder.h"

#include <gmock/gmock.h>

using namespace vitrt;
using namespace vitc::test;
using namespace std::string_view_literals;
using testing::ElementsAre;
using testing::HasSubstr;

namespace {

/// The opcodes of a pickle, with strings as Python 2 wrote them.
struct PickleText {
  std::string bytes;

  PickleText &op(std::string_view opcodes) { return bytes += opcodes, *this; }
  PickleText &number(uint16_t value) { return op("M"sv).op(std::string{char(value), char(value >> 8)}); }
  PickleText &text(std::string_view value, char opcode = 'T') {
    uint32_t size = uint32_t(value.size());
    bytes += opcode;
    bytes += {char(size), char(size >> 8), char(size >> 16), char(size >> 24)};
    return op(value);
  }
};

/// What NumPy writes for the type of bytes.
PickleText &byteType(PickleText &p) { return p.op("cnumpy\ndtype\n").text("u1").op("K\0K\1\x87R"sv); }

std::string twoImages() {
  std::string bytes;
  for (int image = 0; image < 2; ++image)
    for (int plane = 0; plane < 3; ++plane)
      bytes.append(1024, char(200 + 10 * plane + image));
  return bytes;
}

std::string byColumns(const std::string &rows) {
  std::string columns;
  for (size_t i = 0; i < rows.size() / 2; ++i)
    columns += {rows[i], rows[rows.size() / 2 + i]};
  return columns;
}

/// A dictionary with `data`, as an array's state, and labels 3 and 7.
std::string batchFile(const std::string &labelKey, uint16_t rows, const std::string &data, char fortran) {
  PickleText p;
  p.op("\x80\x02}q\x01(").text("data").op("cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\0\x85U\1b\x87R(K\1"sv);
  p.number(rows).number(3072).op("\x86");
  byteType(p).op({&fortran, 1}).text(data).op("tb");
  return p.text(labelKey).op("](K\3K\7eu.").bytes;
}

/// The same from a buffer, as Python 3 writes it in protocol 5.
std::string bufferFile(const std::string &data) {
  PickleText p;
  p.op("\x80\x05}(").text("data", 'X').op("cnumpy._core.numeric\n_frombuffer\n(");
  p.text(data, 'B');
  byteType(p).number(2).number(3072).op("\x86").text("C", 'X').op("tR");
  return p.text("labels", 'X').op("](K\3K\7eu.").bytes;
}

std::vector<uint8_t> bytesOf(const std::string &text) { return {text.begin(), text.end()}; }

TEST(CifarPickleTest, batchesOfPythonAreRead) {
  TemporaryFolder folder;
  PickleText names;
  names.op("\x80\x02}").text("label_names").op("(").text("plane").text("car").op("ls.");
  for (const std::string &file :
       {batchFile("labels", 2, twoImages(), '\x89'), batchFile("labels", 2, byColumns(twoImages()), '\x88'), bufferFile(twoImages())}) {
    folder.write("cifar-10-batches-py/test_batch", bytesOf(file));
    folder.write("cifar-10-batches-py/batches.meta", bytesOf(names.bytes));
    auto data = openDataset("cifar10:" + folder.path(), Split::Test);
    ASSERT_TRUE(bool(data)) << data.error().message;
    ASSERT_EQ((*data)->size(), 2u);
    EXPECT_EQ((*data)->label(1), 7);
    EXPECT_THAT((*data)->classNames(), ElementsAre("plane", "car"));
    auto picture = (*data)->picture(1);
    EXPECT_THAT(std::vector<uint8_t>(picture->pixels.begin(), picture->pixels.begin() + 4), ElementsAre(201, 211, 221, 201));
  }
}

TEST(CifarPickleTest, fineLabelsAreTheHundredClasses) {
  TemporaryFolder folder;
  folder.write("train", bytesOf(batchFile("fine_labels", 2, twoImages(), '\x89')));
  auto data = openDataset("cifar100:" + folder.path(), Split::Train);
  ASSERT_TRUE(bool(data)) << data.error().message;
  EXPECT_EQ((*data)->label(0), 3);
}

TEST(CifarPickleTest, bytesWrittenAsLatinTextAreRead) {
  TemporaryFolder folder;
  std::string latin, file = batchFile("labels", 2, twoImages(), '\x89');
  for (unsigned char byte : twoImages())
    latin += {char(0xC0 | byte >> 6), char(0x80 | (byte & 0x3f))};
  PickleText plain, encoded;
  plain.text(twoImages());
  encoded.op("c_codecs\nencode\n").text(latin, 'X').text("latin1", 'X').op("\x86R");
  file.replace(file.find(plain.bytes), plain.bytes.size(), encoded.bytes);
  auto images = readCifarPickle(folder.write("batch", bytesOf(file)), "labels");
  ASSERT_TRUE(bool(images)) << images.error().message;
  EXPECT_EQ(std::string(images->bytes.begin(), images->bytes.end()), twoImages());
}

TEST(CifarPickleTest, otherPicklesAreRefused) {
  TemporaryFolder folder;
  auto message = [&](const std::string &file) {
    auto images = readCifarPickle(folder.write("batch", bytesOf(file)), "labels");
    return images ? std::string("read") : images.error().message;
  };
  std::string good = batchFile("labels", 2, twoImages(), '\x89');
  EXPECT_EQ(message(good), "read");
  EXPECT_THAT(message(batchFile("fine_labels", 2, twoImages(), '\x89')), HasSubstr("found no `labels`"));
  EXPECT_THAT(message(batchFile("labels", 3, twoImages(), '\x89')), HasSubstr("`data` is not a NumPy array of bytes [N, 3072]"));
  EXPECT_THAT(message(batchFile("labels", 1, twoImages().substr(0, 3072), '\x89')), HasSubstr("not a list of 1 labels"));
  EXPECT_THAT(message("\x80\x02]."), HasSubstr("found no `data`"));
  EXPECT_THAT(message("\x80\x02}(U\4datacos\nsystem\nU\4echo\x85RU\6labels]u."), HasSubstr("`data` is not a NumPy array"));
  std::string texts = good;
  texts.replace(texts.find("K\3K\7"), 4, "K\3NN0");
  EXPECT_THAT(message(texts), HasSubstr("`labels` holds something else than integers"));
  for (size_t size = 0; size < good.size(); size += size < 200 ? 1 : 97)
    EXPECT_NE(message(good.substr(0, size)), "read") << size;
  TemporaryFolder tree;
  std::string far = good;
  far.replace(far.find("K\3K\7"), 4, "K\3K\x0a");
  tree.write("test_batch", bytesOf(far));
  EXPECT_THAT(openDataset("cifar10:" + tree.path(), Split::Test).error().message, HasSubstr("image 1 has the label 10, expected 0 to 9"));
  EXPECT_THAT(openDataset("cifar10:" + tree.path(), Split::Train).error().message, HasSubstr("holds no data_batch_1.bin"));
}

} // namespace
