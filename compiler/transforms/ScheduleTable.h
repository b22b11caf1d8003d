//===- ScheduleTable.h - schedules that were found by measuring ---------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_COMPILER_TRANSFORMS_SCHEDULETABLE_H
#define VITC_COMPILER_TRANSFORMS_SCHEDULETABLE_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/OwningOpRef.h"

#include "llvm/Support/Error.h"

#include <map>
#include <string>

namespace vitc {

/// The best schedule of each launch on each machine, as `vitc --tune` keeps it in a file (docs/schedules.md). A launch is named by
/// what it computes on which shapes, a machine by architecture, cpu and features.
class ScheduleTable {
public:
  struct Entry {
    std::string schedule; ///< an attribute, as MLIR prints it
    double gain = 1;      ///< how many times as fast as the default it was
  };
  using Launches = std::map<std::string, Entry>;

  /// Fails with a sentence if `path` cannot be read or holds something else. Schedules measured with other kernels than today's are left
  /// out, and counted.
  static llvm::Expected<ScheduleTable> read(llvm::StringRef path);
  std::string print() const;

  /// Null if there is none.
  const Entry *find(llvm::StringRef machine, llvm::StringRef launch) const;
  void set(llvm::StringRef machine, llvm::StringRef launch, Entry entry);
  /// Takes over all entries of `other`, over those of the same name.
  void merge(const ScheduleTable &other);

  const std::map<std::string, Launches> &machines() const { return launchesOf; }
  size_t outdated() const { return outdatedEntries; }

private:
  std::map<std::string, Launches> launchesOf;
  size_t outdatedEntries = 0;
};

/// A function of `launch` alone: its distinct operands are the arguments.
mlir::OwningOpRef<mlir::func::FuncOp> isolate(mlir::Operation *launch);

/// What a launch without a schedule is called in a table: as it is printed in a function of its own.
std::string launchName(mlir::Operation *launch);

/// Gives a launch that has a schedule another one, its packed weights included. Fails with a reason in `why` if it is none for the launch.
mlir::LogicalResult reschedule(mlir::Operation *launch, mlir::Attribute schedule, std::string &why);

/// The same with a schedule's text.
mlir::LogicalResult reschedule(mlir::Operation *launch, llvm::StringRef schedule, std::string &why);

} // namespace vitc

#endif // VITC_COMPILER_TRANSFORMS_SCHEDULETABLE_H
