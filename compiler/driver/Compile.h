//===- Compile.h - a model in, an artifact out ------------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_COMPILER_DRIVER_COMPILE_H
#define VITC_COMPILER_DRIVER_COMPILE_H

#include "compiler/artifact/Artifact.h"
#include "compiler/driver/Generate.h"
#include "compiler/driver/Pipelines.h"
#include "compiler/frontend/Import.h"
#include "compiler/model/ResolveModel.h"
#include "compiler/tune/Tune.h"
#include "runtime/artifact/TrainingMemory.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/OwningOpRef.h"

#include <map>

namespace vitc {

/// What images showed of a layer's values.
struct CalibratedRange {
  float least, greatest; ///< of all values
  float rowRange;        ///< greatest - least of a row, root mean square over rows
};

/// By the layer's name.
using CalibratedRanges = std::map<std::string, CalibratedRange>;

/// `vitc --train`.
struct TrainingOptions {
  vitrt::OptimizerKind optimizer = vitrt::OptimizerKind::AdamW;
  bool bf16Momentum = false;       ///< `--momentum-dtype=bf16`, of sgd
  std::vector<std::string> freeze; ///< patterns of the framework's names: weights that stay as they are
  /// What is computed again instead of kept; nothing: Attention, which costs less than a hundredth of the time, and Block where memoryLimit
  /// asks for it and smaller groups of images are not enough.
  std::optional<Recompute> recompute;
  uint64_t memoryLimit = 0; ///< bytes of a run on one thread without evaluation; 0: none
};

/// The name that users know an optimizer by: "adamw", "labml-adam".
llvm::StringRef optimizerName(vitrt::OptimizerKind kind);
std::optional<vitrt::OptimizerKind> parseOptimizer(llvm::StringRef name);

/// What a user asks of a compilation; the fields are vitc's options.
struct CompileOptions {
  std::vector<std::string> targets = {"cpu"}; ///< "cpu", "reference", "emulator", "cuda"
  std::string triple;                         ///< empty: this machine's
  std::string cpu = "host";
  std::string features;                       ///< "+avx2,-avx512f"
  std::vector<gpu::DeviceTarget> gpus = {{}}; ///< that "cuda" is compiled for; "emulator", and what is printed, is for the first
  std::string ptxas;                          ///< the program that makes machine code for "cuda"; empty: the file has PTX alone
  std::string cubinCache;                     ///< a folder for that, empty: none
  std::vector<std::string> take;              ///< outputs by the names of importModel; empty: what the model's own class returns
  ImageType images = ImageType::F32;
  unsigned optLevel = 2;
  Precision precision = Precision::F32;
  CalibratedRanges ranges;                 ///< of int8: layers that have one range for all images; others' rows are quantized as they come
  std::string tuningCache;                 ///< file of measured schedules; empty: none
  std::optional<TrainingOptions> training; ///< compile the training program too
  /// Called with every pass manager before it runs, for its command-line instrumentation.
  std::function<mlir::LogicalResult(mlir::PassManager &)> configurePasses;
};

/// What a run of the target's training programs takes; their plans are final.
vitrt::TrainingMemory trainingMemory(vitrt::OptimizerKind kind, const artifact::Training &training, llvm::ArrayRef<plan::Program> programs,
                                     llvm::ArrayRef<artifact::Binding> bindings, bool gpu);

/// "training takes 212.3 MB on one thread: ...", for people.
std::string describeMemory(const vitrt::TrainingMemory &memory, int64_t groupImages, bool gpu);

/// A diagnostic's text after the name of the layer that it is about.
std::string describe(const mlir::Diagnostic &diagnostic);

/// `describeWeights` with one more source for each tensor that is longer than what the model takes of it (labml's table of 5000 positions):
/// training keeps the rest as it is, so that weights are saved whole.
WeightNaming describeAllWeights(const ModelConfig &config);

/// One model on its way through the phases. Errors go to the context's diagnostics; no call may follow one that failed.
class Compilation {
public:
  Compilation(mlir::MLIRContext &context, ModelConfig config, CompileOptions options);

  /// Phase::Vit.
  mlir::OwningOpRef<mlir::ModuleOp> import();

