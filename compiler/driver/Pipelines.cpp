//===- Pipelines.cpp - the phases of a compilation ------------------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/driver/Pipelines.h"
#include "compiler/conversion/Passes.h"
#include "compiler/transforms/Passes.h"
#include "dialects/kernel/KernelDialect.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/PassOptions.h"
#include "mlir/Pass/PassRegistry.h"
#include "mlir/Transforms/Passes.h"

#include "llvm/ADT/STLExtras.h"

using namespace mlir;
using namespace vitc;

static constexpr std::pair<Phase, llvm::StringLiteral> phases[] = {
    {Phase::Config, "config"}, {Phase::Vit, "vit"}, {Phase::VitOpt, "vit-opt"}, {Phase::Kernel, "kernel"},     {Phase::Plan, "plan"},
    {Phase::Llvm, "llvm"},     {Phase::Asm, "asm"}, {Phase::Ptx, "ptx"},        {Phase::Artifact, "artifact"},
};

StringRef vitc::phaseName(Phase phase) {
  return llvm::find_if(phases, [&](const auto &entry) { return entry.first == phase; })->second;
}

std::optional<Phase> vitc::parsePhase(StringRef name) {
  for (const auto &[phase, known] : phases)
    if (known == name)
      return phase;
  return std::nullopt;
}

StringRef vitc::recomputeName(Recompute what) {
  return what == Recompute::None ? "none" : what == Recompute::Attention ? "attention" : "block";
}

void vitc::buildVitPipeline(OpPassManager &passes, const PipelineOptions &options) {
  OpPassManager &function = passes.nest<func::FuncOp>();
  function.addPass(createVitDecompose());
  bool fuse = !options.reference && options.optLevel >= 1, fold = !options.reference && options.optLevel >= 2;
  if (fold)
    function.addPass(createVitFoldBatchNorm());
  if (fuse)
    function.addPass(createVitLowerConvolution());
  if (fold) {
    function.addPass(createVitFoldLayerScale());
    function.addPass(createVitFoldNormalize());
    function.addPass(createVitFoldScoreScale());
    function.addPass(createVitDropKeyBias());
    function.addPass(createVitFoldValueBias());
  }
  if (fuse)
    function.addPass(createVitFuseEpilogue());
  // Last, because it splits values that the folds want to find whole.
  if (fold)
    function.addPass(createVitDropDeadRows());
  function.addPass(createCanonicalizerPass());
  function.addPass(createCSEPass());
}

static KernelReducePrecisionOptions reductionOptions(const PipelineOptions &options, bool storedOperands) {
  const char *element = options.precision == Precision::F16 ? "f16" : options.precision == Precision::Tf32 ? "tf32" : "bf16";
  return {options.precision == Precision::Int8, options.bf16Products, storedOperands, element};
}

void vitc::buildLaunchPipeline(OpPassManager &passes, const PipelineOptions &options) {
  OpPassManager &function = passes.nest<func::FuncOp>();
  function.addPass(createConvertVitToKernel(
      ConvertVitToKernelOptions{options.reference, /*training=*/false, /*keepAttention=*/false, /*queryGradients=*/false}));
  function.addPass(createCanonicalizerPass());
  function.addPass(createCSEPass());
  if (options.device)
    function.addPass(createKernelFusePixels());
  if (options.precision != Precision::F32 && !options.reference)
    function.addPass(createKernelReducePrecision(reductionOptions(options, /*storedOperands=*/false)));
}

void vitc::buildKernelPipeline(OpPassManager &passes, const PipelineOptions &options) {
  buildLaunchPipeline(passes, options);
  if (!options.device)
    passes.nest<func::FuncOp>().addPass(createKernelSchedule(KernelScheduleOptions{
        options.machine.lanes, options.machine.registers, options.machine.cacheBytes, options.tuningCache, options.machineName}));
  passes.addPass(createKernelOutlineBinding());
  passes.nest<func::FuncOp>().addPass(createCSEPass());
}

void vitc::buildTrainingVitPipeline(OpPassManager &passes, const PipelineOptions &options) {
  OpPassManager &function = passes.nest<func::FuncOp>();
  function.addPass(createVitDecompose());
  if (!options.reference) {
    function.addPass(createVitLowerConvolution());
    function.addPass(createVitUnfoldPatches());
    // It combines no parameters, so the gradients are those of the framework's own.
    if (options.optLevel >= 2)
      function.addPass(createVitDropDeadRows());
  }
  // Before the gradients are built: a weight that is sliced where it was joined has a gradient of its own.
  function.addPass(createCanonicalizerPass());
  function.addPass(createCSEPass());
  function.addPass(createVitDifferentiate());
  function.addPass(createCanonicalizerPass());
  function.addPass(createCSEPass());
  if (options.recompute != Recompute::None)
    function.addPass(createVitRecompute(VitRecomputeOptions{/*blocks=*/options.recompute == Recompute::Block}));
}

