//===- DatasetTest.cpp - data sets ---*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/data/Dataset.h"
#include "runtime/data/Arrays.h"
#include "runtime/data/Files.h"
#include "test/unit/data/TemporaryFolder.h"

#include <cmath>
#include <gmock/gmock.h>
#include <zlib.h>

using namespace vitrt;
using namespace vitc::test;
using testing::ElementsAre;
using testing::HasSubstr;

namespace {

std::vector<uint8_t> onePixelPng(uint8_t grey) {
  Image image(1, 1, 1);
  image.pixels[0] = grey;
  return *encodePng(image);
}

std::vector<uint8_t> idx(std::vector<uint32_t> extents, size_t itemBytes) {
  std::vector<uint8_t> bytes = {0, 0, 8, uint8_t(extents.size())};
  for (uint32_t extent : extents)
    for (int shift : {24, 16, 8, 0})
      bytes.push_back(uint8_t(extent >> shift));
  for (size_t i = 0; i < extents[0] * itemBytes; ++i)
    bytes.push_back(uint8_t(i % 10));
  return bytes;
}

std::vector<uint8_t> gzip(const std::vector<uint8_t> &bytes, const TemporaryFolder &folder) {
  gzFile file = gzopen(folder.path("packed").c_str(), "wb");
  gzwrite(file, bytes.data(), unsigned(bytes.size()));
  gzclose(file);
  auto packed = *readFile(folder.path("packed"));
  std::filesystem::remove(folder.path("packed"));
  return packed;
}

TEST(DatasetTest, foldersAreClassesInTheirNamesOrder) {
  TemporaryFolder folder;
  folder.write("tabby/b.PNG", onePixelPng(3));
  folder.write("tabby/a.png", onePixelPng(2));
  folder.write("beagle/deep/c.png", onePixelPng(1));
  folder.write("beagle/notes.txt", {'x'});
  folder.write(".cache/d.png", onePixelPng(9));
  auto data = openDataset(folder.path(), Split::Test);
  ASSERT_TRUE(bool(data)) << data.error().message;
  EXPECT_THAT((*data)->classNames(), ElementsAre("beagle", "tabby"));
  ASSERT_EQ((*data)->size(), 3u);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ((*data)->label(i), i == 0 ? 0 : 1);
    EXPECT_EQ((*data)->picture(i)->pixels[0], i + 1);
  }
  EXPECT_THAT((*data)->name(0), HasSubstr("beagle/deep/c.png"));
}

TEST(DatasetTest, foldersWithoutImagesAreRefused) {
  TemporaryFolder folder;
  EXPECT_THAT(openDataset(folder.path(), Split::Test).error().message, HasSubstr("found 0 folders"));
  folder.write("class/readme.txt", {});
  EXPECT_THAT(openDataset(folder.path(), Split::Test).error().message, HasSubstr("found 1 folders and no image"));
  EXPECT_THAT(openDataset(folder.path("none"), Split::Test).error().message, HasSubstr("no such folder; a data set is"));
}

TEST(DatasetTest, fashionMnistIsReadPackedAndUnpacked) {
  TemporaryFolder folder;
  folder.write("t10k-images-idx3-ubyte.gz", gzip(idx({4, 28, 28}, 784), folder));
  folder.write("t10k-labels-idx1-ubyte", idx({4}, 1));
  auto data = openDataset("fashion-mnist:" + folder.path(), Split::Test);
  ASSERT_TRUE(bool(data)) << data.error().message;
  ASSERT_EQ((*data)->size(), 4u);
  EXPECT_EQ((*data)->label(3), 3);
  EXPECT_EQ((*data)->classNames()[9], "Ankle boot");
  auto picture = (*data)->picture(1);
  ASSERT_TRUE(bool(picture));
  EXPECT_EQ(picture->channels, 1u);
  EXPECT_EQ(picture->pixels[0], 784 % 10);
  EXPECT_THAT(openDataset("fashion-mnist:" + folder.path(), Split::Train).error().message,
              HasSubstr("holds neither train-images-idx3-ubyte"));
}

TEST(DatasetTest, damagedFashionMnistIsRefused) {
  TemporaryFolder folder;
  auto message = [&] { return openFashionMnist(folder.path(), Split::Test).error().message; };
  std::vector<uint8_t> images = idx({4, 28, 28}, 784), packed = gzip(images, folder);
  folder.write("t10k-labels-idx1-ubyte", idx({3}, 1));
  folder.write("t10k-images-idx3-ubyte", images);
  EXPECT_THAT(message(), HasSubstr("4 images and 3 labels"));
  images.pop_back();
  folder.write("t10k-images-idx3-ubyte", images);
  EXPECT_THAT(message(), HasSubstr("expected an idx file"));
  packed.resize(packed.size() / 2);
  folder.write("t10k-images-idx3-ubyte", packed);
  EXPECT_THAT(message(), HasSubstr("damaged gzip file"));
}

