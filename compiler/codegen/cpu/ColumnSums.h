//===- ColumnSums.h - sums over all rows, column by column --------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_COMPILER_CODEGEN_CPU_COLUMNSUMS_H
#define VITC_COMPILER_CODEGEN_CPU_COLUMNSUMS_H

#include "compiler/codegen/cpu/CpuCodegen.h"
#include "compiler/codegen/cpu/KernelFunction.h"
#include "dialects/kernel/KernelDialect.h"

#include <functional>

namespace vitc::cpu {

/// results[i][d] += sum over all rows of term i, 0 <= d < width; a task is a panel of columns of all rows of the group.
///
/// Some rows at a time: what they add up to joins totals in scratch memory, so each row is read along its columns, once, and a sum of many
/// rows is a chain of few additions. Each column's order of additions is that of the rows alone: no bit depends on how columns are split
/// into tasks.
struct ColumnSums {
  int64_t width, lanes;
  mlir::Value rows;                          ///< of type index
  int64_t rowsTogether;                      ///< a power of two
  llvm::SmallVector<mlir::Value, 2> results; ///< each memref<width>

  /// The results' sums over `count` lanes of some rows, from `column` on.
  using Terms = std::function<llvm::SmallVector<mlir::Value, 2>(mlir::Value column, int64_t count)>;
  /// Emits what the terms of `rows`, rowsTogether of them or one, have in common for all columns, and returns the terms.
  std::function<Terms(mlir::ValueRange rows)> prepare;
};

/// Emits the tasks [f.begin, f.end). Says in `info` how many there are and what scratch they need.
void emitColumnSums(KernelFunction &f, const ColumnSums &sums, KernelInfo &info);

/// Emits kernel.sum_rows: result[d] += sum of all rows, whose width is that of all of the result's axes together.
mlir::FailureOr<KernelInfo> emitSumRows(mlir::ModuleOp module, kernel::SumRowsOp op, llvm::StringRef symbol);

} // namespace vitc::cpu

#endif // VITC_COMPILER_CODEGEN_CPU_COLUMNSUMS_H
