//===- Attention.cpp - kernel.attention as machine code -----------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/codegen/cpu/Attention.h"
#include "compiler/codegen/cpu/AttentionTiles.h"
#include "compiler/codegen/cpu/KernelFunction.h"
#include "compiler/codegen/cpu/Quantization.h"
#include "compiler/codegen/cpu/Softmax.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace vitc::cpu {

namespace {

/// Emits attention of one shape. Names: T tokens of a window (of an image without windows), Q those of them that attend, d width of a head, V
/// lanes, R query rows at a time; a "block" is V tokens or V columns. Of bf16 the products' sums run over pairs of elements, words of 32 bits.
class AttentionEmitter {
public:
  AttentionEmitter(ModuleOp module, kernel::AttentionOp op, StringRef symbol)
      : f(module, symbol, op.getLoc()), b(f.b), windows(op.getWindows()),
        tokens(cast<RankedTensorType>(op.getQkv().getType()).getDimSize(1) / windows),
        queries(cast<RankedTensorType>(op.getValue().getType()).getDimSize(1) / windows), firstQuery(op.getFirstQuery()),
        heads(op.getHeads()), width(cast<RankedTensorType>(op.getValue().getType()).getDimSize(2) / heads),
        lanes(op.getScheduleAttr().getVector()), rows(std::min(op.getScheduleAttr().getRows(), queries)),
        tokenBlocks(llvm::divideCeil(tokens, lanes)), columnBlocks(llvm::divideCeil(width, lanes)), scale(op.getScale().convertToDouble()),
        resultGrid(byteGrid(op.getResultGrid())) {
    Type element = cast<ShapedType>(op.getQkv().getType()).getElementType(), word = inputWord(b, kind = productKind(element, element));
    perWord = kernel::elementsPerWord(element);
    // Enough tasks for many workers, of four tiles at least: each transposes its head's keys.
    if (int64_t most = queries / (4 * rows); most >= 2)
      parts = 2 * std::clamp<int64_t>(llvm::divideCeilSigned(32, heads * windows), 1, most / 2);
    panelVectors = panelVectorsFor(rows, lanes);
    unsigned operand = 0;
    separate = static_cast<bool>(op.getQuery());
    int64_t columns = (separate ? 2 : 3) * heads * width;
    elements = f.rows(operand, windows * tokens, columns, element);
    qkv = f.rows(operand++, windows * tokens, columns / perWord, word);
    query = separate ? f.rows(operand++, queries, heads * width / perWord, word) : qkv;
    if (op.getBias())
      bias = f.weight(operand++, {heads, queries, tokens});
    if (op.getRowTable()) {
      auto side = [](Value table) { return (cast<RankedTensorType>(table.getType()).getDimSize(1) + 1) / 2; };
      height = side(op.getRowTable());
      across = side(op.getColumnTable());
      rowTable = f.weight(operand++, {width, 2 * height - 1});
      columnTable = f.weight(operand++, {width, 2 * across - 1});
    }
    result = f.rows(operand, windows * queries, heads * width, cast<ShapedType>(op.getValue().getType()).getElementType());
    keys = allocate({tokenBlocks, width / perWord, lanes}, word);
    scores = weights = storedWeights = allocate({rows, tokenBlocks * lanes});
    // The weights of bf16 take the first half of the scores' place, row by row: each is written where its score has been read.
    if (perWord > 1) {
      storedWeights = f.scratch(lastOffset, {rows, tokenBlocks * lanes * perWord}, element);
      weights = f.scratch(lastOffset, {rows, tokenBlocks * lanes}, word);
    }
    // Rows of V that are not whole vectors are copied to where their last vector may be read to its end; those of bf16 to meet in pairs.
    if (width % lanes != 0 || perWord > 1)
      values = allocate({llvm::divideCeilSigned(tokens, perWord), columnBlocks * lanes}, word);
    if (op.getWeights()) {
      Value kept = f.rows(operand + 1, heads * tokens, cast<ShapedType>(op.getWeights().getType()).getShape().back());
      if (perWord > 1)
        unroundedWeights = kept;
      else
        weights = storedWeights = kept;
    }
    keepsWeights = static_cast<bool>(op.getWeights());
    if (rowTable) {
      rowScores = allocate({rows, roundedUp(height)});
      columnScores = allocate({rows, roundedUp(across)});
    }
  }

  int64_t scratchBytes() const { return scratchSize; }

  /// Tasks of a window.
  int64_t tasks() const { return heads * parts; }

