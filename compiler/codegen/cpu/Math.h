//===- Math.h - transcendental functions as polynomials -----------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Functions of f32 scalars and vectors without branches, tables or library calls, for all arguments: NaN gives NaN, infinities their
// limits, subnormal results are rounded as others are. Bounds of the error are in units in the last place of the exact result, with and
// without fused multiply-adds; they hold for every float above 1/8 in magnitude and for a sample of the rest
// (test/unit/codegen/MathTest.cpp samples all).
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_COMPILER_CODEGEN_CPU_MATH_H
#define VITC_COMPILER_CODEGEN_CPU_MATH_H

#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace vitc::cpu {

mlir::Value approximateExp(mlir::ImplicitLocOpBuilder &b, mlir::Value x);  ///< 1.25 ulp (found: 1.18)
mlir::Value approximateErf(mlir::ImplicitLocOpBuilder &b, mlir::Value x);  ///< 2 ulp (found: 1.96)
mlir::Value approximateTanh(mlir::ImplicitLocOpBuilder &b, mlir::Value x); ///< 1.5 ulp (found: 1.34)

} // namespace vitc::cpu

#endif // VITC_COMPILER_CODEGEN_CPU_MATH_H
