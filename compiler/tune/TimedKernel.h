//===- TimedKernel.h - a launch measured on a GPU -----------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_COMPILER_TUNE_TIMEDKERNEL_H
#define VITC_COMPILER_TUNE_TIMEDKERNEL_H

#include "compiler/codegen/gpu/GpuCodegen.h"
#include "runtime/device/cuda/Memory.h"
#include "runtime/device/cuda/Module.h"
#include "runtime/device/cuda/Stream.h"

namespace vitc::tune {

/// A GPU that launches are measured on, one after the other.
struct MeasuringGpu {
  /// GPU number `ordinal`, which this thread works with from now on.
  static vitrt::Expected<MeasuringGpu> open(int ordinal);

  std::shared_ptr<const vitrt::cuda::Device> device;
  vitrt::cuda::Stream stream;
  vitrt::cuda::Event begin, end;
};

/// Memory for a launch of up to `images` images: random numbers, results, and weights in so many copies as fill `weightBytes`, what all weights of
/// the model take, which are used in turn as the layers of a model are: the GPU's cache holds them if it holds the model.
class LaunchMemory {
public:
  static vitrt::Expected<LaunchMemory> create(mlir::Operation *launch, MeasuringGpu &gpu, int64_t images, uint64_t weightBytes);

  /// Operands and results of call number `call`.
  std::vector<vitrt::cuda::api::DevicePointer> operands(size_t call) const;

private:
  struct Tensor {
    uint64_t offset, bytes;
    size_t copies;
  };
  vitrt::cuda::DeviceMemory memory;
  std::vector<Tensor> tensors;
};

/// A launch with its schedule as machine code on the GPU.
class TimedKernel {
public:
  /// `ptxas` may be empty: then the driver compiles. Fails with a diagnostic at the launch.
  static mlir::FailureOr<TimedKernel> create(mlir::Operation *launch, const MeasuringGpu &gpu, const gpu::DeviceTarget &target,
                                             const std::string &ptxas, const std::string &cubinCache);

  /// Seconds of a launch for `images` images by the GPU's clock: the mean of as many as fill about `seconds`, three at least. They are one
  /// graph, so that the host is not what is measured.
  vitrt::Expected<double> measure(MeasuringGpu &gpu, const LaunchMemory &memory, int64_t images, double seconds);

private:
  vitrt::Error launch(MeasuringGpu &gpu, const LaunchMemory &memory, int64_t images, size_t call);
  vitrt::Expected<double> timeOf(MeasuringGpu &gpu, const LaunchMemory &memory, int64_t images, int64_t calls);
  /// What tasks leave for each other, and blocks' scratch memory, for so many images.
  vitrt::Error reserve(MeasuringGpu &gpu, int64_t images);

  gpu::KernelInfo info;
  vitrt::cuda::Module module;
  vitrt::cuda::Function function;
  vitrt::cuda::DeviceMemory counters, parts, scratch;
  int64_t reserved = 0; ///< images
};

} // namespace vitc::tune

#endif // VITC_COMPILER_TUNE_TIMEDKERNEL_H