  /// A task is one head and one part of its queries. Tasks are numbered by window, then by band (the first and the second half of the
  /// queries), head, part: two workers that share an image equally have a band each, whose rows they have in their caches, and a range of
  /// tasks reads each head's keys once for all of its parts in a band. The bands of a whole window are done as one.
  void emit() {
    forLoop(b, div(b, f.begin, tasks()), ceilDiv(b, f.end, tasks()), 1, [&](Value window) {
      firstRow = mul(b, window, tokens);
      firstResult = mul(b, window, queries);
      queryStart = separate ? firstResult : add(b, firstRow, firstQuery);
      Value firstTask = mul(b, window, tasks()), all = indexConstant(b, tasks());
      Value from = max(b, sub(b, f.begin, firstTask), indexConstant(b, 0)), to = min(b, sub(b, f.end, firstTask), all);
      Value isWhole = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, sub(b, to, from), all);
      Value partsPerBand = arith::SelectOp::create(b, isWhole, indexConstant(b, parts), indexConstant(b, llvm::divideCeil(parts, 2)));
      Value last = add(b, arith::DivUIOp::create(b, sub(b, to, indexConstant(b, 1)), partsPerBand), 1);
      forLoop(b, arith::DivUIOp::create(b, from, partsPerBand), last, 1, [&](Value headOfBand) {
        Value before = mul(b, headOfBand, partsPerBand), firstPart = mul(b, div(b, headOfBand, heads), partsPerBand);
        Value begin = max(b, sub(b, from, before), indexConstant(b, 0)), end = min(b, sub(b, to, before), partsPerBand);
        head = rem(b, headOfBand, heads);
        emitQueries(firstQueryOf(add(b, firstPart, begin)), firstQueryOf(add(b, firstPart, end)));
      });
    });
  }

private:
  /// Where part `part` of the queries begins, and the one before ends: after whole tiles of rows.
  Value firstQueryOf(Value part) {
    Value tile = div(b, mul(b, part, llvm::divideCeilSigned(queries, rows)), parts);
    return min(b, mul(b, tile, rows), indexConstant(b, queries));
  }

  /// Queries [begin, end) of `head`, at least `rows`.
  void emitQueries(Value begin, Value end) {
    resultColumn = mul(b, head, width);
    queryColumn = mul(b, head, width / perWord);
    keyColumn = separate ? queryColumn : add(b, queryColumn, heads * width / perWord);
    valueColumn = add(b, resultColumn, (separate ? 1 : 2) * heads * width);
    transposeKeys();
    if (values)
      copyValues();
    forLoop(b, begin, end, rows, [&](Value row) {
      // The last rows are shifted up to end with the last query; those computed twice get the same bits.
      Value first = min(b, row, sub(b, end, indexConstant(b, rows)));
      score(first);
      if (rowTable)
        addDistances(first);
      if (keepsWeights)
        firstWeights = add(b, add(b, mul(b, firstRow, heads), mul(b, head, tokens)), first);
      weigh(first, softmax(first));
    });
  }

  Value allocate(ArrayRef<int64_t> shape, Type word = {}) {
    lastOffset = scratchSize;
    scratchSize += llvm::alignTo(ShapedType::getNumElements(shape) * sizeof(float), 64);
    return f.scratch(lastOffset, shape, word);
  }

  static Value max(ImplicitLocOpBuilder &b, Value lhs, Value rhs) { return arith::MaxSIOp::create(b, lhs, rhs); }

  int64_t roundedUp(int64_t size) const { return llvm::divideCeilSigned(size, lanes) * lanes; }

  Value token(Value index) { return add(b, firstRow, index); }

  //===--- keys and values --------------------------------------------------------------===//

  /// keys[t / V][k][t % V] = scale * K[t][k]; of bf16 word k, not scaled.
  void transposeKeys() {
    emitTransposedRows(b, {qkv, firstRow, keyColumn, tokens, width / perWord, lanes, perWord == 1 ? scale : 1, keys});
  }

  void copyValues() {
    if (perWord > 1)
      return emitPairedRows(b, {elements, firstRow, valueColumn, tokens, width, lanes, values});
    forLoop(b, indexConstant(b, 0), indexConstant(b, tokens), 1, [&](Value t) {
      for (int64_t column = 0; column < width; column += lanes)
        storeVector(b, loadVector(b, qkv, {token(t), add(b, valueColumn, column)}, lanes, std::min(lanes, width - column)), values,
                    {t, indexConstant(b, column)});
    });
  }

  //===--- products -----------------------------------------------------------------------===//

