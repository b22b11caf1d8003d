//===- TrainingUpdate.h - optimizers as machine code --------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_COMPILER_CODEGEN_CPU_TRAININGUPDATE_H
#define VITC_COMPILER_CODEGEN_CPU_TRAININGUPDATE_H

#include "compiler/codegen/cpu/CpuCodegen.h"
#include "runtime/artifact/UpdateScalars.h"

namespace vitc::cpu {

/// Which update, as far as it is compiled in; its numbers are runtime/artifact/UpdateScalars.h's.
struct UpdateSpec {
  vitrt::OptimizerKind optimizer = vitrt::OptimizerKind::AdamW;
  bool momentum = true;        ///< of sgd: without it there is no first moment
  bool nesterov = false;       ///< of sgd with momentum
  bool bf16Momentum = false;   ///< of sgd: the moment rests as bf16, rounded to nearest even; the step takes it unrounded, as in Flax
  bool average = false;        ///< an exponential moving average of the parameters
  bool clearGradients = false; ///< gradients are zero afterwards: the next step's are added to them

  bool hasFirst() const { return optimizer != vitrt::OptimizerKind::Sgd || momentum; }
  bool hasSecond() const { return optimizer != vitrt::OptimizerKind::Sgd; }
};

/// Updates a run of parameters that lie flat in memory, in one pass. `images` of docs/abi.md is the number of its elements, a task
/// `vitrt::updateTaskElements` of them. Buffers, those that the update has: parameters (in, out), gradients (in; out if they are cleared),
/// first moment (in, out), second moment (in, out), average (in, out), scalars f32[16]. Fails where `spec` contradicts itself.
mlir::FailureOr<KernelInfo> emitUpdate(mlir::ModuleOp module, const UpdateSpec &spec, llvm::StringRef symbol, const CpuTarget &target);

/// Buffers: values, partial sums: partial[task] = sum of the squares of the task's elements, `images` and tasks as of emitUpdate. What a
/// gradient's global norm is made of; a NaN or an infinity among the values is one in its sum.
mlir::FailureOr<KernelInfo> emitSquareSum(mlir::ModuleOp module, llvm::StringRef symbol, const CpuTarget &target);

} // namespace vitc::cpu

#endif // VITC_COMPILER_CODEGEN_CPU_TRAININGUPDATE_H
