//===- Teacher.h - what a distillation token learns ------------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//
//
// Touvron et al. 2021, section 4. A hard teacher gives the class that it prefers, a soft one its probabilities at temperature 1; the gradient
// of the cross entropy with them is that of the Kullback-Leibler divergence.
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_RUNTIME_TRAIN_TEACHER_H
#define VITC_RUNTIME_TRAIN_TEACHER_H

#include "runtime/data/BatchReader.h"
#include "runtime/plan/Session.h"

#include <memory>
#include <span>
#include <string>

namespace vitrt {

enum class TeacherKind : uint8_t { Hard, Soft };

/// Another model's opinion of the images that are trained on.
class Teacher {
public:
  virtual ~Teacher() = default;
  /// Targets [size, K] for the images of a batch, each row with the sum 1. VITRT_ERROR_ARGUMENT for scores that are not finite.
  virtual Error teach(const TrainingBatch &batch, std::span<float> rows) = 0;
  /// XXH3-64 of all that the answers come from beside the images and the kind, wherever it lies: a run that is resumed has the same teacher.
  virtual uint64_t fingerprint() const = 0;
};

/// Answers from an .npy, .npz or .safetensors: f32 scores before the softmax [images, classes], or the integers of classes [images], a row
/// for each image of a data set in its order (Dataset::number). Of several arrays the one called "logits". Mixed as targets are.
/// VITRT_ERROR_ARGUMENT: another count of rows or classes, scores that are not finite or are probabilities already, classes for a soft
/// teacher.
Expected<std::unique_ptr<Teacher>> openTeacherFile(const std::string &path, TeacherKind kind, size_t images, size_t classes);

/// A compiled classifier, asked about the very images that are trained on, augmented and mixed. Where `student` normalises otherwise,
/// images are normalised again. `model` has its weights and outlives the teacher. VITRT_ERROR_ARGUMENT: inputs of another shape, other
/// classes.
Expected<std::unique_ptr<Teacher>> createTeacher(const Model &model, TeacherKind kind, const fb::Model &student, size_t classes,
                                                 unsigned threads);

} // namespace vitrt

#endif // VITC_RUNTIME_TRAIN_TEACHER_H