void vitc::buildTrainingKernelPipeline(OpPassManager &passes, const PipelineOptions &options) {
  OpPassManager &function = passes.nest<func::FuncOp>();
  function.addPass(createConvertVitToKernel(ConvertVitToKernelOptions{options.reference, /*training=*/!options.reference,
                                                                      /*keepAttention=*/!options.device,
                                                                      /*queryGradients=*/options.device}));
  function.addPass(createCanonicalizerPass());
  function.addPass(createCSEPass());
  if (!options.reference && options.optLevel >= 1)
    function.addPass(createKernelFuseActivation());
  if (!options.reference && options.precision != Precision::F32)
    function.addPass(createKernelReducePrecision(reductionOptions(options, /*storedOperands=*/options.device)));
  if (!options.device)
    function.addPass(createKernelSchedule(KernelScheduleOptions{options.machine.lanes, options.machine.registers,
                                                                options.machine.cacheBytes, options.tuningCache, options.machineName}));
  passes.addPass(createKernelOutlineTraining());
}

namespace {
struct PipelineCommandLine : PassPipelineOptions<PipelineCommandLine> {
  Option<bool> reference{*this, "reference", llvm::cl::desc("Make every launch a reference lowering"), llvm::cl::init(false)};
  Option<unsigned> optLevel{*this, "opt-level", llvm::cl::desc("0: as imported, 1: fused, 2: weights folded and dead rows dropped"),
                            llvm::cl::init(2)};
  Option<int64_t> vectorLanes{*this, "vector-lanes", llvm::cl::desc("f32 lanes of a vector register"), llvm::cl::init(16)};

  Option<Precision> precision{*this, "precision", llvm::cl::desc("What products compute with"), llvm::cl::init(Precision::F32),
                              llvm::cl::values(clEnumValN(Precision::F32, "f32", "f32"), clEnumValN(Precision::Bf16, "bf16", "bf16"),
                                               clEnumValN(Precision::F16, "f16", "f16, of a GPU"),
                                               clEnumValN(Precision::Tf32, "tf32", "tf32, of a GPU"),
                                               clEnumValN(Precision::Int8, "int8", "int8, and bf16 where that cannot be"))};
  Option<Recompute> recompute{
      *this, "recompute", llvm::cl::desc("What a training program computes again instead of keeping it"), llvm::cl::init(Recompute::None),
      llvm::cl::values(clEnumValN(Recompute::None, "none", "nothing"), clEnumValN(Recompute::Attention, "attention", "attention's weights"),
                       clEnumValN(Recompute::Block, "block", "blocks from their inputs"))};
  Option<bool> bf16Products{*this, "bf16-products", llvm::cl::desc("The target multiplies bf16"), llvm::cl::init(false)};

  Option<std::string> tuningCache{*this, "tuning-cache", llvm::cl::desc("File of measured schedules")};
  Option<std::string> machine{*this, "machine", llvm::cl::desc("Whose schedules are taken from the file")};

  PipelineOptions options() const {
    return {reference, optLevel, {vectorLanes, vectorLanes == 16 ? 32 : 16, 1 << 20}, precision, bf16Products, tuningCache,
            machine,   recompute};
  }
};
} // namespace

void vitc::registerPassesAndPipelines() {
  PassPipelineRegistration<PipelineCommandLine>(
      "vitc-training-vit-pipeline", "an imported training function: decompose, differentiate",
      [](OpPassManager &passes, const PipelineCommandLine &line) { buildTrainingVitPipeline(passes, line.options()); });
  PassPipelineRegistration<PipelineCommandLine>(
      "vitc-training-kernel-pipeline", "a differentiated function to scheduled launches and the training state",
      [](OpPassManager &passes, const PipelineCommandLine &line) { buildTrainingKernelPipeline(passes, line.options()); });
  registerTransformsPasses();
  registerConversionPasses();
  PassPipelineRegistration<PipelineCommandLine>(
      "vitc-vit-pipeline", "imported vit operations: decompose, fold, fuse",
      [](OpPassManager &passes, const PipelineCommandLine &line) { buildVitPipeline(passes, line.options()); });
  PassPipelineRegistration<PipelineCommandLine>(
      "vitc-kernel-pipeline", "vit operations to scheduled launches and bindings",
      [](OpPassManager &passes, const PipelineCommandLine &line) { buildKernelPipeline(passes, line.options()); });
}
