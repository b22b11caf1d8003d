//===- ArraysTest.cpp - arrays in and out ---*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/data/Arrays.h"
#include "runtime/data/Files.h"
#include "test/unit/data/TemporaryFolder.h"

#include <gmock/gmock.h>
#include <numeric>

using namespace vitrt;
using namespace vitc::test;
using testing::ElementsAre;
using testing::HasSubstr;

namespace {

std::vector<float> ramp(size_t count) {
  std::vector<float> values(count);
  std::iota(values.begin(), values.end(), -2.5f);
  return values;
}

TEST(NpyTest, writtenArraysAreReadBack) {
  TemporaryFolder folder;
  std::vector<float> values = ramp(2 * 3 * 4);
  for (const std::vector<int64_t> &shape : {std::vector<int64_t>{2, 3, 4}, {24}, {1, 24, 1, 1, 1}}) {
    ASSERT_FALSE(bool(writeNpy(folder.path("x.npy"), {"x", shape, values})));
    auto array = readNpy(folder.path("x.npy"));
    ASSERT_TRUE(bool(array)) << array.error().message;
    EXPECT_EQ(array->shape(), shape);
    EXPECT_TRUE(std::ranges::equal(*array->floats(), values));
  }
}

TEST(NpyTest, theHeaderIsNumPys) {
  TemporaryFolder folder;
  std::vector<float> values = ramp(3);
  ASSERT_FALSE(bool(writeNpy(folder.path("x.npy"), {"x", {3}, values})));
  auto bytes = readFile(folder.path("x.npy"));
  ASSERT_EQ(bytes->size(), 128u + 12u); // the elements begin at a multiple of 64
  std::string header(bytes->begin() + 10, bytes->begin() + 128);
  EXPECT_EQ(header, "{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }" + std::string(118 - 57 - 1, ' ') + "\n");
  EXPECT_EQ((*bytes)[8], 118);
}

TEST(NpyTest, archivesHoldSeveralArrays) {
  TemporaryFolder folder;
  std::vector<float> first = ramp(6), second = ramp(5);
  std::vector<NpyOutput> arrays = {{"logits", {2, 3}, first}, {"features", {5}, second}};
  ASSERT_FALSE(bool(writeNpz(folder.path("y.npz"), arrays)));
  auto read = readNpz(folder.path("y.npz"));
  ASSERT_TRUE(bool(read)) << read.error().message;
  ASSERT_EQ(read->size(), 2u);
  EXPECT_THAT(read->at("logits").shape(), ElementsAre(2, 3));
  EXPECT_TRUE(std::ranges::equal(*read->at("logits").floats(), first));
  EXPECT_TRUE(std::ranges::equal(*read->at("features").floats(), second));
  EXPECT_THAT(readNpy(folder.path("y.npz")).error().message, HasSubstr("2 arrays, expected an .npy file"));
}

TEST(NpyTest, integersOfAllWidthsAreRead) {
  TemporaryFolder folder;
  struct Case {
    const char *type;
    std::vector<uint8_t> bytes;
    int64_t value;
  };
  for (const Case &item : {Case{"<i8", {0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, -2}, Case{"<i4", {0xfe, 0xff, 0xff, 0xff}, -2},
                           Case{"<u2", {0xfe, 0xff}, 65534}, Case{"|i1", {0xfe}, -2}, Case{"|u1", {0xfe}, 254}}) {
    std::string header = std::string("{'descr': '") + item.type + "', 'fortran_order': False, 'shape': (1,), }";
    header.resize(117, ' ');
    header += '\n';
    std::vector<uint8_t> bytes = {0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, 118, 0};
    bytes.insert(bytes.end(), header.begin(), header.end());
    bytes.insert(bytes.end(), item.bytes.begin(), item.bytes.end());
    auto array = readNpy(folder.write("labels.npy", bytes));
    ASSERT_TRUE(bool(array)) << array.error().message;
    EXPECT_THAT(*array->integers(), ElementsAre(item.value)) << item.type;
    EXPECT_THAT(array->floats().error().message, HasSubstr("expected f32"));
  }
}

TEST(NpyTest, whatIsNoArrayIsASentence) {
  TemporaryFolder folder;
  EXPECT_FALSE(readNpy(folder.path("none.npy")).error().message.empty());
  EXPECT_FALSE(readNpy(folder.write("text.npy", {'h', 'e', 'l', 'l', 'o', ' ', 'w', 'o', 'r', 'l', 'd', '!'})).error().message.empty());
  std::vector<float> values = ramp(8);
  ASSERT_FALSE(bool(writeNpy(folder.path("x.npy"), {"x", {8}, values})));
  auto bytes = readFile(folder.path("x.npy"));
  for (size_t size = 0; size < bytes->size(); size += 3)
    EXPECT_FALSE(bool(readNpy(folder.write("cut.npy", std::vector<uint8_t>(bytes->begin(), bytes->begin() + size))))) << size;
}

} // namespace
