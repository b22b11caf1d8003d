//===- Evaluate.cpp - functions of vit operations, run by MLIR's own passes ---------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "Evaluate.h"
#include "compiler/conversion/Passes.h"
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
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Transforms/Passes.h"
#include "llvm/Support/TargetSelect.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <random>
#include <stdexcept>

using namespace mlir;

namespace vitc::test {

static int64_t product(const std::vector<int64_t> &shape) {
  return std::accumulate(shape.begin(), shape.end(), int64_t(1), std::multiplies<>());
}

Tensor::Tensor(std::vector<int64_t> shape) : shape(std::move(shape)), data(product(this->shape)) {}

Tensor Tensor::random(std::vector<int64_t> shape, uint32_t seed) {
  Tensor tensor(std::move(shape));
  std::mt19937 generator(seed);
  for (float &value : tensor.data)
    value = static_cast<float>(generator()) / 2147483648.0f - 1.0f;
  return tensor;
}

double Tensor::at(std::initializer_list<int64_t> position) const {
  int64_t index = 0;
  size_t axis = 0;
  for (int64_t i : position)
    index = index * shape[axis++] + i;
  return data[index];
}

std::string Tensor::type(bool dynamicBatch) const {
  std::string text = "tensor<";
  for (size_t i = 0; i < shape.size(); ++i)
    text += (i == 0 && dynamicBatch ? "?" : std::to_string(shape[i])) + "x";
  return text + "f32>";
}

static void buildPipeline(PassManager &passes) {
  passes.addPass(createConvertVitToLinalg());
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

static DialectRegistry makeRegistry() {
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

/// A memref as generated code passes it: allocated and aligned pointer, offset, sizes, strides.
static std::vector<int64_t> descriptor(const Tensor &tensor) {
  std::vector<int64_t> words(3 + 2 * tensor.shape.size());
  words[0] = words[1] = reinterpret_cast<int64_t>(tensor.data.data());
  int64_t stride = 1;
  for (size_t i = tensor.shape.size(); i-- > 0; stride *= tensor.shape[i]) {
    words[3 + i] = tensor.shape[i];
    words[3 + tensor.shape.size() + i] = stride;
  }
  return words;
}

Tensor evaluate(const std::string &text, const std::vector<Tensor> &arguments, const std::function<void(OpPassManager &)> &prepare) {
  static const bool initialized = !llvm::InitializeNativeTarget() && !llvm::InitializeNativeTargetAsmPrinter();
  MLIRContext context(makeRegistry(), MLIRContext::Threading::DISABLED);
  OwningOpRef<ModuleOp> module = parseSourceString<ModuleOp>(text, &context);
  if (!initialized || !module)
    throw std::runtime_error("cannot parse:\n" + text);
  auto function = module->lookupSymbol<func::FuncOp>("f");
  function->setAttr("llvm.emit_c_interface", UnitAttr::get(&context));
  size_t rank = cast<RankedTensorType>(function.getResultTypes().front()).getRank();

  PassManager passes(&context);
  if (prepare)
    prepare(passes.nest<func::FuncOp>());
  buildPipeline(passes);
  if (failed(passes.run(*module)))
    throw std::runtime_error("cannot lower:\n" + text);
  ExecutionEngineOptions options;
  const StringRef libraries[] = {MLIR_RUNNER_UTILS};
  options.sharedLibPaths = libraries;
  llvm::Expected<std::unique_ptr<ExecutionEngine>> engine = ExecutionEngine::create(*module, options);
  if (!engine)
    throw std::runtime_error(llvm::toString(engine.takeError()));

  std::vector<std::vector<int64_t>> descriptors{std::vector<int64_t>(3 + 2 * rank)};
  for (const Tensor &argument : arguments)
    descriptors.push_back(descriptor(argument));
  std::vector<int64_t *> pointers;
  for (std::vector<int64_t> &words : descriptors)
    pointers.push_back(words.data());
  std::vector<void *> packed;
  for (int64_t *&pointer : pointers)
    packed.push_back(&pointer);
  if (llvm::Error error = (*engine)->invokePacked("_mlir_ciface_f", packed))
    throw std::runtime_error(llvm::toString(std::move(error)));

  const std::vector<int64_t> &words = descriptors.front();
  Tensor result(std::vector<int64_t>(words.begin() + 3, words.begin() + 3 + rank));
  const float *elements = reinterpret_cast<const float *>(words[1]) + words[2];
  result.data.assign(elements, elements + result.data.size());
  std::free(reinterpret_cast<void *>(words[0]));
  return result;
}

void expectFormula(const Tensor &actual, const std::vector<int64_t> &shape,
                   const std::function<double(const std::vector<int64_t> &)> &formula, double tolerance) {
  ASSERT_EQ(actual.shape, shape);
  std::vector<int64_t> position(shape.size());
  for (size_t i = 0; i < actual.data.size(); ++i) {
    size_t rest = i;
    for (size_t axis = shape.size(); axis-- > 0; rest /= shape[axis])
      position[axis] = rest % shape[axis];
    double expected = formula(position);
    ASSERT_NEAR(actual.data[i], expected, tolerance * std::max(1.0, std::abs(expected))) << "at " << ::testing::PrintToString(position);
  }
}

} // namespace vitc::test
