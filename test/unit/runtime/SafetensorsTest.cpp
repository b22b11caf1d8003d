//===- SafetensorsTest.cpp ----------------------------------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/weights/TensorFile.h"

#include "test/unit/TestPaths.h"
#include "test/unit/runtime/TemporaryFolder.h"

#include <cstring>
#include <gmock/gmock.h>

using namespace vitrt;
using namespace vitrt::test;
using testing::HasSubstr;

namespace {

std::string littleEndian64(uint64_t value) {
  std::string bytes(8, '\0');
  std::memcpy(bytes.data(), &value, 8);
  return bytes;
}

std::string file(const std::string &header, const std::string &data) { return littleEndian64(header.size()) + header + data; }

std::string floats(std::initializer_list<float> values) {
  return {reinterpret_cast<const char *>(values.begin()), values.size() * sizeof(float)};
}

/// Two tensors, their names and data in different orders, metadata and padding: all that is allowed.
const char kHeader[] = R"({"__metadata__": {"format": "pt"}, "b": {"dtype": "F32", "shape": [2], "data_offsets": [8, 16]},)"
                       R"( "a": {"dtype": "I64", "shape": [], "data_offsets": [0, 8]},)"
                       R"( "none": {"dtype": "F16", "shape": [3, 0], "data_offsets": [16, 16]}}   )";

TEST(Safetensors, ReadsAllThatIsAllowed) {
  TemporaryFolder folder;
  auto opened = openTensorFile(folder.write("w.safetensors", file(kHeader, littleEndian64(7) + floats({1.5f, -2}))));
  ASSERT_TRUE(opened) << opened.error().message;
  const TensorFile &tensors = **opened;
  ASSERT_EQ(tensors.tensors().size(), 3u);
  ptrdiff_t a = tensors.find("a"), b = tensors.find("b"), none = tensors.find("none");
  ASSERT_GE(a, 0);
  ASSERT_GE(b, 0);
  ASSERT_GE(none, 0);
  EXPECT_EQ(tensors.find("c"), -1);
  EXPECT_EQ(tensors.tensors()[size_t(a)].type, ElementType::I64);
  EXPECT_TRUE(tensors.tensors()[size_t(a)].shape.empty());
  EXPECT_EQ(tensors.tensors()[size_t(none)].shape, (std::vector<uint64_t>{3, 0}));
  auto data = tensors.read(size_t(b));
  ASSERT_TRUE(data);
  float values[2];
  ASSERT_EQ(data->bytes.size(), sizeof(values));
  std::memcpy(values, data->bytes.data(), sizeof(values));
  EXPECT_EQ(values[0], 1.5f);
  EXPECT_EQ(values[1], -2);
  // Released pages are read again from the file.
  tensors.release(size_t(b));
  std::memcpy(values, tensors.read(size_t(b))->bytes.data(), sizeof(values));
  EXPECT_EQ(values[1], -2);
}

struct Malformed {
  const char *message;
  std::string bytes;
};

void PrintTo(const Malformed &c, std::ostream *stream) { *stream << c.message; }

class MalformedSafetensors : public testing::TestWithParam<Malformed> {};

TEST_P(MalformedSafetensors, IsRefusedWithASentence) {
  TemporaryFolder folder;
  std::string path = folder.write("bad.safetensors", GetParam().bytes);
  auto opened = openTensorFile(path);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().status, VITRT_ERROR_WEIGHTS);
  EXPECT_THAT(opened.error().message, testing::AllOf(HasSubstr(path), HasSubstr(GetParam().message)));
}

std::string oneTensor(const std::string &body, const std::string &data = "01234567") { return file(R"({"t": )" + body + "}", data); }

