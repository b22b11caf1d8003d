//===- FeatureMaps.h - kernels on feature maps with a row for each pixel ------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_COMPILER_CODEGEN_CPU_FEATUREMAPS_H
#define VITC_COMPILER_CODEGEN_CPU_FEATUREMAPS_H

#include "compiler/codegen/cpu/CpuCodegen.h"
#include "dialects/kernel/KernelDialect.h"

namespace vitc::cpu {

/// A copy with zeros around; a task is some rows of the padded grid.
mlir::FailureOr<KernelInfo> emitPadRows(mlir::ModuleOp module, kernel::PadRowsOp op, llvm::StringRef symbol);

/// The maximum or mean of each window, in vectors of channels; a task is some rows of the result's grid.
mlir::FailureOr<KernelInfo> emitPoolRows(mlir::ModuleOp module, kernel::PoolRowsOp op, llvm::StringRef symbol);

/// Three passes over the columns of some groups: mean, variance, result. A task is such columns of one image; each group's statistics are
/// sums of block sums in a fixed order, so that its bits depend on nothing else.
mlir::FailureOr<KernelInfo> emitGroupNorm(mlir::ModuleOp module, kernel::GroupNormOp op, llvm::StringRef symbol);

} // namespace vitc::cpu

#endif // VITC_COMPILER_CODEGEN_CPU_FEATUREMAPS_H
