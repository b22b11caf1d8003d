//===- DeviceTune.h - the search for schedules on a GPU -----------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_COMPILER_TUNE_DEVICETUNE_H
#define VITC_COMPILER_TUNE_DEVICETUNE_H

#include "compiler/codegen/gpu/GpuCodegen.h"
#include "compiler/transforms/ScheduleTable.h"

#include <functional>

namespace vitc::tune {

struct DeviceTuneOptions {
  int ordinal = 0;                        ///< of the GPU, as the driver counts
  std::vector<gpu::DeviceTarget> targets; ///< what is compiled for: the newest that the GPU runs is measured
  std::string ptxas, cubinCache;          ///< as CompileOptions
  double secondsPerSample = 0.002;        ///< by the GPU's clock; each candidate takes six samples at most
  /// Called after each launch, as TuneOptions::report.
  std::function<void(llvm::StringRef layer, llvm::StringRef schedule, double gain)> report;
};

/// Measures schedules of each distinct launch of `module` that has any to choose from, for few, some and many images (gpu::imageCounts), and
/// enters the best three into `table` under the architecture's name. The model of time says which are worth it. Launches that the table knows
/// are left alone. Fails with a diagnostic, of the GPU too.
mlir::LogicalResult tune(mlir::ModuleOp module, const DeviceTuneOptions &options, ScheduleTable &table);

/// Gives the launches of `module` what `table`, which was read from `file`, has for `architecture`; warns of what is no schedule of its launch. Returns
/// how many got one.
size_t applySchedules(mlir::ModuleOp module, const gpu::DeviceTarget &target, const ScheduleTable &table, llvm::StringRef file);

} // namespace vitc::tune

#endif // VITC_COMPILER_TUNE_DEVICETUNE_H
