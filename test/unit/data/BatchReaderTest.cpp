//===- BatchReaderTest.cpp - batches of training images ---*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/data/BatchReader.h"
#include "runtime/data/Arrays.h"
#include "test/unit/data/TemporaryFolder.h"
#include "test/unit/data/TrainingFixtures.h"
#include "test/unit/image/ImageTestUtils.h"

#include <gmock/gmock.h>

#include <thread>

using namespace vitrt;
using namespace vitc::test;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

namespace {

constexpr uint32_t edge = 8;

BatchReaderOptions optionsFor(size_t batch, const char *augmentation = "none") {
  return {.batch = batch,
          .classes = 3,
          .shape = {3, edge, edge},
          .preprocessor = plainPreprocessor(edge),
          .augmentation = *Augmentation::parse(augmentation),
          .seed = 11};
}

std::unique_ptr<BatchReader> open(const Dataset &data, const BatchReaderOptions &options) {
  auto reader = BatchReader::create(data, options);
  EXPECT_TRUE(bool(reader)) << (reader ? "" : reader.error().message);
  return reader ? std::move(*reader) : nullptr;
}

/// The next `count` batches.
std::vector<TrainingBatch> take(BatchReader &reader, size_t count) {
  std::vector<TrainingBatch> batches;
  for (size_t i = 0; i < count; ++i) {
    auto batch = reader.next();
    EXPECT_TRUE(bool(batch)) << (batch ? "" : batch.error().message);
    if (!batch)
      break;
    batches.push_back(**batch);
  }
  return batches;
}

void expectSame(const std::vector<TrainingBatch> &a, std::span<const TrainingBatch> b) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].cursor, b[i].cursor);
    EXPECT_EQ(a[i].images, b[i].images);
    EXPECT_EQ(a[i].targets, b[i].targets);
    EXPECT_EQ(a[i].skipped, b[i].skipped);
  }
}

const char *const everything = "rrc:0.3:1,flip,randaugment:2:9,jitter:0.4:0.4:0.4:0.1,erase:0.5:noise,mixup:0.8,cutmix:1";

TEST(BatchReaderTest, bitsDoNotDependOnThreads) {
  MadeUpPictures data(21, 12, 3, {2, 9});
  BatchReaderOptions options = optionsFor(4, everything);
  options.threads = 0;
  std::vector<TrainingBatch> expected = take(*open(data, options), 13);
  for (unsigned threads : {1u, 2u, 5u})
    for (size_t ahead : {1, 3}) {
      options.threads = threads;
      options.ahead = ahead;
      expectSame(expected, take(*open(data, options), 13));
    }
}

TEST(BatchReaderTest, peekShowsTheNextBatch) {
  MadeUpPictures data(21, 12, 3, {});
  BatchReaderOptions options = optionsFor(4, everything);
  options.threads = 0;
  std::vector<TrainingBatch> expected = take(*open(data, options), 7);
  auto lazy = open(data, options);
  ASSERT_TRUE(lazy && lazy->next());
  EXPECT_EQ(lazy->peek(), nullptr);

  options.threads = 2;
  options.ahead = 2;
  auto reader = open(data, options);
  ASSERT_TRUE(reader);
  for (size_t i = 0; i + 1 < expected.size(); ++i) {
    auto batch = reader->next();
    ASSERT_TRUE(bool(batch)) << batch.error().message;
    const TrainingBatch *next = nullptr;
    while (!(next = reader->peek()))
      std::this_thread::yield();
    EXPECT_EQ((*batch)->images, expected[i].images);
    EXPECT_EQ(next->cursor, expected[i + 1].cursor);
    EXPECT_EQ(next->images, expected[i + 1].images);
    EXPECT_EQ(reader->cursor(), next->cursor);
  }
}

TEST(BatchReaderTest, startsAnywhere) {
  MadeUpPictures data(10, edge);
  BatchReaderOptions options = optionsFor(4, everything);
  std::vector<TrainingBatch> straight = take(*open(data, options), 9); // three epochs
  options.start = {1, 2};
  auto reader = open(data, options);
  EXPECT_EQ(reader->cursor(), (Cursor{1, 2}));
  expectSame(take(*reader, 4), std::span(straight).subspan(5));
  EXPECT_EQ(reader->cursor(), (Cursor{3, 0}));
}