  SmallVector<Value> product(int64_t vectors, int64_t depth, function_ref<Value(int64_t r, Value k)> left,
                             function_ref<Value(Value k, int64_t j)> right) {
    return emitTileProduct(b, {rows, vectors, lanes, kind}, indexConstant(b, depth), {}, left, right);
  }

  /// scores[r][t] = Q[first + r] . keys[t].
  void score(Value first) {
    Value queryRow = add(b, queryStart, first);
    for (Panels panels : splitIntoPanels(tokenBlocks, panelVectors))
      forLoop(b, indexConstant(b, panels.first), indexConstant(b, panels.first + panels.count * panels.size), panels.size,
              [&](Value block) {
                auto element = [&](int64_t r, Value k) { return load(b, query, {add(b, queryRow, r), add(b, queryColumn, k)}); };
                auto key = [&](Value k, int64_t j) { return loadVector(b, keys, {add(b, block, j), k, indexConstant(b, 0)}, lanes); };
                SmallVector<Value> sums = product(panels.size, width / perWord, element, key);
                for (int64_t r = 0; r < rows; ++r)
                  for (int64_t j = 0; j < panels.size; ++j)
                    storeVector(b, sums[r * panels.size + j], scores, {indexConstant(b, r), mul(b, add(b, block, j), lanes)});
              });
  }

  /// weights = exp(scores + bias - the row's maximum); returns 1 / sum for each row.
  SmallVector<Value> softmax(Value first) {
    SoftmaxRows softmax = {scores, storedWeights, rows, tokens, lanes};
    // Keys of bf16 are not scaled, which would round them again: their scores are, here.
    if (perWord > 1)
      softmax.scale = scale;
    if (unroundedWeights)
      softmax.unrounded = {unroundedWeights, firstWeights};
    else
      softmax.firstWeights = firstWeights;
    if (bias)
      softmax.bias = [&](int64_t r, Value t, int64_t count) { return loadVector(b, bias, {head, add(b, first, r), t}, lanes, count); };
    return emitSoftmax(b, softmax);
  }

  /// result[first + r] = reciprocals[r] * sum over t of scores[r][t] V[t].
  void weigh(Value first, ValueRange reciprocals) {
    for (Panels panels : splitIntoPanels(columnBlocks, panelVectors))
      for (int64_t p = 0; p < panels.count; ++p) {
        int64_t block = panels.first + p * panels.size;
        auto weight = [&](int64_t r, Value step) {
          return load(b, weights, {keepsWeights && !unroundedWeights ? add(b, firstWeights, r) : indexConstant(b, r), step});
        };
        auto value = [&](Value step, int64_t j) {
          int64_t column = (block + j) * lanes;
          return values ? loadVector(b, values, {step, indexConstant(b, column)}, lanes)
                        : loadVector(b, qkv, {token(step), add(b, valueColumn, column)}, lanes);
        };
        SmallVector<Value> sums = product(panels.size, llvm::divideCeil(tokens, perWord), weight, value);
        for (int64_t r = 0; r < rows; ++r)
          for (int64_t j = 0; j < panels.size; ++j) {
            int64_t column = (block + j) * lanes;
            Value y = mulf(b, sums[r * panels.size + j], broadcast(b, reciprocals[r], lanes));
            if (resultGrid)
              y = quantize(b, y, vectorsOf(b, *resultGrid, lanes));
            storeVector(b, y, result, {add(b, add(b, firstResult, first), r), add(b, resultColumn, column)},
                        std::min(lanes, width - column));
          }
      }
  }

  //===--- distances ----------------------------------------------------------------------===//

  /// Vectors of `size` elements: step(first element, how many there are).
  void overVectors(int64_t size, function_ref<void(Value, int64_t)> step) {
    if (size >= lanes)
      forLoop(b, indexConstant(b, 0), indexConstant(b, size / lanes * lanes), lanes, [&](Value at) { step(at, lanes); });
    if (size % lanes != 0)
      step(indexConstant(b, size / lanes * lanes), size % lanes);
  }

