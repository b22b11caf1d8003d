//===- ColumnSums.h - sums of all rows on a GPU -------------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_COMPILER_CODEGEN_GPU_COLUMNSUMS_H
#define VITC_COMPILER_CODEGEN_GPU_COLUMNSUMS_H

#include "compiler/codegen/gpu/GpuCodegen.h"

#include <string>

namespace vitc::gpu {

/// How blocks share the sums of rows.
struct ColumnSchedule {
  int64_t lanes = 4;    ///< columns that a thread reads as one vector
  int64_t across = 32;  ///< threads of a warp, a power of two, that are side by side; the others have other rows
  int64_t warps = 16;   ///< which have rows of their own
  int64_t together = 8; ///< rows that a thread reads before it adds the first
  int64_t parts = 1;    ///< of the rows, which as many blocks have: PartialSums.h

  int64_t columns() const { return lanes * across; }
  /// "64 columns, 16 warps of 2 x 8 rows, 11 parts".
  std::string text() const;

  friend bool operator==(const ColumnSchedule &, const ColumnSchedule &) = default;
};

/// For `rows` rows, in all, of `width` elements of the smallest of the operands' types, of which `operands` are read row by row.
ColumnSchedule chooseColumnSums(int64_t width, int64_t rows, mlir::Type element, int64_t operands, const DeviceTarget &target);

/// The kernels by another schedule than the one that is chosen.
mlir::FailureOr<KernelInfo> emitSumRows(mlir::ModuleOp module, kernel::SumRowsOp op, llvm::StringRef symbol,
                                        const ColumnSchedule &schedule);
mlir::FailureOr<KernelInfo> emitNormalizeWeightGrad(mlir::ModuleOp module, kernel::NormalizeWeightGradOp op, llvm::StringRef symbol,
                                                    const ColumnSchedule &schedule);

} // namespace vitc::gpu

#endif // VITC_COMPILER_CODEGEN_GPU_COLUMNSUMS_H