TEST(DatasetTest, cifarRecordsAreLabelsAndPlanes) {
  TemporaryFolder folder;
  for (unsigned classes : {10u, 100u}) {
    std::vector<uint8_t> bytes;
    for (uint8_t i = 0; i < 2; ++i) {
      if (classes == 100)
        bytes.push_back(19); // the coarse label
      bytes.push_back(uint8_t(7 + i));
      for (uint8_t plane : {10, 20, 30})
        bytes.insert(bytes.end(), 1024, uint8_t(plane + i));
    }
    std::string name = classes == 10 ? "cifar-10-batches-bin/test_batch.bin" : "test.bin";
    folder.write(name, bytes);
    std::string description = "cifar" + std::to_string(classes) + ":" + folder.path();
    auto data = openDataset(description, Split::Test);
    ASSERT_TRUE(bool(data)) << data.error().message;
    ASSERT_EQ((*data)->size(), 2u);
    EXPECT_EQ((*data)->label(1), 8);
    auto picture = (*data)->picture(1);
    EXPECT_THAT(std::vector<uint8_t>(picture->pixels.begin(), picture->pixels.begin() + 4), ElementsAre(11, 21, 31, 11));
    bytes.pop_back();
    folder.write(name, bytes);
    EXPECT_THAT(openDataset(description, Split::Test).error().message, HasSubstr("expected a multiple of"));
  }
  EXPECT_THAT(openDataset("cifar10:" + folder.path("none"), Split::Test).error().message,
              HasSubstr("expected the binary version of CIFAR-10 or the one for Python"));
  EXPECT_THAT(openDataset("cifar10", Split::Test).error().message, HasSubstr("cifar10:DIR"));
}

TEST(DatasetTest, placesThatNoFileCanHaveAreSentences) {
  std::string place(300, 'x');
  for (const char *kind : {"cifar10:", "cifar100:", "fashion-mnist:", "tensors:", ""}) {
    auto dataset = openDataset(kind + place, Split::Test);
    ASSERT_FALSE(dataset) << kind;
    EXPECT_EQ(dataset.error().status, VITRT_ERROR_IO);
    EXPECT_THAT(dataset.error().message, HasSubstr(place));
  }
}

TEST(DatasetTest, tensorsHaveHardOrSoftLabels) {
  TemporaryFolder folder;
  std::vector<float> images(2 * 3), soft = {0.1f, 0.9f, 0, 0.5f, 0.25f, 0.25f};
  for (size_t i = 0; i < images.size(); ++i)
    images[i] = float(i);
  auto open = [&](std::vector<int64_t> imageShape, std::vector<int64_t> labelShape) {
    std::vector<NpyOutput> arrays = {{"images", std::move(imageShape), images}, {"labels", std::move(labelShape), soft}};
    EXPECT_FALSE(bool(writeNpz(folder.path("data.npz"), arrays)));
    return openDataset("tensors:" + folder.path("data.npz"), Split::Test);
  };
  auto data = open({2, 3, 1, 1}, {2, 3});
  ASSERT_TRUE(bool(data)) << data.error().message;
  EXPECT_FALSE((*data)->hasPictures());
  EXPECT_EQ((*data)->label(0), 1);
  EXPECT_EQ((*data)->label(1), 0);
  EXPECT_THAT((*data)->tensorShape(), ElementsAre(3, 1, 1));
  EXPECT_THAT((*data)->tensor(1), ElementsAre(3, 4, 5));
  EXPECT_THAT(open({2, 3}, {2, 3}).error().message, HasSubstr("expected [N, C, H, W]"));
  EXPECT_THAT(open({2, 3, 1, 1}, {6}).error().message, HasSubstr("expected [2] or [2, classes]"));
  EXPECT_THAT(open({6, 1, 1, 1}, {6}).error().message, HasSubstr("expected integers"));
  for (auto [value, sentence] : {std::pair(NAN, "`labels` of image 1: class 0 has nan, expected a probability"),
                                 std::pair(-0.5f, "`labels` of image 1: class 0 has -0.5, expected a probability"),
                                 std::pair(0.75f, "`labels` of image 1 sum to 1.25, expected 1 within 0.001")}) {
    soft[3] = value;
    EXPECT_THAT(open({2, 3, 1, 1}, {2, 3}).error().message, HasSubstr(sentence));
  }
  std::vector<NpyOutput> arrays = {{"images", {2, 3, 1, 1}, images}};
  ASSERT_FALSE(bool(writeNpz(folder.path("data.npz"), arrays)));
  EXPECT_THAT(openTensors(folder.path("data.npz")).error().message, HasSubstr("found no `labels`"));
}

TEST(DatasetTest, linesEndInAnyWay) {
  TemporaryFolder folder;
  std::string text = "tench\ngoldfish\r\n\nlast";
  EXPECT_THAT(*readLines(folder.write("labels.txt", {text.begin(), text.end()})), ElementsAre("tench", "goldfish", "", "last"));
}

} // namespace
