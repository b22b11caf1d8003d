//===- Quantization.h - numbers as bytes on a grid -------------------------------- -*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_COMPILER_CODEGEN_CPU_QUANTIZATION_H
#define VITC_COMPILER_CODEGEN_CPU_QUANTIZATION_H

#include "compiler/codegen/cpu/KernelFunction.h"

#include <optional>

namespace vitc::cpu {

/// Byte q stands for scale * (q - zeroPoint).
struct ByteGrid {
  float scale;
  float zeroPoint; ///< an integer from 0 to 255
};

/// The grid of an attribute [scale, zero point], if there is one.
std::optional<ByteGrid> byteGrid(std::optional<llvm::ArrayRef<float>> attribute);

/// 1.5 * 2^23 + x for 0 <= x < 2^22 has round(x), ties to even, in its low bits: the addition rounds, and needs no conversion.
inline constexpr double roundingMagic = 12582912;

/// Vectors that are alike in all lanes, as `quantize` wants them.
struct GridVectors {
  mlir::Value inverse; ///< 1 / scale
  mlir::Value zeroPoint;
};

GridVectors vectorsOf(mlir::ImplicitLocOpBuilder &b, ByteGrid grid, int64_t lanes);

/// The vector of f32 as a vector of i8: round(x / scale) + zeroPoint, cut off at 0 and 255; a NaN becomes 0.
mlir::Value quantize(mlir::ImplicitLocOpBuilder &b, mlir::Value x, const GridVectors &grid);

/// `maxps` and `minps`: one instruction each without promising that there are no NaNs. With a NaN they return the second.
mlir::Value greater(mlir::ImplicitLocOpBuilder &b, mlir::Value x, mlir::Value y);
mlir::Value smaller(mlir::ImplicitLocOpBuilder &b, mlir::Value x, mlir::Value y);

} // namespace vitc::cpu

#endif // VITC_COMPILER_CODEGEN_CPU_QUANTIZATION_H
