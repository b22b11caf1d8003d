//===- Compile.cpp - a model in, an artifact out --------------------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/driver/Compile.h"
#include "compiler/codegen/gpu/Ptxas.h"
#include "compiler/frontend/Import.h"
#include "compiler/tune/DeviceTune.h"
#include "runtime/artifact/FileFormat.h"
#include "runtime/artifact/GpuArchitecture.h"

#include "llvm/ADT/ScopeExit.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/TargetParser/Host.h"
#include "llvm/TargetParser/Triple.h"

using namespace mlir;
using namespace vitc;

std::string vitc::describe(const Diagnostic &diagnostic) {
  auto layer = diagnostic.getLocation()->findInstanceOf<NameLoc>();
  return (layer ? layer.getName().str() + ": " : "") + diagnostic.str();
}

/// Whether the target's launches are device kernels.
static bool isDevice(StringRef target) { return target == "emulator" || target == "cuda"; }

Compilation::Compilation(MLIRContext &context, ModelConfig config, CompileOptions options)
    : context(context), config(std::move(config)), options(std::move(options)) {
  DialectRegistry registry;
  registerDialects(registry);
  context.appendDialectRegistry(registry);
}

OwningOpRef<ModuleOp> Compilation::import() {
  if (std::string unsupported = unsupportedSwitches(config); !unsupported.empty()) {
    emitError(UnknownLoc::get(&context)) << unsupported;
    return {};
  }
  return importModel(context, config, options.take, options.images);
}

LogicalResult Compilation::resolve(StringRef target, cpu::CpuTarget &machine) {
  std::string error;
  if (failed(cpu::resolveTarget(options.triple, options.cpu, options.features, machine, error)))
    return emitError(UnknownLoc::get(&context)) << error;
  // Every GPU there are kernels for multiplies bf16, f16 and tf32.
  if (target == "reference" || isDevice(target) || options.precision == Precision::F32)
    return success();
  bool bf16 = machine.require("avx512bf16");
  if (options.precision == Precision::Int8 && !machine.require("avx512vnni") && !machine.require("avxvnni"))
    return emitError(UnknownLoc::get(&context)) << "int8 products need AVX512-VNNI or AVX-VNNI, which the target cpu '" << machine.cpu
                                                << "' has not got; --precision=bf16 halves the weights on any cpu";
  if (options.precision == Precision::Bf16 && !bf16 && !saidSlow) {
    saidSlow = true;
    emitWarning(UnknownLoc::get(&context)) << "the target cpu '" << machine.cpu
                                           << "' has no AVX512-BF16: weights are stored as bf16, and products computed in f32"
                                           << (options.training ? "; training keeps f32 throughout" : "");
  }
  return success();
}

PipelineOptions Compilation::pipelineOptions(StringRef target, const cpu::CpuTarget &machine) const {
  PipelineOptions pipeline;
  pipeline.reference = target == "reference";
  pipeline.device = isDevice(target);
  pipeline.optLevel = options.optLevel;
  pipeline.machine = machine.scheduling();
  pipeline.precision = options.precision;
  pipeline.bf16Products = pipeline.device || machine.has("avx512bf16");
  pipeline.tuningCache = options.tuningCache;
  pipeline.machineName = tune::machineName(machine);
  return pipeline;
}

void Compilation::attachRanges(ModuleOp module) {
  if (options.ranges.empty())
    return;
  SmallVector<NamedAttribute> ranges;
  for (const auto &[layer, range] : options.ranges)
    ranges.emplace_back(StringAttr::get(&context, layer), DenseF32ArrayAttr::get(&context, {range.least, range.greatest, range.rowRange}));
  module->setAttr("kernel.ranges", DictionaryAttr::get(&context, ranges));
}

FailureOr<std::vector<std::string>> Compilation::machineNames() {
  std::vector<std::string> names;
  if (llvm::any_of(options.targets, [](const std::string &target) { return !isDevice(target); })) {
    cpu::CpuTarget machine;
    if (failed(resolve("cpu", machine)))
      return failure();
    names.push_back(tune::machineName(machine));
  }
  if (llvm::any_of(options.targets, isDevice))
    for (const gpu::DeviceTarget &target : options.gpus)
      names.push_back(target.architecture);
  return names;
}

