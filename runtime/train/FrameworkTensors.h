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

  /// Copies a tensor out of flat memory `from`, or into it. Elements of a tensor that no weight takes are 0, and not written.
  void read(size_t tensor, const float *from, std::span<float> into) const;
  void write(size_t tensor, std::span<const float> from, float *into) const;
  /// The same of a flat memory of bf16, the upper halves of f32; what is written loses the lower ones.
  void read(size_t tensor, const uint16_t *from, std::span<float> into) const;
  void write(size_t tensor, std::span<const float> from, uint16_t *into) const;

private:
  template <typename Visit> void visit(size_t tensor, Visit &&element) const;

  std::vector<TrainedTensor> infos;
  std::vector<Part> allParts;
  std::vector<std::vector<size_t>> partsOf; ///< by tensor
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
