//===- AttentionTiles.h - what attention and its gradient are made of ---------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_COMPILER_CODEGEN_CPU_ATTENTIONTILES_H
#define VITC_COMPILER_CODEGEN_CPU_ATTENTIONTILES_H

#include "compiler/codegen/cpu/MultiplyAdd.h"

namespace vitc::cpu {

/// Vectors [first, first + count * size) as `count` panels of `size` vectors.
struct Panels {
  int64_t first, count, size;
};

/// `vectors` in the fewest panels of at most `most` vectors, as equal in size as can be.
llvm::SmallVector<Panels> splitIntoPanels(int64_t vectors, int64_t most);

/// Vectors of a panel such that its accumulators for `rows` rows leave registers for the other operands: of 32 registers (AVX-512), of 16
/// (AVX2), of 16 without fused multiply-add.
int64_t panelVectorsFor(int64_t rows, int64_t lanes);

/// rows x vectors accumulators in registers.
struct RegisterTile {
  int64_t rows, vectors, lanes;
  ProductKind kind = ProductKind::F32;
};

/// sums(r, j) + the sum over k < depth, in this order, of left(r, k) * right(k, j); sums row by row, zeros if there are none. `left` is a
/// word for all lanes, `right` a vector of words.
llvm::SmallVector<mlir::Value> emitTileProduct(mlir::ImplicitLocOpBuilder &b, const RegisterTile &tile, mlir::Value depth,
                                               mlir::ValueRange sums, llvm::function_ref<mlir::Value(int64_t r, mlir::Value k)> left,
                                               llvm::function_ref<mlir::Value(mlir::Value k, int64_t j)> right);

/// V vectors of V lanes, V a power of two: vector i becomes what the vectors had in lane i.
void transposeVectors(mlir::ImplicitLocOpBuilder &b, llvm::SmallVectorImpl<mlir::Value> &block);

/// into[t / V][k][t % V] = scale * from[firstRow + t][firstColumn + k],    0 <= t < rows, 0 <= k < columns, V lanes; zero for t >= rows.
struct TransposedRows {
  mlir::Value from; ///< memref<?x?> of 32-bit words
  mlir::Value firstRow, firstColumn;
  int64_t rows, columns, lanes;
  double scale;     ///< of f32; 1 for other words
  mlir::Value into; ///< memref<ceil(rows / V) x columns x V>
};

void emitTransposedRows(mlir::ImplicitLocOpBuilder &b, const TransposedRows &transposed);

/// Two vectors of f32 rounded to bf16: word i is (first[i], second[i]).
mlir::Value pairOfBf16(mlir::ImplicitLocOpBuilder &b, mlir::Value first, mlir::Value second);

/// into[t / 2][k] = (from[firstRow + t][firstColumn + k], from[firstRow + t + 1][firstColumn + k]), t even, 0 <= t < rows, 0 <= k < columns; zero
/// in place of row `rows`.
struct PairedRows {
  mlir::Value from; ///< memref<?x?> of bf16
  mlir::Value firstRow, firstColumn;
  int64_t rows, columns, lanes;
  mlir::Value into; ///< memref<ceil(rows / 2) x columns> of i32, columns rounded up to whole vectors
};

void emitPairedRows(mlir::ImplicitLocOpBuilder &b, const PairedRows &paired);

} // namespace vitc::cpu

#endif // VITC_COMPILER_CODEGEN_CPU_ATTENTIONTILES_H
