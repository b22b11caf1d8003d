//===- ReducePrecision.h - kernel.convert and kernel.quantize --------------------- -*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_COMPILER_CODEGEN_CPU_REDUCEPRECISION_H
#define VITC_COMPILER_CODEGEN_CPU_REDUCEPRECISION_H

#include "compiler/codegen/cpu/CpuCodegen.h"
#include "dialects/kernel/KernelDialect.h"

namespace vitc::cpu {

/// Rows of f32 as bf16; a task is `rows_per_task` rows.
mlir::FailureOr<KernelInfo> emitConvert(mlir::ModuleOp module, kernel::ConvertOp op, llvm::StringRef symbol);

/// Rows of f32 or bf16 as unsigned bytes; a task is `rows_per_task` rows.
mlir::FailureOr<KernelInfo> emitQuantize(mlir::ModuleOp module, kernel::QuantizeOp op, llvm::StringRef symbol);

} // namespace vitc::cpu

#endif // VITC_COMPILER_CODEGEN_CPU_REDUCEPRECISION_H
