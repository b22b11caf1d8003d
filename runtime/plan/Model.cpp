//===- Model.cpp - an artifact that is ready to run ---------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/plan/Model.h"

using namespace vitrt;

namespace {

/// Where weights begin that have no bytes: a model without any is bound from the start.
constexpr std::byte kNoWeights[1] = {};

} // namespace

/// The GPU that the options want code for, null if none.
static Expected<std::shared_ptr<const cuda::Device>> openGpu(ArtifactOptions &options) {
  bool wanted = options.target == kCudaTarget || options.target.starts_with(std::string(kCudaTarget) + ":");
  if (!wanted || options.purpose != Purpose::Run)
    return std::shared_ptr<const cuda::Device>();
  Expected<std::shared_ptr<const cuda::Driver>> driver = cuda::Driver::load();
  if (!driver)
    return std::move(driver.error());
  Expected<std::shared_ptr<const cuda::Device>> gpu = cuda::Device::open(*driver, options.gpuOrdinal);
  if (gpu)
    options.gpu = Gpu{(*gpu)->describe(), (*gpu)->major(), (*gpu)->minor()};
  return gpu;
}

Expected<std::unique_ptr<Model>> Model::open(const std::string &path, const ArtifactOptions &given) {
  ArtifactOptions options = given;
  auto gpu = openGpu(options);
  return gpu ? create(std::move(*gpu), Artifact::open(path, options)) : std::move(gpu.error());
}

Expected<std::unique_ptr<Model>> Model::openMemory(std::span<const std::byte> bytes, const ArtifactOptions &given) {
  ArtifactOptions options = given;
  auto gpu = openGpu(options);
  return gpu ? create(std::move(*gpu), Artifact::openMemory(bytes, options)) : std::move(gpu.error());
}

Expected<std::unique_ptr<Model>> Model::create(std::shared_ptr<const cuda::Device> gpu, Expected<std::unique_ptr<Artifact>> artifact) {
  if (!artifact)
    return std::move(artifact.error());
  std::unique_ptr<Model> model(new Model);
  model->theGpu = std::move(gpu);
  model->opened = std::move(*artifact);
  const fb::Target &target = model->opened->target();
  if (target.weight_data())
    model->weightData = model->opened->weights().data();
  else if (target.weights_bytes() == 0)
    model->weightData = kNoWeights;

  for (const fb::Program *program : *target.programs())
    if (program->name()->string_view() == "infer") {
      Expected<Program> resolved = Program::resolve(*model->opened, *program);
      if (!resolved)
        return std::move(resolved.error());
      model->inference = std::move(*resolved);
      return model;
    }
  return makeError(VITRT_ERROR_FORMAT, "{}: target '{}' has no program called 'infer'", model->opened->name(), target.name()->str());
}

Expected<BindReport> Model::bind(const TensorFile &tensors, const BindOptions &options) {
  if (hasWeights())
    return makeError(
        VITRT_ERROR_WEIGHTS,
        "{}: the model has its weights already, so those of '{}' cannot be bound; compile with --external-weights to choose them at load",
        opened->name(), tensors.name());
  Expected<AnonymousMemory> memory = AnonymousMemory::allocate(opened->target().weights_bytes(), "packed weights");
  if (!memory)
    return std::move(memory.error());
  Expected<BindReport> report = bindWeights(*opened, tensors, memory->bytes(), options);
  if (!report)
    return report;
  memory->makeReadOnly();
  boundWeights = std::move(*memory);
  weightData = boundWeights.bytes().data();
  return report;
}

Expected<BindReport> Model::rebind(const TensorFile &tensors, const BindOptions &options) {
  if (otherWeights.bytes().empty()) {
    Expected<AnonymousMemory> memory = AnonymousMemory::allocate(opened->target().weights_bytes(), "packed weights");
    if (!memory)
      return std::move(memory.error());
    otherWeights = std::move(*memory);
  }
  Expected<BindReport> report = bindWeights(*opened, tensors, otherWeights.bytes(), options);
  if (report)
    weightData = otherWeights.bytes().data();
  return report;
}

Expected<BindReport> Model::bindRandom(uint64_t seed, const BindOptions &options) {
  Expected<std::unique_ptr<TensorFile>> tensors = randomTensors(opened->manifest(), seed);
  if (!tensors)
    return std::move(tensors.error());
  return bind(**tensors, options);
}
