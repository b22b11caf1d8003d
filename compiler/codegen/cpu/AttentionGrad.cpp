//===- AttentionGrad.cpp - kernel.attention_grad as machine code --------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/codegen/cpu/AttentionGrad.h"
#include "compiler/codegen/cpu/AttentionGradEmitter.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

namespace vitc::cpu {

AttentionGradEmitter::AttentionGradEmitter(ModuleOp module, kernel::AttentionGradOp op, StringRef symbol)
    : f(module, symbol, op.getLoc()), b(f.b), tokens(cast<RankedTensorType>(op.getQkv().getType()).getDimSize(1)), heads(op.getHeads()),
      width(cast<RankedTensorType>(op.getUpstream().getType()).getDimSize(2) / heads), lanes(op.getScheduleAttr().getVector()),
      rows(std::min(op.getScheduleAttr().getRows(), tokens)), tokenVectors(llvm::divideCeilSigned(tokens, lanes)),
      columnVectors(llvm::divideCeilSigned(width, lanes)), panelVectors(panelVectorsFor(rows, lanes)),
      scale(op.getScale().convertToDouble()) {
  Type element = cast<ShapedType>(op.getQkv().getType()).getElementType(), word = inputWord(b, kind = productKind(element, element));
  perWord = kernel::elementsPerWord(element);
  unsigned operand = 0;
  elements = f.rows(operand, tokens, 3 * heads * width, element);
  qkv = f.rows(operand++, tokens, 3 * heads * width / perWord, word);
  upstream = f.rows(operand++, tokens, heads * width);
  recomputes = !op.getWeights();
  if (!recomputes)
    weights = f.rows(operand++, heads * tokens, cast<ShapedType>(op.getWeights().getType()).getShape().back());
  result = f.rows(operand, tokens, 3 * heads * width);
  valueColumns = allocate({tokenVectors, width / perWord, lanes}, word);
  if (recomputes)
    keyColumns = allocate({tokenVectors, width / perWord, lanes}, word);
  weightGradients = allocate({rows, tokenVectors * lanes});
  if (recomputes)
    scores = allocate({rows, tokenVectors * lanes});
  planBlocks();
  if (perWord == 1) {
    for (Value *copy : {&queries, &keys, &gradients})
      *copy = allocate({tokens, columnVectors * lanes});
    scoreGradients = allocate({blockRows, pitch});
    if (recomputes)
      weights = allocate({blockRows, pitch});
    return;
  }
  keys = allocate({llvm::divideCeilSigned(tokens, perWord), columnVectors * lanes}, word);
  for (Value *pairs : {&queries, &gradients})
    *pairs = allocate({blockWords, columnVectors * lanes}, word);
  for (Value *pairs : {&scoreGradients, &pairedWeights})
    *pairs = allocate({blockWords, pitch}, word);
  gradientRows = allocateRounded(columnVectors * lanes);
  scoreGradientRows = allocateRounded(tokenVectors * lanes);
  if (recomputes)
    weights = allocate({rows, pitch});
}

void AttentionGradEmitter::emit() {
  forLoop(b, f.begin, f.end, 1, [&](Value task) {
    firstRow = mul(b, div(b, task, heads), tokens);
    firstWeights = mul(b, task, tokens);
    Value next = add(b, task, 1);
    nextRow = mul(b, div(b, next, heads), tokens);
    nextColumn = mul(b, rem(b, next, heads), width);
    queryColumn = mul(b, rem(b, task, heads), width);
    keyColumn = add(b, queryColumn, heads * width);
    valueColumn = add(b, queryColumn, 2 * heads * width);
    auto transpose = [&](Value column, Value into) {
      // Of bf16 scaling is left to the scores and to dS: it would round again.
      emitTransposedRows(b, {qkv, firstRow, div(b, column, perWord), tokens, width / perWord, lanes, perWord == 1 ? scale : 1, into});
    };
    if (recomputes)
      transpose(keyColumn, keyColumns);
    // With the scale of dQ and dK, which dP brings into dS.
    transpose(valueColumn, valueColumns);
    if (perWord == 1) {
      copyRows(queryColumn, queries);
      copyRows(keyColumn, keys);
    } else {
      emitPairedRows(b, {elements, firstRow, keyColumn, tokens, width, lanes, keys});
    }
    if (blocks == 1)
      return emitBlock(indexConstant(b, 0), indexConstant(b, tokens));
    clearSums();
    forLoop(b, indexConstant(b, 0), indexConstant(b, blocks), 1,
            [&](Value block) { emitBlock(firstQueryOf(block), firstQueryOf(add(b, block, 1))); });
  });
}

//===--- memory -------------------------------------------------------------------------===//

Value AttentionGradEmitter::allocate(ArrayRef<int64_t> shape, Type word) {
  int64_t offset = scratchSize;
  scratchSize += llvm::alignTo(ShapedType::getNumElements(shape) * sizeof(float), 64);
  return f.scratch(offset, shape, word);
}

/// Of a tile, `columns` elements each.
AttentionGradEmitter::RoundedRows AttentionGradEmitter::allocateRounded(int64_t columns) {
  int64_t offset = scratchSize;
  Value words = allocate({rows, columns / perWord}, b.getI32Type());
  return {f.scratch(offset, {rows, columns}, b.getBF16Type()), words};
}

/// Blocks of whole tiles, as equal as can be, of two tiles at least: the last tile of a block is shifted up to end with it.
void AttentionGradEmitter::planBlocks() {
  // P and dS of all queries of an image of 197 tokens are 330 KB; of more tokens, enough rows that the sums of dK and dV, which come by
  // once a block, cost little.
  constexpr int64_t bytes = 400 << 10, leastRows = 96;
  pitch = tokenVectors * lanes;
  // An odd number of cache lines: a column's elements then are spread over all sets of the first-level cache.
  if (pitch % (2 * lineFloats) == 0)
    pitch += lineFloats;
  int64_t tiles = llvm::divideCeilSigned(tokens, rows);
  int64_t mostRows = std::max<int64_t>(bytes * perWord / (2 * sizeof(float) * pitch), leastRows);
  blocks = std::clamp<int64_t>(llvm::divideCeilSigned(tokens, mostRows), 1, std::max<int64_t>(1, tiles / 2));
  blockRows = std::min(llvm::divideCeilSigned(tiles, blocks) * rows, tokens);
  blockWords = llvm::divideCeilSigned(tiles, blocks) * wordsOfTile();
}

Value AttentionGradEmitter::firstQueryOf(Value block) {
  Value tile = div(b, mul(b, block, llvm::divideCeilSigned(tokens, rows)), blocks);
  return min(b, mul(b, tile, rows), indexConstant(b, tokens));
}

/// copy[t][k] = qkv[firstRow + t][column + k].
void AttentionGradEmitter::copyRows(Value column, Value copy) {
  forLoop(b, indexConstant(b, 0), indexConstant(b, tokens), 1, [&](Value t) {
    for (int64_t j = 0; j < columnVectors; ++j)
      storeVector(b, loadVector(b, qkv, {add(b, firstRow, t), add(b, column, j * lanes)}, lanes, columnsOf(j)), copy,
                  {t, indexConstant(b, j * lanes)});
  });
}

/// dK and dV as no block has added to them.
void AttentionGradEmitter::clearSums() {
  forLoop(b, firstRow, add(b, firstRow, tokens), 1, [&](Value row) {
    for (Value column : {keyColumn, valueColumn})
      for (int64_t j = 0; j < columnVectors; ++j)
        storeVector(b, splat(b, 0, lanes), result, {row, add(b, column, j * lanes)}, columnsOf(j));
  });
}

//===--- a block of queries -------------------------------------------------------------===//

void AttentionGradEmitter::emitBlock(Value begin, Value end) {
  Value zero = indexConstant(b, 0);
  forLoop(b, begin, end, rows, [&](Value row) {
    // The last rows are shifted up to end with the last query; those computed twice get the same bits.
    Tile tile;
    tile.fresh = row;
    tile.first = min(b, row, sub(b, end, indexConstant(b, rows)));
    tile.inBlock = perWord == 1 ? sub(b, tile.first, begin) : mul(b, div(b, sub(b, row, begin), rows), wordsOfTile());
    tile.weightRow = !recomputes ? add(b, firstWeights, tile.first) : perWord == 1 ? tile.inBlock : zero;
    SmallVector<Value> reciprocals = recomputes ? weigh(tile) : sumWeights(tile.weightRow);
    if (!recomputes)
      fetchWeights(add(b, tile.weightRow, rows));
    fetchNextHead(tile.first);
    copyGradients(tile, reciprocals);
    multiplyColumns(perWord == 1 ? Rows{gradients, tile.first, zero} : Rows{gradientRows.words, zero, zero}, valueColumns, weightGradients);
    differentiateSoftmax(tile, reciprocals);
    multiplyKeys(tile);
  });
  Value count = sub(b, end, begin);
  if (perWord == 1) {
    addToKeys(weights, recomputes ? zero : add(b, firstWeights, begin), count, gradients, begin, valueColumn);
    addToKeys(scoreGradients, zero, count, queries, begin, keyColumn);
  } else {
    Value words = mul(b, ceilDiv(b, count, rows), wordsOfTile());
    addToKeys(pairedWeights, zero, words, gradients, zero, valueColumn);
    addToKeys(scoreGradients, zero, words, queries, zero, keyColumn);
  }
}

/// into[r][t] = row r of left . columns[t].
void AttentionGradEmitter::multiplyColumns(Rows left, Value columns, Value into) {
  for (Panels panels : splitIntoPanels(tokenVectors, panelVectors))
    forLoop(b, indexConstant(b, panels.first), indexConstant(b, panels.first + panels.count * panels.size), panels.size, [&](Value block) {
      auto element = [&](int64_t r, Value k) { return load(b, left.memref, {add(b, left.row, r), add(b, left.column, k)}); };
      auto column = [&](Value k, int64_t j) { return loadVector(b, columns, {add(b, block, j), k, indexConstant(b, 0)}, lanes); };
      SmallVector<Value> sums =
          emitTileProduct(b, {rows, panels.size, lanes, kind}, indexConstant(b, width / perWord), /*sums=*/{}, element, column);
      for (int64_t r = 0; r < rows; ++r)
        for (int64_t j = 0; j < panels.size; ++j)
          storeVector(b, sums[r * panels.size + j], into, {indexConstant(b, r), mul(b, add(b, block, j), lanes)});
    });
}

/// Brings the weights of a tile nearer, which come from memory. Beyond an operand's end fetching ahead does nothing.
void AttentionGradEmitter::fetchWeights(Value weightRow) {
  forLoop(b, indexConstant(b, 0), indexConstant(b, tokens), lineFloats, [&](Value t) {
    for (int64_t r = 0; r < rows; ++r)
      fetch(weights, add(b, weightRow, r), t);
  });
}

/// Brings nearer what the next task copies of the tile's rows: by then it has come from memory.
void AttentionGradEmitter::fetchNextHead(Value first) {
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t part = 0; part < 3; ++part)
      for (int64_t k = 0; k < width; k += lineFloats * perWord)
        fetch(elements, add(b, add(b, nextRow, first), r), add(b, nextColumn, part * heads * width + k));
}

