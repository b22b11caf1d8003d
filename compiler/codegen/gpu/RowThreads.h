//===- RowThreads.h - rows in the registers of warps --------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_COMPILER_CODEGEN_GPU_ROWTHREADS_H
#define VITC_COMPILER_CODEGEN_GPU_ROWTHREADS_H

#include "compiler/codegen/gpu/DeviceFunction.h"

namespace vitc::gpu {

/// How rows of `width` elements are shared out: each to one or more whole warps, whose threads keep `steps` vectors of `lanes` elements.
struct RowShape {
  /// Fails with an error on `op` if a block of threads does not hold a row.
  static mlir::FailureOr<RowShape> choose(mlir::Operation *op, int64_t width, Type element);

  int64_t width, lanes;
  int64_t warps; ///< of a row, a power of two
  int64_t rows;  ///< of a block
  int64_t steps;

  int64_t threadsOfRow() const { return warps * device::kWarp; }
  int64_t threads() const { return rows * threadsOfRow(); }
};

/// The row that a thread takes part in, and which of its columns are the thread's. Threads without a row have the last one's elements, for
/// the sake of barriers, and must not write.
class RowThreads {
public:
  /// `count` rows there are, i32.
  RowThreads(DeviceFunction &f, const RowShape &shape, Value count);

  /// The thread's row of memory with rows of `width` elements.
  Value rowIn(Value memory, int64_t width) { return rowOf(b, memory, from, width); }
  Value columnOf(int64_t step) { return mul(b, add(b, threadOfRow, step * shape.threadsOfRow()), shape.lanes); }
  Value isThere(int64_t step) { return less(b, columnOf(step), shape.width); }

  /// The thread's vectors of its row as f32, zero where the row is shorter.
  llvm::SmallVector<Value> load(Value row);
  /// function(step, column) where there is a row and a column.
  void forEach(llvm::function_ref<void(int64_t step, Value column)> function);
  /// vector - `mean`, and zero still where the row is shorter: what is beyond must not count among squares.
  Value centred(Value vector, int64_t step, Value mean);
  /// The sum of all threads of the row; every one of them gets it.
  Value sum(Value value);

  Value exists;  ///< whether there is such a row
  Value isFirst; ///< whether the thread is the row's first

private:
  bool isWhole() const { return shape.width == shape.steps * shape.threadsOfRow() * shape.lanes; }

  DeviceFunction &f;
  ImplicitLocOpBuilder &b;
  const RowShape shape;
  Value rowOfBlock, threadOfRow, from;
};

} // namespace vitc::gpu

#endif // VITC_COMPILER_CODEGEN_GPU_ROWTHREADS_H
