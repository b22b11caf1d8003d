//===- Matmul.h - products of training programs as machine code ---------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_COMPILER_CODEGEN_CPU_MATMUL_H
#define VITC_COMPILER_CODEGEN_CPU_MATMUL_H

#include "compiler/codegen/cpu/CpuCodegen.h"
#include "dialects/kernel/KernelDialect.h"

namespace vitc::cpu {

/// y = residual + x W' + b, or x W of a transposed weight, in register tiles (TrainingProduct.h). Operands of bf16 fail on a target without the
/// instruction.
mlir::FailureOr<KernelInfo> emitMatmul(mlir::ModuleOp module, kernel::MatmulOp op, llvm::StringRef symbol, const CpuTarget &target);

/// result += lhs' rhs over all rows of the group. Tasks are parts of the result, as many for any number of images.
mlir::FailureOr<KernelInfo> emitContractRows(mlir::ModuleOp module, kernel::ContractRowsOp op, llvm::StringRef symbol,
                                             const CpuTarget &target);

} // namespace vitc::cpu

#endif // VITC_COMPILER_CODEGEN_CPU_MATMUL_H