LogicalResult Compilation::tuneOnGpu(int ordinal, ScheduleTable &table, TuneReport report) {
  FailureOr<OwningOpRef<ModuleOp>> module = lower("cuda", Phase::Kernel);
  if (failed(module))
    return failure();
  tune::DeviceTuneOptions tuning = {
      .ordinal = ordinal, .targets = options.gpus, .ptxas = options.ptxas, .cubinCache = options.cubinCache, .report = std::move(report)};
  return tune::tune(**module, tuning, table);
}

LogicalResult Compilation::giveSchedules(ArrayRef<ModuleOp> modules) {
  if (options.tuningCache.empty())
    return success();
  llvm::Expected<ScheduleTable> table = ScheduleTable::read(options.tuningCache);
  if (!table)
    return emitError(UnknownLoc::get(&context)) << llvm::toString(table.takeError());
  for (ModuleOp module : modules)
    tune::applySchedules(module, options.gpus.front(), *table, options.tuningCache);
  return success();
}

LogicalResult Compilation::tune(ScheduleTable &table, TuneReport report) {
  tune::TuneOptions tuning;
  if (failed(resolve("cpu", tuning.target)))
    return failure();
  llvm::StringMap<bool> here = llvm::sys::getHostCPUFeatures();
  // The table files them under this name, so another CPU's must not be measured here.
  bool runs = tuning.target.cpu == llvm::sys::getHostCPUName() &&
              llvm::Triple(tuning.target.triple).getArch() == llvm::Triple(llvm::sys::getProcessTriple()).getArch() &&
              llvm::all_of(tuning.target.features, [&](const std::string &feature) { return here.lookup(feature); });
  if (!runs)
    return emitError(UnknownLoc::get(&context)) << "schedules for '" << tune::machineName(tuning.target)
                                                << "' cannot be measured on this machine; tune there, and give the file here";
  OwningOpRef<ModuleOp> module = import();
  if (!module)
    return failure();
  attachRanges(*module);
  PassManager passes(&context);
  PipelineOptions pipeline = pipelineOptions("cpu", tuning.target);
  buildVitPipeline(passes, pipeline);
  buildLaunchPipeline(passes, pipeline);
  if (failed(passes.run(*module)))
    return failure();
  tuning.optLevel = options.optLevel;
  tuning.report = std::move(report);
  return tune::tune(*module, tuning, table);
}

FailureOr<OwningOpRef<ModuleOp>> Compilation::lower(StringRef target, Phase phase) {
  cpu::CpuTarget machine;
  if (failed(resolve(target, machine)))
    return failure();
  OwningOpRef<ModuleOp> module = import();
  if (!module)
    return failure();
  attachRanges(*module);
  PipelineOptions pipeline = pipelineOptions(target, machine);
  PassManager passes(&context);
  if (options.configurePasses && failed(options.configurePasses(passes)))
    return failure();
  buildVitPipeline(passes, pipeline);
  if (phase != Phase::VitOpt)
    buildKernelPipeline(passes, pipeline);
  if (failed(passes.run(*module)))
    return failure();
  return module;
}

FailureOr<Compilation::TargetCode> Compilation::generateTarget(StringRef target) {
  return options.training ? generateFitting(target) : generateTarget(target, Recompute::None);
}

/// How many times as many images as on a CPU a device trains on at a time: 12,600 tokens, whose products have blocks enough for all
/// multiprocessors several times over, while the values of ViT-L still fit into 40 GB. Gradients are added up group by group, so the emulator
/// has the same groups.
static constexpr int64_t kTrainingGroupsOfCpu = 16;

