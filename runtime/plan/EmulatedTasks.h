//===- EmulatedTasks.h - blocks of device kernels among a pool's workers ------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_RUNTIME_PLAN_EMULATEDTASKS_H
#define VITC_RUNTIME_PLAN_EMULATEDTASKS_H

#include "runtime/device/emulator/Emulator.h"
#include "runtime/plan/Program.h"

#include <atomic>
#include <mutex>
#include <vector>

namespace vitrt {

/// An emulator for each worker, and the first thing that a kernel did wrong.
class EmulatedTasks {
public:
  /// `seed` gives the first worker's order of threads, the next numbers the others'.
  explicit EmulatedTasks(unsigned workers, uint64_t seed = 0);

  /// How many blocks a launch has here.
  static int64_t blocks(const Launch &launch, int64_t images);

  /// Blocks [begin, end) by worker `worker`; nothing once one has failed.
  void run(unsigned worker, const emulator::LaunchShape &shape, std::span<const emulator::Operand> operands, int64_t images, int64_t begin,
           int64_t end);
  /// The same of a program's launch, whose operands' addresses for these images are `operands`; `scratch` is the worker's.
  void run(unsigned worker, const Program &program, const Launch &launch, void *const *operands, int64_t images, int64_t begin, int64_t end,
           std::byte *scratch, const PartMemory &parts);

  bool hasFailed() const { return failed; }
  /// What went wrong, said of the artifact's file; from now on nothing has.
  Error takeFailure(std::string_view artifact);

private:
  std::vector<std::unique_ptr<emulator::Emulator>> emulators;
  std::mutex failing;
  std::atomic<bool> failed = false; ///< `failure` is set
  Error failure;
};

} // namespace vitrt

#endif // VITC_RUNTIME_PLAN_EMULATEDTASKS_H
