//===- Gemm.h - kernel.gemm as machine code ---------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_COMPILER_CODEGEN_CPU_GEMM_H
#define VITC_COMPILER_CODEGEN_CPU_GEMM_H

#include "compiler/codegen/cpu/CpuCodegen.h"
#include "dialects/kernel/KernelDialect.h"

namespace vitc::cpu {

/// y = residual + activation(x W' + b) in register tiles (MatrixProduct.h); a task is a block of rows times a panel of columns. The
/// residual may be the result's memory.
mlir::FailureOr<KernelInfo> emitGemm(mlir::ModuleOp module, kernel::GemmOp op, llvm::StringRef symbol);

} // namespace vitc::cpu

#endif // VITC_COMPILER_CODEGEN_CPU_GEMM_H
