//===- Tune.h - the search for schedules --------------------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_COMPILER_TUNE_TUNE_H
#define VITC_COMPILER_TUNE_TUNE_H

#include "compiler/codegen/cpu/CpuCodegen.h"
#include "compiler/transforms/ScheduleTable.h"

#include "mlir/IR/BuiltinOps.h"

#include <functional>

namespace vitc::tune {

struct TuneOptions {
  cpu::CpuTarget target; ///< a machine that this process can run code for
  unsigned optLevel = 2;
  double secondsPerSample = 0.005; ///< CPU time of a measurement, three calls at least; each candidate takes six of them
  /// Called after each launch: the layer, its best schedule, how many times as fast as the default that is.
  std::function<void(llvm::StringRef layer, llvm::StringRef schedule, double gain)> report;
};

/// The name of a machine in a ScheduleTable: architecture, cpu, features.
std::string machineName(const cpu::CpuTarget &target);

/// Measures schedules for each distinct launch of `module`, whose launches have none yet, and enters the best ones into `table`. Launches
/// that the table knows are left alone.
///
/// One direction after the other (Candidates.h), from the default on: a candidate and the best so far are timed in turns, by the thread's
/// CPU time, and the candidate wins if its best sample is more than a hundredth shorter twice. No result's bits depend on a schedule.
mlir::LogicalResult tune(mlir::ModuleOp module, const TuneOptions &options, ScheduleTable &table);

} // namespace vitc::tune

#endif // VITC_COMPILER_TUNE_TUNE_H