void AttentionGradEmitter::fetch(Value memref, Value row, Value column) {
  memref::PrefetchOp::create(b, memref, ValueRange{row, column}, /*isWrite=*/false, /*localityHint=*/2, /*isDataCache=*/true);
}

/// dQ[first + r] = sum over t of (s dS)[r][t] K[t].
void AttentionGradEmitter::multiplyKeys(const Tile &tile) {
  Value depth = indexConstant(b, llvm::divideCeilSigned(tokens, perWord));
  forColumnPanels([&](int64_t firstVector, int64_t vectors) {
    auto element = [&](int64_t r, Value t) {
      return perWord == 1 ? load(b, scoreGradients, {add(b, tile.inBlock, r), t})
                          : load(b, scoreGradientRows.words, {indexConstant(b, r), t});
    };
    auto key = [&](Value t, int64_t j) { return loadVector(b, keys, {t, indexConstant(b, (firstVector + j) * lanes)}, lanes); };
    SmallVector<Value> sums = emitTileProduct(b, {rows, vectors, lanes, kind}, depth, /*sums=*/{}, element, key);
    forTile(rows, tile.first, queryColumn, firstVector, vectors,
            [&](int64_t index, ValueRange at, int64_t columns) { storeVector(b, sums[index], result, at, columns); });
  });
}

