//===- Normalize.h - kernel.normalize as machine code -------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_COMPILER_CODEGEN_CPU_NORMALIZE_H
#define VITC_COMPILER_CODEGEN_CPU_NORMALIZE_H

#include "compiler/codegen/cpu/CpuCodegen.h"
#include "dialects/kernel/KernelDialect.h"

namespace vitc::cpu {

/// LayerNorm (Ba et al. 2016, equation 3, biased variance) or RMSNorm (Zhang and Sennrich 2019, equation 4) of each row; a task is `rows_per_task` rows.
/// The row is read once for its mean, once for its variance (no cancellation, unlike mean of squares) and once for the result.
mlir::FailureOr<KernelInfo> emitNormalize(mlir::ModuleOp module, kernel::NormalizeOp op, llvm::StringRef symbol);

} // namespace vitc::cpu

#endif // VITC_COMPILER_CODEGEN_CPU_NORMALIZE_H
