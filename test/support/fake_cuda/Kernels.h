//===- Kernels.h - modules whose kernels the emulator runs ---------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_TEST_SUPPORT_FAKECUDA_KERNELS_H
#define VITC_TEST_SUPPORT_FAKECUDA_KERNELS_H

#include "runtime/device/emulator/EmulatorAbi.h"
#include "test/support/fake_cuda/DeviceMemory.h"
#include "test/support/fake_cuda/Settings.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace vitrt {
class Artifact;
} // namespace vitrt

namespace fakecuda {

/// An entry of a module's PTX: what the driver knows of a kernel.
struct Kernel {
  std::string symbol;
  std::vector<uint64_t> parameterBytes;
  unsigned maxThreads = 1024; ///< .maxntid
  uint64_t sharedLimit = 48 << 10;
  vitrt::emulator::Kernel function = nullptr;
};

/// The functions of Settings::code.
class Code {
public:
  /// An error on stderr and the process' end if it cannot be had.
  explicit Code(const std::string &path);
  ~Code();
  vitrt::emulator::Kernel find(const std::string &symbol) const;

private:
  std::unique_ptr<vitrt::Artifact> artifact;
  void *library = nullptr;
};

/// The architecture that PTX is for, "sm_90a".
std::string targetOf(const std::string &ptx);
/// Whether a GPU of that compute capability runs such code.
bool runs(const std::string &target, int major, int minor);
/// The entries of PTX, without their functions.
std::vector<Kernel> parseEntries(const std::string &ptx);

/// A launch with a copy of its arguments.
struct Launch {
  const Kernel *kernel;
  unsigned blocks, threads, sharedBytes;
  std::vector<std::vector<std::byte>> arguments;
};

/// Runs a launch: its pointers are the operands, the first number of 32 bits that of images; behind it are tensor maps, if there are, then
/// scratch memory and its bytes a block. Says on stderr what the emulator found wrong, and returns false.
bool run(const Launch &launch, const DeviceMemory &memory);

} // namespace fakecuda

#endif // VITC_TEST_SUPPORT_FAKECUDA_KERNELS_H
