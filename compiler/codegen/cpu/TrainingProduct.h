//===- TrainingProduct.h - products of operands as they lie in memory ---------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_COMPILER_CODEGEN_CPU_TRAININGPRODUCT_H
#define VITC_COMPILER_CODEGEN_CPU_TRAININGPRODUCT_H

#include "compiler/codegen/cpu/CpuCodegen.h"
#include "compiler/codegen/cpu/KernelFunction.h"

#include "dialects/kernel/KernelDialect.h"

#include <optional>

namespace vitc::cpu {

/// result[m, n] = factor[m, n] activation(sum over k of left[m, k] right[k, n] + bias[n]) + addend[m, n],    0 <= m < rows, 0 <= n < outputs
/// or, with `accumulate`, result[m, n] += the sum over each k-block. The activation's derivative is another result if asked for.
///
/// Neither operand is packed beforehand: a training step changes the weights, and an activation is multiplied twice. A panel of the right
/// operand, a k-block of `columns` columns, is copied (transposed where it lies by columns) into scratch memory just before its use, and stays
/// in the second-level cache while tiles of rows go by. The copy costs as much as one tile (transposed) or a third of one. Rows of the left
/// operand are read in place, by rows or by columns. With `bf16` both operands are rounded while they are copied, the left one's rows of a
/// range of tasks once for all of its panels.
///
/// Loops: row block, band, panel, k-block, tile of rows, k, with `accumulate` the k-block outside the panel. Each element is the sum of its
/// k-blocks in order, each of them one chain of multiply-adds from zero (accumulate) or from the block before, wherever its row and column lie
/// in tiles and tasks.
struct TrainingProduct {
  int64_t outputs = 0;               ///< N
  std::optional<int64_t> fixedDepth; ///< K in elements, where it is known
  mlir::Value depth;                 ///< K in elements, of type index
  kernel::GemmScheduleAttr schedule;
  bool bf16 = false; ///< operands are rounded to pairs of bf16; sums are f32

  std::optional<int64_t> fixedRows; ///< M, where it is known
  mlir::Value rows;                 ///< M, of type index
  mlir::Value left;                 ///< memref<?xf32>: rows [M, K] one after the other, or by columns [K, M]
  mlir::Value leftColumns;          ///< by columns the same as memref<KxMxf32>; then M is fixed
  mlir::Value right;                ///< memref<KxNxf32>, or by columns memref<NxKxf32>
  bool rightByColumns = false;      ///< then the depth is fixed
  mlir::Value bias;                 ///< memref<Nxf32> or none
  vit::Activation activation = vit::Activation::None;
  mlir::Value factor;     ///< memref<MxNxf32> or none; may be the result's memory
  mlir::Value addend;     ///< memref<MxNxf32> or none; may be the result's memory
  mlir::Value derivative; ///< memref<MxNxf32> or none: the activation's derivative where it is applied
  mlir::Value result;     ///< memref<MxNxf32>
  bool accumulate = false;
  int64_t bands = 1; ///< of a row block that several ranges of tasks share

  int64_t perWord() const { return bf16 ? 2 : 1; }
  int64_t panels() const { return llvm::divideCeil(outputs, schedule.getColumns()); }
  /// Rows of a task. Fewer rows a task would share the work more evenly, and copy a panel for less work.
  int64_t rowsPerTask() const { return 8 * schedule.getRows(); }
  /// Rows that a panel is used for before the next one's turn: the schedule's in whole tasks, or all where nothing that waits in scratch memory
  /// grows with them.
  int64_t rowBlock() const { return llvm::alignTo(fixedRows.value_or(schedule.getRowBlock()), rowsPerTask()); }
  bool hasRowBlocks() const { return hasPartialSums() || (bf16 && !fixedRows); }
  /// Whether partial sums of a row block wait in scratch memory, for the addend may lie where the result does.
  bool hasPartialSums() const { return !accumulate && fixedWords() > blockLength(); }
  /// Words of the longest k-block. A fixed depth is divided equally, in whole vectors.
  int64_t blockLength() const {
    if (!fixedDepth)
      return schedule.getKBlock();
    int64_t blocks = llvm::divideCeil(fixedWords(), schedule.getKBlock());
    return llvm::alignTo(llvm::divideCeil(fixedWords(), blocks), blocks > 1 ? schedule.getVector() : 1);
  }
  int64_t panelBytes() const { return llvm::alignTo(blockLength() * schedule.getColumns() * wordBytes, 64); }
  int64_t partialBytes() const { return hasPartialSums() ? rowBlock() * schedule.getColumns() * wordBytes : 0; }
  /// Whether a tile's sums go through scratch memory to the activation, whose code is there once then instead of for each row of the tile.
  bool isStaged() const { return activation != vit::Activation::None; }
  int64_t stagedBytes() const { return isStaged() ? schedule.getRows() * schedule.getColumns() * wordBytes : 0; }
  /// The left operand as words: [row block][K in whole vectors], or by columns [tasks' rows][k-block][rows of a task].
  llvm::SmallVector<int64_t> leftShape() const {
    if (leftColumns)
      return {rowBlock() / rowsPerTask(), blockLength(), rowsPerTask()};
    return {rowBlock(), int64_t(llvm::alignTo(fixedWords(), schedule.getVector()))};
  }
  int64_t scratchBytes() const;

private:
  static constexpr int64_t wordBytes = sizeof(float);
  int64_t fixedWords() const { return llvm::divideCeil(*fixedDepth, perWord()); }
};

/// Emits the product for tasks [f.begin, f.end): a task is `rowsPerTask` rows of a panel. Tasks are numbered by row block, panel, rows, or if a
/// range has part of a row block by its two bands (first and second half of the rows), panel, rows: a range of them copies each of its panels
/// once, and two workers that share a launch equally have a band each.
void emitTrainingProduct(KernelFunction &f, const TrainingProduct &product);

/// Part of a row of the product whose sums are complete.
struct SumsOfRow {
  mlir::Value row, column;
  int64_t vectors, lanes, lastLanes;
  llvm::function_ref<mlir::Value(int64_t vector)> sum;
};

/// Makes the results of the sums and stores them.
void emitResults(mlir::ImplicitLocOpBuilder &b, const TrainingProduct &product, const SumsOfRow &sums);

} // namespace vitc::cpu

#endif // VITC_COMPILER_CODEGEN_CPU_TRAININGPRODUCT_H
