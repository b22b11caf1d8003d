//===- Teacher.cpp - what a distillation token learns ----------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/train/Teacher.h"

#include "runtime/artifact/FileFormat.h"
#include "runtime/data/Arrays.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

namespace vitrt {
namespace {

/// A row of scores to a row of targets, in place.
void answer(std::span<float> row, TeacherKind kind) {
  auto best = std::max_element(row.begin(), row.end());
  if (kind == TeacherKind::Hard) {
    ptrdiff_t index = best - row.begin();
    std::fill(row.begin(), row.end(), 0.0f);
    row[size_t(index)] = 1;
    return;
  }
  double top = double(*best), sum = 0;
  for (float score : row)
    sum += std::exp(double(score) - top);
  for (float &score : row)
    score = float(std::exp(double(score) - top) / sum);
}

bool isFinite(std::span<const float> values) {
  return std::all_of(values.begin(), values.end(), [](float value) { return std::isfinite(value); });
}

//===--------------------------------------------------------------------------------------===//
// Answers in a file
//===--------------------------------------------------------------------------------------===//

class RecordedTeacher final : public Teacher {
public:
  /// Either `scores` [images, classes] or `numbers` [images].
  RecordedTeacher(NpyArray scores, std::vector<int64_t> numbers, TeacherKind kind, size_t classes)
      : scores(std::move(scores)), numbers(std::move(numbers)), kind(kind), classes(classes) {}

  Error teach(const TrainingBatch &batch, std::span<float> rows) override {
    for (size_t i = 0; i < batch.size; ++i) {
      std::span<float> row = rows.subspan(i * classes, classes);
      size_t image = batch.numbers[i];
      if (!numbers.empty()) {
        std::fill(row.begin(), row.end(), 0.0f);
        row[size_t(numbers[image])] = 1;
        continue;
      }
      std::ranges::copy(scores.floats()->subspan(image * classes, classes), row.begin());
      answer(row, kind);
    }
    if (batch.size)
      mixBatchTargets(rows, batch.size, batch.mix);
    return Error::success();
  }

  uint64_t fingerprint() const override {
    if (scores.elements() == 0)
      return hashBytes(numbers.data(), numbers.size() * sizeof(numbers[0]));
    std::span<const float> floats = *scores.floats();
    return hashBytes(floats.data(), floats.size_bytes());
  }

private:
  NpyArray scores;
  std::vector<int64_t> numbers;
  TeacherKind kind;
  size_t classes;
};

Error checkScores(const NpyArray &array, std::span<const float> scores, size_t classes, TeacherKind kind) {
  bool areProbabilities = true;
  for (size_t image = 0; image < scores.size() / classes; ++image) {
    std::span<const float> row = scores.subspan(image * classes, classes);
    if (!isFinite(row))
      return makeError(VITRT_ERROR_ARGUMENT, "{}: the scores of image {} are not all finite", array.name(), image);
    double sum = 0;
    for (float score : row) {
      areProbabilities &= score >= 0;
      sum += double(score);
    }
    areProbabilities &= std::abs(sum - 1) < 1e-3;
  }
  if (kind == TeacherKind::Soft && areProbabilities)
    return makeError(VITRT_ERROR_ARGUMENT, "{}: the sum of each row is 1, so these are probabilities; expected scores before the softmax",
                     array.name());
  return Error::success();
}

Error checkClasses(const NpyArray &array, const std::vector<int64_t> &numbers, size_t classes) {
  auto strange = std::ranges::find_if(numbers, [&](int64_t number) { return number < 0 || size_t(number) >= classes; });
  if (strange == numbers.end())
    return Error::success();
  return makeError(VITRT_ERROR_ARGUMENT, "{}: image {} has the class {}, expected 0 to {}", array.name(), strange - numbers.begin(),
                   *strange, classes - 1);
}

Expected<NpyArray> readAnswers(const std::string &path) {
  auto opened = openTensorFile(path);
  if (!opened)
    return std::move(opened.error());
  std::shared_ptr<const TensorFile> file = std::move(*opened);
  ptrdiff_t index = file->tensors().size() == 1 ? 0 : file->find("logits");
  if (index < 0)
    return makeError(VITRT_ERROR_ARGUMENT, "{}: {} arrays, expected one, or one called logits", path, file->tensors().size());
  return NpyArray::read(file, size_t(index), path);
}

//===--------------------------------------------------------------------------------------===//
// A model
//===--------------------------------------------------------------------------------------===//

/// From one normalisation to another, a channel: value * factor + offset.
struct Renormalisation {
  float factor = 1, offset = 0;
};

std::vector<Renormalisation> renormalise(const fb::Preprocess *from, const fb::Preprocess *to, uint32_t channels) {
  std::vector<Renormalisation> result(channels);
  auto complete = [&](const fb::Preprocess *table) {
    return table && table->mean() && table->std() && table->mean()->size() == channels && table->std()->size() == channels;
  };
  if (complete(from) && complete(to))
    for (uint32_t c = 0; c < channels; ++c)
      result[c] = {from->std()->Get(c) / to->std()->Get(c), (from->mean()->Get(c) - to->mean()->Get(c)) / to->std()->Get(c)};
  return result;
}

class ModelTeacher final : public Teacher {
public:
  ModelTeacher(const Model &model, std::unique_ptr<Session> session, TeacherKind kind, size_t classes,
               std::vector<Renormalisation> channels)
      : model(model), session(std::move(session)), kind(kind), classes(classes), channels(std::move(channels)) {
    isSame = std::ranges::all_of(this->channels, [](const Renormalisation &one) { return one.factor == 1 && one.offset == 0; });
  }

