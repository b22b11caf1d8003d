//===- CudaLaunches.h - a program's launches on a GPU --------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_RUNTIME_PLAN_CUDALAUNCHES_H
#define VITC_RUNTIME_PLAN_CUDALAUNCHES_H

#include "runtime/device/cuda/Stream.h"
#include "runtime/plan/LaunchObserver.h"
#include "runtime/plan/Model.h"

namespace vitrt {

/// The kernels of a model's target, loaded to its GPU.
Expected<std::shared_ptr<const cuda::Module>> loadCode(const Model &model);

/// The launches of a program of a model, and what their kernels are called with (docs/abi.md, "Kernels of a GPU").
class CudaLaunches {
public:
  /// Where a group's memory is.
  struct Places {
    cuda::api::DevicePointer weights = 0, arena = 0, scratch = 0, counters = 0, parts = 0;
    cuda::api::DevicePointer parameters = 0, gradients = 0, derived = 0; ///< of a training program
    std::vector<cuda::api::DevicePointer> staged;                        ///< by buffer: of inputs and outputs
  };

  /// Model and program outlive this. An error names the layer whose kernel cannot be had.
  static Expected<CudaLaunches> load(const Model &model, const Program &program, std::shared_ptr<const cuda::Module> code,
                                     bool dependentLaunch);

  /// What runs: see cuda::Module::origin.
  const std::string &origin() const { return code->origin(); }
  size_t size() const { return program->launches.size(); }

  /// What all blocks of any launch want, for `images` images or fewer.
  uint64_t scratchBytes(int64_t images) const;
  /// Where buffer `index` is, at its first image.
  cuda::api::DevicePointer address(const Places &places, size_t index, int64_t images) const;

  /// Gives a launch to the stream. Errors name layer and kernel.
  Error start(size_t index, int64_t images, const Places &places, cuda::Stream &stream) const;
  Error startAll(int64_t images, const Places &places, cuda::Stream &stream) const;
  /// One launch after the other, each told to `observer`, the group's first image as number `firstImage` of the batch. Errors name the file.
  Error observe(int64_t firstImage, int64_t images, const Places &places, cuda::Stream &stream, LaunchObserver &observer) const;
  /// `error` as one of a launch for so many images.
  Error describe(size_t index, int64_t images, const Error &error) const;

private:
  CudaLaunches(const Model &model, const Program &program, std::shared_ptr<const cuda::Module> code)
      : model(&model), program(&program), code(std::move(code)) {}
  struct Observed;
  Error observeTimes(const Observed &observed) const;
  Error observeResults(const Observed &observed) const;
  const cuda::Function &function(size_t index, int64_t images) const { return functions[index][program->launches[index].choice(images)]; }
  unsigned blocks(size_t index, int64_t images) const;
  Expected<cuda::api::TensorMap> encode(const fb::TensorMap &map, cuda::api::DevicePointer operand, int64_t images) const;

  const Model *model;
  const Program *program;
  bool dependentLaunch = false; ///< whether kernels that wait themselves may begin early
  std::shared_ptr<const cuda::Module> code;
  std::vector<std::vector<cuda::Function>> functions; ///< by launch, then by the choice of its kernel
};

} // namespace vitrt

#endif // VITC_RUNTIME_PLAN_CUDALAUNCHES_H
