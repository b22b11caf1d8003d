//===- DeviceHarness.h - compile one device kernel and run it, or ask ptxas ---*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_TEST_UNIT_GPU_DEVICEHARNESS_H
#define VITC_TEST_UNIT_GPU_DEVICEHARNESS_H

#include "compiler/codegen/gpu/GpuCodegen.h"
#include "test/unit/codegen/KernelHarness.h"

#include <functional>
#include <map>

namespace vitc::test {

/// Emits a kernel of the name `symbol`.
using Emit = std::function<mlir::FailureOr<gpu::KernelInfo>(mlir::ModuleOp, llvm::StringRef symbol)>;

/// A device kernel for the emulator.
struct DeviceKernel {
  gpu::KernelInfo info;
  std::shared_ptr<LoadedCode> code;

  int64_t blocks(int64_t images) const;

  /// Runs all blocks, the threads in the order of `seed`. Operands and results are words of 32 bits, results NaNs before; a failed test and
  /// whatever is there where the emulator finds an error.
  std::vector<std::vector<float>> run(const std::vector<std::vector<float>> &operands, const std::vector<size_t> &resultWords,
                                      int64_t images, uint64_t seed = 0) const;
  /// The same of results that hold something before, which is added to.
  std::vector<std::vector<float>> addTo(const std::vector<std::vector<float>> &results, const std::vector<std::vector<float>> &operands,
                                        int64_t images, uint64_t seed = 0) const;
};

/// Nothing, and a failed test, where there is no code for it.
std::optional<DeviceKernel> compileDevice(const Emit &emit);

/// What `emit` makes of the one launch operation in the module `text`.
std::optional<DeviceKernel> compileDeviceLaunch(const std::string &text);

/// What ptxas says of a kernel.
struct Resources {
  int64_t registers = -1, spilledBytes = -1;
};

/// Of the kernels of `module`, by their names, for an architecture; nothing where there is no ptxas, and a failed test where it fails or warns of what costs
/// speed (C7508, C7510, C7511, C7517, C7519).
std::map<std::string, Resources> assemble(mlir::ModuleOp module, const std::string &architecture = "sm_80");

/// Whether there is a ptxas: where CUDA_HOME says, or where it is installed by default.
bool hasPtxas();

} // namespace vitc::test

#endif // VITC_TEST_UNIT_GPU_DEVICEHARNESS_H
