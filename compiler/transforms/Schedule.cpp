//===- Schedule.cpp - how each launch is tiled ------------------------------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/transforms/Passes.h"
#include "compiler/transforms/ScheduleTable.h"
#include "dialects/kernel/KernelDialect.h"

#include "llvm/ADT/StringSet.h"

using namespace mlir;

namespace vitc {
#define GEN_PASS_DEF_KERNELSCHEDULE
#include "compiler/transforms/Passes.h.inc"

namespace {

struct SchedulePass : impl::KernelScheduleBase<SchedulePass> {
  using Base::Base;

  LogicalResult initialize(MLIRContext *context) override {
    if (vectorLanes != 16 && vectorLanes != 8 && vectorLanes != 4)
      return emitError(UnknownLoc::get(context)) << "vector-lanes must be 16, 8 or 4, not " << int64_t(vectorLanes);
    if (tuningCache.empty())
      return success();
    llvm::Expected<ScheduleTable> read = ScheduleTable::read(tuningCache);
    if (!read)
      return emitError(UnknownLoc::get(context)) << toString(read.takeError());
    table = std::make_shared<ScheduleTable>(std::move(*read));
    if (table->outdated())
      emitWarning(UnknownLoc::get(context))
          << table->outdated() << " schedules in '" << tuningCache
          << "' were measured with kernels of another version and are not used; vitc --tune measures again";
    return success();
  }

  void runOnOperation() override {
    llvm::StringSet<> reported;
    getOperation()->walk([&](kernel::KernelLaunchInterface launch) {
      if (launch->hasAttr("schedule"))
        return;
      bool hasCode = launch->getNumRegions() != 0; // a reference lowering is its own name
      std::string name = table && !hasCode ? launchName(launch) : "";
      launch.chooseSchedule({vectorLanes, vectorRegisters ? vectorRegisters : vectorLanes == 16 ? 32 : 16, cacheBytes});
      const ScheduleTable::Entry *entry = table ? table->find(machine, name) : nullptr;
      std::string why;
      if (!entry)
        return;
      if (succeeded(reschedule(launch, entry->schedule, why)))
        ++tuned;
      else if (reported.insert(name).second)
        launch->emitWarning() << "the schedule '" << entry->schedule << "' of '" << tuningCache << "' is not used, the default is: " << why;
    });
  }

private:
  std::shared_ptr<const ScheduleTable> table; ///< null: none was asked for
};

} // namespace
} // namespace vitc
