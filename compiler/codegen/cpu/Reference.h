//===- Reference.h - kernel.reference as machine code -------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_COMPILER_CODEGEN_CPU_REFERENCE_H
#define VITC_COMPILER_CODEGEN_CPU_REFERENCE_H

#include "compiler/codegen/cpu/CpuCodegen.h"
#include "dialects/kernel/KernelDialect.h"

namespace vitc::cpu {

/// A kernel whose tasks are images: each runs the operation's region once, in scalar loops.
mlir::FailureOr<KernelInfo> emitReference(mlir::ModuleOp module, kernel::ReferenceOp op, llvm::StringRef symbol);

} // namespace vitc::cpu

#endif // VITC_COMPILER_CODEGEN_CPU_REFERENCE_H
