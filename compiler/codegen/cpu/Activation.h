//===- Activation.h - point-wise functions on vectors -------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_COMPILER_CODEGEN_CPU_ACTIVATION_H
#define VITC_COMPILER_CODEGEN_CPU_ACTIVATION_H

#include "compiler/codegen/cpu/KernelFunction.h"

#include "dialects/vit/VitDialect.h"

namespace vitc::cpu {

/// The activation of a vector or scalar of f32. A NaN stays one. `coarse`: the result will be rounded to bf16, so it need not be more exact than that.
mlir::Value activate(mlir::ImplicitLocOpBuilder &b, vit::Activation activation, mlir::Value x, bool coarse = false);

/// The activation's derivative at x, a vector or scalar of f32: absolute error 3e-7. relu's is 0 at 0, as
/// torch's, and 1 of a NaN; of the others a NaN's is one.
mlir::Value activationDerivative(mlir::ImplicitLocOpBuilder &b, vit::Activation activation, mlir::Value x);

/// The activation and its derivative, the same bits as of the two apart.
std::pair<mlir::Value, mlir::Value> activateWithDerivative(mlir::ImplicitLocOpBuilder &b, vit::Activation activation, mlir::Value x);

} // namespace vitc::cpu

#endif // VITC_COMPILER_CODEGEN_CPU_ACTIVATION_H
