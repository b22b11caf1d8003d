//===- Schedule.cpp - how each launch is tiled ------------------------------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/transforms/Passes.h"
#include "dialects/kernel/KernelDialect.h"

using namespace mlir;

namespace vitc {
#define GEN_PASS_DEF_KERNELSCHEDULE
#include "compiler/transforms/Passes.h.inc"

namespace {

struct SchedulePass : impl::KernelScheduleBase<SchedulePass> {
  using Base::Base;

  void runOnOperation() override {
    if (vectorLanes != 16 && vectorLanes != 8 && vectorLanes != 4) {
      emitError(getOperation()->getLoc()) << "vector-lanes must be 16, 8 or 4, not " << int64_t(vectorLanes);
      return signalPassFailure();
    }
    getOperation()->walk([&](kernel::KernelLaunchInterface launch) {
      if (!launch->hasAttr("schedule"))
        launch.chooseSchedule(vectorLanes);
    });
  }
};

} // namespace
} // namespace vitc
