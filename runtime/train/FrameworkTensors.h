//===- FrameworkTensors.h - parameters as their framework has them ---- -*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_RUNTIME_TRAIN_FRAMEWORKTENSORS_H
#define VITC_RUNTIME_TRAIN_FRAMEWORKTENSORS_H

#include "runtime/artifact/Artifact.h"
#include "runtime/train/TrainingState.h"
#include "runtime/weights/TensorFile.h"

namespace vitrt {

/// Which elements of a flat memory of parameters each tensor of the home framework (scheme 0) is made of: a tensor may hold several of the
/// compiler's weights (query, key and value), each under strides of its own.
class FrameworkTensors {
public:
  FrameworkTensors(const fb::Manifest &manifest, const fb::Target &target);

  std::span<const TrainedTensor> tensors() const { return infos; }

  /// A weight of the compiler: its place in flat memory, in elements, and the tensor it is part of.
  struct Part {
    const fb::SourceView *view;
    std::vector<int64_t> shape;
    uint64_t first, elements;
    size_t tensor;
    bool trained;
  };
  /// By place.
  std::span<const Part> parts() const { return allParts; }

  /// Places in parts() of what a tensor is made of.
  std::span<const size_t> partsOf(size_t tensor) const { return partsByTensor[tensor]; }

  /// Copies the elements of a part, `flat` as they lie in flat memory, to their places in the tensor, or from there.
  static void scatter(const Part &part, const float *flat, std::span<float> tensor);
  static void gather(const Part &part, std::span<const float> tensor, float *flat);
  /// The same of a flat memory of bf16, the upper halves of f32; what is gathered loses the lower ones.
  static void scatter(const Part &part, const uint16_t *flat, std::span<float> tensor);
  static void gather(const Part &part, std::span<const float> tensor, uint16_t *flat);

private:
  std::vector<TrainedTensor> infos;
  std::vector<Part> allParts;
  std::vector<std::vector<size_t>> partsByTensor;
};

/// Parameters as a weight file, for binding them to another program.
class StateFile : public TensorFile {
public:
  /// `state` outlives the file.
  explicit StateFile(const TrainingState &state);
  Expected<TensorData> read(size_t index) const override;
  uint64_t readBytes(size_t index) const override { return infos[index].bytes; }

private:
  const TrainingState &state;
  std::vector<size_t> order;
};

} // namespace vitrt

#endif // VITC_RUNTIME_TRAIN_FRAMEWORKTENSORS_H