std::vector<Malformed> malformedCases() {
  std::string deep(100000, '[');
  return {
      {"is empty", ""},
      {"it has 5 bytes", "12345"},
      {"its header would have 1000000000000 bytes, more than the", littleEndian64(1000000000000) + "{}"},
      {"its header would have 18446744073709551615 bytes, more than the", littleEndian64(UINT64_MAX) + "{}"},
      {"its header would have 100 bytes, but the file has 10", littleEndian64(100) + "{}"},
      {"does not begin with '{'", file("", "")},
      {"does not begin with '{'", file("[]", "")},
      {"does not begin with '{'", file("  {}", "")},
      {"not JSON at byte", file("{\"a\": ", "")},
      {"not JSON at byte", file("{} {}", "")},
      {"not JSON at byte", file(std::string("{\"\xff\xfe\": {}}"), "")},
      {"not JSON at byte", file("{\"a\x01\": {}}", "")},
      {"has an array where a tensor's description is expected", file("{\"__metadata__\":" + deep, "")},
      {"an array where it is not expected, at or after tensor 't'", oneTensor(deep)},
      {"a number where it is not expected", oneTensor("5")},
      {"null where it is not expected", oneTensor("null")},
      {"a boolean where it is not expected", oneTensor("true")},
      {"a string where it is not expected", oneTensor("\"F32\"")},
      {"tensor 't' lacks its dtype", oneTensor("{}")},
      {"tensor 't' lacks its dtype", oneTensor(R"({"dtype": "F32", "shape": [2]})")},
      {"tensor 't' lacks its dtype", oneTensor(R"({"dtype": "F32", "data_offsets": [0, 8]})")},
      {"tensor 't' lacks its dtype", oneTensor(R"({"dtype": "F32", "shape": [2], "data_offsets": [0]})")},
      {"tensor 't' lacks its dtype", oneTensor(R"({"dtype": "F32", "shape": [2], "data_offsets": [0, 4, 8]})")},
      {"unknown or repeated field 'colour'", oneTensor(R"({"dtype": "F32", "shape": [2], "data_offsets": [0, 8], "colour": 1})")},
      {"unknown or repeated field 'dtype'", oneTensor(R"({"dtype": "F32", "dtype": "F32", "shape": [2], "data_offsets": [0, 8]})")},
      {"unknown or repeated field 'shape'", oneTensor(R"({"dtype": "F32", "shape": [2], "shape": [2], "data_offsets": [0, 8]})")},
      {"the name 't' is there twice",
       file(R"({"t": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}, "t": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}})",
            "01234567")},
      {"the name '__metadata__' is there twice", file(R"({"__metadata__": {}, "__metadata__": {}})", "")},
      {"unknown dtype 'F31'", oneTensor(R"({"dtype": "F31", "shape": [2], "data_offsets": [0, 8]})")},
      {"a negative number", oneTensor(R"({"dtype": "F32", "shape": [-2], "data_offsets": [0, 8]})")},
      {"a number that is no integer", oneTensor(R"({"dtype": "F32", "shape": [2.0], "data_offsets": [0, 8]})")},
      {"a number that is no integer", oneTensor(R"({"dtype": "F32", "shape": [99999999999999999999], "data_offsets": [0, 8]})")},
      {"has 8 bytes, expected 12", oneTensor(R"({"dtype": "F32", "shape": [3], "data_offsets": [0, 8]})")},
      {"has 8 bytes, expected 0", oneTensor(R"({"dtype": "F32", "shape": [3, 0], "data_offsets": [0, 8]})")},
      {"is larger than any file", oneTensor(R"({"dtype": "F32", "shape": [4294967296, 4294967296, 4294967296], "data_offsets": [0, 8]})")},
      {"is larger than any file", oneTensor(R"({"dtype": "F32", "shape": [18446744073709551615, 2], "data_offsets": [0, 8]})")},
      {"has 8 bytes, expected 2305843009213693951",
       oneTensor(R"({"dtype": "U8", "shape": [2305843009213693951], "data_offsets": [0, 8]})")},
      {"has 1 bytes, expected 2", oneTensor(R"({"dtype": "F4", "shape": [3], "data_offsets": [0, 1]})", "0")},
      {"lies at bytes 0 to 16 of the data, which has 8", oneTensor(R"({"dtype": "F32", "shape": [4], "data_offsets": [0, 16]})")},
      {"begins at byte 8 of the data, expected 0", oneTensor(R"({"dtype": "F32", "shape": [2], "data_offsets": [8, 0]})")},
      {"lies at bytes 0 to 18446744073709551615",
       oneTensor(R"({"dtype": "F32", "shape": [2], "data_offsets": [0, 18446744073709551615]})")},
      {"begins at byte 4 of the data, expected 0: there is a hole", oneTensor(R"({"dtype": "F32", "shape": [1], "data_offsets": [4, 8]})")},
      {"end at byte 4 of the data, which has 8", oneTensor(R"({"dtype": "F32", "shape": [1], "data_offsets": [0, 4]})")},
      {"begins at byte 4 of the data, expected 8: there is a hole or an overlap",
       file(R"({"s": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}, "t": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}})",
            "01234567")},
      {"end at byte 0 of the data, which has 4", file("{}", "rest")},
      {"a number where a tensor's description is expected", file(R"({"__metadata__": {"n": 5}})", "")},
  };
}

INSTANTIATE_TEST_SUITE_P(All, MalformedSafetensors, testing::ValuesIn(malformedCases()));

