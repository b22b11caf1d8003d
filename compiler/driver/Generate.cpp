//===- Generate.cpp - from launches to functions, a plan and a table of bindings ------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/driver/Generate.h"
#include "compiler/codegen/gpu/ProductSchedule.h"
#include "dialects/kernel/KernelDialect.h"
#include "dialects/kernel/Structure.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

#include "llvm/ADT/StringMap.h"

using namespace mlir;
using namespace vitc;

plan::Kernel vitc::planKernel(const cpu::KernelInfo &info) {
  return {info.symbol, info.kind, info.schedule, info.scratchBytes, info.rowsPerImage, info.rowsPerTask, info.columnTasks};
}

plan::Kernel vitc::planKernel(const gpu::KernelInfo &info) {
  return {info.symbol,  info.kind,        info.schedule,   info.scratchBytes, info.rowsPerImage, info.rowsPerTask,  info.columnTasks,
          info.threads, info.sharedBytes, info.persistent, info.dependent,    info.tensorMaps,   info.partCounters, info.partBytes};
}

static FailureOr<artifact::Binding> generateBinding(kernel::BindingOp binding, ModuleOp into, llvm::StringMap<artifact::Binding> &known) {
  auto [entry, isNew] = known.try_emplace(kernel::structureOf(binding));
  artifact::Binding &shared = entry->second;
  if (isNew) {
    shared.symbol = "bind_" + std::to_string(known.size() - 1);
    FailureOr<int64_t> scratch = cpu::emitBinding(into, binding, shared.symbol);
    if (failed(scratch))
      return failure();
    shared.scratchBytes = *scratch;
    auto packed = cast<RankedTensorType>(binding.getBody().front().getTerminator()->getOperand(0).getType());
    shared.bytes = packed.getNumElements() * kernel::bytesOf(packed.getElementType());
  }
  artifact::Binding result = shared;
  result.name = binding.getSymName().str();
  for (Attribute source : binding.getSources())
    result.sources.push_back(cast<FlatSymbolRefAttr>(source).getValue().str());
  return result;
}

/// Kernels of a device's launch for few, some and many images, as far as they differ: tiles small enough that one image's fill the chip would read
/// their operands too often for many.
static FailureOr<plan::Kernel> generateDeviceKernels(ModuleOp into, Operation *launch, const std::string &symbol,
                                                     gpu::DeviceTarget device) {
  device.images = gpu::imageCounts[0];
  FailureOr<gpu::KernelInfo> info = gpu::emitKernel(into, launch, symbol, device);
  if (failed(info))
    return failure();
  plan::Kernel kernel = planKernel(*info);
  if (!info->choosesByImages)
    return kernel;
  std::string schedule = kernel.schedule;
  for (auto [fromImages, images] : llvm::drop_begin(llvm::zip(gpu::imagesFrom, gpu::imageCounts))) {
    device.images = images;
    std::string name = symbol + "_from_" + std::to_string(fromImages);
    info = gpu::emitKernel(into, launch, name, device);
    if (failed(info))
      return failure();
    if (info->schedule == schedule) {
      into.lookupSymbol(name)->erase();
      continue;
    }
    schedule = info->schedule;
    kernel.larger.push_back(planKernel(*info));
    kernel.larger.back().fromImages = fromImages;
  }
  return kernel;
}

FailureOr<Generated> vitc::generate(ArrayRef<ModuleOp> modules, const cpu::CpuTarget &target, const gpu::DeviceTarget *device) {
  Generated generated;
  ModuleOp first = modules.front();
  generated.kernels = ModuleOp::create(first.getLoc());
  generated.bindings = ModuleOp::create(first.getLoc());

  llvm::StringMap<artifact::Binding> knownBindings;
  for (ModuleOp module : modules)
    for (auto binding : module.getOps<kernel::BindingOp>()) {
      FailureOr<artifact::Binding> entry = generateBinding(binding, *generated.bindings, knownBindings);
      if (failed(entry))
        return failure();
      generated.bindingTable.push_back(std::move(*entry));
    }
  cpu::emitConversions(*generated.bindings);

  llvm::StringMap<plan::Kernel> knownKernels;
  bool complete = true;
  auto kernelOf = [&](Operation *launch) {
    auto [entry, isNew] = knownKernels.try_emplace(kernel::structureOf(launch));
    if (isNew && complete) {
      std::string symbol = (launch->getName().stripDialect() + "_" + Twine(knownKernels.size() - 1)).str();
      auto emitHost = [&]() -> FailureOr<plan::Kernel> {
        FailureOr<cpu::KernelInfo> info = cpu::emitKernel(*generated.kernels, launch, symbol, target);
        return failed(info) ? FailureOr<plan::Kernel>(failure()) : planKernel(*info);
      };
      FailureOr<plan::Kernel> kernel = device ? generateDeviceKernels(*generated.kernels, launch, symbol, *device) : emitHost();
      complete = succeeded(kernel);
      if (complete)
        entry->second = std::move(*kernel);
    }
    return entry->second;
  };
  for (ModuleOp module : modules)
    for (auto function : module.getOps<func::FuncOp>()) {
      FailureOr<plan::Program> program = plan::buildProgram(function, kernelOf);
      if (failed(program) || !complete)
        return failure();
      generated.programs.push_back(std::move(*program));
    }
  return generated;
}
