//===- Jit.cpp - functions on tensors as machine code -------------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "Jit.h"
#include "dialects/vit/VitDialect.h"

#include "mlir/Conversion/Passes.h"
#include "mlir/Dialect/Arith/Transforms/BufferizableOpInterfaceImpl.h"
#include "mlir/Dialect/Arith/Transforms/Passes.h"
#include "mlir/Dialect/Bufferization/Pipelines/Passes.h"
#include "mlir/Dialect/Bufferization/Transforms/FuncBufferizableOpInterfaceImpl.h"
#include "mlir/Dialect/Bufferization/Transforms/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/Passes.h"
#include "mlir/Dialect/Linalg/Transforms/AllInterfaces.h"
#include "mlir/Dialect/MemRef/Transforms/AllocationOpInterfaceImpl.h"
#include "mlir/Dialect/MemRef/Transforms/Passes.h"
#include "mlir/Dialect/SCF/Transforms/BufferDeallocationOpInterfaceImpl.h"
#include "mlir/Dialect/SCF/Transforms/BufferizableOpInterfaceImpl.h"
#include "mlir/Dialect/Tensor/Transforms/BufferizableOpInterfaceImpl.h"
#include "mlir/ExecutionEngine/ExecutionEngine.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Transforms/Passes.h"
#include "llvm/Support/TargetSelect.h"

#include <set>
#include <stdexcept>

using namespace mlir;

namespace vitc::test {

static void buildPipeline(PassManager &passes) {
  passes.addPass(createCanonicalizerPass());
  passes.addPass(createCSEPass());
  bufferization::OneShotBufferizePassOptions bufferize;
  bufferize.bufferizeFunctionBoundaries = true;
  bufferize.functionBoundaryTypeConversion = bufferization::LayoutMapOption::IdentityLayoutMap;
  passes.addPass(bufferization::createOneShotBufferizePass(bufferize));
  bufferization::buildBufferDeallocationPipeline(passes);
  passes.addPass(createConvertBufferizationToMemRefPass());
  passes.addNestedPass<func::FuncOp>(createConvertLinalgToLoopsPass());
  passes.addPass(memref::createExpandStridedMetadataPass());
  passes.addPass(createLowerAffinePass());
  passes.addPass(createSCFToControlFlowPass());
  passes.addPass(createConvertMathToLibmPass());
  passes.addPass(createConvertMathToLLVMPass());
  passes.addPass(arith::createArithExpandOpsPass());
  passes.addPass(createArithToLLVMConversionPass());
  passes.addPass(createFinalizeMemRefToLLVMConversionPass());
  passes.addPass(createConvertFuncToLLVMPass());
  passes.addPass(createConvertControlFlowToLLVMPass());
  passes.addPass(createReconcileUnrealizedCastsPass());
}

DialectRegistry makeRegistry() {
  DialectRegistry registry;
  registry.insert<vit::VitDialect, func::FuncDialect>();
  arith::registerBufferizableOpInterfaceExternalModels(registry);
  bufferization::func_ext::registerBufferizableOpInterfaceExternalModels(registry);
  linalg::registerAllDialectInterfaceImplementations(registry);
  memref::registerAllocationOpInterfaceExternalModels(registry);
  scf::registerBufferizableOpInterfaceExternalModels(registry);
  scf::registerBufferDeallocationOpInterfaceExternalModels(registry);
  tensor::registerBufferizableOpInterfaceExternalModels(registry);
  registerBuiltinDialectTranslation(registry);
  registerLLVMDialectTranslation(registry);
  return registry;
}

Jit::Jit(ModuleOp module) {
  static const bool initialized = !llvm::InitializeNativeTarget() && !llvm::InitializeNativeTargetAsmPrinter();
  for (auto function : module.getOps<func::FuncOp>()) {
    function->setAttr("llvm.emit_c_interface", UnitAttr::get(module.getContext()));
    for (unsigned i = 0; i < function.getNumArguments(); ++i)
      function.setArgAttr(i, "bufferization.writable", BoolAttr::get(module.getContext(), false));
    for (Type type : function.getResultTypes())
      resultRanks[function.getName().str()].push_back(cast<RankedTensorType>(type).getRank());
  }
  PassManager passes(module.getContext());
  buildPipeline(passes);
  if (!initialized || failed(passes.run(module)))
    throw std::runtime_error("cannot lower tensors to machine code");
  ExecutionEngineOptions options;
  const StringRef libraries[] = {MLIR_RUNNER_UTILS};
  options.sharedLibPaths = libraries;
  llvm::Expected<std::unique_ptr<ExecutionEngine>> made = ExecutionEngine::create(module, options);
  if (!made)
    throw std::runtime_error(llvm::toString(made.takeError()));
  engine = std::move(*made);
}

Jit::~Jit() = default;

/// Words of a memref as generated code passes it: allocated and aligned pointer, offset, sizes, strides.
static size_t descriptorWords(size_t rank) { return 3 + 2 * rank; }

static std::vector<int64_t> descriptor(const Array &tensor) {
  size_t rank = tensor.shape.size();
  std::vector<int64_t> words(descriptorWords(rank));
  words[0] = words[1] = reinterpret_cast<int64_t>(tensor.data);
  int64_t stride = 1;
  for (size_t i = rank; i-- > 0; stride *= tensor.shape[i]) {
    words[3 + i] = tensor.shape[i];
    words[3 + rank + i] = stride;
  }
  return words;
}

void Jit::call(const std::string &name, const std::vector<Array> &arguments, const std::function<void(const Array &)> &receive) const {
  const std::vector<size_t> &ranks = resultRanks.at(name);
  size_t words = 0;
  for (size_t rank : ranks)
    words += descriptorWords(rank);
  // Results come first, as one struct of descriptors.
  std::vector<std::vector<int64_t>> descriptors{std::vector<int64_t>(words)};
  std::set<int64_t> taken;
  for (const Array &argument : arguments) {
    descriptors.push_back(descriptor(argument));
    taken.insert(descriptors.back()[0]);
  }
  std::vector<int64_t *> pointers;
  for (std::vector<int64_t> &each : descriptors)
    pointers.push_back(each.data());
  std::vector<void *> packed;
  for (int64_t *&pointer : pointers)
    packed.push_back(&pointer);
  if (llvm::Error error = engine->invokePacked("_mlir_ciface_" + name, packed))
    throw std::runtime_error(llvm::toString(std::move(error)));

  const int64_t *result = descriptors.front().data();
  std::set<int64_t> owned;
  for (size_t rank : ranks) {
    receive({{result + 3, result + 3 + rank}, reinterpret_cast<void *>(result[1])});
    if (!taken.contains(result[0]))
      owned.insert(result[0]);
    result += descriptorWords(rank);
  }
  for (int64_t allocation : owned)
    std::free(reinterpret_cast<void *>(allocation));
}

} // namespace vitc::test