/// result[t] += sum over i < count of left[leftBegin + i][t] right[begin + i], at `column` of the rows of all keys; i by words.
void AttentionGradEmitter::addToKeys(Value left, Value leftBegin, Value count, Value right, Value begin, Value column) {
  auto tile = [&](Value first, int64_t tileRows) {
    forColumnPanels([&](int64_t firstVector, int64_t vectors) {
      auto element = [&](int64_t r, Value i) { return load(b, left, {add(b, leftBegin, i), add(b, first, r)}); };
      auto row = [&](Value i, int64_t j) {
        return loadVector(b, right, {add(b, begin, i), indexConstant(b, (firstVector + j) * lanes)}, lanes);
      };
      SmallVector<Value> sums;
      if (blocks > 1)
        forTile(tileRows, first, column, firstVector, vectors,
                [&](int64_t, ValueRange at, int64_t columns) { sums.push_back(loadVector(b, result, at, lanes, columns)); });
      sums = emitTileProduct(b, {tileRows, vectors, lanes, kind}, count, sums, element, row);
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
void AttentionGradEmitter::forColumnPanels(function_ref<void(int64_t, int64_t)> body) {
  for (Panels panels : splitIntoPanels(columnVectors, panelVectors))
    for (int64_t p = 0; p < panels.count; ++p)
      body(panels.first + p * panels.size, panels.size);
}

/// The vectors of a tile of the result, of rows [first, first + tileRows) of the image: step(index in the tile, place, columns that are
/// there).
void AttentionGradEmitter::forTile(int64_t tileRows, Value first, Value column, int64_t firstVector, int64_t vectors,
                                   function_ref<void(int64_t, ValueRange, int64_t)> step) {
  for (int64_t r = 0; r < tileRows; ++r)
    for (int64_t j = 0; j < vectors; ++j)
      step(r * vectors + j, {add(b, add(b, firstRow, first), r), add(b, column, (firstVector + j) * lanes)}, columnsOf(firstVector + j));
}

FailureOr<KernelInfo> emitAttentionGrad(ModuleOp module, kernel::AttentionGradOp op, StringRef symbol) {
  kernel::AttentionScheduleAttr schedule = op.getScheduleAttr();
  if (op.getQuery() || !cast<RankedTensorType>(op.getValue().getType()).getElementType().isF32())
    return op.emitOpError() << "has queries of its own or a result of bf16, which a CPU has no kernel for";
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
