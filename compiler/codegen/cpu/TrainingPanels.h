//===- TrainingPanels.h - copies of a product's operands ----------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Operands of f32 in scratch memory as multiply-adds want them, in words of 32 bits along the depth: an f32, or two elements rounded to bf16.
// What the last word of an odd depth lacks is zero, and so are columns that are not there.
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_COMPILER_CODEGEN_CPU_TRAININGPANELS_H
#define VITC_COMPILER_CODEGEN_CPU_TRAININGPANELS_H

#include "compiler/codegen/cpu/KernelFunction.h"

namespace vitc::cpu {

class PanelPacker {
public:
  /// `perWord` 1: words are f32; 2: pairs of bf16. `depth` is the operands' in elements, of type index; `fixedDepth` its value, or 0 where it is
  /// not known.
  PanelPacker(mlir::ImplicitLocOpBuilder &b, int64_t lanes, int64_t perWord, mlir::Value depth, int64_t fixedDepth)
      : b(b), lanes(lanes), perWord(perWord), depth(depth), fixedDepth(fixedDepth) {}

  /// Words [start, start + count) of the depth.
  struct Steps {
    mlir::Value start, count;
  };

  /// into[prefix][k][j] = from[step k][column + j] for `columns` columns: rows of `from` are steps of the depth.
  void copyRows(mlir::Value from, Steps steps, mlir::Value column, int64_t columns, mlir::Value into, mlir::ValueRange prefix = {});

  /// into[k][j] = from[column + j][step k]: rows of `from` run along the depth. Steps start with a whole vector, and end with one or with the
  /// depth, which is fixed.
  void transposeRows(mlir::Value from, Steps steps, mlir::Value column, int64_t columns, mlir::Value into);

  /// into[r][k] = from[(firstRow + r) depth + k] of flat memory, all of the fixed depth; rows of `into` are whole vectors.
  void convertRows(mlir::Value from, mlir::Value firstRow, mlir::Value rows, mlir::Value into);

private:
  /// The words of `elements` consecutive f32 of a row, at most lanes * perWord.
  mlir::Value wordsOf(int64_t elements, llvm::function_ref<mlir::Value(int64_t offset, int64_t count)> load);

  mlir::ImplicitLocOpBuilder &b;
  const int64_t lanes, perWord;
  mlir::Value depth;
  const int64_t fixedDepth;
};

} // namespace vitc::cpu

#endif // VITC_COMPILER_CODEGEN_CPU_TRAININGPANELS_H
