//===- TrainingFlat.h - passes over flat memory -------------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_COMPILER_CODEGEN_CPU_TRAININGFLAT_H
#define VITC_COMPILER_CODEGEN_CPU_TRAININGFLAT_H

#include "compiler/codegen/cpu/KernelFunction.h"

namespace vitc::cpu {

/// `body(at, lanes)` for the elements [from, to): whole vectors of `lanes`, then what remains one by one, as vectors of one lane. `body` has to
/// do the same to an element in both.
void forElements(mlir::ImplicitLocOpBuilder &b, mlir::Value from, mlir::Value to, int64_t lanes,
                 llvm::function_ref<void(mlir::Value at, int64_t lanes)> body);

} // namespace vitc::cpu

#endif // VITC_COMPILER_CODEGEN_CPU_TRAININGFLAT_H
