//===- CompileModule.cpp - kernels' IR to machine code ------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/codegen/cpu/CpuCodegen.h"
#include "compiler/codegen/cpu/Lowering.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"

#include "llvm/IR/DiagnosticInfo.h"
#include "llvm/IR/DiagnosticPrinter.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/Target/TargetOptions.h"
#include "llvm/TargetParser/SubtargetFeature.h"
#include "llvm/TargetParser/Triple.h"

using namespace mlir;

namespace vitc::cpu {

namespace {

/// LLVM's diagnostics as diagnostics of the MLIR context.
struct ForwardDiagnostics : llvm::DiagnosticHandler {
  Location loc;
  explicit ForwardDiagnostics(Location loc) : loc(loc) {}

  bool handleDiagnostics(const llvm::DiagnosticInfo &info) override {
    if (info.getSeverity() != llvm::DS_Error && info.getSeverity() != llvm::DS_Warning)
      return true;
    std::string text;
    llvm::raw_string_ostream stream(text);
    llvm::DiagnosticPrinterRawOStream printer(stream);
    info.print(printer);
    if (info.getSeverity() == llvm::DS_Error)
      emitError(loc) << text;
    else
      emitWarning(loc) << text;
    return true;
  }
};

} // namespace

/// Instructions are limited to the recorded features by compiling for the architecture's baseline plus those; the cpu's name only tunes.
/// So the check that the runtime makes at load is exact.
static std::unique_ptr<llvm::TargetMachine> createMachine(const CpuTarget &target, unsigned optLevel, std::string &error) {
  llvm::Triple triple(target.triple);
  const llvm::Target *backend = llvm::TargetRegistry::lookupTarget(triple, error);
  if (!backend)
    return nullptr;
  llvm::SubtargetFeatures features;
  for (const std::string &feature : target.features)
    features.AddFeature(feature);
  llvm::TargetOptions options;
  options.ExceptionModel = llvm::ExceptionHandling::None;
  StringRef baseline = triple.getArch() == llvm::Triple::x86_64 ? "x86-64" : "generic";
  auto level = static_cast<llvm::CodeGenOptLevel>(std::min(optLevel, 3u));
  return std::unique_ptr<llvm::TargetMachine>(
      backend->createTargetMachine(triple, baseline, features.getString(), options, llvm::Reloc::PIC_, llvm::CodeModel::Small, level));
}

static void setAttributes(llvm::Module &module, const llvm::TargetMachine &machine, const CpuTarget &target) {
  for (llvm::Function &function : module) {
    if (function.isDeclaration())
      continue;
    function.addFnAttr(llvm::Attribute::NoUnwind);
    // Without this the optimizer turns loops into calls of memcpy and memset, which leaf code has not got.
    function.addFnAttr("no-builtins");
    function.addFnAttr("target-cpu", machine.getTargetCPU());
    function.addFnAttr("tune-cpu", target.cpu);
    function.addFnAttr("target-features", machine.getTargetFeatureString());
    if (target.vectorLanes >= 8)
      function.addFnAttr("prefer-vector-width", std::to_string(target.vectorLanes * 32));
  }
}

static void optimize(llvm::Module &module, llvm::TargetMachine &machine, unsigned optLevel) {
  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager components;
  llvm::ModuleAnalysisManager modules;
  llvm::PassBuilder builder(&machine);
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(components);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, components, modules);
  const llvm::OptimizationLevel levels[] = {llvm::OptimizationLevel::O0, llvm::OptimizationLevel::O1, llvm::OptimizationLevel::O2,
                                            llvm::OptimizationLevel::O3};
  unsigned level = std::min(optLevel, 3u);
  auto pipeline = level ? builder.buildPerModuleDefaultPipeline(levels[level]) : builder.buildO0DefaultPipeline(levels[0]);
  pipeline.run(module, modules);
}

FailureOr<std::string> compileModule(ModuleOp module, const CpuTarget &target, unsigned optLevel, Output output) {
  MLIRContext *context = module.getContext();
  DialectRegistry registry;
  registerBuiltinDialectTranslation(registry);
  registerLLVMDialectTranslation(registry);
  context->appendDialectRegistry(registry);

  // Only kernels and bind functions are visible from outside the object.
  module.walk([](func::FuncOp function) {
    if (function.isPrivate() && !function.isDeclaration())
      function->setAttr("llvm.linkage", LLVM::LinkageAttr::get(function.getContext(), LLVM::Linkage::Internal));
  });
  PassManager pm(context, ModuleOp::getOperationName());
  buildLowering(pm, target);
  if (failed(pm.run(module)))
    return failure();

  llvm::LLVMContext llvmContext;
  llvmContext.setDiagnosticHandler(std::make_unique<ForwardDiagnostics>(module.getLoc()));
  std::unique_ptr<llvm::Module> llvmModule = translateModuleToLLVMIR(module, llvmContext, "vitc");
  if (!llvmModule)
    return emitError(module.getLoc()) << "the module cannot be translated to LLVM IR";
  std::string error;
  std::unique_ptr<llvm::TargetMachine> machine = createMachine(target, optLevel, error);
  if (!machine)
    return emitError(module.getLoc()) << "no code generator for '" << target.triple << "': " << error;
  llvmModule->setTargetTriple(machine->getTargetTriple());
  llvmModule->setDataLayout(machine->createDataLayout());
  setAttributes(*llvmModule, *machine, target);
  optimize(*llvmModule, *machine, optLevel);

  if (output == Output::LLVMIR) {
    std::string text;
    llvm::raw_string_ostream stream(text);
    llvmModule->print(stream, nullptr);
    return text;
  }
  llvm::SmallString<0> bytes;
  llvm::raw_svector_ostream stream(bytes);
  llvm::legacy::PassManager codegen;
  auto type = output == Output::Object ? llvm::CodeGenFileType::ObjectFile : llvm::CodeGenFileType::AssemblyFile;
  if (machine->addPassesToEmitFile(codegen, stream, nullptr, type))
    return emitError(module.getLoc()) << "the code generator for '" << target.triple << "' cannot write this kind of file";
  codegen.run(*llvmModule);
  return bytes.str().str();
}

} // namespace vitc::cpu