FailureOr<Compilation::TargetCode> Compilation::generateTarget(StringRef target, Recompute recompute) {
  TargetCode result;
  FailureOr<OwningOpRef<ModuleOp>> module = lower(target, Phase::Kernel);
  if (failed(module) || failed(resolve(target, result.machine)))
    return failure();
  SmallVector<ModuleOp> modules{**module};
  OwningOpRef<ModuleOp> training;
  if (options.training) {
    FailureOr<OwningOpRef<ModuleOp>> lowered = lowerTraining(target, Phase::Kernel, recompute);
    if (failed(lowered))
      return failure();
    modules.push_back(*(training = std::move(*lowered)));
  }
  if (isDevice(target) && failed(giveSchedules(modules)))
    return failure();
  FailureOr<Generated> generated = generate(modules, result.machine, isDevice(target) ? &options.gpus.front() : nullptr);
  if (failed(generated))
    return failure();
  result.generated = std::move(*generated);
  if (training) {
    FailureOr<artifact::Training> described = describeTraining(*training, *result.generated.kernels, result.machine, isDevice(target));
    if (failed(described))
      return failure();
    result.training = std::move(*described);
    for (plan::Program &program : result.generated.programs)
      if (isDevice(target) && program.name == "train")
        program.groupImages = std::min<int64_t>(program.groupImages * kTrainingGroupsOfCpu, vitrt::kMaxGroup);
  }
  return result;
}

LogicalResult Compilation::printPlan(StringRef target, llvm::raw_ostream &os) {
  FailureOr<TargetCode> code = generateTarget(target);
  if (failed(code))
    return failure();
  for (const plan::Program &program : code->generated.programs)
    plan::print(program, os);
  return success();
}

LogicalResult Compilation::printCode(StringRef target, Phase phase, llvm::raw_ostream &os) {
  FailureOr<TargetCode> code = generateTarget(target);
  if (failed(code))
    return failure();
  if (phase == Phase::Ptx) {
    FailureOr<std::string> ptx = gpu::compileToPtx(*code->generated.kernels, options.gpus.front().architecture);
    if (succeeded(ptx))
      os << *ptx;
    return ptx;
  }
  if (isDevice(target) && failed(gpu::lowerToEmulator(*code->generated.kernels)))
    return failure();
  cpu::Output kind = phase == Phase::Llvm ? cpu::Output::LLVMIR : cpu::Output::Assembly;
  FailureOr<std::string> text = cpu::compileModule(*code->generated.kernels, code->machine, options.optLevel, kind);
  if (failed(text))
    return failure();
  os << *text;
  return success();
}

/// What every CPU of the architecture can do: bind functions run on the machine that compiles, whatever it compiles for.
static LogicalResult resolveBaseline(const cpu::CpuTarget &machine, MLIRContext &context, cpu::CpuTarget &baseline) {
  std::string error;
  bool isX86 = StringRef(machine.triple).starts_with("x86_64");
  if (succeeded(cpu::resolveTarget(machine.triple, isX86 ? "x86-64" : "generic", "", baseline, error)))
    return success();
  return emitError(UnknownLoc::get(&context)) << error;
}

FailureOr<artifact::Target> Compilation::compileTarget(StringRef target) {
  FailureOr<TargetCode> code = generateTarget(target);
  cpu::CpuTarget baseline;
  if (failed(code) || failed(resolveBaseline(code->machine, context, baseline)))
    return failure();
  if (isDevice(target) && failed(gpu::lowerToEmulator(*code->generated.kernels)))
    return failure();
  FailureOr<std::vector<std::string>> objects =
      cpu::compileObjects(context, {{*code->generated.kernels, code->machine}, {*code->generated.bindings, baseline}}, options.optLevel);
  if (failed(objects))
    return failure();
  FailureOr<std::string> shared = cpu::linkSharedObject(context, *objects, code->machine);
  if (failed(shared))
    return failure();
  artifact::Target result;
  result.name = target.str();
  result.machine = std::move(code->machine);
  result.code = std::move(*shared);
  result.programs = std::move(code->generated.programs);
  result.bindings = std::move(code->generated.bindingTable);
  result.training = std::move(code->training);
  noteMemory(result);
  return result;
}

void Compilation::noteMemory(const artifact::Target &target) {
  if (!target.training)
    return;
  auto train = llvm::find_if(target.programs, [](const plan::Program &program) { return program.name == "train"; });
  bool gpu = target.name == vitrt::kCudaTarget;
  vitrt::TrainingMemory memory = trainingMemory(options.training->optimizer, *target.training, target.programs, target.bindings, gpu);
  std::string name = target.architecture.empty() ? target.name : target.name + ":" + target.architecture;
  memoryNotes.push_back("target '" + name + "': " + describeMemory(memory, train->groupImages, gpu));
}

