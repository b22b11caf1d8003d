//===- FineTuneTest.cpp - weights of another run -------------------------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/train/FineTune.h"
#include "runtime/data/SafetensorsWriter.h"
#include "test/unit/data/TemporaryFolder.h"

#include <algorithm>
#include <cstring>
#include <gtest/gtest.h>

namespace vitrt {
namespace {

/// A block's weight and a head of three classes, all ones.
class TwoTensors final : public TrainingState {
public:
  std::span<const TrainedTensor> tensors() const override { return all; }
  bool holds(TensorState state) const override { return state == TensorState::Parameter; }
  void read(TensorState, size_t tensor, std::span<float> into) const override { std::ranges::copy(values[tensor], into.begin()); }
  void write(TensorState, size_t tensor, std::span<const float> from) override { values[tensor].assign(from.begin(), from.end()); }

  std::vector<TrainedTensor> all = {{"blocks.0.weight", {2, 2}, true}, {"head.weight", {3, 2}, true}};
  std::vector<std::vector<float>> values = {std::vector<float>(4, 1), std::vector<float>(6, 1)};
};

class FineTune : public testing::Test {
protected:
  Expected<std::vector<std::string>> load(const std::vector<TensorHeader> &headers) {
    std::string path = folder.path("w.safetensors");
    auto writer = SafetensorsWriter::create(path, headers);
    EXPECT_TRUE(bool(writer));
    float next = 2;
    for (const TensorHeader &header : headers) {
      std::vector<float> values(header.elements());
      for (float &value : values)
        value = next++;
      EXPECT_FALSE(bool(writer->write(values)));
    }
    EXPECT_FALSE(bool(writer->commit()));
    return loadFrom(path);
  }
  Expected<std::vector<std::string>> loadFrom(const std::string &path) {
    auto file = openTensorFile(path);
    EXPECT_TRUE(bool(file)) << file.error().message;
    return loadForFineTuning(model, **file);
  }
  std::string message(const Error &error) const { return error.message.substr(folder.path("w.safetensors").size()); }

  vitc::test::TemporaryFolder folder;
  TwoTensors model;
};

TEST_F(FineTune, TakesWhatFits) {
  auto notes = load({{"head.weight", {3, 2}}, {"blocks.0.weight", {2, 2}}, {"unused", {1}}});
  ASSERT_TRUE(bool(notes)) << notes.error().message;
  EXPECT_TRUE(notes->empty());
  EXPECT_EQ(model.values[0], (std::vector<float>{8, 9, 10, 11}));
  EXPECT_EQ(model.values[1], (std::vector<float>{2, 3, 4, 5, 6, 7}));
}

TEST_F(FineTune, AHeadOfOtherClassesBeginsAtZero) {
  auto notes = load({{"head.weight", {10, 2}}, {"blocks.0.weight", {2, 2}}});
  ASSERT_TRUE(bool(notes));
  ASSERT_EQ(notes->size(), 1u);
  EXPECT_EQ(message({VITRT_OK, (*notes)[0]}), ": tensor head.weight is [10, 2], so the model's [3, 2] begins at 0");
  EXPECT_EQ(model.values[1], std::vector<float>(6, 0));
  EXPECT_EQ(model.values[0][0], 22);
}

TEST_F(FineTune, RefusesAnythingElse) {
  auto missing = load({{"head.weight", {3, 2}}});
  ASSERT_FALSE(bool(missing));
  EXPECT_EQ(message(missing.error()), ": tensor blocks.0.weight is missing, expected [2, 2]; `vitc --weights` also reads other "
                                      "frameworks' names and resizes positions");
  auto reshaped = load({{"head.weight", {3, 2}}, {"blocks.0.weight", {4, 1}}});
  ASSERT_FALSE(bool(reshaped));
  EXPECT_EQ(message(reshaped.error()), ": tensor blocks.0.weight is [4, 1], expected [2, 2]; `vitc --weights` also reads other "
                                       "frameworks' names and resizes positions");
  EXPECT_EQ(model.values[1], std::vector<float>(6, 1)) << "nothing is written when something is wrong";
}

/// A file with one tensor of another type, with a header written by hand.
std::vector<uint8_t> fileOf(const std::string &type, const std::vector<uint8_t> &data) {
  std::string header =
      R"({"blocks.0.weight":{"dtype":")" + type + R"(","shape":[2,2],"data_offsets":[0,)" + std::to_string(data.size()) + "]}}";
  uint64_t size = header.size();
  std::vector<uint8_t> bytes(sizeof(size));
  std::memcpy(bytes.data(), &size, sizeof(size));
  bytes.insert(bytes.end(), header.begin(), header.end());
  bytes.insert(bytes.end(), data.begin(), data.end());
  return bytes;
}

TEST_F(FineTune, ReadsHalves) {
  // 1, -2, the smallest subnormal, 65504.
  ASSERT_TRUE(bool(loadFrom(folder.write("h.safetensors", fileOf("F16", {0x00, 0x3c, 0x00, 0xc0, 0x01, 0x00, 0xff, 0x7b})))));
  EXPECT_EQ(model.values[0], (std::vector<float>{1, -2, 0x1p-24f, 65504}));
  // 1, -2, 3.140625, 0.
  ASSERT_TRUE(bool(loadFrom(folder.write("b.safetensors", fileOf("BF16", {0x80, 0x3f, 0x00, 0xc0, 0x49, 0x40, 0x00, 0x00})))));
  EXPECT_EQ(model.values[0], (std::vector<float>{1, -2, 3.140625f, 0}));
  auto bytes = loadFrom(folder.write("w.safetensors", fileOf("U8", {1, 2, 3, 4})));
  ASSERT_FALSE(bool(bytes));
  EXPECT_EQ(message(bytes.error()), ": tensor blocks.0.weight has elements of type u8, expected f16, bf16, f32 or f64");
}

} // namespace
} // namespace vitrt
