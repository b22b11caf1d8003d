//===- kernel_bench.cpp - every kernel of a model in percent of the peak ------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/driver/Compile.h"
#include "compiler/model/ConfigJson.h"
#include "compiler/tune/TimedLaunch.h"
#include "dialects/kernel/KernelDialect.h"
#include "dialects/kernel/Structure.h"
#include "dialects/vit/LayerName.h"

#include "mlir/AsmParser/AsmParser.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"

#include "llvm/ADT/MapVector.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"

namespace cl = llvm::cl;
using namespace mlir;
using namespace vitc;

static cl::OptionCategory category("kernel_bench");
static cl::list<std::string> models(cl::Positional, cl::desc("MODEL|FILE.mlir..."), cl::cat(category));
static cl::opt<std::string> targetCpu("target-cpu", cl::desc("CPU to compile for (default: host)"), cl::init("host"), cl::cat(category));
static cl::opt<Precision> precision("precision", cl::desc("Number type of the products (default f32)"), cl::init(Precision::F32),
                                    cl::values(clEnumValN(Precision::F32, "f32", ""), clEnumValN(Precision::Bf16, "bf16", ""),
                                               clEnumValN(Precision::Int8, "int8", "")),
                                    cl::cat(category));
static cl::opt<int64_t> images("images", cl::desc("Images of a group (default 1)"), cl::init(1), cl::cat(category));
static cl::opt<double> seconds("seconds", cl::desc("CPU time for each figure (default 0.3)"), cl::init(0.3), cl::cat(category));

static constexpr llvm::StringLiteral overview =
    "kernel_bench: every distinct kernel of models, compiled in this process, in percent of one core's peak\n\n"
    "  Each figure stands between two runs of a loop of multiply-adds alone and is given in percent of their mean, so it holds while "
    "clocks\n"
    "  drift. Time is the thread's CPU time, for neighbours share the machine. Weights are walked through as the whole model does.\n"
    "  Operations are nominal; for kernels that have none, bytes read and written count. FILE.mlir holds launches of the kernel dialect;\n"
    "  those without a schedule get their default.\n\n"
    "EXAMPLE: taskset -c 1 kernel_bench vit_tiny_patch16_224 vit_base_patch16_224 --target-cpu=haswell\n";

/// The command line's values: the linker resets its options whenever it is done.
namespace {
struct Settings {
  std::string cpu;
  Precision precision;
  int64_t images;
  double seconds;
};
} // namespace

/// Multiply-adds of f32 alone, GFLOP/s: the peak that figures are compared with.
static double peakRate() {
#if defined(__AVX512F__)
  constexpr int lanes = 16;
#elif defined(__AVX__)
  constexpr int lanes = 8;
#else
  constexpr int lanes = 4;
#endif
  // 12 chains hide a latency of 5 cycles on two ports.
  constexpr int chains = 12, turns = 400000;
  typedef float Vector __attribute__((vector_size(4 * lanes)));
  Vector factor = Vector{} + 0.5f;
  Vector s0 = factor, s1 = s0, s2 = s0, s3 = s0, s4 = s0, s5 = s0, s6 = s0, s7 = s0, s8 = s0, s9 = s0, s10 = s0, s11 = s0;
  double begin = tune::threadSeconds();
  for (int turn = 0; turn < turns; ++turn) {
    for (Vector *sum : {&s0, &s1, &s2, &s3, &s4, &s5, &s6, &s7, &s8, &s9, &s10, &s11}) {
      *sum = *sum * factor + factor;
#if defined(__x86_64__)
      asm volatile("" : "+v"(*sum));
#elif defined(__aarch64__)
      asm volatile("" : "+w"(*sum));
#endif
    }
  }
  return 2e-9 * lanes * chains * turns / (tune::threadSeconds() - begin);
}

/// Elements of the number type that a launch multiplies, in an f32's place: 2 of bf16, 4 of int8. Its peak is as many
/// times the one of f32.
static int64_t elementsPerWord(Operation *launch) {
  unsigned bits = launch->hasAttr("bf16") ? 16 : 32;
  for (Value operand : launch->getOperands())
    bits = std::min(bits, cast<RankedTensorType>(operand.getType()).getElementTypeBitWidth());
  return 32 / bits;
}

