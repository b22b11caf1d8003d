//===- Softmax.h - softmax of a few rows of scores side by side ------------------- -*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_COMPILER_CODEGEN_CPU_SOFTMAX_H
#define VITC_COMPILER_CODEGEN_CPU_SOFTMAX_H

#include "compiler/codegen/cpu/KernelFunction.h"

#include <functional>

namespace vitc::cpu {

/// weights[r][t] = exp(scale scores[r][t] + bias(r, t) - the row's maximum),    0 <= r < rows, 0 <= t < tokens
///
/// Rows go side by side, so that their chains of dependent operations overlap; each is read and written in whole vectors.
struct SoftmaxRows {
  mlir::Value scores;  ///< memref<rows x T xf32>, T tokens rounded up to whole vectors; overwritten where there is a bias
  mlir::Value weights; ///< rows as long, f32 or bf16; each weight is written after its score was read; zero from `tokens` on
  int64_t rows, tokens, lanes;
  double scale = 1;
  /// A vector whose first `count` lanes count, or none.
  std::function<mlir::Value(int64_t row, mlir::Value token, int64_t count)> bias = {};
  mlir::Value firstWeights = {}; ///< the row of `weights` that the first row's go to; 0 if none
  /// Rows of f32 that get the weights too, from row `first` on; none if there is no memref.
  struct {
    mlir::Value rows, first;
  } unrounded = {};
};

/// Emits it; returns 1 / (sum of the row's weights) for each row, as scalars.
llvm::SmallVector<mlir::Value> emitSoftmax(mlir::ImplicitLocOpBuilder &b, const SoftmaxRows &softmax);

/// A walk over the tokens of some rows, a vector at a time.
struct TokenPass {
  int64_t rows, tokens, lanes;
  mlir::Value initial; ///< a vector, carried by each row
};

/// What each row carries at the end: step(carried, row, first token, tokens in this vector) gives its next value.
llvm::SmallVector<mlir::Value>
overTokens(mlir::ImplicitLocOpBuilder &b, const TokenPass &pass,
           llvm::function_ref<mlir::Value(mlir::Value carried, int64_t row, mlir::Value token, int64_t count)> step);

} // namespace vitc::cpu

#endif // VITC_COMPILER_CODEGEN_CPU_SOFTMAX_H
