//===- NormalizeGrad.h - gradients of normalization as machine code ------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_COMPILER_CODEGEN_CPU_NORMALIZEGRAD_H
#define VITC_COMPILER_CODEGEN_CPU_NORMALIZEGRAD_H

#include "compiler/codegen/cpu/CpuCodegen.h"
#include "dialects/kernel/KernelDialect.h"

namespace vitc::cpu {

/// The gradient of y = x^ g + c, x^ = (x - mean) r, r = 1 / sqrt(variance + eps), with respect to a row x of D numbers, from u = g dy:
///
///     dx = residual + r (u - mean(u) - x^ mean(u x^))
///
/// (Ba et al. 2016. Of RMSNorm, Zhang and Sennrich 2019, the mean of x is no part of x^ and mean(u) is left out.) A task is `rows_per_task`
/// rows. A row is read for its mean, for its three sums and for the result; after the first time it lies in the first-level cache.
mlir::FailureOr<KernelInfo> emitNormalizeGrad(mlir::ModuleOp module, kernel::NormalizeGradOp op, llvm::StringRef symbol);

/// gain[d] += sum over all rows of dy[d] x^[d], shift[d] += sum of dy[d]; a task is some columns of all rows.
mlir::FailureOr<KernelInfo> emitNormalizeWeightGrad(mlir::ModuleOp module, kernel::NormalizeWeightGradOp op, llvm::StringRef symbol);

} // namespace vitc::cpu

#endif // VITC_COMPILER_CODEGEN_CPU_NORMALIZEGRAD_H
