//===- Generate.cpp - from launches to functions, a plan and a table of bindings ------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/driver/Generate.h"
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
  return {info.symbol,      info.kind,    info.schedule,    info.scratchBytes, info.rowsPerImage, info.rowsPerTask,
          info.columnTasks, info.threads, info.sharedBytes, info.persistent,   info.tensorMaps};
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
    shared.bytes = packed.getNumElements() * packed.getElementTypeBitWidth() / 8;
  }
  artifact::Binding result = shared;
  result.name = binding.getSymName().str();
  for (Attribute source : binding.getSources())
    result.sources.push_back(cast<FlatSymbolRefAttr>(source).getValue().str());
  return result;
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
      auto enter = [&](const auto &info) {
        complete = succeeded(info);
        if (complete)
          entry->second = planKernel(*info);
      };
      if (device)
        enter(gpu::emitKernel(*generated.kernels, launch, symbol, *device));
      else
        enter(cpu::emitKernel(*generated.kernels, launch, symbol, target));
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
