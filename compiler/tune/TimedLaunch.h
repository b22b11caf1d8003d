//===- TimedLaunch.h - a launch measured in this process ----------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_COMPILER_TUNE_TIMEDLAUNCH_H
#define VITC_COMPILER_TUNE_TIMEDLAUNCH_H

#include "compiler/codegen/cpu/CpuCodegen.h"
#include "runtime/artifact/CodeObject.h"

#include <memory>
#include <vector>

namespace vitc::tune {

/// CPU seconds of this thread: what neighbours take does not count.
double threadSeconds();

/// A scheduled launch as machine code in this process, with operands of its own: random numbers, activations in the caches as the launch
/// before leaves them, weights in several copies that are used in turn, as the layers of a model are.
class TimedLaunch {
public:
  /// `launch` has its schedule; `weightBytes` is how much memory all weights of the model take: at least so much is walked through before
  /// a copy is used again. Fails with a diagnostic at the launch.
  static mlir::FailureOr<TimedLaunch> create(mlir::Operation *launch, const cpu::CpuTarget &target, unsigned optLevel, int64_t images,
                                             int64_t weightBytes);

  /// All tasks of the group of images once.
  void run();

  /// Seconds of a call: the mean of as many calls as fill about `seconds`, three at least.
  double measure(double seconds);

  /// Bytes that a call reads and writes.
  int64_t bytes() const { return touchedBytes; }

private:
  struct Free {
    void operator()(void *memory) const { std::free(memory); }
  };
  using Memory = std::unique_ptr<void, Free>;

  vitrt::CodeObject code;
  vitrt::KernelFunction function = nullptr;
  int64_t images = 1, tasks = 0, touchedBytes = 0;
  std::vector<Memory> memory;
  std::vector<std::vector<void *>> calls; ///< the buffers of each call in turn
  void *scratch = nullptr;
  size_t next = 0;
};

} // namespace vitc::tune

#endif // VITC_COMPILER_TUNE_TIMEDLAUNCH_H