  Error teach(const TrainingBatch &batch, std::span<float> rows) override {
    const float *images = batch.images.data();
    if (!isSame) {
      renormalised.resize(batch.images.size());
      size_t plane = batch.images.size() / (batch.size * channels.size());
      for (size_t i = 0; i < batch.images.size(); ++i) {
        const Renormalisation &channel = channels[i / plane % channels.size()];
        renormalised[i] = batch.images[i] * channel.factor + channel.offset;
      }
      images = renormalised.data();
    }
    const float *inputs[] = {images};
    float *outputs[] = {rows.data()};
    if (Error error = session->run(batch.size, inputs, outputs))
      return error;
    for (size_t i = 0; i < batch.size; ++i) {
      std::span<float> row = rows.subspan(i * classes, classes);
      if (!isFinite(row))
        return makeError(VITRT_ERROR_ARGUMENT, "{}: the teacher's scores of image {} of the data set are not all finite",
                         model.artifact().name(), batch.numbers[i]);
      answer(row, kind);
    }
    return Error::success();
  }

  /// The manifest says how code and weights are used; the weights themselves need not be the artifact's own.
  uint64_t fingerprint() const override {
    const Artifact &artifact = model.artifact();
    FileHeader header;
    std::memcpy(&header, artifact.bytes().data(), sizeof(header));
    std::vector<uint64_t> hashes = {header.manifestHash, artifact.target().code()->hash()};
    if (auto *weights = artifact.target().weights())
      for (const fb::PackedWeight *weight : *weights)
        hashes.push_back(hashBytes(model.weights() + weight->offset(), weight->size()));
    return hashBytes(hashes.data(), hashes.size() * sizeof(hashes[0]));
  }

private:
  const Model &model;
  std::unique_ptr<Session> session;
  TeacherKind kind;
  size_t classes;
  std::vector<Renormalisation> channels;
  bool isSame;
  std::vector<float> renormalised;
};

/// Both lists of labels have to agree where both models have one.
Error checkLabels(const std::string &name, const fb::Model &teacher, const fb::Model &student) {
  if (!teacher.labels() || !student.labels())
    return Error::success();
  for (uint32_t i = 0; i < std::min(teacher.labels()->size(), student.labels()->size()); ++i)
    if (std::string_view theirs = teacher.labels()->Get(i)->string_view(), ours = student.labels()->Get(i)->string_view(); theirs != ours)
      return makeError(VITRT_ERROR_ARGUMENT, "{}: the teacher's class {} is {}, that of the model in training {}", name, i, theirs, ours);
  return Error::success();
}

} // namespace

Expected<std::unique_ptr<Teacher>> openTeacherFile(const std::string &path, TeacherKind kind, size_t images, size_t classes) {
  auto array = readAnswers(path);
  if (!array)
    return std::move(array.error());
  const std::vector<int64_t> &shape = array->shape();
  bool holdsClasses = shape.size() == 1;
  if ((shape.size() != 2 && !holdsClasses) || size_t(shape[0]) != images || (!holdsClasses && size_t(shape[1]) != classes))
    return makeError(VITRT_ERROR_ARGUMENT, "{}: the array has the shape {}, expected scores [{}, {}] or classes [{}], one for each image",
                     path, formatShape(shape), images, classes, images);
  if (!holdsClasses) {
    auto floats = array->floats();
    if (!floats)
      return std::move(floats.error());
    if (Error error = checkScores(*array, *floats, classes, kind))
      return error;
    return std::unique_ptr<Teacher>(std::make_unique<RecordedTeacher>(std::move(*array), std::vector<int64_t>(), kind, classes));
  }
  if (kind == TeacherKind::Soft)
    return makeError(VITRT_ERROR_ARGUMENT, "{}: classes [{}] are a hard teacher's, expected scores [{}, {}] of a soft one", path, images,
                     images, classes);
  auto numbers = array->integers();
  if (!numbers)
    return std::move(numbers.error());
  if (Error error = checkClasses(*array, *numbers, classes))
    return error;
  return std::unique_ptr<Teacher>(std::make_unique<RecordedTeacher>(NpyArray(), std::move(*numbers), kind, classes));
}

Expected<std::unique_ptr<Teacher>> createTeacher(const Model &model, TeacherKind kind, const fb::Model &student, size_t classes,
                                                 unsigned threads) {
  const std::string &name = model.artifact().name();
  const fb::Model &teacher = model.artifact().model();
  const Program &plan = model.program();
  std::vector<int64_t> theirs = {teacher.channels(), teacher.height(), teacher.width()},
                       ours = {student.channels(), student.height(), student.width()};
  if (theirs != ours)
    return makeError(VITRT_ERROR_ARGUMENT, "{}: the teacher takes images {}, the model in training {}", name, formatShape(theirs),
                     formatShape(ours));
  const Buffer *output = plan.outputs.size() == 1 ? &plan.buffers[plan.outputs[0]] : nullptr;
  if (!output || output->shape.size() != 1 || size_t(output->shape[0]) != classes)
    return makeError(VITRT_ERROR_ARGUMENT, "{}: the teacher returns {}, expected the scores of {} classes", name,
                     output ? formatShape(output->shape) : fmt::format("{} outputs", plan.outputs.size()), classes);
  if (Error error = checkLabels(name, teacher, student))
    return error;
  auto session = Session::create(model, {.threads = threads});
  if (!session)
    return std::move(session.error());
  return std::unique_ptr<Teacher>(std::make_unique<ModelTeacher>(
      model, std::move(*session), kind, classes, renormalise(student.preprocess(), teacher.preprocess(), student.channels())));
}

} // namespace vitrt
