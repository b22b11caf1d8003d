//===- CudaLaunches.h - a program's launches on a GPU --------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_RUNTIME_PLAN_CUDALAUNCHES_H
#define VITC_RUNTIME_PLAN_CUDALAUNCHES_H

#include "runtime/device/cuda/Stream.h"
#include "runtime/plan/Model.h"

namespace vitrt {

/// The kernels of a model's inference program, loaded to its GPU, and what they are called with (docs/abi.md, "Kernels of a GPU").
class CudaLaunches {
public:
  /// Where a group's memory is.
  struct Places {
    cuda::api::DevicePointer weights = 0, arena = 0, scratch = 0, counters = 0, parts = 0;
    std::vector<cuda::api::DevicePointer> staged; ///< by buffer: of inputs and outputs
  };

  /// The model outlives this. An error names the layer whose kernel cannot be had.
  static Expected<CudaLaunches> load(const Model &model, bool dependentLaunch);

  size_t size() const { return program->launches.size(); }
  /// Whether the driver had to compile the kernels.
  bool compiledHere() const { return module.compiledHere(); }

  /// What all blocks of any launch want, for `images` images or fewer.
  uint64_t scratchBytes(int64_t images) const;
  /// Where buffer `index` is, at its first image.
  cuda::api::DevicePointer address(const Places &places, size_t index, int64_t images) const;

  /// Gives a launch to the stream. Errors name layer and kernel.
  Error start(size_t index, int64_t images, const Places &places, cuda::Stream &stream) const;
  Error startAll(int64_t images, const Places &places, cuda::Stream &stream) const;
  /// `error` as one of a launch for so many images.
  Error describe(size_t index, int64_t images, const Error &error) const;

private:
  CudaLaunches(const Model &model, cuda::Module module) : model(&model), program(&model.program()), module(std::move(module)) {}
  const cuda::Function &function(size_t index, int64_t images) const { return functions[index][program->launches[index].choice(images)]; }
  unsigned blocks(size_t index, int64_t images) const;
  Expected<cuda::api::TensorMap> encode(const fb::TensorMap &map, cuda::api::DevicePointer operand, int64_t images) const;

  const Model *model;
  const Program *program;
  bool dependentLaunch = false; ///< whether kernels that wait themselves may begin early
  cuda::Module module;
  std::vector<std::vector<cuda::Function>> functions; ///< by launch, then by the choice of its kernel
};

} // namespace vitrt

#endif // VITC_RUNTIME_PLAN_CUDALAUNCHES_H
