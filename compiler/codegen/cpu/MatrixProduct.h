//===- MatrixProduct.h - the register-tiled product that kernels share --------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_COMPILER_CODEGEN_CPU_MATRIXPRODUCT_H
#define VITC_COMPILER_CODEGEN_CPU_MATRIXPRODUCT_H

#include "compiler/codegen/cpu/KernelFunction.h"
#include "compiler/codegen/cpu/Quantization.h"

#include "dialects/kernel/KernelDialect.h"

#include <functional>

namespace vitc::cpu {

/// How the numbers of a product meet. All count K in words of 32 bits, and a word of the weights meets the element or the word of the input that has the
/// same place, so one loop nest, tile and packing serve them all.
enum class ProductKind {
  F32,
  Bf16Weights, ///< a word of weights is two bf16, widened to meet two f32 (a bf16 is the upper half of an f32)
  Bf16,        ///< vdpbf16ps: two multiply-adds of bf16 a lane, summed in f32
  Int8,        ///< vpdpbusd: four multiply-adds of unsigned input bytes and signed weight bytes a lane, summed in i32
};

/// Rows of the left operand, read in place. What meets word k of a row's weights lies at
///     first(row) + segmentOffset(k / segment) + (k % segment) * elementsPerStep
/// of `elements`: a matrix is one segment a row, a patch of an image one segment for each of its pixel rows.
struct InputRows {
  mlir::Value elements; ///< memref<?xf32>, or <?xi32> of words of bf16 or i8
  int64_t segment = 0;  ///< in words of K
  std::function<mlir::Value(mlir::Value row)> first;
  std::function<mlir::Value(mlir::Value segmentIndex)> segmentOffset;
};

/// result[resultRow(m), n] = activation(sum over k of input[m, k] weight[n, k] + bias[n]) + addend[addendRow(m), n],    0 <= m < rows
/// or, with `activationLast`, the activation of all of it.
///
/// Order of the loops: row block, band, chunk of panels, k-block, panel, tile of rows, k. The accumulators of a tile stay in registers over a
/// k-block, and the k-block's part of the row block (198 x 768 floats) stays in the second-level cache. Between k-blocks the sums of a
/// chunk wait in scratch memory, not in the result, which may share its memory with the addend.
///
/// Each element is one chain of multiply-adds in ascending k, from zero, wherever its row and column lie in tiles, tasks and groups of
/// images: the bits of the result depend on none of these.
struct MatrixProduct {
  ProductKind kind = ProductKind::F32;
  int64_t outputs = 0; ///< N
  int64_t depth = 0;   ///< K, in words
  kernel::GemmScheduleAttr schedule;

  InputRows input;
  mlir::Value rows;    ///< M, of type index
  mlir::Value weights; ///< memref<K/k_block x N/columns x k_block x columns> of words, both quotients rounded up, zero-padded
  mlir::Value result;  ///< memref<?xNxf32>, or bf16, or i8 with a grid
  std::optional<ByteGrid> resultGrid;
  std::function<mlir::Value(mlir::Value row)> resultRow;

  mlir::Value
      rowScales; ///< memref<Mx2xf32>: scale and zero point of each input row; of Int8 alone, as inputGrid, which is there instead, and columnScales
  std::optional<ByteGrid> inputGrid; ///< of all rows
  mlir::Value columnScales;          ///< memref<2xNxf32>: each output's scale, and the sum of its weights' bytes
  mlir::Value bias;                  ///< memref<Nxf32> or none
  vit::Activation activation = vit::Activation::None;
  bool activationLast = false;
  mlir::Value addend; ///< memref<?xNxf32> or none
  std::function<mlir::Value(mlir::Value row)> addendRow;

  /// More to be done by the tasks that cover rows [first, last) of columns [firstColumn, lastColumn), or none.
  std::function<void(mlir::Value first, mlir::Value last, mlir::Value firstColumn, mlir::Value lastColumn)> also;

  /// Elements of `input` that meet one word of weights.
  int64_t elementsPerStep() const { return kind == ProductKind::Bf16Weights ? 2 : 1; }
  int64_t panels() const { return llvm::divideCeil(outputs, schedule.getColumns()); }
  int64_t depthBlocks() const { return llvm::divideCeil(depth, schedule.getKBlock()); }
  llvm::SmallVector<int64_t> packedShape() const {
    return {depthBlocks(), panels(), schedule.getKBlock(), schedule.getColumns()};
  } ///< of `weights`
  int64_t chunkPanels() const; ///< panels whose partial sums wait in scratch together
  int64_t partialBytes() const;
  int64_t scratchBytes() const;
  /// Whether a tile's sums go through scratch memory to the activation: the accumulators' registers then hold its constants, and its code is
  /// there once instead of for each row of the tile.
  bool isStaged() const { return activation != vit::Activation::None && activation != vit::Activation::Relu; }
};

/// The kind of a product of `input` elements and `weight` elements.
ProductKind productKind(mlir::Type input, mlir::Type weight);

/// The type by which a product of `kind` reads its weights: f32, or i32 for words of smaller elements.
mlir::Type weightWord(mlir::ImplicitLocOpBuilder &b, ProductKind kind);

/// The type by which it reads its input.
mlir::Type inputWord(mlir::ImplicitLocOpBuilder &b, ProductKind kind);

/// Emits the product for tasks [f.begin, f.end): a task is one tile of rows and one panel. Tasks are numbered by row block, then by its two bands
/// (the tiles of its first and of its second half), panel, tile. So a range of them is read panel by panel, each panel for all of the range's
/// rows in the band; two workers that share a launch equally have a band each, and find the rows of the launch before in their own caches;
/// many workers have a few panels each for half the rows.
void emitMatrixProduct(KernelFunction &f, const MatrixProduct &product);

/// The sums of one row of a tile, vector by vector.
using SumOf = llvm::function_ref<mlir::Value(int64_t vector)>;

/// A tile's sums on their way to its rows: `row` and those after it, which exist up to `lastRow`.
struct TileRows {
  int64_t rows, vectors, lanes;
  mlir::Value row, lastRow;
  mlir::ValueRange sums; ///< row by row
  mlir::Value staged;    ///< memref<rows x columns> that the sums go through, so that a row's code is there once; or none
};

/// Calls emitRow(row, sums) for each row that exists. A row that only stands for a missing one is left out: where a result is an operand's
/// memory, that is overwritten by then.
void emitTileRows(mlir::ImplicitLocOpBuilder &b, const TileRows &tile, llvm::function_ref<void(mlir::Value row, SumOf sums)> emitRow);

} // namespace vitc::cpu

#endif // VITC_COMPILER_CODEGEN_CPU_MATRIXPRODUCT_H
