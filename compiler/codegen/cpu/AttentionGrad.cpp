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
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace vitc::cpu {

namespace {

/// Emits the gradient of one shape. Names: T tokens, d width of a head, V lanes, R rows of a register tile, s the scale. Copies of a head's
/// parts have rows of d rounded up to V, zero at the end, so that they are read in whole vectors.
class AttentionGradEmitter {
public:
  AttentionGradEmitter(ModuleOp module, kernel::AttentionGradOp op, StringRef symbol)
      : f(module, symbol, op.getLoc()), b(f.b), tokens(cast<RankedTensorType>(op.getQkv().getType()).getDimSize(1)), heads(op.getHeads()),
        width(cast<RankedTensorType>(op.getUpstream().getType()).getDimSize(2) / heads), lanes(op.getScheduleAttr().getVector()),
        rows(std::min(op.getScheduleAttr().getRows(), tokens)), tokenVectors(llvm::divideCeilSigned(tokens, lanes)),
        columnVectors(llvm::divideCeilSigned(width, lanes)), panelVectors(panelVectorsFor(rows, lanes)),
        scale(op.getScale().convertToDouble()) {
    unsigned operand = 0;
    qkv = f.rows(operand++, tokens, 3 * heads * width);
    upstream = f.rows(operand++, tokens, heads * width);
    recomputes = !op.getWeights();
    if (!recomputes)
      weights = f.rows(operand++, heads * tokens, cast<ShapedType>(op.getWeights().getType()).getShape().back());
    result = f.rows(operand, tokens, 3 * heads * width);
    for (Value *copy : {&queries, &keys, &gradients})
      *copy = allocate({tokens, columnVectors * lanes});
    valueColumns = allocate({tokenVectors, width, lanes});
    weightGradients = allocate({rows, tokenVectors * lanes});
    planBlocks();
    scoreGradients = allocate({blockRows, pitch});
    if (recomputes) {
      keyColumns = allocate({tokenVectors, width, lanes});
      scores = allocate({rows, tokenVectors * lanes});
      weights = allocate({blockRows, pitch});
    }
  }

  int64_t scratchBytes() const { return scratchSize; }

  void emit() {
    forLoop(b, f.begin, f.end, 1, [&](Value task) {
      firstRow = mul(b, div(b, task, heads), tokens);
      firstWeights = mul(b, task, tokens);
      Value next = add(b, task, 1);
      nextRow = mul(b, div(b, next, heads), tokens);
      nextColumn = mul(b, rem(b, next, heads), width);
      queryColumn = mul(b, rem(b, task, heads), width);
      keyColumn = add(b, queryColumn, heads * width);
      valueColumn = add(b, queryColumn, 2 * heads * width);
      copyRows(queryColumn, queries);
      copyRows(keyColumn, keys);
      if (recomputes)
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
    // P and dS of all queries of an image of 197 tokens are 330 KB; of more tokens, enough rows that the sums of dK and dV, which come by
    // once a block, cost little.
    constexpr int64_t bytes = 400 << 10, leastRows = 96;
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

  /// copy[t][k] = qkv[firstRow + t][column + k].
  void copyRows(Value column, Value copy) {
    forLoop(b, indexConstant(b, 0), indexConstant(b, tokens), 1, [&](Value t) {
      for (int64_t j = 0; j < columnVectors; ++j)
        storeVector(b, loadVector(b, qkv, {add(b, firstRow, t), add(b, column, j * lanes)}, lanes, columnsOf(j)), copy,
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
      // The tile's first row of `weights`.
      Value weightRow = recomputes ? inBlock : add(b, firstWeights, first);
      SmallVector<Value> reciprocals = recomputes ? weigh(first, weightRow) : sumWeights(weightRow);
      if (!recomputes)
        fetchWeights(add(b, weightRow, rows));
      fetchNextHead(first);
      copyGradients(first, reciprocals);
      multiplyColumns(gradients, first, valueColumns, weightGradients);
      differentiateSoftmax(weightRow, inBlock, reciprocals);
      multiplyKeys(first, inBlock);
    });
    Value count = sub(b, end, begin), zero = indexConstant(b, 0);
    addToKeys(weights, recomputes ? zero : add(b, firstWeights, begin), count, gradients, begin, valueColumn);
    addToKeys(scoreGradients, zero, count, queries, begin, keyColumn);
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

  /// The tile's weights exp(S - the row's maximum); returns 1 / (sum of the row's weights) for each row.
  SmallVector<Value> weigh(Value first, Value weightRow) {
    multiplyColumns(queries, first, keyColumns, scores);
    return emitSoftmax(b, {scores, weights, rows, tokens, lanes, /*scale=*/1, /*bias=*/{}, weightRow});
  }

  /// 1 / (sum of the row's weights) for each row of the tile, as emitSoftmax adds them up.
  SmallVector<Value> sumWeights(Value weightRow) {
    SmallVector<Value> sums = sumOverTokens([&](Value sum, int64_t r, Value t, int64_t count) {
      return addf(b, sum, loadVector(b, weights, {add(b, weightRow, r), t}, lanes, count));
    });
    return llvm::map_to_vector(sums, [&](Value sum) { return divf(b, floatConstant(b, 1), sumOfLanes(sum)); });
  }

  /// Brings the weights of a tile nearer, which come from memory. Beyond an operand's end fetching ahead does nothing.
  void fetchWeights(Value weightRow) {
    forLoop(b, indexConstant(b, 0), indexConstant(b, tokens), lineFloats, [&](Value t) {
      for (int64_t r = 0; r < rows; ++r)
        fetch(weights, add(b, weightRow, r), t);
    });
  }

  /// Brings nearer what the next task copies of the tile's rows: by then it has come from memory.
  void fetchNextHead(Value first) {
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t part = 0; part < 3; ++part)
        for (int64_t k = 0; k < width; k += lineFloats)
          fetch(qkv, add(b, add(b, nextRow, first), r), add(b, nextColumn, part * heads * width + k));
  }

  void fetch(Value memref, Value row, Value column) {
    memref::PrefetchOp::create(b, memref, ValueRange{row, column}, /*isWrite=*/false, /*localityHint=*/2, /*isDataCache=*/true);
  }

  Value sumOfLanes(Value vector) {
    return vector::ReductionOp::create(b, vector::CombiningKind::ADD, vector, arith::FastMathFlags::reassoc);
  }

  /// A vector for each row of the tile, carried from zero over the tokens.
  SmallVector<Value> sumOverTokens(function_ref<Value(Value, int64_t, Value, int64_t)> step) {
    return overTokens(b, {rows, tokens, lanes, splat(b, 0, lanes)}, step);
  }

  /// gradients[first + r] = dO / the row's sum of weights.
  void copyGradients(Value first, ValueRange reciprocals) {
    for (auto [r, reciprocal] : llvm::enumerate(reciprocals)) {
      Value token = add(b, first, r), factor = broadcast(b, reciprocal, lanes);
      for (int64_t j = 0; j < columnVectors; ++j) {
        Value dO = loadVector(b, upstream, {add(b, firstRow, token), add(b, queryColumn, j * lanes)}, lanes, columnsOf(j));
        storeVector(b, mulf(b, dO, factor), gradients, {token, indexConstant(b, j * lanes)});
      }
    }
  }

  /// s dS = P (s dP - rowsum(P s dP)) of the tile, from P's weights w = P sum and s dP / sum: w (s dP / sum - rowsum(w s dP / sum) / sum).
  void differentiateSoftmax(Value weightRow, Value inBlock, ValueRange reciprocals) {
    auto weight = [&](int64_t r, Value t, int64_t count) { return loadVector(b, weights, {add(b, weightRow, r), t}, lanes, count); };
    auto gradient = [&](int64_t r, Value t) { return loadVector(b, weightGradients, {indexConstant(b, r), t}, lanes); };
    SmallVector<Value> sums =
        sumOverTokens([&](Value sum, int64_t r, Value t, int64_t count) { return fma(b, weight(r, t, count), gradient(r, t), sum); });
    SmallVector<Value> means;
    for (auto [sum, reciprocal] : llvm::zip_equal(sums, reciprocals))
      means.push_back(broadcast(b, mulf(b, sumOfLanes(sum), reciprocal), lanes));
    sumOverTokens([&](Value carried, int64_t r, Value t, int64_t count) {
      storeVector(b, mulf(b, weight(r, t, count), subf(b, gradient(r, t), means[r])), scoreGradients, {add(b, inBlock, r), t});
      return carried;
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

  /// result[t] += sum over i < count of left[leftBegin + i][t] right[begin + i], at `column` of the rows of all keys.
  void addToKeys(Value left, Value leftBegin, Value count, Value right, Value begin, Value column) {
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

  /// The vectors of a tile of the result, of rows [first, first + tileRows) of the image: step(index in the tile, place, columns that are
  /// there).
  void forTile(int64_t tileRows, Value first, Value column, int64_t firstVector, int64_t vectors,
               function_ref<void(int64_t, ValueRange, int64_t)> step) {
    for (int64_t r = 0; r < tileRows; ++r)
      for (int64_t j = 0; j < vectors; ++j)
        step(r * vectors + j, {add(b, add(b, firstRow, first), r), add(b, column, (firstVector + j) * lanes)}, columnsOf(firstVector + j));
  }

  static constexpr int64_t lineFloats = 16;

  KernelFunction f;
  ImplicitLocOpBuilder &b;
  int64_t tokens, heads, width, lanes, rows, tokenVectors, columnVectors, panelVectors;
  double scale;
  int64_t blocks = 1, blockRows = 0; ///< of queries
  int64_t pitch = 0;                 ///< floats of a row of P and dS
  int64_t scratchSize = 0;
  bool recomputes = true;                    ///< the weights, which are an operand otherwise
  Value qkv, upstream, result;               ///< operands
  Value queries, keys, gradients;            ///< scratch: Q, K, and each row of dO over its sum of weights, [T, d]
  Value keyColumns, valueColumns;            ///< scratch: s K and s V as emitTransposedRows leaves them
  Value scores, weightGradients;             ///< scratch: of a tile, S and s dP over the row's sum of weights, [R, T]
  Value weights;                             ///< exp(S - the row's maximum): scratch, of a block, or operand
  Value scoreGradients;                      ///< scratch: of a block, s dS
  Value firstRow, firstWeights;              ///< of the task: its image's first row, its head's first row of an operand of weights
  Value nextRow, nextColumn;                 ///< of the next task: its image's first row, where its head's queries begin
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
