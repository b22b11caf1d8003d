//===- TeacherTest.cpp - answers of a teacher in a file ------------------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/train/Teacher.h"
#include "runtime/data/Arrays.h"
#include "runtime/data/SafetensorsWriter.h"
#include "test/unit/data/TemporaryFolder.h"

#include <cmath>
#include <cstring>
#include <gmock/gmock.h>

using namespace vitrt;
using testing::ElementsAre;
using testing::FloatEq;
using testing::HasSubstr;

namespace {

const std::vector<float> scores = {1, 3, 2, /**/ 0, -1, 5, /**/ 7, 7, 7, /**/ -2, 1, 0};

class TeacherTest : public testing::Test {
protected:
  std::string write(std::span<const float> values, std::vector<int64_t> shape) {
    std::string path = folder.path("teacher.npy");
    EXPECT_FALSE(bool(writeNpy(path, {"", std::move(shape), values})));
    return path;
  }
  std::string writeClasses(std::vector<int64_t> classes) {
    std::string header = "{'descr': '<i8', 'fortran_order': False, 'shape': (" + std::to_string(classes.size()) + ",), }";
    header.resize(117, ' ');
    std::string bytes = std::string("\x93NUMPY\x01\x00\x76\x00", 10) + header + "\n";
    bytes.append(reinterpret_cast<const char *>(classes.data()), classes.size() * sizeof(int64_t));
    return folder.write("classes.npy", {bytes.begin(), bytes.end()});
  }
  static std::vector<float> rows(const std::string &path, TeacherKind kind, const TrainingBatch &batch) {
    auto teacher = openTeacherFile(path, kind, 4, 3);
    EXPECT_TRUE(bool(teacher)) << (teacher ? "" : teacher.error().message);
    std::vector<float> result(batch.size * 3);
    EXPECT_FALSE(bool((*teacher)->teach(batch, result)));
    return result;
  }
  static std::string refusal(const std::string &path, TeacherKind kind = TeacherKind::Hard, size_t images = 4, size_t classes = 3) {
    auto teacher = openTeacherFile(path, kind, images, classes);
    return teacher ? "none" : teacher.error().message;
  }

  vitc::test::TemporaryFolder folder;
};

TrainingBatch batchOf(std::vector<uint32_t> numbers, double lambda = 1) {
  TrainingBatch batch;
  batch.size = numbers.size();
  batch.numbers = std::move(numbers);
  batch.mix.lambda = lambda;
  return batch;
}

TEST_F(TeacherTest, HardIsTheFirstOfTheHighestScores) {
  EXPECT_THAT(rows(write(scores, {4, 3}), TeacherKind::Hard, batchOf({3, 0, 2})), ElementsAre(0, 1, 0, 0, 1, 0, 1, 0, 0));
  EXPECT_THAT(rows(writeClasses({1, 2, 0, 1}), TeacherKind::Hard, batchOf({3, 0, 2})), ElementsAre(0, 1, 0, 0, 1, 0, 1, 0, 0));
}

TEST_F(TeacherTest, SoftIsTheSoftmax) {
  double sum = 1 + std::exp(-6.0) + std::exp(-5.0);
  float third = 1.0f / 3;
  EXPECT_THAT(rows(write(scores, {4, 3}), TeacherKind::Soft, batchOf({1, 2})),
              ElementsAre(FloatEq(float(std::exp(-5.0) / sum)), FloatEq(float(std::exp(-6.0) / sum)), FloatEq(float(1 / sum)),
                          FloatEq(third), FloatEq(third), FloatEq(third)));
}

TEST_F(TeacherTest, RowsAreMixedAsTargetsAre) {
  EXPECT_THAT(rows(writeClasses({1, 2, 0, 1}), TeacherKind::Hard, batchOf({0, 1, 2}, 0.75)),
              ElementsAre(0.25, 0.75, 0, 0, 0, 1, 0.75, 0.25, 0));
}

TEST_F(TeacherTest, ReadsSafetensorsToo) {
  std::string path = folder.path("teacher.safetensors");
  std::vector<TensorHeader> headers = {{"logits", {4, 3}}, {"other", {1}}};
  auto writer = SafetensorsWriter::create(path, headers, {});
  ASSERT_TRUE(bool(writer));
  ASSERT_FALSE(bool(writer->write(scores)) || bool(writer->write(std::vector<float>{1})) || bool(writer->commit()));
  EXPECT_THAT(rows(path, TeacherKind::Hard, batchOf({1})), ElementsAre(0, 0, 1));
}

TEST_F(TeacherTest, FingerprintIsOfTheAnswersAlone) {
  auto fingerprint = [](const std::string &path) {
    auto teacher = openTeacherFile(path, TeacherKind::Hard, 4, 3);
    EXPECT_TRUE(bool(teacher)) << (teacher ? "" : teacher.error().message);
    return (*teacher)->fingerprint();
  };
  uint64_t first = fingerprint(write(scores, {4, 3}));
  std::string elsewhere = folder.path("elsewhere.npz");
  ASSERT_FALSE(bool(writeNpz(elsewhere, std::vector<NpyOutput>{{"logits", {4, 3}, scores}})));
  EXPECT_EQ(fingerprint(elsewhere), first);
  std::vector<float> others = scores;
  others.back() = 0.5f;
  EXPECT_NE(fingerprint(write(others, {4, 3})), first) << "in the same file";
  uint64_t classes = fingerprint(writeClasses({1, 2, 0, 1}));
  EXPECT_EQ(fingerprint(writeClasses({1, 2, 0, 1})), classes);
  EXPECT_NE(fingerprint(writeClasses({1, 2, 0, 2})), classes);
}

TEST_F(TeacherTest, SaysWhatDoesNotFit) {
  EXPECT_THAT(refusal(folder.path("absent.npy")), HasSubstr("absent.npy"));
  std::string path = write(scores, {4, 3});
  EXPECT_THAT(refusal(path, TeacherKind::Hard, 5),
              HasSubstr("the array has the shape [4, 3], expected scores [5, 3] or classes [5], one for each image"));
  EXPECT_THAT(refusal(path, TeacherKind::Hard, 4, 10), HasSubstr("expected scores [4, 10] or classes [4]"));
  EXPECT_THAT(refusal(writeClasses({0, 1, 2, 3})), HasSubstr("image 3 has the class 3, expected 0 to 2"));
  EXPECT_THAT(refusal(writeClasses({0, 1, 2, 0}), TeacherKind::Soft), HasSubstr("classes [4] are a hard teacher's"));
  EXPECT_THAT(refusal(write({scores.data(), 4}, {4})), HasSubstr("expected integers"));
  std::vector<float> spoiled = scores;
  spoiled[7] = NAN;
  EXPECT_THAT(refusal(write(spoiled, {4, 3})), HasSubstr("the scores of image 2 are not all finite"));
  std::vector<float> probabilities = {0.25f, 0.75f, 0, 1, 0, 0, 0.5f, 0.25f, 0.25f, 0, 0, 1};
  EXPECT_THAT(refusal(write(probabilities, {4, 3}), TeacherKind::Soft), HasSubstr("these are probabilities"));
  EXPECT_EQ(refusal(write(probabilities, {4, 3}), TeacherKind::Hard), "none");
}

} // namespace
