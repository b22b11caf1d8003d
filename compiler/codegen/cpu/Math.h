//===- Math.h - transcendental functions as polynomials -----------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Functions of f32 scalars and vectors without branches, tables or library calls, for all arguments: NaN gives NaN, infinities their
// limits, subnormal results are rounded as others are. Bounds of the error are in units in the last place of the exact result, with and
// without fused multiply-adds. They are measured, not proved: test/unit/codegen/MathTest.cpp compares every 2003rd of the 2^32 floats in
// vectors and every 40009th in scalars with the C library's functions of doubles, on each level of the target that the machine can run.
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_COMPILER_CODEGEN_CPU_MATH_H
#define VITC_COMPILER_CODEGEN_CPU_MATH_H

#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace vitc::cpu {

mlir::Value approximateExp(mlir::ImplicitLocOpBuilder &b, mlir::Value x);  ///< 1.25 ulp (found: 1.18)
mlir::Value approximateErf(mlir::ImplicitLocOpBuilder &b, mlir::Value x);  ///< 2 ulp (found: 1.96)
mlir::Value approximateLog(mlir::ImplicitLocOpBuilder &b, mlir::Value x);  ///< 2 ulp for normal x; -inf at 0, NaN below
mlir::Value approximateTanh(mlir::ImplicitLocOpBuilder &b, mlir::Value x); ///< 1.5 ulp (found: 1.34)

/// 2^x for x <= 0: 2.1 ulp (found: 2.07); 2^-126 where x < -126.
mlir::Value approximateExp2OfNegative(mlir::ImplicitLocOpBuilder &b, mlir::Value x);

/// x Phi(x) = x/2 (1 + erf(x / sqrt(2))): error 9e-8 max(|x|, 1) (found: 8.3e-8).
mlir::Value approximateGelu(mlir::ImplicitLocOpBuilder &b, mlir::Value x);

/// The derivative Phi(x) + x phi(x) of x Phi(x): error 2.5e-7 (found: 2.25e-7).
mlir::Value approximateGeluDerivative(mlir::ImplicitLocOpBuilder &b, mlir::Value x);

/// Both, for little more than the derivative alone.
std::pair<mlir::Value, mlir::Value> approximateGeluWithDerivative(mlir::ImplicitLocOpBuilder &b, mlir::Value x);

/// x Phi(x) for a result that is rounded to bf16 (2e-3 of its size): error below 8e-5 for |x| <= 100, 1e-6 |x| beyond; half the operations.
mlir::Value coarseGelu(mlir::ImplicitLocOpBuilder &b, mlir::Value x);

/// sin(x) or cos(x): 0.6 ulp for |x| <= 1e6 where the result is at least 1e-7 large, as accurate as doubles can tell beyond; NaN where x is not finite.
mlir::Value approximateSine(mlir::ImplicitLocOpBuilder &b, mlir::Value x, bool cosine);

} // namespace vitc::cpu

#endif // VITC_COMPILER_CODEGEN_CPU_MATH_H
