//===- Emulator.h - GPU kernels on the host, one fiber a thread ---------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Finds what a GPU would forgive until it does not: accesses outside of the launch's operands and of shared memory, addresses that are not
// aligned, writes to what a kernel only reads, threads that touch the same shared memory without a barrier between them, threads of a warp
// that meet in different operations, barriers that not all reach. Threads run in an order drawn from a seed. Shared memory begins as NaNs, and
// what is copied asynchronously lands as late as it may, into NaNs.
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_RUNTIME_DEVICE_EMULATOR_EMULATOR_H
#define VITC_RUNTIME_DEVICE_EMULATOR_EMULATOR_H

#include "runtime/Error.h"
#include "runtime/device/emulator/EmulatorAbi.h"

#include <memory>
#include <span>
#include <string_view>

namespace vitrt::emulator {

struct Block;

/// Memory that a launch was given.
struct Operand {
  std::byte *data;
  uint64_t bytes;
  bool written;
};

struct LaunchShape {
  std::string_view kernel; ///< its symbol
  std::string_view layer;  ///< whose value it computes
  Kernel function;
  int32_t threads; ///< of a block, a multiple of 32
  uint64_t sharedBytes;
  std::byte *scratch; ///< memory for a block, aligned to 64
  int32_t blocks = 1; ///< of the whole launch
  std::span<const TensorMap> maps = {};
  uint64_t scratchBytes = 0; ///< that the kernel may touch of its scratch memory
};

/// Runs blocks one after the other. One launch at a time; an emulator for each host thread.
class Emulator {
public:
  explicit Emulator(uint64_t seed = 0);
  ~Emulator();

  /// Blocks [begin, end) of a launch. What the kernel did wrong is the error; memory is then as it was at that moment.
  Error run(const LaunchShape &launch, std::span<const Operand> operands, int64_t images, int64_t begin, int64_t end);

private:
  std::unique_ptr<Block> block;
};

} // namespace vitrt::emulator

#endif // VITC_RUNTIME_DEVICE_EMULATOR_EMULATOR_H