/// How many times as many images as on a CPU go through a GPU's launches together: enough blocks for all multiprocessors several times over, and
/// few enough that a batch of some hundred images is several groups, whose copies overlap.
static constexpr int64_t kGroupsOfCpu = 128;

FailureOr<artifact::Target> Compilation::compileCuda(size_t index) {
  std::swap(options.gpus.front(), options.gpus[index]);
  llvm::scope_exit restore([&] { std::swap(options.gpus.front(), options.gpus[index]); });
  const std::string architecture = options.gpus.front().architecture;
  FailureOr<TargetCode> code = generateTarget("cuda");
  artifact::Target result;
  result.name = "cuda";
  if (failed(code) || failed(resolveBaseline(code->machine, context, result.machine)))
    return failure();
  FailureOr<std::string> ptx = gpu::compileToPtx(*code->generated.kernels, architecture);
  FailureOr<std::vector<std::string>> objects =
      cpu::compileObjects(context, {{*code->generated.bindings, result.machine}}, options.optLevel);
  if (failed(ptx) || failed(objects))
    return failure();
  FailureOr<std::string> shared = cpu::linkSharedObject(context, *objects, result.machine);
  if (failed(shared))
    return failure();
  if (!options.ptxas.empty()) {
    llvm::Expected<std::string> cubin = gpu::assemble(*ptx, architecture, options.ptxas, options.cubinCache);
    if (cubin)
      result.cubin = std::move(*cubin);
    else
      emitWarning(UnknownLoc::get(&context)) << "the kernels for " << architecture
                                             << " stay PTX, which the GPU's driver compiles when the file is opened: "
                                             << llvm::toString(cubin.takeError());
  }
  result.code = std::move(*shared);
  result.architecture = architecture;
  result.ptx = std::move(*ptx);
  result.programs = std::move(code->generated.programs);
  for (plan::Program &program : result.programs)
    if (!StringRef(program.name).starts_with("train"))
      program.groupImages = std::min<int64_t>(program.groupImages * kGroupsOfCpu, vitrt::kMaxGroup);
  result.bindings = std::move(code->generated.bindingTable);
  result.training = std::move(code->training);
  noteMemory(result);
  return result;
}

FailureOr<artifact::Contents> Compilation::compile() {
  // Naming and planning a model that cannot be imported would be wasted.
  if (!unsupportedSwitches(config).empty())
    return import(), failure();
  artifact::Contents contents;
  contents.config = config;
  contents.naming = options.training ? describeAllWeights(config) : describeWeights(config);
  contents.parameters = parameterCount(contents.naming);
  for (const std::string &target : options.targets) {
    size_t architectures = target == vitrt::kCudaTarget ? options.gpus.size() : 1;
    for (size_t i = 0; i < architectures; ++i) {
      FailureOr<artifact::Target> compiled = target == vitrt::kCudaTarget ? compileCuda(i) : compileTarget(target);
      if (failed(compiled))
        return failure();
      contents.targets.push_back(std::move(*compiled));
    }
  }
  return contents;
}

llvm::Error vitc::compile(MLIRContext &context, const ModelConfig &config, const CompileOptions &options,
                          const artifact::WeightsFrom &weights, StringRef path, const artifact::Progress &progress,
                          artifact::BindingNotes &notes) {
  if (!weights.external() && llvm::Triple(options.triple).getArch() != llvm::Triple(llvm::sys::getProcessTriple()).getArch() &&
      !options.triple.empty())
    return llvm::createStringError("weights cannot be packed here for '" + options.triple +
                                   "', because its bind functions do not run on this machine; give --external-weights and bind them there");
  std::string errors;
  ScopedDiagnosticHandler handler(&context, [&](Diagnostic &diagnostic) -> LogicalResult {
    if (diagnostic.getSeverity() != DiagnosticSeverity::Error)
      return failure(); // the next handler's
    errors += (errors.empty() ? "" : "\n") + describe(diagnostic);
    return success();
  });
  Compilation compilation(context, config, options);
  FailureOr<artifact::Contents> contents = compilation.compile();
  if (failed(contents))
    return llvm::createStringError(errors);
  llvm::Error error = artifact::write(*contents, weights, path, progress, notes);
  llvm::append_range(notes.notes, compilation.trainingNotes());
  return error;
}
