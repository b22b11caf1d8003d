//===- Model.h - an artifact that is ready to run -----------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_RUNTIME_PLAN_MODEL_H
#define VITC_RUNTIME_PLAN_MODEL_H

#include "runtime/device/cuda/Device.h"
#include "runtime/plan/Program.h"
#include "runtime/weights/Binder.h"

namespace vitrt {

/// An artifact, its code and its weights. Immutable once its weights are bound; then any number of threads and sessions may share it.
class Model {
public:
  /// With a target "cuda" the GPU is opened, and the file's best code for it taken.
  static Expected<std::unique_ptr<Model>> open(const std::string &path, const ArtifactOptions &options = {});
  static Expected<std::unique_ptr<Model>> openMemory(std::span<const std::byte> bytes, const ArtifactOptions &options = {});

  const Artifact &artifact() const { return *opened; }
  /// The inference program.
  const Program &program() const { return inference; }

  /// Where the model runs; null: on the host.
  const cuda::Device *gpu() const { return theGpu.get(); }

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
  static Expected<std::unique_ptr<Model>> create(std::shared_ptr<const cuda::Device> gpu, Expected<std::unique_ptr<Artifact>> artifact);

  std::shared_ptr<const cuda::Device> theGpu;
  std::unique_ptr<Artifact> opened;
  Program inference;
  AnonymousMemory boundWeights, otherWeights;
  const std::byte *weightData = nullptr;
};

} // namespace vitrt

#endif // VITC_RUNTIME_PLAN_MODEL_H
