//===- Math.h - transcendental functions as polynomials -----------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Functions of f32 scalars and vectors without branches, tables or library calls, for all arguments: NaN gives NaN, infinities their limits, subnormal results are
// rounded as others are. Errors are in units in the last place of the exact result, the largest over all 2^32 arguments, with and without fused
// multiply-adds (test/unit/codegen/MathTest.cpp).
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_COMPILER_CODEGEN_CPU_MATH_H
#define VITC_COMPILER_CODEGEN_CPU_MATH_H

#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace vitc::cpu {

mlir::Value approximateExp(mlir::ImplicitLocOpBuilder &b, mlir::Value x);  ///< 2 ulp
mlir::Value approximateErf(mlir::ImplicitLocOpBuilder &b, mlir::Value x);  ///< 2 ulp
mlir::Value approximateTanh(mlir::ImplicitLocOpBuilder &b, mlir::Value x); ///< 2 ulp

} // namespace vitc::cpu

#endif // VITC_COMPILER_CODEGEN_CPU_MATH_H
