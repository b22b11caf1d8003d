//===- ShortFloats.h - f16 and tf32 by arithmetic of integers -----------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_COMPILER_CODEGEN_CPU_SHORTFLOATS_H
#define VITC_COMPILER_CODEGEN_CPU_SHORTFLOATS_H

#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace vitc::cpu {

// Of scalars and vectors.

/// f32 rounded to f16, as i16: to the nearest, ties to even; 65520 and more become infinite, NaN stays one.
mlir::Value f16BitsOf(mlir::ImplicitLocOpBuilder &b, mlir::Value value);

/// f32 from the bits of f16, i16; exact.
mlir::Value fromF16Bits(mlir::ImplicitLocOpBuilder &b, mlir::Value bits);

/// f32 rounded to 10 bits of significand as `cvt.rna.tf32.f32` does: to the nearest, from the middle away from zero. Infinity and NaN stay.
mlir::Value roundToTf32(mlir::ImplicitLocOpBuilder &b, mlir::Value value);

} // namespace vitc::cpu

#endif // VITC_COMPILER_CODEGEN_CPU_SHORTFLOATS_H
