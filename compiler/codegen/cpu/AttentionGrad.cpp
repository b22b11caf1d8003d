//===- AttentionGrad.cpp - kernel.attention_grad as machine code --------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/codegen/cpu/AttentionGrad.h"
#include "compiler/codegen/cpu/AttentionTiles.h"
#include "compiler/codegen/cpu/KernelFunction.h"
#include "compiler/codegen/cpu/Softmax.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace vitc::cpu {

namespace {

/// Emits the gradient of one shape. Names: T tokens, d width of a head, V lanes, R rows of a register tile, s the scale. Copies of a head's parts
/// have rows of d rounded up to V, zero at the end, so that they are read in whole vectors.
class AttentionGradEmitter {
public:
  AttentionGradEmitter(ModuleOp module, kernel::AttentionGradOp op, StringRef symbol)
      : f(module, symbol, op.getLoc()), b(f.b), tokens(cast<RankedTensorType>(op.getQkv().getType()).getDimSize(1)), heads(op.getHeads()),
        width(cast<RankedTensorType>(op.getUpstream().getType()).getDimSize(2) / heads), lanes(op.getScheduleAttr().getVector()),
        rows(std::min(op.getScheduleAttr().getRows(), tokens)), tokenVectors(llvm::divideCeilSigned(tokens, lanes)),
        columnVectors(llvm::divideCeilSigned(width, lanes)), panelVectors(panelVectorsFor(rows, lanes)),
        scale(op.getScale().convertToDouble()) {
    qkv = f.rows(0, tokens, 3 * heads * width);
    upstream = f.rows(1, tokens, heads * width);
    result = f.rows(2, tokens, 3 * heads * width);
    for (Value *copy : {&queries, &keys, &gradients})
      *copy = allocate({tokens, columnVectors * lanes});
    for (Value *transposed : {&keyColumns, &valueColumns})
      *transposed = allocate({tokenVectors, width, lanes});
    for (Value *tile : {&scores, &weightGradients})
      *tile = allocate({rows, tokenVectors * lanes});
    planBlocks();
    for (Value *block : {&probabilities, &scoreGradients})
      *block = allocate({blockRows, pitch});
  }

  int64_t scratchBytes() const { return scratchSize; }

  void emit() {
    forLoop(b, f.begin, f.end, 1, [&](Value task) {
      firstRow = mul(b, div(b, task, heads), tokens);
      queryColumn = mul(b, rem(b, task, heads), width);
      keyColumn = add(b, queryColumn, heads * width);
      valueColumn = add(b, queryColumn, 2 * heads * width);
      copyRows(qkv, queryColumn, queries);
      copyRows(qkv, keyColumn, keys);
      copyRows(upstream, queryColumn, gradients);
      emitTransposedRows(b, {qkv, firstRow, keyColumn, tokens, width, lanes, scale, keyColumns});
      // The scale of dQ and dK, which dP brings into dS.
      emitTransposedRows(b, {qkv, firstRow, valueColumn, tokens, width, lanes, scale, valueColumns});
      if (blocks == 1)
        return emitBlock(indexConstant(b, 0), indexConstant(b, tokens));
      clearSums();
      forLoop(b, indexConstant(b, 0), indexConstant(b, blocks), 1,
              [&](Value block) { emitBlock(firstQueryOf(block), firstQueryOf(add(b, block, 1))); });
    });
  }

private:
  //===--- memory -------------------------------------------------------------------------===//

  Value allocate(ArrayRef<int64_t> shape) {
    int64_t offset = scratchSize;
    scratchSize += llvm::alignTo(ShapedType::getNumElements(shape) * sizeof(float), 64);
    return f.scratch(offset, shape);
  }

  /// Blocks of whole tiles, as equal as can be, of two tiles at least: the last tile of a block is shifted up to end with it.
  void planBlocks() {
    // P and dS of a block of an image of 197 tokens, all of it, are 330 KB; of more tokens, enough rows that the sums of dK and dV, which come
    // by once a block, cost little.
    constexpr int64_t bytes = 400 << 10, leastRows = 96, lineFloats = 16;
    pitch = tokenVectors * lanes;
    // An odd number of cache lines: a column's elements then are spread over all sets of the first-level cache.
    if (pitch % (2 * lineFloats) == 0)
      pitch += lineFloats;
    int64_t tiles = llvm::divideCeilSigned(tokens, rows);
    int64_t mostRows = std::max<int64_t>(bytes / (2 * sizeof(float) * pitch), leastRows);
    blocks = std::clamp<int64_t>(llvm::divideCeilSigned(tokens, mostRows), 1, std::max<int64_t>(1, tiles / 2));
    blockRows = std::min(llvm::divideCeilSigned(tiles, blocks) * rows, tokens);
  }

  Value firstQueryOf(Value block) {
    Value tile = div(b, mul(b, block, llvm::divideCeilSigned(tokens, rows)), blocks);
    return min(b, mul(b, tile, rows), indexConstant(b, tokens));
  }

