//===- MultiplyAdd.h - the innermost step of a product, by number types -------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_COMPILER_CODEGEN_CPU_MULTIPLYADD_H
#define VITC_COMPILER_CODEGEN_CPU_MULTIPLYADD_H

#include "compiler/codegen/cpu/MatrixProduct.h"

namespace vitc::cpu {

/// A vector of words of weights as multiply-adds take them: one value, or the even and the odd elements of each word.
using WeightVector = llvm::SmallVector<mlir::Value, 2>;
/// What meets one word of weights of every lane: as many values as a WeightVector has.
using InputElements = llvm::SmallVector<mlir::Value, 2>;

/// The element type of a product's sums: f32 or i32.
mlir::Type sumElement(mlir::ImplicitLocOpBuilder &b, ProductKind kind);

/// `words` [lanes] of f32 or i32, as `weightWord` says.
WeightVector widen(mlir::ImplicitLocOpBuilder &b, ProductKind kind, mlir::Value words);

/// A word of the input in all lanes, of kinds for which one word of input meets one of weights.
mlir::Value spread(mlir::ImplicitLocOpBuilder &b, ProductKind kind, mlir::Value word, int64_t lanes);

/// The input at `at` of the memref `elements`, in all lanes.
InputElements readInput(mlir::ImplicitLocOpBuilder &b, ProductKind kind, mlir::Value elements, mlir::Value at, int64_t lanes);

/// sums + input * weights, lane by lane.
mlir::Value multiplyAdd(mlir::ImplicitLocOpBuilder &b, ProductKind kind, const InputElements &input, const WeightVector &weights,
                        mlir::Value sums);

} // namespace vitc::cpu

#endif // VITC_COMPILER_CODEGEN_CPU_MULTIPLYADD_H
