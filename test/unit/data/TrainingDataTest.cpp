//===- TrainingDataTest.cpp - splits of data sets ---*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/data/TrainingData.h"
#include "runtime/data/Arrays.h"
#include "runtime/image/Decode.h"
#include "test/unit/data/TemporaryFolder.h"

#include <gmock/gmock.h>
#include <set>

using namespace vitrt;
using namespace vitc::test;
using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;

namespace {

std::vector<uint8_t> png(uint8_t grey) {
  Image image(1, 1, 1);
  image.pixels[0] = grey;
  return *encodePng(image);
}

/// `count` images in each class's folder.
void writeClasses(const TemporaryFolder &folder, const std::string &below, const std::vector<std::string> &classes, int count) {
  for (const std::string &name : classes)
    for (int i = 0; i < count; ++i)
      folder.write(fmt::format("{}{}/{:03}.png", below, name, i), png(uint8_t(i)));
}

std::string messageOf(const std::string &description, const SplitOptions &options = {}) {
  auto data = TrainingData::open(description, options);
  return data ? "opened" : data.error().message;
}

std::set<std::string> namesOf(const Dataset &data) {
  std::set<std::string> names;
  for (size_t i = 0; i < data.size(); ++i)
    names.insert(data.name(i));
  return names;
}

TEST(TrainingDataTest, foldersWithoutSplitAreAllTrained) {
  TemporaryFolder folder;
  writeClasses(folder, "", {"cat", "dog"}, 3);
  auto data = TrainingData::open(folder.path());
  ASSERT_TRUE(bool(data)) << data.error().message;
  EXPECT_EQ(data->train().size(), 6u);
  EXPECT_EQ(data->val(), nullptr);
  EXPECT_THAT(data->classNames(), ElementsAre("cat", "dog"));
}

TEST(TrainingDataTest, treesBringTheirSplit) {
  for (const char *val : {"val/", "validation/", "valid/", "test/"}) {
    TemporaryFolder folder;
    writeClasses(folder, "train/", {"cat", "dog", "eel"}, 3);
    writeClasses(folder, val, {"cat", "eel"}, 2);
    auto data = TrainingData::open(folder.path());
    ASSERT_TRUE(bool(data)) << data.error().message;
    EXPECT_EQ(data->train().size(), 9u);
    ASSERT_NE(data->val(), nullptr);
    ASSERT_EQ(data->val()->size(), 4u);
    EXPECT_EQ(data->val()->label(3), 2); // train/ numbers the classes
    EXPECT_THAT(data->val()->classNames(), ElementsAre("cat", "dog", "eel"));
    EXPECT_EQ((*openDataset(folder.path(), Split::Test))->size(), 4u);
    EXPECT_EQ((*openDataset(folder.path(), Split::Train))->size(), 9u);
    writeClasses(folder, val, {"fox"}, 1);
    EXPECT_THAT(messageOf(folder.path()), HasSubstr("the class fox is none of the 3 that are trained"));
  }
}

TEST(TrainingDataTest, aTreeMayHaveTrainAlone) {
  TemporaryFolder folder;
  writeClasses(folder, "train/", {"cat", "dog"}, 2);
  auto data = TrainingData::open(folder.path());
  ASSERT_TRUE(bool(data)) << data.error().message;
  EXPECT_EQ(data->train().size(), 4u);
  EXPECT_EQ(data->val(), nullptr);
  EXPECT_THAT(openDataset(folder.path(), Split::Test).error().message, HasSubstr("none of val/"));
}

TEST(TrainingDataTest, classesMayBeCalledTrain) {
  TemporaryFolder folder;
  writeClasses(folder, "", {"bus", "test", "train"}, 2);
  auto data = TrainingData::open(folder.path());
  ASSERT_TRUE(bool(data)) << data.error().message;
  EXPECT_EQ(data->train().size(), 6u);
  EXPECT_THAT(data->classNames(), ElementsAre("bus", "test", "train"));
}

TEST(TrainingDataTest, fractionsAreOfEachClassAndOfTheSeed) {
  TemporaryFolder folder;
  writeClasses(folder, "", {"cat", "dog"}, 10);
  SplitOptions options{.valFraction = 0.3};
  auto data = TrainingData::open(folder.path(), options), again = TrainingData::open(folder.path(), options);
  options.seed = 1;
  auto other = TrainingData::open(folder.path(), options);
  ASSERT_TRUE(data && again && other);
  EXPECT_EQ(data->train().size(), 14u);
  ASSERT_EQ(data->val()->size(), 6u);
  for (size_t i = 0; i < 6; ++i)
    EXPECT_EQ(data->val()->label(i), i < 3 ? 0 : 1);
  std::set<std::string> val = namesOf(*data->val()), train = namesOf(data->train());
  EXPECT_EQ(val, namesOf(*again->val()));
  EXPECT_NE(val, namesOf(*other->val()));
  train.merge(val);
  EXPECT_EQ(train.size(), 20u);
  EXPECT_TRUE(bool(data->val()->picture(0)));
  EXPECT_EQ(data->images(), 20u);
  auto whole = TrainingData::open(folder.path());
  for (size_t i = 0; i < 14; ++i)
    EXPECT_EQ(whole->train().name(data->train().number(i)), data->train().name(i));
}

TEST(TrainingDataTest, listsNameFilesInSeveralWays) {
  TemporaryFolder folder;
  writeClasses(folder, "data/", {"cat", "dog"}, 3);
  auto listed = [&](const std::string &text) { return SplitOptions{.valList = folder.write("list.txt", {text.begin(), text.end()})}; };
  std::string root = folder.path("data");
  auto data = TrainingData::open(root, listed("cat/001.png\n\n./dog/../dog/002.png\r\n" + root + "/cat/000.png"));
  ASSERT_TRUE(bool(data)) << data.error().message;
  ASSERT_EQ(data->val()->size(), 3u);
  EXPECT_THAT(data->val()->name(0), EndsWith("cat/000.png"));
  EXPECT_THAT(data->val()->name(2), EndsWith("dog/002.png"));
  EXPECT_EQ(data->train().size(), 3u);
  EXPECT_THAT(messageOf(root, listed("cat/001.png\ncat/009.png\n")), HasSubstr("line 2: cat/009.png is none of the 6 training images"));
  EXPECT_THAT(messageOf(root, listed("\n")), HasSubstr("6 of its 6 images would be trained on and 0 would validate"));
  EXPECT_THAT(messageOf(root, {.valList = folder.path("none.txt")}), HasSubstr("none.txt: cannot be read"));
  EXPECT_THAT(messageOf(root, {.valFraction = 0.5, .valList = "list.txt"}), HasSubstr("expected one of them"));
}

TEST(TrainingDataTest, listsOfATreeAreBelowItOrItsTrain) {
  TemporaryFolder folder;
  writeClasses(folder, "train/", {"cat"}, 3);
  std::string text = "train/cat/001.png\ncat/002.png\n";
  auto data = TrainingData::open(folder.path(), {.valList = folder.write("list.txt", {text.begin(), text.end()})});
  ASSERT_TRUE(bool(data)) << data.error().message;
  EXPECT_EQ(data->val()->size(), 2u);
}

TEST(TrainingDataTest, fractionsThatLeaveNothingAreRefused) {
  TemporaryFolder folder;
  writeClasses(folder, "", {"cat", "dog"}, 1);
  EXPECT_THAT(messageOf(folder.path(), {.valFraction = 0.2}), HasSubstr("2 of its 2 images would be trained on and 0 would validate"));
  EXPECT_THAT(messageOf(folder.path(), {.valFraction = 0.9}), HasSubstr("0 of its 2 images"));
  for (double fraction : {0.0, 1.0, -1.0, double(NAN)})
    EXPECT_THAT(messageOf(folder.path(), {.valFraction = fraction}), HasSubstr("expected more than 0 and less than 1"));
}

TEST(TrainingDataTest, emptyFoldersAreRefused) {
  TemporaryFolder folder;
  EXPECT_THAT(messageOf(folder.path()), HasSubstr("found 0 folders"));
  writeClasses(folder, "train/", {"cat"}, 1);
  folder.write("val/cat/readme.txt", {});
  EXPECT_THAT(messageOf(folder.path()), HasSubstr("found 1 folders and no image"));
}

TEST(TrainingDataTest, tensorsAreNotSplit) {
  TemporaryFolder folder;
  std::vector<float> images(2), soft = {1, 0, 0, 1};
  std::vector<NpyOutput> arrays = {{"images", {2, 1, 1, 1}, images}, {"labels", {2, 2}, soft}};
  ASSERT_FALSE(bool(writeNpz(folder.path("data.npz"), arrays)));
  std::string description = "tensors:" + folder.path("data.npz");
  auto data = TrainingData::open(description);
  ASSERT_TRUE(bool(data)) << data.error().message;
  EXPECT_EQ(data->val(), nullptr);
  EXPECT_THAT(data->train().softLabel(1), ElementsAre(0, 1));
  EXPECT_THAT(messageOf(description, {.valFraction = 0.5}), HasSubstr("tensors are read in order and not split"));
}

} // namespace
