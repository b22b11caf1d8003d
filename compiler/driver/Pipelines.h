//===- Pipelines.h - the phases of a compilation ----------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_COMPILER_DRIVER_PIPELINES_H
#define VITC_COMPILER_DRIVER_PIPELINES_H

#include "dialects/kernel/Machine.h"

#include "mlir/Pass/PassManager.h"

#include "llvm/ADT/StringRef.h"

#include <optional>

namespace vitc {

/// What a compilation goes through, in order; `--emit` stops after one of them and prints it.
enum class Phase {
  Config,   ///< the complete config, JSON
  Vit,      ///< as imported
  VitOpt,   ///< decomposed, folded, fused
  Kernel,   ///< launches with schedules, bindings
  Plan,     ///< buffers and launches
  Llvm,     ///< LLVM IR
  Asm,      ///< the target's assembly
  Ptx,      ///< the same of a GPU: PTX
  Artifact, ///< the file
};

llvm::StringRef phaseName(Phase phase);
std::optional<Phase> parsePhase(llvm::StringRef name);

/// What products compute with; see kernel-reduce-precision.
enum class Precision { F32, Bf16, F16, Tf32, Int8 };

/// What training programs compute again instead of keeping it (`vitc --recompute`); see vit-recompute.
enum class Recompute { None, Attention, Block };

llvm::StringRef recomputeName(Recompute what);

/// What the graph pipelines have to know.
struct PipelineOptions {
  bool reference = false;  ///< `--target=reference`: nothing is folded or fused, every launch is a reference lowering
  unsigned optLevel = 2;   ///< 0: each operation a launch; 1: fused; 2 and 3: weights combined, dead rows dropped (docs/optimization.md)
  kernel::Machine machine; ///< what schedules depend on
  Precision precision = Precision::F32;
  bool bf16Products = false; ///< the target multiplies bf16 (AVX512-BF16)
  std::string tuningCache;   ///< file of measured schedules; empty: none
  std::string machineName;   ///< whose schedules are taken from it
  Recompute recompute = Recompute::None;
  bool device = false; ///< launches are a GPU's, which reads weights as they lie
};

/// Phase::Vit to Phase::VitOpt.
void buildVitPipeline(mlir::OpPassManager &passes, const PipelineOptions &options);

/// Phase::VitOpt to launches without schedules, the first part of what follows.
void buildLaunchPipeline(mlir::OpPassManager &passes, const PipelineOptions &options);

/// Phase::VitOpt to Phase::Kernel.
void buildKernelPipeline(mlir::OpPassManager &passes, const PipelineOptions &options);

/// What training programs go through after import: to Phase::VitOpt (forward, loss and gradients), and on to Phase::Kernel.
void buildTrainingVitPipeline(mlir::OpPassManager &passes, const PipelineOptions &options);
void buildTrainingKernelPipeline(mlir::OpPassManager &passes, const PipelineOptions &options);

/// Registers the project's passes, and the two pipelines as `vitc-vit-pipeline` and `vitc-kernel-pipeline`.
void registerPassesAndPipelines();

/// Dialects that a compilation meets, with the interface models that bufferization needs.
void registerDialects(mlir::DialectRegistry &registry);

} // namespace vitc

#endif // VITC_COMPILER_DRIVER_PIPELINES_H
