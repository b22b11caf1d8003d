//===- AttentionTiles.cpp - what attention and its gradient are made of -------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/codegen/cpu/AttentionTiles.h"
#include "compiler/codegen/cpu/KernelFunction.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace vitc::cpu {

SmallVector<Panels> splitIntoPanels(int64_t vectors, int64_t most) {
  int64_t panels = llvm::divideCeilSigned(vectors, most), size = vectors / panels, larger = vectors % panels;
  SmallVector<Panels> result;
  if (larger)
    result.push_back({0, larger, size + 1});
  result.push_back({larger * (size + 1), panels - larger, size});
  return result;
}

int64_t panelVectorsFor(int64_t rows, int64_t lanes) { return std::max<int64_t>(1, (lanes >= 16 ? 24 : lanes >= 8 ? 12 : 8) / rows); }

SmallVector<Value> emitTileProduct(ImplicitLocOpBuilder &b, const RegisterTile &tile, Value depth, ValueRange sums,
                                   function_ref<Value(int64_t r, Value k)> left, function_ref<Value(Value k, int64_t j)> right) {
  SmallVector<Value> initial(sums);
  if (initial.empty())
    initial.assign(tile.rows * tile.vectors, splat(b, 0, tile.lanes));
  return forLoop(b, indexConstant(b, 0), depth, 1, initial, [&](Value k, ValueRange carried) {
    SmallVector<Value> columns, next;
    for (int64_t j = 0; j < tile.vectors; ++j)
      columns.push_back(widen(b, tile.kind, right(k, j)).front());
    for (int64_t r = 0; r < tile.rows; ++r) {
      Value x = spread(b, tile.kind, left(r, k), tile.lanes);
      for (int64_t j = 0; j < tile.vectors; ++j)
        next.push_back(multiplyAdd(b, tile.kind, {x}, {columns[j]}, carried[r * tile.vectors + j]));
    }
    return next;
  });
}

/// In the step of `half`, each 2 x 2 arrangement of half x half squares swaps its off-diagonal ones.
void transposeVectors(ImplicitLocOpBuilder &b, SmallVectorImpl<Value> &block) {
  int64_t lanes = block.size();
  for (int64_t half = lanes / 2; half >= 1; half /= 2) {
    SmallVector<int64_t> upper, lower;
    for (int64_t i = 0; i < lanes; ++i) {
      upper.push_back(i & half ? lanes + i - half : i);
      lower.push_back(i & half ? lanes + i : i + half);
    }
    for (int64_t i = 0; i < lanes; ++i) {
      if (i & half)
        continue;
      Value x = block[i], y = block[i + half];
      block[i] = vector::ShuffleOp::create(b, x, y, upper);
      block[i + half] = vector::ShuffleOp::create(b, x, y, lower);
    }
  }
}

/// Columns [column, column + columnCount) of the rows of block `rowBlock`, of which there are `rowCount`.
static void transposeBlock(ImplicitLocOpBuilder &b, const TransposedRows &transposed, Value rowBlock, int64_t rowCount, Value column,
                           int64_t columnCount) {
  int64_t lanes = transposed.lanes;
  auto word = cast<MemRefType>(transposed.into.getType()).getElementType();
  Value zero = arith::ConstantOp::create(b, b.getZeroAttr(VectorType::get({lanes}, word)));
  Value firstRow = add(b, transposed.firstRow, mul(b, rowBlock, lanes)), from = add(b, transposed.firstColumn, column);
  SmallVector<Value> block(lanes, zero);
  for (int64_t t = 0; t < rowCount; ++t) {
    block[t] = loadVector(b, transposed.from, {add(b, firstRow, t), from}, lanes, columnCount);
    if (transposed.scale != 1)
      block[t] = mulf(b, block[t], splat(b, transposed.scale, lanes));
  }
  transposeVectors(b, block);
  for (int64_t k = 0; k < columnCount; ++k)
    storeVector(b, block[k], transposed.into, {rowBlock, add(b, column, k), indexConstant(b, 0)});
}

void emitTransposedRows(ImplicitLocOpBuilder &b, const TransposedRows &transposed) {
  int64_t rows = transposed.rows, columns = transposed.columns, lanes = transposed.lanes;
  auto rowBlock = [&](Value index, int64_t rowCount) {
    if (columns >= lanes)
      forLoop(b, indexConstant(b, 0), indexConstant(b, columns / lanes * lanes), lanes,
              [&](Value column) { transposeBlock(b, transposed, index, rowCount, column, lanes); });
    if (columns % lanes != 0)
      transposeBlock(b, transposed, index, rowCount, indexConstant(b, columns / lanes * lanes), columns % lanes);
  };
  if (rows >= lanes)
    forLoop(b, indexConstant(b, 0), indexConstant(b, rows / lanes), 1, [&](Value index) { rowBlock(index, lanes); });
  if (rows % lanes != 0)
    rowBlock(indexConstant(b, rows / lanes), rows % lanes);
}

Value pairOfBf16(ImplicitLocOpBuilder &b, Value first, Value second) {
  int64_t lanes = cast<VectorType>(first.getType()).getDimSize(0);
  auto rounded = [&](Value vector) -> Value { return arith::TruncFOp::create(b, VectorType::get({lanes}, b.getBF16Type()), vector); };
  SmallVector<int64_t> places;
  for (int64_t i = 0; i < lanes; ++i)
    places.append({i, lanes + i});
  Value elements = vector::ShuffleOp::create(b, rounded(first), rounded(second), places);
  return vector::BitCastOp::create(b, VectorType::get({lanes}, b.getI32Type()), elements);
}

void emitPairedRows(ImplicitLocOpBuilder &b, const PairedRows &paired) {
  int64_t lanes = paired.lanes, rows = paired.rows;
  auto words = VectorType::get({lanes}, b.getI32Type());
  // An element of bf16 that was read as f32 fills the upper half of its word.
  auto read = [&](Value row, int64_t column) -> Value {
    Value from = loadVector(b, paired.from, {add(b, paired.firstRow, row), add(b, paired.firstColumn, column)}, lanes,
                            std::min(lanes, paired.columns - column));
    return arith::BitcastOp::create(b, words, from);
  };
  auto lowerHalf = [&](Value bits) -> Value {
    return arith::ShRUIOp::create(b, bits, arith::ConstantOp::create(b, DenseElementsAttr::get(words, b.getI32IntegerAttr(16))));
  };
  auto pair = [&](Value index, bool isWhole) {
    Value row = mul(b, index, 2);
    for (int64_t column = 0; column < paired.columns; column += lanes) {
      Value bits = lowerHalf(read(row, column));
      if (isWhole)
        bits = arith::OrIOp::create(b, bits, read(add(b, row, 1), column));
      storeVector(b, bits, paired.into, {index, indexConstant(b, column)});
    }
  };
  forLoop(b, indexConstant(b, 0), indexConstant(b, rows / 2), 1, [&](Value index) { pair(index, true); });
  if (rows % 2 != 0)
    pair(indexConstant(b, rows / 2), false);
}

} // namespace vitc::cpu