TEST(Safetensors, EveryTruncationAndEveryFlipIsReadOrRefused) {
  TemporaryFolder folder;
  std::string whole = file(kHeader, littleEndian64(7) + floats({1.5f, -2}));
  for (size_t size = 0; size < whole.size(); ++size)
    ASSERT_FALSE(openTensorFile(folder.write("cut.safetensors", whole.substr(0, size)))) << size;
  for (size_t i = 0; i < whole.size(); ++i)
    for (int bit : {0, 3, 7}) {
      std::string flipped = whole;
      flipped[i] = char(flipped[i] ^ 1 << bit);
      auto opened = openTensorFile(folder.write("flip.safetensors", flipped));
      if (!opened) {
        ASSERT_FALSE(opened.error().message.empty());
        continue;
      }
      // A changed name or number within the bounds is still a file: everything in it can be read.
      uint64_t sum = 0;
      for (size_t t = 0; t < (*opened)->tensors().size(); ++t) {
        auto data = (*opened)->read(t);
        ASSERT_TRUE(data);
        for (std::byte b : data->bytes)
          sum += uint64_t(b);
      }
      ASSERT_LE(sum, 24u * 255);
    }
}

TEST(Shards, AreOneFile) {
  TemporaryFolder folder;
  folder.write("model-00001-of-00002.safetensors", file(R"({"x": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}})", floats({1})));
  folder.write("model-00002-of-00002.safetensors", file(R"({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}})", floats({2})));
  folder.write("model.safetensors.index.json",
               R"({"metadata": {}, "weight_map": {"a": "model-00002-of-00002.safetensors", "x": "model-00001-of-00002.safetensors"}})");
  auto opened = openTensorFile(folder.path());
  ASSERT_TRUE(opened) << opened.error().message;
  for (auto [name, expected] : {std::pair("x", 1.0f), std::pair("a", 2.0f)}) {
    ptrdiff_t index = (*opened)->find(name);
    ASSERT_GE(index, 0);
    float value;
    std::memcpy(&value, (*opened)->read(size_t(index))->bytes.data(), sizeof(value));
    EXPECT_EQ(value, expected) << name;
  }
}

TEST(Shards, RefusesBadIndices) {
  TemporaryFolder folder;
  folder.write("s1.safetensors", file(R"({"x": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}})", floats({1})));
  folder.write("s2.safetensors", file(R"({"x": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}})", floats({1})));
  auto message = [&](const std::string &index) {
    auto opened = openTensorFile(folder.write("model.safetensors.index.json", index));
    return opened ? "opened" : opened.error().message;
  };
  EXPECT_THAT(message("nonsense"), HasSubstr("expected JSON with an object 'weight_map'"));
  EXPECT_THAT(message("{}"), HasSubstr("expected JSON with an object 'weight_map'"));
  EXPECT_THAT(message(R"({"weight_map": {"x": 5}})"), HasSubstr("not the name of a file beside it"));
  EXPECT_THAT(message(R"({"weight_map": {"x": "../s1.safetensors"}})"), HasSubstr("not the name of a file beside it"));
  EXPECT_THAT(message(R"({"weight_map": {"x": "s3.safetensors"}})"), HasSubstr("cannot open"));
  EXPECT_THAT(message(R"({"weight_map": {"y": "s1.safetensors"}})"), HasSubstr("holds tensor 'y', but it does not"));
  EXPECT_THAT(message(R"({"weight_map": {"x": "s1.safetensors", "y": "s2.safetensors"}})"), HasSubstr("'x' is in two shards"));
}

TEST(TensorFile, NamesTheWayForOtherFormats) {
  TemporaryFolder folder;
  auto message = [](const std::string &path) {
    auto opened = openTensorFile(path);
    return opened ? "opened" : opened.error().message;
  };
  EXPECT_THAT(message(folder.write("w.bin", "\x80\x02}q")), HasSubstr("is a pickle that torch.save has not written"));
  EXPECT_THAT(message(folder.write("w.txt", "these are no weights")), HasSubstr("expected .safetensors, .pth, .bin, .npz or .npy"));
  EXPECT_THAT(message(folder.path() + "/none"), HasSubstr("No such file"));
  TemporaryFolder hub;
  EXPECT_THAT(message(hub.path()), HasSubstr("has no weights: expected model.safetensors"));
  hub.write("pytorch_model.bin", "PK\x03\x04");
  EXPECT_THAT(message(hub.path()), HasSubstr("pytorch_model.bin' is not a valid zip archive"));
}

TEST(Safetensors, RealFile) {
  auto path = vitc::test::sharedPath("data/vit-tiny-tinyimagenet200/model.safetensors");
  VITC_SKIP_WITHOUT(path);
  auto opened = openTensorFile(path.string());
  ASSERT_TRUE(opened) << opened.error().message;
  EXPECT_GT((*opened)->tensors().size(), 100u);
}

} // namespace