TEST(BatchReaderTest, anEpochReadsEveryImageOnce) {
  MadeUpPictures data(10, edge);
  BatchReaderOptions options = optionsFor(4);
  options.shuffle = false;
  auto reader = open(data, options);
  EXPECT_EQ(reader->batchesPerEpoch(), 3u);
  auto inOrder = take(*reader, 3);
  EXPECT_EQ(inOrder[2].size, 2u);
  EXPECT_EQ(inOrder[2].images.size(), 2u * 3 * edge * edge);
  auto imagesOf = [&](const std::vector<TrainingBatch> &batches) {
    std::vector<std::vector<float>> images;
    for (const TrainingBatch &batch : batches)
      for (size_t i = 0; i < batch.size; ++i)
        images.emplace_back(batch.images.begin() + i * 3 * edge * edge, batch.images.begin() + (i + 1) * 3 * edge * edge);
    return images;
  };
  options.shuffle = true;
  auto shuffled = open(data, options);
  auto first = imagesOf(take(*shuffled, 3)), second = imagesOf(take(*shuffled, 3)), all = imagesOf(inOrder);
  EXPECT_THAT(first, testing::UnorderedElementsAreArray(all));
  EXPECT_THAT(second, testing::UnorderedElementsAreArray(all));
  EXPECT_NE(first, all);
  EXPECT_NE(first, second);
}

TEST(BatchReaderTest, pixelsAndTargetsAreTheModels) {
  MadeUpPictures data(2, edge);
  BatchReaderOptions options = optionsFor(8);
  options.shuffle = false;
  options.labelSmoothing = 0.3;
  auto batch = take(*open(data, options), 1)[0];
  EXPECT_EQ(batch.size, 2u); // fewer images than a batch
  EXPECT_EQ(batch.images[0], (float(data.picture(0)->pixels[0]) / 255.0f - 0.5f) / 0.25f);
  EXPECT_THAT(batch.targets, testing::Pointwise(testing::FloatEq(), {0.8f, 0.1f, 0.1f, 0.1f, 0.8f, 0.1f}));
  options.classMap = {2, 0, 1};
  EXPECT_FLOAT_EQ(take(*open(data, options), 1)[0].targets[2], 0.8f);
}

TEST(BatchReaderTest, damagedImagesAreNamedOnceAndReplaced) {
  MadeUpPictures data(6, edge, 3, {1, 2});
  BatchReaderOptions options = optionsFor(3);
  options.shuffle = false;
  auto reader = open(data, options);
  auto batches = take(*reader, 4);
  EXPECT_THAT(batches[0].skipped, ElementsAre("picture 1 is damaged", "picture 2 is damaged"));
  for (size_t later : {1, 2, 3})
    EXPECT_THAT(batches[later].skipped, IsEmpty());
  EXPECT_EQ(reader->skippedImages(), 2u);
  // Images 1 and 2 are followed by number 3, of class 0.
  EXPECT_THAT(batches[0].targets, ElementsAre(1, 0, 0, 1, 0, 0, 1, 0, 0));
  EXPECT_EQ(batches[0].size, 3u);
}

TEST(BatchReaderTest, damagedImagesMayBeLeftOut) {
  MadeUpPictures data(7, edge, 3, {1, 3, 4, 5});
  for (unsigned threads : {0u, 2u}) {
    BatchReaderOptions options = optionsFor(3);
    options.shuffle = false;
    options.replaces = false;
    options.threads = threads;
    auto reader = open(data, options);
    auto batches = take(*reader, 6);
    EXPECT_THAT(batches[0].numbers, ElementsAre(0, 2));
    EXPECT_THAT(batches[0].targets, ElementsAre(1, 0, 0, 0, 0, 1));
    EXPECT_EQ(batches[0].images.size(), 2u * 3 * edge * edge);
    EXPECT_EQ(batches[1].size, 0u);
    EXPECT_THAT(batches[1].skipped, ElementsAre("picture 3 is damaged", "picture 4 is damaged", "picture 5 is damaged"));
    EXPECT_THAT(batches[2].numbers, ElementsAre(6));
    for (size_t i : {0, 1, 2}) // and the same the second time, when it is known
      EXPECT_EQ(batches[3 + i].images, batches[i].images);
    EXPECT_EQ(reader->skippedImages(), 4u);
    options.replaces = true;
    auto replaced = take(*open(data, options), 1);
    EXPECT_EQ(std::vector(replaced[0].images.end() - 3 * edge * edge, replaced[0].images.end()),
              std::vector(batches[0].images.end() - 3 * edge * edge, batches[0].images.end()));
  }
}

TEST(BatchReaderTest, truncatedFilesAreDamagedImages) {
  TemporaryFolder folder;
  std::vector<uint8_t> jpeg = readBytes(dataPath("image/jpeg/exif-1.jpg")), half(jpeg.begin(), jpeg.begin() + ptrdiff_t(jpeg.size() / 2));
  folder.write("a/0.jpg", jpeg);
  folder.write("a/1.jpg", half);
  folder.write("b/2.jpg", {});
  folder.write("b/3.jpg", jpeg);
  auto data = openImageFolder(folder.path(), {});
  ASSERT_TRUE(bool(data)) << data.error().message;
  BatchReaderOptions options = optionsFor(4, "rrc,flip");
  options.shuffle = false;
  auto batch = take(*open(**data, options), 1)[0];
  ASSERT_EQ(batch.skipped.size(), 2u);
  EXPECT_THAT(batch.skipped[0], HasSubstr("a/1.jpg"));
  EXPECT_THAT(batch.skipped[1], HasSubstr("b/2.jpg"));
  EXPECT_THAT(batch.targets, ElementsAre(1, 0, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0));
}

