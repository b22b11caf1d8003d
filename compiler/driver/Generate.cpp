//===- Generate.cpp - from launches to functions, a plan and a table of bindings ------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/driver/Generate.h"
#include "dialects/kernel/KernelDialect.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

#include "llvm/ADT/StringMap.h"

using namespace mlir;
using namespace vitc;

/// Prints what an operation computes without what it is called: equal text means that one function serves both. Values are numbered as they come.
static void printStructure(Operation *op, llvm::DenseMap<Value, size_t> &numbers, llvm::raw_ostream &os) {
  auto number = [&](Value value) { return numbers.try_emplace(value, numbers.size()).first->second; };
  os << op->getName() << '(';
  for (Value operand : op->getOperands())
    os << number(operand) << ':' << operand.getType() << ' ';
  os << ')';
  for (NamedAttribute attribute : op->getAttrs())
    if (attribute.getName() != SymbolTable::getSymbolAttrName() && attribute.getName() != "sources")
      os << attribute.getName().getValue() << '=' << attribute.getValue() << ' ';
  for (Value result : op->getResults())
    os << number(result) << ':' << result.getType() << ' ';
  for (Region &region : op->getRegions())
    for (Block &block : region) {
      os << '{';
      for (BlockArgument argument : block.getArguments())
        os << number(argument) << ':' << argument.getType() << ' ';
      for (Operation &inner : block)
        printStructure(&inner, numbers, os);
      os << '}';
    }
}

static std::string structureOf(Operation *op) {
  std::string text;
  llvm::raw_string_ostream os(text);
  llvm::DenseMap<Value, size_t> numbers;
  printStructure(op, numbers, os);
  return text;
}

static FailureOr<artifact::Binding> generateBinding(kernel::BindingOp binding, ModuleOp into, llvm::StringMap<artifact::Binding> &known) {
  auto [entry, isNew] = known.try_emplace(structureOf(binding));
  artifact::Binding &shared = entry->second;
  if (isNew) {
    shared.symbol = "bind_" + std::to_string(known.size() - 1);
    FailureOr<int64_t> scratch = cpu::emitBinding(into, binding, shared.symbol);
    if (failed(scratch))
      return failure();
    shared.scratchBytes = *scratch;
    auto packed = cast<RankedTensorType>(binding.getBody().front().getTerminator()->getOperand(0).getType());
    shared.bytes = packed.getNumElements() * sizeof(float);
  }
  artifact::Binding result = shared;
  result.name = binding.getSymName().str();
  for (Attribute source : binding.getSources())
    result.sources.push_back(cast<FlatSymbolRefAttr>(source).getValue().str());
  return result;
}

FailureOr<Generated> vitc::generate(ModuleOp module, const cpu::CpuTarget &target) {
  Generated generated;
  generated.kernels = ModuleOp::create(module.getLoc());
  generated.bindings = ModuleOp::create(module.getLoc());

  llvm::StringMap<artifact::Binding> knownBindings;
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
    auto [entry, isNew] = knownKernels.try_emplace(structureOf(launch));
    if (isNew && complete) {
      std::string symbol = (launch->getName().stripDialect() + "_" + Twine(knownKernels.size() - 1)).str();
      FailureOr<cpu::KernelInfo> info = cpu::emitKernel(*generated.kernels, launch, symbol, target);
      complete = succeeded(info);
      if (complete)
        entry->second = {info->symbol,       info->kind,        info->schedule,   info->scratchBytes,
                         info->rowsPerImage, info->rowsPerTask, info->columnTasks};
    }
    return entry->second;
  };
  for (auto function : module.getOps<func::FuncOp>()) {
    FailureOr<plan::Program> program = plan::buildProgram(function, kernelOf);
    if (failed(program) || !complete)
      return failure();
    generated.programs.push_back(std::move(*program));
  }
  return generated;
}
