//===- Tune.cpp - the search for schedules ------------------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/tune/Tune.h"
#include "compiler/plan/Plan.h"
#include "compiler/tune/Candidates.h"
#include "compiler/tune/TimedLaunch.h"
#include "dialects/kernel/KernelDialect.h"
#include "dialects/vit/LayerName.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/TargetParser/Triple.h"

using namespace mlir;

namespace vitc::tune {

std::string machineName(const cpu::CpuTarget &target) {
  return (llvm::Triple(target.triple).getArchName() + " " + target.cpu + " " + llvm::join(target.features, ",")).str();
}

namespace {

/// The search for one launch, on a copy of it.
class LaunchTuner {
public:
  LaunchTuner(Operation *launch, const TuneOptions &options, int64_t images, int64_t weightBytes)
      : options(options), images(images), weightBytes(weightBytes), function(isolate(launch)) {
    copy = &function->getBody().front().front();
    cast<kernel::KernelLaunchInterface>(copy).chooseSchedule(options.target.scheduling());
    // The weights are packed before it now.
    copy = function->getBody().front().getTerminator()->getPrevNode();
  }

  /// The best schedule found, and its gain over the default; nothing if there is nothing to choose.
  FailureOr<std::optional<ScheduleTable::Entry>> search() {
    std::vector<Axis> axes = axesOf(copy, options.target.vectorRegisters, images);
    if (axes.empty())
      return std::optional<ScheduleTable::Entry>();
    best = copy->getAttr("schedule");
    FailureOr<TimedLaunch> first = compile(best);
    if (failed(first))
      return failure();
    bestTime = std::make_unique<TimedLaunch>(std::move(*first));
    double gain = 1;
    for (const Axis &axis : axes)
      for (const Change &step : axis)
        if (Attribute candidate = change(best, step)) {
          FailureOr<double> ratio = tryOut(candidate);
          if (failed(ratio))
            return failure();
          gain *= *ratio;
        }
    ScheduleTable::Entry entry;
    llvm::raw_string_ostream(entry.schedule) << best;
    entry.gain = gain;
    return std::optional(entry);
  }

private:
  FailureOr<TimedLaunch> compile(Attribute schedule) {
    std::string why;
    if (failed(reschedule(copy, schedule, why)))
      return copy->emitError() << "cannot be given the schedule " << schedule << ": " << why;
    FailureOr<TimedLaunch> timed = TimedLaunch::create(copy, options.target, options.optLevel, images, weightBytes);
    if (succeeded(timed))
      timed->run(); // pages and code are there from now on
    return timed;
  }

  /// Makes `candidate` the best if it is; returns how many times as fast as the best before it now is.
  FailureOr<double> tryOut(Attribute candidate) {
    FailureOr<TimedLaunch> timed = compile(candidate);
    if (failed(timed))
      return failure();
    constexpr double margin = 1.01;
    constexpr int rounds = 3;
    double ratio = 1;
    for (int trial = 0; trial < 2; ++trial) {
      double old = std::numeric_limits<double>::infinity(), current = old;
      for (int round = 0; round < rounds; ++round) {
        old = std::min(old, bestTime->measure(options.secondsPerSample));
        current = std::min(current, timed->measure(options.secondsPerSample));
      }
      ratio = old / current;
      if (ratio < margin)
        return 1.0;
    }
    best = candidate;
    bestTime = std::make_unique<TimedLaunch>(std::move(*timed));
    return ratio;
  }

  const TuneOptions &options;
  int64_t images, weightBytes;
  OwningOpRef<func::FuncOp> function; ///< holds the launch alone
  Operation *copy;
  Attribute best;
  std::unique_ptr<TimedLaunch> bestTime;
};

} // namespace

LogicalResult tune(ModuleOp module, const TuneOptions &options, ScheduleTable &table) {
  std::string machine = machineName(options.target);
  int64_t weightBytes = 0, tokens = 1;
  module.walk([&](Operation *op) {
    for (Value result : op->getResults()) {
      auto type = cast<RankedTensorType>(result.getType());
      if (isa<vit::WeightOp>(op))
        weightBytes += type.getNumElements() * int64_t(type.getElementTypeBitWidth()) / 8;
      else if (type.getRank() == 3 && !type.hasStaticShape())
        tokens = std::max(tokens, type.getDimSize(1));
    }
  });
  llvm::StringSet<> seen;
  WalkResult walked = module.walk([&](kernel::KernelLaunchInterface launch) {
    if (launch->hasAttr("schedule") || launch->getNumRegions() != 0)
      return WalkResult::advance();
    std::string name = launchName(launch);
    if (table.find(machine, name) || !seen.insert(name).second)
      return WalkResult::advance();
    auto entry = LaunchTuner(launch, options, plan::groupImages(tokens), weightBytes).search();
    if (failed(entry))
      return WalkResult::interrupt();
    if (*entry) {
      table.set(machine, name, **entry);
      if (options.report)
        options.report(layerName(launch->getLoc()).str(), (*entry)->schedule, (*entry)->gain);
    }
    return WalkResult::advance();
  });
  return failure(walked.wasInterrupted());
}

} // namespace vitc::tune
