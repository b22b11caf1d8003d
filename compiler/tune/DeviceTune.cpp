//===- DeviceTune.cpp - the search for schedules on a GPU ---------------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/tune/DeviceTune.h"
#include "compiler/codegen/gpu/ProductChoice.h"
#include "compiler/tune/TimedKernel.h"
#include "dialects/vit/LayerName.h"
#include "runtime/artifact/GpuArchitecture.h"

#include "mlir/AsmParser/AsmParser.h"

#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/StringSet.h"

#include <cmath>

using namespace mlir;
using vitrt::Expected;

namespace vitc::tune {

namespace {

/// The search for one launch, on a copy of it.
class KernelTuner {
public:
  KernelTuner(Operation *launch, MeasuringGpu &gpu, const gpu::DeviceTarget &target, const DeviceTuneOptions &options, uint64_t weightBytes)
      : gpu(gpu), target(target), options(options), weightBytes(weightBytes), function(isolate(launch)),
        copy(&function->getBody().front().front()) {}

  /// The best schedules found, and their mean gain over the default ones; nothing if there is nothing to choose.
  FailureOr<std::optional<ScheduleTable::Entry>> search() {
    if (gpu::productCandidates(copy, target).empty())
      return std::optional<ScheduleTable::Entry>();
    Expected<LaunchMemory> allocated = LaunchMemory::create(copy, gpu, *std::ranges::max_element(gpu::imageCounts), weightBytes);
    if (!allocated)
      return copy->emitError() << allocated.error().message;
    memory = std::move(*allocated);
    SmallVector<Attribute> best;
    double gain = 1;
    for (int64_t images : gpu::imageCounts) {
      target.images = images;
      FailureOr<gpu::AnyProductSchedule> chosen = gpu::productScheduleOf(copy, target);
      if (failed(chosen))
        return failure();
      best.push_back(gpu::attributeOf(copy->getContext(), *chosen));
      for (Attribute candidate : gpu::productCandidates(copy, target)) {
        FailureOr<double> ratio = candidate == best.back() ? FailureOr<double>(1) : compare(candidate, best.back(), images);
        if (failed(ratio))
          return failure();
        if (*ratio > 1)
          best.back() = candidate;
        gain *= *ratio;
      }
    }
    ScheduleTable::Entry entry;
    llvm::raw_string_ostream(entry.schedule) << ArrayAttr::get(copy->getContext(), best);
    entry.gain = std::pow(gain, 1.0 / static_cast<double>(best.size()));
    return std::optional(entry);
  }

private:
  /// Kernels are the same for any number of images.
  FailureOr<TimedKernel *> kernelFor(Attribute schedule) {
    auto [entry, isNew] = kernels.try_emplace(schedule);
    if (isNew) {
      copy->setAttr(gpu::kScheduleAttribute, schedule);
      FailureOr<TimedKernel> timed = TimedKernel::create(copy, gpu, target, options.ptxas, options.cubinCache);
      copy->removeAttr(gpu::kScheduleAttribute);
      if (failed(timed))
        return failure();
      entry->second = std::make_unique<TimedKernel>(std::move(*timed));
    }
    return entry->second.get();
  }

  /// How many times as fast as `best` the candidate is; 1 unless it is faster, twice.
  FailureOr<double> compare(Attribute candidate, Attribute best, int64_t images) {
    constexpr double margin = 1.01;
    constexpr int rounds = 3;
    double ratio = 1;
    FailureOr<TimedKernel *> contenders[] = {kernelFor(best), kernelFor(candidate)};
    if (failed(contenders[0]) || failed(contenders[1]))
      return failure();
    for (int trial = 0; trial < 2; ++trial) {
      double least[] = {HUGE_VAL, HUGE_VAL};
      for (int round = 0; round < rounds; ++round)
        for (size_t i = 0; i < 2; ++i) {
          Expected<double> seconds = (*contenders[i])->measure(gpu, memory, images, options.secondsPerSample);
          if (!seconds)
            return copy->emitError() << seconds.error().message;
          least[i] = std::min(least[i], *seconds);
        }
      ratio = least[0] / least[1];
      if (!(ratio >= margin))
        return 1.0;
    }
    return ratio;
  }

