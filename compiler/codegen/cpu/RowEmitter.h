//===- RowEmitter.h - loops over a row of numbers --------------------------------- -*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_COMPILER_CODEGEN_CPU_ROWEMITTER_H
#define VITC_COMPILER_CODEGEN_CPU_ROWEMITTER_H

#include "compiler/codegen/cpu/KernelFunction.h"

#include "mlir/Dialect/Vector/IR/VectorOps.h"

#include <functional>

namespace vitc::cpu {

/// Walks a row of `width` numbers in vectors of `lanes` f32; the last one may have fewer.
class RowEmitter {
public:
  RowEmitter(mlir::ImplicitLocOpBuilder &b, int64_t width, int64_t lanes) : b(b), width(width), lanes(lanes) {}

  using Accumulate = llvm::function_ref<mlir::Value(mlir::Value sum, mlir::Value column, int64_t count)>;

  /// One quantity that a walk over the row gathers: lanes of a vector that begins as `initial`, by an associative `combine`.
  struct Reduction {
    double initial;
    mlir::vector::CombiningKind kind;
    std::function<mlir::Value(mlir::Value, mlir::Value)> combine;
  };

  /// The reductions' results as scalars, from one walk: `valuesAt(column, count)` gives for each a vector to combine with, whose lanes from `count` on are neutral.
  llvm::SmallVector<mlir::Value> reduce(llvm::ArrayRef<Reduction> reductions,
                                        llvm::function_ref<llvm::SmallVector<mlir::Value>(mlir::Value column, int64_t count)> valuesAt);

  /// The sum over the row of what `accumulate` adds.
  mlir::Value sum(Accumulate accumulate);

  void forEach(llvm::function_ref<void(mlir::Value column, int64_t count)> body);

  /// `vector` with its lanes from `count` on replaced by `other`.
  mlir::Value keep(mlir::Value vector, int64_t count, double other = 0);

private:
  using Step = llvm::function_ref<llvm::SmallVector<mlir::Value>(mlir::ValueRange sums, mlir::Value column, int64_t count)>;

  /// Carries `initial` vectors through the row, in several chains side by side; one list of vectors for each chain.
  llvm::SmallVector<llvm::SmallVector<mlir::Value>> walk(llvm::ArrayRef<mlir::Value> initial, Step step);

  /// Chains in flight: enough to hide the latency of an addition.
  static constexpr int64_t unroll = 4;

  mlir::ImplicitLocOpBuilder &b;
  int64_t width, lanes;
};

/// Where a row's bytes and its scale and zero point go.
struct QuantizedRows {
  mlir::Value bytes;  ///< memref<?xKxi8>
  mlir::Value scales; ///< memref<?x2xf32>
};

/// Quantizes rows as `kernel.quantize` says; `valueAt(i, column, count)` is a vector of the numbers of rows[i], read twice, zero in lanes from `count`
/// on.
void emitQuantizedRows(mlir::ImplicitLocOpBuilder &b, RowEmitter &row, int64_t lanes, mlir::ValueRange rows, const QuantizedRows &into,
                       llvm::function_ref<mlir::Value(size_t i, mlir::Value column, int64_t count)> valueAt);

/// `body(rows)` for the rows [first, last), some at a time and what remains one by one. What follows from all of a row (a sum over its lanes, a root, a
/// quotient) takes as long as the walk over a short row; the next row's walk fills that time if it stands before what needs the result.
void forRowGroups(mlir::ImplicitLocOpBuilder &b, mlir::Value first, mlir::Value last, llvm::function_ref<void(mlir::ValueRange rows)> body);

} // namespace vitc::cpu

#endif // VITC_COMPILER_CODEGEN_CPU_ROWEMITTER_H