  /// The same of the training function, with `vit.frozen` on the weights that options.training freezes.
  mlir::OwningOpRef<mlir::ModuleOp> importTraining();

  /// The training function's module after `phase`, which is VitOpt or Kernel.
  mlir::FailureOr<mlir::OwningOpRef<mlir::ModuleOp>> lowerTraining(llvm::StringRef target, Phase phase, Recompute recompute);

  /// The module of one target after `phase`, which is VitOpt or Kernel.
  mlir::FailureOr<mlir::OwningOpRef<mlir::ModuleOp>> lower(llvm::StringRef target, Phase phase);

  /// The machines that are compiled for, by their names in a table of schedules.
  mlir::FailureOr<std::vector<std::string>> machineNames();

  /// Measures on this machine what `table` lacks for the model's launches, and enters it.
  using TuneReport = std::function<void(llvm::StringRef layer, llvm::StringRef schedule, double gain)>;
  mlir::LogicalResult tune(ScheduleTable &table, TuneReport report);
  /// The same on GPU number `ordinal` of this machine.
  mlir::LogicalResult tuneOnGpu(int ordinal, ScheduleTable &table, TuneReport report);

  /// Phase::Plan: what the target's programs look like, printed.
  mlir::LogicalResult printPlan(llvm::StringRef target, llvm::raw_ostream &os);

  /// Phase::Llvm, Asm or Ptx of a target's kernels.
  mlir::LogicalResult printCode(llvm::StringRef target, Phase phase, llvm::raw_ostream &os);

  /// All targets, compiled and linked.
  mlir::FailureOr<artifact::Contents> compile();

  /// Of each target that was compiled to train: what a run takes.
  llvm::ArrayRef<std::string> trainingNotes() const { return memoryNotes; }

private:
  /// A target after code was emitted for it.
  struct TargetCode {
    cpu::CpuTarget machine;
    Generated generated;
    std::optional<artifact::Training> training;
  };
  /// What the tuning cache has for launches on the first GPU that is compiled for.
  mlir::LogicalResult giveSchedules(llvm::ArrayRef<mlir::ModuleOp> modules);
  mlir::FailureOr<TargetCode> generateTarget(llvm::StringRef target);
  /// With as little computed again, and groups of images as large, as the memory allows.
  mlir::FailureOr<TargetCode> generateFitting(llvm::StringRef target);
  /// Of a training program, with what is computed again.
  mlir::FailureOr<TargetCode> generateTarget(llvm::StringRef target, Recompute recompute);
  /// What the manifest says of a training module at Phase::Kernel; emits the optimizer's kernels into `kernels`.
  mlir::FailureOr<artifact::Training> describeTraining(mlir::ModuleOp module, mlir::ModuleOp kernels, const cpu::CpuTarget &machine,
                                                       bool device);
  /// Adds to memoryNotes what training on the target takes, if it trains.
  void noteMemory(const artifact::Target &target);
  /// Puts options.ranges where kernel-reduce-precision looks for them.
  void attachRanges(mlir::ModuleOp module);
  /// The machine that `target` is compiled for, with the features that the precision needs.
  mlir::LogicalResult resolve(llvm::StringRef target, cpu::CpuTarget &machine);
  PipelineOptions pipelineOptions(llvm::StringRef target, const cpu::CpuTarget &machine) const;
  mlir::FailureOr<artifact::Target> compileTarget(llvm::StringRef target);
  /// A target "cuda" for options.gpus[index].
  mlir::FailureOr<artifact::Target> compileCuda(size_t index);

  mlir::MLIRContext &context;
  ModelConfig config;
  CompileOptions options;
  std::vector<std::string> memoryNotes;
  bool saidSlow = false; ///< that the precision is no faster on this machine
};

/// The whole way, as `vitc MODEL -o PATH` does it. What the passes report as errors is the returned error's text.
llvm::Error compile(mlir::MLIRContext &context, const ModelConfig &config, const CompileOptions &options,
                    const artifact::WeightsFrom &weights, llvm::StringRef path, const artifact::Progress &progress,
                    artifact::BindingNotes &notes);

} // namespace vitc

#endif // VITC_COMPILER_DRIVER_COMPILE_H