TEST(BatchReaderTest, strictReadersFailAtTheImage) {
  MadeUpPictures data(9, edge, 3, {4, 8});
  for (unsigned threads : {0u, 2u}) {
    BatchReaderOptions options = optionsFor(3);
    options.shuffle = false;
    options.strict = true;
    options.threads = threads;
    auto reader = open(data, options);
    EXPECT_TRUE(bool(reader->next()));
    for (int again = 0; again < 2; ++again) {
      auto batch = reader->next();
      ASSERT_FALSE(batch);
      EXPECT_EQ(batch.error().message, "picture 4 is damaged");
    }
  }
}

TEST(BatchReaderTest, nothingButDamagedImagesIsAnError) {
  MadeUpPictures data(4, edge, 3, {0, 1, 2, 3});
  auto batch = open(data, optionsFor(2))->next();
  ASSERT_FALSE(batch);
  EXPECT_THAT(batch.error().message, HasSubstr("none of the 4 images can be read"));
  EXPECT_LE(data.reads, 8u); // each once for each image that is read at the same time
}

TEST(BatchReaderTest, readersMayStopAtAnyMoment) {
  MadeUpPictures data(64, 32);
  for (size_t batches : {0, 1, 3}) {
    BatchReaderOptions options = optionsFor(4, everything);
    options.threads = 3;
    options.ahead = 4;
    take(*open(data, options), batches);
  }
}

TEST(BatchReaderTest, tensorsGoRoundAndRound) {
  TemporaryFolder folder;
  std::vector<float> images(5 * 2), soft(5 * 3);
  for (size_t i = 0; i < images.size(); ++i)
    images[i] = float(i);
  for (size_t i = 0; i < 5; ++i)
    soft[i * 3 + i % 3] = 1.0f;
  std::vector<NpyOutput> arrays = {{"images", {5, 2, 1, 1}, images}, {"labels", {5, 3}, soft}};
  ASSERT_FALSE(bool(writeNpz(folder.path("data.npz"), arrays)));
  auto data = openTensors(folder.path("data.npz"));
  ASSERT_TRUE(bool(data));
  BatchReaderOptions options{.batch = 3, .classes = 3, .shape = {2, 1, 1}};
  auto batches = take(*open(**data, options), 4);
  EXPECT_THAT(batches[1].images, ElementsAre(6, 7, 8, 9, 0, 1));
  EXPECT_THAT(batches[1].targets, ElementsAre(1, 0, 0, 0, 1, 0, 1, 0, 0));
  EXPECT_THAT(batches[3].images, ElementsAre(8, 9, 0, 1, 2, 3));
  EXPECT_EQ(batches[2].cursor, (Cursor{1, 0}));
  options.batch = 7; // more than there are
  EXPECT_THAT(take(*open(**data, options), 2)[1].images, ElementsAre(4, 5, 6, 7, 8, 9, 0, 1, 2, 3, 4, 5, 6, 7));
  options.batch = size_t(1) << 62;
  EXPECT_THAT(BatchReader::create(**data, options).error().message, HasSubstr("there is no memory for 2 batches"));
  options.classes = 4;
  EXPECT_THAT(BatchReader::create(**data, options).error().message, HasSubstr("soft labels of 3 classes, the model has 4"));
  options.shape = {1, 1, 2};
  EXPECT_THAT(BatchReader::create(**data, options).error().message, HasSubstr("its shape is [2, 1, 1], the model takes [1, 1, 2]"));
}

TEST(BatchReaderTest, whatDoesNotFitIsRefused) {
  MadeUpPictures data(7, edge);
  auto message = [&](auto change) {
    BatchReaderOptions options = optionsFor(2);
    change(options);
    auto reader = BatchReader::create(data, options);
    return reader ? std::string("none") : reader.error().message;
  };
  EXPECT_THAT(message([](auto &o) { o.batch = 0; }), HasSubstr("batches of 0 images"));
  EXPECT_THAT(message([](auto &o) { o.classes = 2; }), HasSubstr("picture 2: its label is 2, expected one of the model's classes 0 to 1"));
  EXPECT_THAT(message([](auto &o) { o.classMap = {0, 1}; }), HasSubstr("its label is 2"));
  EXPECT_THAT(message([](auto &o) { o.preprocessor.reset(); }), HasSubstr("nothing says how they become inputs"));
  EXPECT_THAT(message([](auto &o) { o.start.batch = 4; }), HasSubstr("an epoch has 4 batches"));
  EXPECT_THAT(message([](auto &o) { o.labelSmoothing = 1; }), HasSubstr("label smoothing is 1"));
  EXPECT_EQ(message([](auto &o) { o.batch = size_t(1) << 62; }), "none"); // no more than there are images
}

} // namespace
