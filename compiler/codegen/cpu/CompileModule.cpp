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

#include "llvm/ADT/SmallPtrSet.h"
#include "llvm/Bitcode/BitcodeReader.h"
#include "llvm/Bitcode/BitcodeWriter.h"
#include "llvm/IR/DiagnosticInfo.h"
#include "llvm/IR/DiagnosticPrinter.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/ThreadPool.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/Target/TargetOptions.h"
#include "llvm/TargetParser/SubtargetFeature.h"
#include "llvm/TargetParser/Triple.h"
#include "llvm/Transforms/Utils/Cloning.h"

#include <deque>

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
  // Kernels are unrolled and vectorized when they are emitted. LLVM's own unrolling took two fifths of a compilation of ViT-B and made nothing
  // faster.
  llvm::PipelineTuningOptions tuning;
  tuning.LoopUnrolling = tuning.SLPVectorization = optLevel > 2;
  llvm::PassBuilder builder(&machine, tuning);
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

/// Lowers `module` and translates it into LLVM IR, complete but for optimization.
static std::unique_ptr<llvm::Module> translate(ModuleOp module, const CpuTarget &target, const llvm::TargetMachine &machine,
                                               llvm::LLVMContext &llvmContext) {
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
    return nullptr;
  std::unique_ptr<llvm::Module> llvmModule = translateModuleToLLVMIR(module, llvmContext, "vitc");
  if (!llvmModule) {
    emitError(module.getLoc()) << "the module cannot be translated to LLVM IR";
    return nullptr;
  }
  llvmModule->setTargetTriple(machine.getTargetTriple());
  llvmModule->setDataLayout(machine.createDataLayout());
  setAttributes(*llvmModule, machine, target);
  return llvmModule;
}

static FailureOr<std::string> emitFile(llvm::Module &module, llvm::TargetMachine &machine, Output output, Location loc) {
  llvm::SmallString<0> bytes;
  llvm::raw_svector_ostream stream(bytes);
  llvm::legacy::PassManager codegen;
  auto type = output == Output::Object ? llvm::CodeGenFileType::ObjectFile : llvm::CodeGenFileType::AssemblyFile;
  if (machine.addPassesToEmitFile(codegen, stream, nullptr, type))
    return emitError(loc) << "the code generator for '" << machine.getTargetTriple().str() << "' cannot write this kind of file";
  codegen.run(module);
  return bytes.str().str();
}

static std::unique_ptr<llvm::TargetMachine> createMachine(const CpuTarget &target, unsigned optLevel, Location loc) {
  std::string error;
  std::unique_ptr<llvm::TargetMachine> machine = createMachine(target, optLevel, error);
  if (!machine)
    emitError(loc) << "no code generator for '" << target.triple << "': " << error;
  return machine;
}

FailureOr<std::string> compileModule(ModuleOp module, const CpuTarget &target, unsigned optLevel, Output output) {
  llvm::LLVMContext llvmContext;
  llvmContext.setDiagnosticHandler(std::make_unique<ForwardDiagnostics>(module.getLoc()));
  std::unique_ptr<llvm::TargetMachine> machine = createMachine(target, optLevel, module.getLoc());
  std::unique_ptr<llvm::Module> llvmModule = machine ? translate(module, target, *machine, llvmContext) : nullptr;
  if (!llvmModule)
    return failure();
  optimize(*llvmModule, *machine, optLevel);
  if (output != Output::LLVMIR)
    return emitFile(*llvmModule, *machine, output, module.getLoc());
  std::string text;
  llvm::raw_string_ostream stream(text);
  llvmModule->print(stream, nullptr);
  return text;
}

/// Bitcode of the functions of `module`, in parts of about equal work; what is private to the module goes with each of them.
static std::vector<std::string> split(const llvm::Module &module) {
  constexpr size_t mostParts = 8;
  SmallVector<std::pair<unsigned, const llvm::Function *>> functions;
  for (const llvm::Function &function : module)
    if (!function.isDeclaration() && !function.hasLocalLinkage())
      functions.emplace_back(function.getInstructionCount(), &function);
  llvm::sort(functions, [](const auto &a, const auto &b) {
    return std::pair(b.first, a.second->getName()) < std::pair(a.first, b.second->getName());
  });
  struct Part {
    llvm::SmallPtrSet<const llvm::GlobalValue *, 8> functions;
    size_t instructions = 0;
  };
  std::vector<Part> parts(std::min(mostParts, functions.size()));
  for (auto [instructions, function] : functions) {
    Part &least = *llvm::min_element(parts, [](const Part &a, const Part &b) { return a.instructions < b.instructions; });
    least.functions.insert(function);
    least.instructions += instructions;
  }
  std::vector<std::string> result;
  for (const Part &part : parts) {
    llvm::ValueToValueMapTy map;
    std::unique_ptr<llvm::Module> clone = llvm::CloneModule(
        module, map, [&](const llvm::GlobalValue *value) { return value->hasLocalLinkage() || part.functions.contains(value); });
    llvm::raw_string_ostream stream(result.emplace_back());
    llvm::WriteBitcodeToFile(*clone, stream);
  }
  return result;
}

/// One part, in a context of its own: LLVM's contexts are not shared between threads.
static FailureOr<std::string> compilePart(StringRef bitcode, const CpuTarget &target, unsigned optLevel, Location loc) {
  llvm::LLVMContext llvmContext;
  llvmContext.setDiagnosticHandler(std::make_unique<ForwardDiagnostics>(loc));
  std::unique_ptr<llvm::TargetMachine> machine = createMachine(target, optLevel, loc);
  if (!machine)
    return failure();
  llvm::Expected<std::unique_ptr<llvm::Module>> part = llvm::parseBitcodeFile(llvm::MemoryBufferRef(bitcode, "vitc"), llvmContext);
  if (!part)
    return emitError(loc) << "a part of the module cannot be read back: " << toString(part.takeError());
  optimize(**part, *machine, optLevel);
  return emitFile(**part, *machine, Output::Object, loc);
}

FailureOr<std::vector<std::string>> compileObjects(MLIRContext &context, ArrayRef<CompileJob> jobs, unsigned optLevel) {
  std::deque<FailureOr<std::string>> results; // references stay valid while it grows
  {
    llvm::DefaultThreadPool pool(llvm::hardware_concurrency(context.isMultithreadingEnabled() ? 0 : 1));
    for (const CompileJob &job : jobs) {
      llvm::LLVMContext llvmContext;
      std::unique_ptr<llvm::TargetMachine> machine = createMachine(job.target, optLevel, job.module->getLoc());
      std::unique_ptr<llvm::Module> module = machine ? translate(job.module, job.target, *machine, llvmContext) : nullptr;
      if (!module)
        return failure();
      for (std::string &bitcode : split(*module)) {
        FailureOr<std::string> &result = results.emplace_back(failure());
        pool.async([&result, &job, optLevel, bitcode = std::move(bitcode)] {
          result = compilePart(bitcode, job.target, optLevel, job.module->getLoc());
        });
      }
    }
  }
  std::vector<std::string> objects;
  for (FailureOr<std::string> &result : results) {
    if (failed(result))
      return failure();
    objects.push_back(std::move(*result));
  }
  return objects;
}

} // namespace vitc::cpu