  int64_t columnsOf(int64_t vector) const { return std::min(lanes, width - vector * lanes); }

  /// copy[t][k] = from[firstRow + t][column + k].
  void copyRows(Value from, Value column, Value copy) {
    forLoop(b, indexConstant(b, 0), indexConstant(b, tokens), 1, [&](Value t) {
      for (int64_t j = 0; j < columnVectors; ++j)
        storeVector(b, loadVector(b, from, {add(b, firstRow, t), add(b, column, j * lanes)}, lanes, columnsOf(j)), copy,
                    {t, indexConstant(b, j * lanes)});
    });
  }

  /// dK and dV as no block has added to them.
  void clearSums() {
    forLoop(b, firstRow, add(b, firstRow, tokens), 1, [&](Value row) {
      for (Value column : {keyColumn, valueColumn})
        for (int64_t j = 0; j < columnVectors; ++j)
          storeVector(b, splat(b, 0, lanes), result, {row, add(b, column, j * lanes)}, columnsOf(j));
    });
  }

  //===--- a block of queries -------------------------------------------------------------===//

  void emitBlock(Value begin, Value end) {
    forLoop(b, begin, end, rows, [&](Value row) {
      // The last rows are shifted up to end with the last query; those computed twice get the same bits.
      Value first = min(b, row, sub(b, end, indexConstant(b, rows))), inBlock = sub(b, first, begin);
      multiplyColumns(queries, first, keyColumns, scores);
      multiplyColumns(gradients, first, valueColumns, weightGradients);
      differentiateSoftmax(inBlock);
      multiplyKeys(first, inBlock);
    });
    Value count = sub(b, end, begin);
    addToKeys(probabilities, count, gradients, begin, valueColumn);
    addToKeys(scoreGradients, count, queries, begin, keyColumn);
  }

  /// into[r][t] = left[first + r] . columns[t].
  void multiplyColumns(Value left, Value first, Value columns, Value into) {
    for (Panels panels : splitIntoPanels(tokenVectors, panelVectors))
      forLoop(
          b, indexConstant(b, panels.first), indexConstant(b, panels.first + panels.count * panels.size), panels.size, [&](Value block) {
            auto element = [&](int64_t r, Value k) { return load(b, left, {add(b, first, r), k}); };
            auto column = [&](Value k, int64_t j) { return loadVector(b, columns, {add(b, block, j), k, indexConstant(b, 0)}, lanes); };
            SmallVector<Value> sums = emitTileProduct(b, {rows, panels.size, lanes}, indexConstant(b, width), /*sums=*/{}, element, column);
            for (int64_t r = 0; r < rows; ++r)
              for (int64_t j = 0; j < panels.size; ++j)
                storeVector(b, sums[r * panels.size + j], into, {indexConstant(b, r), mul(b, add(b, block, j), lanes)});
          });
  }

  /// From the tile's scores and s dP: rows [inBlock, inBlock + R) of P and of s dS = P (s dP - rowsum(P s dP)).
  void differentiateSoftmax(Value inBlock) {
    SmallVector<Value> reciprocals = emitSoftmax(b, {scores, scores, rows, tokens, lanes, /*scale=*/1, /*bias=*/{}});
    auto at = [&](int64_t r, Value t) { return SmallVector<Value>{indexConstant(b, r), t}; };
    Value zero = indexConstant(b, 0), end = indexConstant(b, tokenVectors * lanes);
    SmallVector<Value> zeros(rows, splat(b, 0, lanes));
    SmallVector<Value> sums = forLoop(b, zero, end, lanes, zeros, [&](Value t, ValueRange carried) {
      SmallVector<Value> next;
      for (int64_t r = 0; r < rows; ++r)
        next.push_back(fma(b, loadVector(b, scores, at(r, t), lanes), loadVector(b, weightGradients, at(r, t), lanes), carried[r]));
      return next;
    });
    SmallVector<Value> factors, means;
    for (int64_t r = 0; r < rows; ++r) {
      Value sum = vector::ReductionOp::create(b, vector::CombiningKind::ADD, sums[r], arith::FastMathFlags::reassoc);
      means.push_back(broadcast(b, mulf(b, sum, reciprocals[r]), lanes));
      factors.push_back(broadcast(b, reciprocals[r], lanes));
    }
    forLoop(b, zero, end, lanes, [&](Value t) {
      for (int64_t r = 0; r < rows; ++r) {
        Value p = mulf(b, loadVector(b, scores, at(r, t), lanes), factors[r]);
        Value gradient = mulf(b, p, subf(b, loadVector(b, weightGradients, at(r, t), lanes), means[r]));
        storeVector(b, p, probabilities, {add(b, inBlock, r), t});
        storeVector(b, gradient, scoreGradients, {add(b, inBlock, r), t});
      }
    });
  }