  MeasuringGpu &gpu;
  gpu::DeviceTarget target;
  const DeviceTuneOptions &options;
  const uint64_t weightBytes;         ///< of the model
  OwningOpRef<func::FuncOp> function; ///< holds the launch alone
  Operation *copy;
  LaunchMemory memory;
  llvm::MapVector<Attribute, std::unique_ptr<TimedKernel>> kernels;
};

/// The newest of the targets that the GPU runs; null if it runs none.
const gpu::DeviceTarget *targetFor(const vitrt::cuda::Device &device, const std::vector<gpu::DeviceTarget> &targets) {
  const gpu::DeviceTarget *newest = nullptr;
  for (const gpu::DeviceTarget &target : targets) {
    const auto architecture = *vitrt::GpuArchitecture::parse(target.architecture);
    if (architecture.runsOn({"", device.major(), device.minor()}) && (!newest || target.isHopper()))
      newest = &target;
  }
  return newest;
}

} // namespace

/// The array of schedules in an entry, one for each of gpu::imageCounts; null where it is none, or not of this launch.
static ArrayAttr schedulesIn(const ScheduleTable::Entry &entry, Operation *launch, const gpu::DeviceTarget &target) {
  Attribute schedule;
  {
    // The parser's complaint is of a text that nobody sees.
    ScopedDiagnosticHandler silence(launch->getContext(), [](Diagnostic &) { return success(); });
    schedule = parseAttribute(entry.schedule, launch->getContext());
  }
  auto each = dyn_cast_or_null<ArrayAttr>(schedule);
  if (!each || each.size() != std::size(gpu::imageCounts))
    return {};
  const SmallVector<Attribute> possible = gpu::allProductSchedules(launch, target);
  return llvm::all_of(each, [&](Attribute one) { return llvm::is_contained(possible, one); }) ? each : ArrayAttr();
}

static uint64_t bytesOfWeights(ModuleOp module) {
  uint64_t bytes = 0;
  module.walk([&](kernel::WeightOp weight) {
    auto type = cast<RankedTensorType>(weight.getType());
    bytes += static_cast<uint64_t>(type.getNumElements()) * type.getElementTypeBitWidth() / 8;
  });
  return bytes;
}

LogicalResult tune(ModuleOp module, const DeviceTuneOptions &options, ScheduleTable &table) {
  // Of no operation: it would be printed whole.
  auto error = [&] { return emitError(UnknownLoc::get(module.getContext())); };
  Expected<MeasuringGpu> gpu = MeasuringGpu::open(options.ordinal);
  if (!gpu)
    return error() << gpu.error().message;
  const gpu::DeviceTarget *target = targetFor(*gpu->device, options.targets);
  if (!target)
    return error() << gpu->device->describe() << " of compute capability " << gpu->device->major() << "." << gpu->device->minor()
                   << " runs none of the kernels of --gpu-arch";
  module.getContext()->loadDialect<device::DeviceDialect>();
  const uint64_t weightBytes = bytesOfWeights(module);
  llvm::StringSet<> seen;
  WalkResult walked = module.walk([&](kernel::KernelLaunchInterface launch) {
    if (launch->getNumRegions() != 0)
      return WalkResult::advance();
    std::string name = launchName(launch);
    const ScheduleTable::Entry *known = table.find(target->architecture, name);
    if ((known && schedulesIn(*known, launch, *target)) || !seen.insert(name).second)
      return WalkResult::advance();
    auto entry = KernelTuner(launch, *gpu, *target, options, weightBytes).search();
    if (failed(entry))
      return WalkResult::interrupt();
    if (*entry) {
      table.set(target->architecture, name, **entry);
      if (options.report)
        options.report(layerName(launch->getLoc()).str(), (*entry)->schedule, (*entry)->gain);
    }
    return WalkResult::advance();
  });
  return failure(walked.wasInterrupted());
}

size_t applySchedules(ModuleOp module, const gpu::DeviceTarget &target, const ScheduleTable &table, StringRef file) {
  MLIRContext *context = module.getContext();
  context->loadDialect<device::DeviceDialect>();
  size_t applied = 0;
  llvm::StringSet<> reported;
  module.walk([&](kernel::KernelLaunchInterface launch) {
    if (launch->getNumRegions() != 0)
      return;
    const std::string name = launchName(launch);
    const ScheduleTable::Entry *entry = table.find(target.architecture, name);
    if (!entry)
      return;
    if (ArrayAttr schedules = schedulesIn(*entry, launch, target)) {
      launch->setAttr(gpu::kScheduleAttribute, schedules);
      ++applied;
    } else if (reported.insert(name).second) {
      launch->emitWarning() << "the schedule '" << entry->schedule << "' of '" << file
                            << "' is not used, the default is: it is none of the launch's on " << target.architecture;
    }
  });
  return applied;
}

} // namespace vitc::tune
