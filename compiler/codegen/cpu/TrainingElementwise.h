//===- TrainingElementwise.h - element by element, as machine code ------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_COMPILER_CODEGEN_CPU_TRAININGELEMENTWISE_H
#define VITC_COMPILER_CODEGEN_CPU_TRAININGELEMENTWISE_H

#include "compiler/codegen/cpu/CpuCodegen.h"
#include "dialects/kernel/KernelDialect.h"

namespace vitc::cpu {

/// Rows in tasks of some, whose elements are one run. The result may be the memory of any operand.
mlir::FailureOr<KernelInfo> emitActivation(mlir::ModuleOp module, kernel::ActivationOp op, llvm::StringRef symbol);
mlir::FailureOr<KernelInfo> emitActivationGrad(mlir::ModuleOp module, kernel::ActivationGradOp op, llvm::StringRef symbol);
mlir::FailureOr<KernelInfo> emitAdd(mlir::ModuleOp module, kernel::AddOp op, llvm::StringRef symbol);

} // namespace vitc::cpu

#endif // VITC_COMPILER_CODEGEN_CPU_TRAININGELEMENTWISE_H
