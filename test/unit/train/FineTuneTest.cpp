//===- FineTuneTest.cpp - weights of another run -------------------------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/train/FineTune.h"
#include "runtime/data/Arrays.h"
#include "runtime/data/SafetensorsWriter.h"
#include "runtime/train/PositionTable.h"
#include "test/unit/TestPaths.h"
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
  Error read(TensorState, size_t tensor, std::span<float> into) const override {
    std::ranges::copy(values[tensor], into.begin());
    return Error::success();
  }
  Error write(TensorState, size_t tensor, std::span<const float> from) override {
    values[tensor].assign(from.begin(), from.end());
    return Error::success();
  }

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
                                      "frameworks' names and resolutions");
  auto reshaped = load({{"head.weight", {3, 2}}, {"blocks.0.weight", {4, 1}}});
  ASSERT_FALSE(bool(reshaped));
  EXPECT_EQ(message(reshaped.error()), ": tensor blocks.0.weight is [4, 1], expected [2, 2]; `vitc --weights` also reads other "
                                       "frameworks' names and resolutions");
  EXPECT_EQ(model.values[1], std::vector<float>(6, 1)) << "nothing is written when something is wrong";
}

TEST_F(FineTune, ResizesPositions) {
  model.all[0] = {"pos_embed", {1, 5, 2}, true};
  auto notes = load({{"head.weight", {3, 2}}, {"pos_embed", {1, 10, 2}}}); // a class token, and 2 x 2 from 3 x 3
  ASSERT_TRUE(bool(notes)) << notes.error().message;
  ASSERT_EQ(notes->size(), 1u);
  EXPECT_EQ(message({VITRT_OK, (*notes)[0]}), ": tensor pos_embed was resized from [1, 10, 2] to [1, 5, 2]");
  EXPECT_EQ(model.values[0][0], 8);
  EXPECT_EQ(model.values[0][1], 9);
  EXPECT_NEAR(model.values[0][2] + model.values[0][8], 2 * 18, 1e-4) << "opposite corners of a ramp";
  model.all[0].shape = {1, 8, 2};
  auto refused = load({{"head.weight", {3, 2}}, {"pos_embed", {1, 10, 2}}});
  ASSERT_FALSE(bool(refused)) << "7 places are no square";
}

/// test/data/resize/resize.npz: the libraries' own (scripts/make_resize_goldens.py).
TEST(PositionTable, IsAsTheFrameworks) {
  auto file = readNpz(vitc::test::dataPath("resize/resize.npz").string());
  ASSERT_TRUE(bool(file));
  size_t compared = 0;
  for (auto [name, rule] : {std::pair{"bicubic", TableRule::Bicubic},
                            {"bicubic_antialias", TableRule::BicubicAntialias},
                            {"bicubic_aligned", TableRule::BicubicAligned},
                            {"bilinear_aligned", TableRule::LinearAligned}})
    for (auto [from, to] : {std::pair{"7x7", "12x12"}, {"14x14", "10x20"}, {"9x9", "4x5"}, {"5x5", "1x1"}}) {
      auto wanted = file->find(fmt::format("position.{}.{}.{}", name, from, to));
      if (wanted == file->end())
        continue;
      const NpyArray &table = file->at(fmt::format("input.position.{}", from));
      auto gridOf = [](const NpyArray &array) { return TableGrid{size_t(array.shape()[0]), size_t(array.shape()[1])}; };
      std::vector<float> resized = resizeTable(*table.floats(), gridOf(table), gridOf(wanted->second), 3, rule);
      auto expected = *wanted->second.floats();
      ASSERT_EQ(resized.size(), expected.size());
      for (size_t i = 0; i < resized.size(); ++i)
        EXPECT_NEAR(resized[i], expected[i], 1e-5) << wanted->first << " " << i;
      ++compared;
    }
  EXPECT_EQ(compared, 13u);
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
