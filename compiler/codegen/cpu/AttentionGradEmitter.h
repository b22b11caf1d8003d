//===- AttentionGradEmitter.h - emits kernel.attention_grad -----------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_COMPILER_CODEGEN_CPU_ATTENTIONGRADEMITTER_H
#define VITC_COMPILER_CODEGEN_CPU_ATTENTIONGRADEMITTER_H

#include "compiler/codegen/cpu/AttentionTiles.h"
#include "compiler/codegen/cpu/KernelFunction.h"
#include "dialects/kernel/KernelDialect.h"

#include "llvm/Support/MathExtras.h"

namespace vitc::cpu {

/// Emits the gradient of one shape. Names: T tokens, d width of a head, V lanes, R rows of a register tile, s the scale. Copies of a head's
/// parts have rows of d rounded up to V, zero at the end, so that they are read in whole vectors.
///
/// Of bf16 the products' sums run over pairs, words of 32 bits: of columns in S and dP, of keys in dQ, of queries in dV and dK. Operands that
/// are computed here (dO over the sum of weights, P, dS) are rounded as they are stored. Queries meet in pairs of rows of a tile; the last tile of
/// a block, which is shifted up to end with it, has zeros in place of rows that the tile before has had.
class AttentionGradEmitter {
public:
  AttentionGradEmitter(mlir::ModuleOp module, kernel::AttentionGradOp op, llvm::StringRef symbol);

  void emit();

  int64_t scratchBytes() const { return scratchSize; }

private:
  /// Rows of bf16 that are written by elements and read by words.
  struct RoundedRows {
    mlir::Value elements, words;
  };
  /// Rows [first, first + R) of queries, of which those before `fresh` are the tile's before. They are rows [inBlock, inBlock + R) of the block's,
  /// or of bf16 the words from `inBlock` on; their weights begin at `weightRow`.
  struct Tile {
    mlir::Value first, fresh, inBlock, weightRow;
  };
  /// Where the rows of a product's left operand begin.
  struct Rows {
    mlir::Value memref, row, column;
  };

  // Memory.
  mlir::Value allocate(llvm::ArrayRef<int64_t> shape, mlir::Type word = {});
  RoundedRows allocateRounded(int64_t columns);
  void planBlocks();
  mlir::Value firstQueryOf(mlir::Value block);
  void copyRows(mlir::Value column, mlir::Value copy);
  void clearSums();
  void fetchWeights(mlir::Value weightRow);
  void fetchNextHead(mlir::Value first);
  void fetch(mlir::Value memref, mlir::Value row, mlir::Value column);

  // Products.
  void emitBlock(mlir::Value begin, mlir::Value end);
  void multiplyColumns(Rows left, mlir::Value columns, mlir::Value into);
  void multiplyKeys(const Tile &tile);
  void addToKeys(mlir::Value left, mlir::Value leftBegin, mlir::Value count, mlir::Value right, mlir::Value begin, mlir::Value column);
  void forColumnPanels(llvm::function_ref<void(int64_t, int64_t)> body);
  void forTile(int64_t tileRows, mlir::Value first, mlir::Value column, int64_t firstVector, int64_t vectors,
               llvm::function_ref<void(int64_t, mlir::ValueRange, int64_t)> step);

  // Elements of a tile (AttentionGradTile.cpp).
  llvm::SmallVector<mlir::Value> weigh(const Tile &tile);
  llvm::SmallVector<mlir::Value> sumWeights(mlir::Value weightRow);
  void copyGradients(const Tile &tile, mlir::ValueRange reciprocals);
  void differentiateSoftmax(const Tile &tile, mlir::ValueRange reciprocals);
  mlir::Value gradient(const Tile &tile, int64_t r, int64_t j, mlir::Value reciprocal);
  void storePairs(llvm::ArrayRef<mlir::Value> vectors, mlir::Value into, mlir::Value word, mlir::Value column);
  mlir::Value sumOfLanes(mlir::Value vector);
  llvm::SmallVector<mlir::Value>
  sumOverTokens(llvm::function_ref<mlir::Value(mlir::Value carried, int64_t row, mlir::Value token, int64_t count)> step);

  /// Words that a column of a tile's rows of bf16 takes.
  int64_t wordsOfTile() const { return llvm::divideCeilSigned(rows, perWord); }
  int64_t columnsOf(int64_t vector) const { return std::min(lanes, width - vector * lanes); }

  static constexpr int64_t lineFloats = 16;

  KernelFunction f;
  mlir::ImplicitLocOpBuilder &b;
  int64_t tokens, heads, width, lanes, rows, tokenVectors, columnVectors, panelVectors;
  double scale;
  ProductKind kind = ProductKind::F32;
  int64_t perWord = 1;                               ///< elements of a word
  int64_t blocks = 1, blockRows = 0, blockWords = 0; ///< of queries
  int64_t pitch = 0;                                 ///< words of a row of P and dS
  int64_t scratchSize = 0;
  bool recomputes = true;                      ///< the weights, which are an operand otherwise
  mlir::Value qkv, elements, upstream, result; ///< operands; qkv by words and by elements
  mlir::Value queries, keys, gradients; ///< scratch: Q, K, and each row of dO over its sum of weights, [T, d]; of bf16 by pairs of rows
  mlir::Value keyColumns, valueColumns; ///< scratch: K and V as emitTransposedRows leaves them, times s of f32
  mlir::Value scores, weightGradients;  ///< scratch: of a tile, S and dP over the row's sum of weights, [R, T]
  mlir::Value weights;                  ///< exp(S - the row's maximum): scratch, of a block or of bf16 of a tile, or operand
  mlir::Value scoreGradients;           ///< scratch: of a block, s dS; of bf16 by pairs of rows
  mlir::Value pairedWeights;            ///< scratch of bf16: the weights of a block by pairs of rows
  RoundedRows gradientRows;             ///< scratch of bf16: of a tile, dO over the row's sum of weights, [R, d]
  RoundedRows scoreGradientRows;        ///< scratch of bf16: of a tile, s dS, [R, T]
  mlir::Value firstRow, firstWeights;   ///< of the task: its image's first row, its head's first row of an operand of weights
  mlir::Value nextRow, nextColumn;      ///< of the next task: its image's first row, where its head's queries begin
  mlir::Value queryColumn, keyColumn, valueColumn; ///< of the task: where its head's parts begin in a row of qkv and of the result
};

} // namespace vitc::cpu

#endif // VITC_COMPILER_CODEGEN_CPU_ATTENTIONGRADEMITTER_H
