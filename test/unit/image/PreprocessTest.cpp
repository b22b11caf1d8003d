//===- PreprocessTest.cpp - resize, crop and normalise ---------------------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/image/Preprocess.h"
#include "runtime/artifact/vitx_generated.h"
#include "test/unit/image/ImageTestUtils.h"

#include <cstring>
#include <gmock/gmock.h>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

using namespace vitrt;
using namespace vitc::test;
using testing::HasSubstr;

namespace {

/// A preprocessor and the table it was made from.
struct Fixture {
  fb::PreprocessT table;
  uint32_t channels = 3, height = 32, width = 32;

  Fixture() {
    table.resize = fb::Resize::ShorterEdge;
    table.resize_height = 40;
    table.interpolation = fb::Interpolation::Bilinear;
    table.crop_height = table.crop_width = 32;
    table.mean = {0.5f, 0.5f, 0.5f};
    table.std = {0.5f, 0.5f, 0.5f};
  }

  Expected<Preprocessor> create() const {
    flatbuffers::FlatBufferBuilder builder;
    builder.Finish(fb::CreatePreprocess(builder, &table));
    return Preprocessor::create(flatbuffers::GetRoot<fb::Preprocess>(builder.GetBufferPointer()), channels, height, width);
  }
};

/// Of a preprocessor that rounds to bytes.
Expected<Image> bytesOf(const Preprocessor &preprocessor, Image image, std::string_view name) {
  Expected<Crop> crop = preprocessor.crop(std::move(image), name);
  if (!crop)
    return crop.error();
  return std::get<Image>(std::move(*crop));
}

TEST(PreprocessTest, shorterEdgeTruncatesTheLonger) {
  EXPECT_EQ(shorterEdgeExtent({53, 37}, 40), (Extent{57, 40}));
  EXPECT_EQ(shorterEdgeExtent({200, 300}, 256), (Extent{256, 384}));
  EXPECT_EQ(shorterEdgeExtent({64, 64}, 256), (Extent{256, 256}));
  EXPECT_EQ(shorterEdgeExtent({1, 4000000000u}, 224).width, UINT32_MAX);
}

TEST(PreprocessTest, longestEdgeRoundsHalfToEven) {
  EXPECT_EQ(longestEdgeExtent({480, 640}, {224, 224}), (Extent{168, 224}));
  EXPECT_EQ(longestEdgeExtent({5, 64}, {32, 32}), (Extent{2, 32}));
  EXPECT_EQ(longestEdgeExtent({1, 640}, {32, 32}), (Extent{1, 32}));
}

TEST(PreprocessTest, oddMarginsAreSplitByTheFrameworksRule) {
  Image ramp(9, 1, 1);
  for (uint32_t x = 0; x < 9; ++x)
    ramp.pixels[x] = uint8_t(x + 1);
  // (9 - 6) / 2 = 1.5 and (9 - 4) / 2 = 2.5
  EXPECT_EQ(centreCrop(ramp, {1, 6}, CropRounding::HalfToEven).pixels.front(), 3);
  EXPECT_EQ(centreCrop(ramp, {1, 6}, CropRounding::Floor).pixels.front(), 2);
  EXPECT_EQ(centreCrop(ramp, {1, 4}, CropRounding::HalfToEven).pixels.front(), 3);
  EXPECT_EQ(centreCrop(ramp, {1, 4}, CropRounding::Floor).pixels.front(), 3);
  // torchvision pads the smaller half first, transformers the larger.
  EXPECT_THAT(centreCrop(ramp, {1, 12}, CropRounding::HalfToEven, {7, 7, 7}).pixels,
              testing::ElementsAre(7, 1, 2, 3, 4, 5, 6, 7, 8, 9, 7, 7));
  EXPECT_THAT(centreCrop(ramp, {1, 12}, CropRounding::Floor).pixels, testing::ElementsAre(0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0));
  Image tall = centreCrop(ramp, {3, 5}, CropRounding::HalfToEven);
  EXPECT_THAT(tall.pixels, testing::ElementsAre(0, 0, 0, 0, 0, 3, 4, 5, 6, 7, 0, 0, 0, 0, 0));
}

TEST(PreprocessTest, normalizesInSinglePrecision) {
  Fixture fixture;
  fixture.table.mean = {0.485f, 0.456f, 0.406f};
  fixture.table.std = {0.229f, 0.224f, 0.225f};
  Image image(2, 1, 3);
  image.pixels = {0, 1, 2, 253, 254, 255};
  for (auto rescale : {fb::Rescale::Divide255, fb::Rescale::Multiply255}) {
    fixture.table.rescale = rescale;
    auto preprocessor = fixture.create();
    ASSERT_TRUE(bool(preprocessor));
    std::vector<float> result(6);
    preprocessor->normalize(image, result.data());
    for (int c = 0; c < 3; ++c)
      for (int x = 0; x < 2; ++x) {
        unsigned byte = image.pixels[x * 3 + c];
        volatile float level = rescale == fb::Rescale::Divide255 ? float(byte) / 255.0f : float(byte * 0.00392156862745098);
        volatile float centred = level - fixture.table.mean[c];
        EXPECT_EQ(result[c * 2 + x], centred / fixture.table.std[c]);
      }
  }
}

TEST(PreprocessTest, floatsAreNotRoundedBeforeTheyAreNormalized) {
  Fixture fixture;
  fixture.table.resize = fb::Resize::Squash;
  fixture.table.resize_height = fixture.table.resize_width = 2;
  fixture.table.crop_height = fixture.table.crop_width = 0;
  fixture.table.antialias = fixture.table.resize_rounding = false;
  fixture.table.mean = fixture.table.std = {0.5f};
  fixture.channels = 1;
  fixture.height = fixture.width = 2;
  Image image(4, 2, 1);
  image.pixels = {0, 3, 10, 21, 0, 3, 10, 21};
  auto preprocessor = fixture.create();
  ASSERT_TRUE(bool(preprocessor));
  auto crop = preprocessor->crop(image, "ramp");
  ASSERT_TRUE(bool(crop));
  std::vector<float> result(4);
  preprocessor->normalize(*crop, result.data());
  // (0 + 3) / 2 and (10 + 21) / 2, from -1 to 1: (x - 127.5) / 127.5
  for (int i = 0; i < 4; ++i)
    EXPECT_NEAR(result[i], ((i % 2 ? 15.5f : 1.5f) - 127.5f) / 127.5f, 1e-7f);
}

TEST(PreprocessTest, impossibleTablesAndPicturesAreSentences) {
  Fixture fixture;
  fixture.channels = 4;
  EXPECT_THAT(fixture.create().error().message, HasSubstr("takes 4 channels"));
  fixture = {};
  fixture.table.mean = {0.5f};
  EXPECT_THAT(fixture.create().error().message, HasSubstr("1 means and 3 standard deviations for 3 channels"));
  fixture = {};
  fixture.table.std[1] = 0;
  EXPECT_THAT(fixture.create().error().message, HasSubstr("channel 1"));
  fixture = {};
  fixture.table.crop_width = 31;
  EXPECT_THAT(fixture.create().error().message, HasSubstr("crops to 31 x 32"));
  fixture = {};
  EXPECT_THAT(fixture.create()->crop(Image(10'000'000, 1, 1), "strip").error().message,
              HasSubstr("strip: 10000000 x 1 pixels are too oblong"));
  fixture.table.resize = fb::Resize::None;
  fixture.table.crop_width = fixture.table.crop_height = 0;
  EXPECT_THAT(fixture.create()->crop(Image(31, 32, 3), "small").error().message,
              HasSubstr("small: 31 x 32 pixels, the model takes 32 x 32"));
}

TEST(PreprocessTest, greyModelsTakeColourAndColourModelsTakeGrey) {
  Fixture fixture;
  fixture.table.resize = fb::Resize::None;
  Image grey(32, 32, 1);
  for (size_t i = 0; i < grey.pixels.size(); ++i)
    grey.pixels[i] = uint8_t(i * 7);
  auto colour = bytesOf(*fixture.create(), grey, "grey");
  ASSERT_TRUE(bool(colour));
  EXPECT_EQ(colour->channels, 3u);
  fixture.channels = 1;
  fixture.table.mean = fixture.table.std = {0.5f};
  auto back = bytesOf(*fixture.create(), *colour, "colour");
  ASSERT_TRUE(bool(back));
  EXPECT_TRUE(back->channels == 1 && back->pixels == grey.pixels);
}

/// Tensors of a safetensors file, by name, as bytes.
std::map<std::string, std::vector<uint8_t>> readTensors(const std::filesystem::path &path) {
  std::vector<uint8_t> bytes = readBytes(path);
  uint64_t headerBytes;
  std::memcpy(&headerBytes, bytes.data(), 8);
  auto header = nlohmann::json::parse(bytes.begin() + 8, bytes.begin() + 8 + headerBytes);
  std::map<std::string, std::vector<uint8_t>> tensors;
  for (auto &[name, entry] : header.items())
    if (entry.contains("data_offsets"))
      tensors[name] = {bytes.begin() + 8 + headerBytes + entry["data_offsets"][0].get<uint64_t>(),
                       bytes.begin() + 8 + headerBytes + entry["data_offsets"][1].get<uint64_t>()};
  return tensors;
}

TEST(PreprocessTest, torchvisionGoldensAreMetExactly) {
  std::filesystem::path folder = sharedPath("data/resize-goldens");
  VITC_SKIP_WITHOUT(folder);
  auto tensors = readTensors(folder / "images.safetensors");
  std::ifstream json(folder / "images.json");
  const std::map<std::string, std::string> files = {{"a", "a_37x53.png"}, {"b", "b_300x200.png"}, {"c", "c_640x480.png"}};
  int cases = 0;
  for (auto &row : nlohmann::json::parse(json)) {
    std::string name = row["name"];
    Fixture fixture;
    bool squash = row["resize"].is_array();
    fixture.table.resize = squash ? fb::Resize::Squash : fb::Resize::ShorterEdge;
    fixture.table.resize_height = squash ? row["resize"][0] : row["resize"];
    fixture.table.resize_width = squash ? row["resize"][1].get<uint32_t>() : 0;
    fixture.table.interpolation = row["filter"] == "bicubic" ? fb::Interpolation::Bicubic : fb::Interpolation::Bilinear;
    fixture.table.crop_height = fixture.table.crop_width = row["crop"].is_null() ? 0 : row["crop"].get<uint32_t>();
    fixture.height = row["crop"].is_null() ? fixture.table.resize_height : fixture.table.crop_height;
    fixture.width = row["crop"].is_null() ? fixture.table.resize_width : fixture.table.crop_width;
    if (!row["mean"].is_null()) {
      fixture.table.mean = row["mean"].get<std::vector<float>>();
      fixture.table.std = row["std"].get<std::vector<float>>();
    }
    auto preprocessor = fixture.create();
    ASSERT_TRUE(bool(preprocessor)) << name << preprocessor.error().message;
    Image picture = decodeFile(folder / "images" / files.at(row["image"]));
    auto image = bytesOf(*preprocessor, picture, name);
    ASSERT_TRUE(bool(image)) << image.error().message;
    EXPECT_TRUE(image->pixels == tensors.at(name + "/u8")) << name;
    if (auto it = tensors.find(name + "/f32"); it != tensors.end()) {
      std::vector<float> floats(image->pixels.size());
      preprocessor->normalize(*image, floats.data());
      EXPECT_EQ(std::memcmp(floats.data(), it->second.data(), it->second.size()), 0) << name;
    }
    if (auto it = tensors.find(name + "/u8_horizontal_first"); it != tensors.end()) {
      Extent to =
          squash ? Extent{fixture.height, fixture.width} : shorterEdgeExtent({picture.height, picture.width}, fixture.table.resize_height);
      Image old = resize(picture, to.width, to.height, Filter(fixture.table.interpolation), PassOrder::HorizontalFirst);
      EXPECT_TRUE(centreCrop(old, {fixture.height, fixture.width}, CropRounding::HalfToEven).pixels == it->second) << name;
    }
    ++cases;
  }
  EXPECT_EQ(cases, 20);
}

TEST(PreprocessTest, transformersGoldensAreMetExactly) {
  std::filesystem::path folder = sharedPath("data/resize-goldens");
  VITC_SKIP_WITHOUT(folder);
  auto tensors = readTensors(folder / "images.safetensors");
  for (const char *processor : {"vit", "clip", "siglip"})
    for (const char *picture : {"a", "c"}) {
      Fixture fixture;
      bool clip = std::string(processor) == "clip";
      fixture.table.resize = clip ? fb::Resize::ShorterEdge : fb::Resize::Squash;
      fixture.table.resize_height = fixture.table.resize_width = 32;
      fixture.table.crop_height = fixture.table.crop_width = clip ? 32 : 0;
      fixture.table.interpolation = std::string(processor) == "vit" ? fb::Interpolation::Bilinear : fb::Interpolation::Bicubic;
      fixture.table.crop_rounding = fb::CropRounding::Floor;
      fixture.table.rescale = fb::Rescale::Multiply255;
      if (clip) {
        fixture.table.mean = {0.48145466f, 0.4578275f, 0.40821073f};
        fixture.table.std = {0.26862954f, 0.26130258f, 0.27577711f};
      }
      auto preprocessor = fixture.create();
      ASSERT_TRUE(bool(preprocessor));
      auto image = bytesOf(*preprocessor, decodeFile(folder / "images" / (*picture == 'a' ? "a_37x53.png" : "c_640x480.png")), picture);
      ASSERT_TRUE(bool(image));
      std::vector<float> floats(image->pixels.size());
      preprocessor->normalize(*image, floats.data());
      const auto &expected = tensors.at(std::string("transformers/") + processor + "/" + picture + "/pil");
      ASSERT_EQ(expected.size(), floats.size() * sizeof(float));
      EXPECT_EQ(std::memcmp(floats.data(), expected.data(), expected.size()), 0) << processor << " " << picture;
    }
}

TEST(PreprocessTest, photographsGiveTheReferenceCrops) {
  std::filesystem::path folder = sharedPath("data/vit-tiny-tinyimagenet200");
  VITC_SKIP_WITHOUT(folder);
  Fixture fixture;
  fixture.table.resize_height = 256;
  fixture.height = fixture.width = fixture.table.crop_height = fixture.table.crop_width = 224;
  auto preprocessor = fixture.create();
  ASSERT_TRUE(bool(preprocessor));
  std::vector<uint8_t> crops = readBytes(folder / "crops_u8_nhwc.npy");
  size_t cropBytes = 224 * 224 * 3;
  ASSERT_GT(crops.size(), 100 * cropBytes);
  const uint8_t *expected = crops.data() + (crops.size() - 100 * cropBytes);
  std::ifstream table(folder / "images.tsv");
  std::string line;
  std::getline(table, line);
  int largest = 0, images = 0;
  size_t differing = 0;
  while (std::getline(table, line)) {
    std::istringstream fields(line);
    std::string field[4];
    for (std::string &text : field)
      std::getline(fields, text, '\t');
    auto image = bytesOf(*preprocessor, decodeFile(folder / "images" / field[3]), field[3]);
    ASSERT_TRUE(bool(image));
    for (size_t i = 0; i < cropBytes; ++i) {
      int difference = std::abs(int(image->pixels[i]) - expected[i]);
      largest = std::max(largest, difference);
      differing += difference != 0;
    }
    expected += cropBytes;
    ++images;
  }
  EXPECT_EQ(images, 100);
  EXPECT_LE(largest, 1);
  EXPECT_LE(differing, 100 * cropBytes / 1000);
  RecordProperty("largest", largest);
  RecordProperty("differing", int(differing));
}

} // namespace