  /// into[r][i] = Q[first + r] . table[:, i - own + size - 1], own the place of that query along the axis and i that of a key.
  void scoreDistances(Value first, Value table, int64_t size, function_ref<Value(Value)> placeOf, Value into) {
    SmallVector<Value> starts;
    for (int64_t r = 0; r < rows; ++r)
      starts.push_back(sub(b, indexConstant(b, size - 1), placeOf(add(b, first, r))));
    Value queryRow = add(b, queryStart, first);
    overVectors(size, [&](Value at, int64_t count) {
      SmallVector<Value> zeros(rows, splat(b, 0, lanes));
      SmallVector<Value> sums = forLoop(b, indexConstant(b, 0), indexConstant(b, width), 1, zeros, [&](Value k, ValueRange sums) {
        SmallVector<Value> next;
        for (int64_t r = 0; r < rows; ++r) {
          Value x = broadcast(b, load(b, query, {add(b, queryRow, r), add(b, queryColumn, k)}), lanes);
          next.push_back(fma(b, x, loadVector(b, table, {k, add(b, starts[r], at)}, lanes, count), sums[r]));
        }
        return next;
      });
      for (int64_t r = 0; r < rows; ++r)
        storeVector(b, sums[r], into, {indexConstant(b, r), at});
    });
  }

  /// scores[r][y W + x] += rowScores[r][y] + columnScores[r][x].
  void addDistances(Value first) {
    scoreDistances(first, rowTable, height, [&](Value place) { return div(b, place, across); }, rowScores);
    scoreDistances(first, columnTable, across, [&](Value place) { return rem(b, place, across); }, columnScores);
    forLoop(b, indexConstant(b, 0), indexConstant(b, height), 1, [&](Value y) {
      overVectors(across, [&](Value x, int64_t count) {
        Value key = add(b, mul(b, y, across), x);
        for (int64_t r = 0; r < rows; ++r) {
          Value row = indexConstant(b, r);
          Value distance = addf(b, broadcast(b, load(b, rowScores, {row, y}), lanes), loadVector(b, columnScores, {row, x}, lanes));
          storeVector(b, addf(b, loadVector(b, scores, {row, key}, lanes, count), distance), scores, {row, key}, count);
        }
      });
    });
  }

  KernelFunction f;
  ImplicitLocOpBuilder &b;
  int64_t windows, tokens, queries, firstQuery, heads, width, lanes, rows, tokenBlocks, columnBlocks;
  double scale;
  std::optional<ByteGrid> resultGrid;
  int64_t panelVectors = 1;
  int64_t parts = 1; ///< of a head's queries: 1, or an even number
  ProductKind kind = ProductKind::F32;
  int64_t perWord = 1; ///< elements of a word
  int64_t scratchSize = 0, lastOffset = 0;
  int64_t height = 0, across = 0; ///< of the grid of tokens, if there are tables of distances
  bool separate = false;          ///< whether the queries are an operand of their own
  Value qkv, query, bias, result; ///< operands; `query` is qkv unless it is separate
  Value rowTable, columnTable;    ///< operands
  Value keys, scores;             ///< scratch: [T / V, words of d, V] and [R, T], T rounded up to V
  Value weights, storedWeights;   ///< exp of the scores in their place, by words and by elements
  Value values;                   ///< scratch: [words of T, d], d rounded up to V; only of bf16, or where d is no multiple of V
  bool keepsWeights = false;      ///< whether they are a result [B h T, T rounded up to 16]: `weights`, or of bf16 `unroundedWeights`
  Value unroundedWeights;
  Value firstWeights;              ///< the row of the kept weights that belongs to the tile's first query
  Value elements;                  ///< operand: qkv by elements instead of words
  Value rowScores, columnScores;   ///< scratch: [R, H] and [R, W], the last axis rounded up to V; only with tables
  Value head, firstRow;            ///< of the task: its head, and its window's first row of keys and values
  Value queryStart, firstResult;   ///< of the task: its window's first row of `query` and of the result
  Value queryColumn, keyColumn;    ///< of the task: at which word of a row of qkv its head's parts begin
  Value valueColumn, resultColumn; ///< of the task: at which element of a row of qkv its values begin, and in a row of the result
};

} // namespace

FailureOr<KernelInfo> emitAttention(ModuleOp module, kernel::AttentionOp op, StringRef symbol) {
  kernel::AttentionScheduleAttr schedule = op.getScheduleAttr();
  if (!schedule)
    return op.emitOpError() << "has no schedule to generate code by";
  if (!llvm::isPowerOf2_64(schedule.getVector()) || schedule.getRows() < 1)
    return op.emitOpError() << "needs a schedule of one row at least and a power of two lanes, not " << schedule;
  AttentionEmitter emitter(module, op, symbol);
  emitter.emit();

  KernelInfo info;
  info.symbol = symbol.str();
  info.kind = "attention";
  llvm::raw_string_ostream(info.schedule) << schedule;
  info.scratchBytes = emitter.scratchBytes();
  info.columnTasks = op.getWindows() * emitter.tasks();
  return info;
}

} // namespace vitc::cpu