static int measureLaunches(ModuleOp module, const std::string &name, int64_t weightBytes, const cpu::CpuTarget &target, unsigned optLevel,
                           const Settings &settings) {
  llvm::MapVector<StringAttr, SmallVector<Operation *>> launches;
  module.walk([&](kernel::KernelLaunchInterface launch) {
    launches[StringAttr::get(module.getContext(), kernel::structureOf(launch))].push_back(launch);
  });
  for (auto &[structure, same] : launches) {
    Operation *launch = same.front();
    FailureOr<tune::TimedLaunch> timed = tune::TimedLaunch::create(launch, target, optLevel, settings.images, weightBytes);
    if (failed(timed))
      return 1;
    timed->run();
    double before = peakRate(), time = timed->measure(settings.seconds), after = peakRate();
    double peak = (before + after) / 2 * double(elementsPerWord(launch));
    int64_t flop = cast<kernel::KernelLaunchInterface>(launch).getFlopPerImage() * settings.images;
    llvm::outs() << llvm::format("%-22s %-24s x%-3zu %9.1f us ", name.c_str(), layerName(launch->getLoc()).str().c_str(), same.size(),
                                 1e6 * time);
    if (flop)
      llvm::outs() << llvm::format("%8.1f GFLOP/s %5.1f %%", 1e-9 * double(flop) / time, 1e-7 * double(flop) / time / peak);
    else
      llvm::outs() << llvm::format("%8.1f GB/s           ", 1e-9 * double(timed->bytes()) / time);
    llvm::outs() << "  " << launch->getName();
    for (Value operand : launch->getOperands())
      llvm::outs() << ' ' << operand.getType();
    if (Attribute schedule = launch->getAttr("schedule"))
      llvm::outs() << ' ' << schedule;
    llvm::outs() << '\n';
    llvm::outs().flush();
  }
  return 0;
}

static int measureFile(MLIRContext &context, const std::string &path, const cpu::CpuTarget &target, const Settings &settings) {
  context.loadDialect<func::FuncDialect, kernel::KernelDialect, vit::VitDialect>();
  OwningOpRef<ModuleOp> module = parseSourceFile<ModuleOp>(path, &context);
  if (!module)
    return 1;
  module->walk([&](kernel::KernelLaunchInterface launch) {
    if (!launch->getAttr("schedule"))
      launch.chooseSchedule(target.scheduling());
  });
  // As cold as the weights of a model of 64 MiB.
  constexpr int64_t weightBytes = 64 << 20;
  return measureLaunches(*module, llvm::sys::path::stem(path).str(), weightBytes, target, CompileOptions().optLevel, settings);
}

static int measureModel(MLIRContext &context, const std::string &name, const cpu::CpuTarget &target, const Settings &settings) {
  llvm::Expected<LoadedModel> loaded = resolveModel(name, {}, "");
  if (!loaded) {
    llvm::errs() << "kernel_bench: error: " << toString(loaded.takeError()) << '\n';
    return 1;
  }
  CompileOptions options;
  options.cpu = settings.cpu;
  options.precision = settings.precision;
  FailureOr<OwningOpRef<ModuleOp>> module = Compilation(context, loaded->config, options).lower("cpu", Phase::Kernel);
  if (failed(module))
    return 1;
  int64_t weightBytes = 0;
  (*module)->walk([&](kernel::WeightOp weight) {
    auto type = cast<RankedTensorType>(weight.getType());
    weightBytes += type.getNumElements() * int64_t(type.getElementTypeBitWidth()) / 8;
  });
  return measureLaunches(**module, name, weightBytes, target, options.optLevel, settings);
}

int main(int argc, char **argv) {
  llvm::InitLLVM init(argc, argv);
  cl::HideUnrelatedOptions(category);
  cl::ParseCommandLineOptions(argc, argv, overview);
  MLIRContext context;
  const std::vector<std::string> names = models;
  const Settings settings{targetCpu, precision, images, seconds};
  cpu::CpuTarget target;
  std::string error;
  if (failed(cpu::resolveTarget("", settings.cpu, "", target, error))) {
    llvm::errs() << "kernel_bench: error: " << error << '\n';
    return 2;
  }
  for (const char *feature : {"avx512bf16", "avx512vnni"})
    if (settings.precision != Precision::F32)
      (void)target.require(feature);
  for (const std::string &name : names) {
    bool isFile = llvm::StringRef(name).ends_with(".mlir");
    if (int code = isFile ? measureFile(context, name, target, settings) : measureModel(context, name, target, settings))
      return code;
  }
  return 0;
}
