//===- Model.h - an artifact that is ready to run -----------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_RUNTIME_PLAN_MODEL_H
#define VITC_RUNTIME_PLAN_MODEL_H

#include "runtime/plan/Program.h"
#include "runtime/weights/Binder.h"

namespace vitrt {

/// An artifact, its code and its weights. Immutable once its weights are bound; then any number of threads and sessions may share it.
class Model {
public:
  static Expected<std::unique_ptr<Model>> open(const std::string &path, const ArtifactOptions &options = {});
  static Expected<std::unique_ptr<Model>> openMemory(std::span<const std::byte> bytes, const ArtifactOptions &options = {});

  const Artifact &artifact() const { return *opened; }
  /// The inference program.
  const Program &program() const { return inference; }

  /// Whether weights are there: embedded, bound, or none are needed.
  bool hasWeights() const { return weightData != nullptr; }
  const std::byte *weights() const { return weightData; }

  /// Binds external weights; once, and only if the artifact has none.
  Expected<BindReport> bind(const TensorFile &tensors, const BindOptions &options = {});
  /// Gives the model other weights than it has, in memory of its own whose place never changes after the first time.
  Expected<BindReport> rebind(const TensorFile &tensors, const BindOptions &options = {});
  Expected<BindReport> bindRandom(uint64_t seed, const BindOptions &options = {});

private:
  Model() = default;
  static Expected<std::unique_ptr<Model>> create(Expected<std::unique_ptr<Artifact>> artifact);

  std::unique_ptr<Artifact> opened;
  Program inference;
  AnonymousMemory boundWeights, otherWeights;
  const std::byte *weightData = nullptr;
};

} // namespace vitrt

#endif // VITC_RUNTIME_PLAN_MODEL_H