  /// dQ[first + r] = sum over t of (s dS)[inBlock + r][t] K[t].
  void multiplyKeys(Value first, Value inBlock) {
    forColumnPanels([&](int64_t firstVector, int64_t vectors) {
      auto element = [&](int64_t r, Value t) { return load(b, scoreGradients, {add(b, inBlock, r), t}); };
      auto key = [&](Value t, int64_t j) { return loadVector(b, keys, {t, indexConstant(b, (firstVector + j) * lanes)}, lanes); };
      SmallVector<Value> sums = emitTileProduct(b, {rows, vectors, lanes}, indexConstant(b, tokens), /*sums=*/{}, element, key);
      forTile(rows, first, queryColumn, firstVector, vectors,
              [&](int64_t index, ValueRange at, int64_t columns) { storeVector(b, sums[index], result, at, columns); });
    });
  }

  /// result[t] += sum over i < count of left[i][t] right[begin + i], at `column` of the rows of all keys.
  void addToKeys(Value left, Value count, Value right, Value begin, Value column) {
    auto tile = [&](Value first, int64_t tileRows) {
      forColumnPanels([&](int64_t firstVector, int64_t vectors) {
        auto element = [&](int64_t r, Value i) { return load(b, left, {i, add(b, first, r)}); };
        auto row = [&](Value i, int64_t j) {
          return loadVector(b, right, {add(b, begin, i), indexConstant(b, (firstVector + j) * lanes)}, lanes);
        };
        SmallVector<Value> sums;
        if (blocks > 1)
          forTile(tileRows, first, column, firstVector, vectors,
                  [&](int64_t, ValueRange at, int64_t columns) { sums.push_back(loadVector(b, result, at, lanes, columns)); });
        sums = emitTileProduct(b, {tileRows, vectors, lanes}, count, sums, element, row);
        forTile(tileRows, first, column, firstVector, vectors,
                [&](int64_t index, ValueRange at, int64_t columns) { storeVector(b, sums[index], result, at, columns); });
      });
    };
    int64_t whole = tokens / rows * rows;
    forLoop(b, indexConstant(b, 0), indexConstant(b, whole), rows, [&](Value first) { tile(first, rows); });
    if (whole < tokens)
      tile(indexConstant(b, whole), tokens - whole);
  }

  /// Panels of the d columns: body(first vector, vectors).
  void forColumnPanels(function_ref<void(int64_t, int64_t)> body) {
    for (Panels panels : splitIntoPanels(columnVectors, panelVectors))
      for (int64_t p = 0; p < panels.count; ++p)
        body(panels.first + p * panels.size, panels.size);
  }

  /// The vectors of a tile of the result: step(index in the tile, place, columns that are there), of rows [first, first + tileRows) of the image.
  void forTile(int64_t tileRows, Value first, Value column, int64_t firstVector, int64_t vectors,
               function_ref<void(int64_t, ValueRange, int64_t)> step) {
    for (int64_t r = 0; r < tileRows; ++r)
      for (int64_t j = 0; j < vectors; ++j)
        step(r * vectors + j, {add(b, add(b, firstRow, first), r), add(b, column, (firstVector + j) * lanes)}, columnsOf(firstVector + j));
  }

  KernelFunction f;
  ImplicitLocOpBuilder &b;
  int64_t tokens, heads, width, lanes, rows, tokenVectors, columnVectors, panelVectors;
  double scale;
  int64_t blocks = 1, blockRows = 0; ///< of queries
  int64_t pitch = 0;                 ///< floats of a row of P and dS
  int64_t scratchSize = 0;
  Value qkv, upstream, result;               ///< operands
  Value queries, keys, gradients;            ///< scratch: Q, K and dO, [T, d]
  Value keyColumns, valueColumns;            ///< scratch: s K and s V as emitTransposedRows leaves them
  Value scores, weightGradients;             ///< scratch: of a tile, S, then exp(S - maximum), and s dP, [R, T]
  Value probabilities, scoreGradients;       ///< scratch: of a block, P and s dS
  Value firstRow;                            ///< of the task: its image's first row
  Value queryColumn, keyColumn, valueColumn; ///< of the task: where its head's parts begin in a row of qkv and of the result
};

} // namespace

FailureOr<KernelInfo> emitAttentionGrad(ModuleOp module, kernel::AttentionGradOp op, StringRef symbol) {
  kernel::AttentionScheduleAttr schedule = op.getScheduleAttr();
  if (!schedule)
    return op.emitOpError() << "has no schedule to generate code by";
  if (!llvm::isPowerOf2_64(schedule.getVector()) || schedule.getRows() < 1)
    return op.emitOpError() << "needs a schedule of one row at least and a power of two lanes, not " << schedule;
  AttentionGradEmitter emitter(module, op, symbol);
  emitter.emit();

  KernelInfo info;
  info.symbol = symbol.str();
  info.kind = "attention_grad";
  llvm::raw_string_ostream(info.schedule) << schedule;
  info.scratchBytes = emitter.scratchBytes();
  info.columnTasks = static_cast<int64_t>(op.getHeads());
  return info;
}

} // namespace vitc::cpu
