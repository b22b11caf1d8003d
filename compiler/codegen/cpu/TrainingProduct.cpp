//===- TrainingProduct.cpp - products of operands as they lie in memory -------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/codegen/cpu/TrainingProduct.h"
#include "compiler/codegen/cpu/AttentionTiles.h"
#include "compiler/codegen/cpu/TrainingPanels.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;

namespace vitc::cpu {

static constexpr int64_t lineFloats = 16;
/// Steps of K that are long against fetching a tile's lines of the result.
static constexpr int64_t deepEnough = 384;
static constexpr int64_t fixedPoint = 1 << 16;

namespace {

Value max(ImplicitLocOpBuilder &b, Value lhs, Value rhs) { return arith::MaxSIOp::create(b, lhs, rhs); }
Value equal(ImplicitLocOpBuilder &b, Value lhs, Value rhs) { return arith::CmpIOp::create(b, arith::CmpIPredicate::eq, lhs, rhs); }

/// Emits the loops of one product. Values with the suffix `At` are positions known only when the code runs.
class ProductEmitter {
public:
  ProductEmitter(KernelFunction &f, const TrainingProduct &product)
      : f(f), b(f.b), p(product), kind(product.bf16 ? ProductKind::Bf16 : ProductKind::F32), lanes(product.schedule.getVector()),
        columns(product.schedule.getColumns()), rowsOfTile(product.schedule.getRows()), words(ceilDiv(b, p.depth, p.perWord())),
        packer(b, lanes, p.perWord(), p.depth, p.fixedDepth.value_or(0)) {
    Type word = inputWord(b, kind);
    packed = f.scratch(0, {p.blockLength(), columns}, word);
    if (p.hasPartialSums())
      partial = f.scratch(p.panelBytes(), {p.rowBlock(), columns});
    if (p.isStaged())
      staged = f.scratch(p.panelBytes() + p.partialBytes(), {rowsOfTile, columns});
    flatLeft = p.left;
    leftStride = p.leftColumns ? *p.fixedRows : 1;
    if (p.bf16) {
      const int64_t offset = p.panelBytes() + p.partialBytes() + p.stagedBytes();
      packedLeft = f.scratch(offset, p.leftShape(), word);
      flatLeft = f.scratch(offset, {ShapedType::getNumElements(p.leftShape())}, word);
      leftStride = p.leftColumns ? p.rowsPerTask() : 1;
    }
    blockCount = ceilDiv(b, words, p.blockLength());
    blockLength = p.fixedDepth ? constant(p.blockLength()) : Value(arith::CeilDivUIOp::create(b, words, blockCount));
  }

  void emit();

private:
  /// What of a panel is there: all vectors but the last are full.
  struct PanelShape {
    int64_t vectors, lastLanes;
  };
  /// Tasks [from, to) of a band of rows, panel by panel: panel i has tasks [i units, (i + 1) units).
  struct Band {
    Value firstRow, units, from, to;
  };
  /// Where the code is in the loops around a tile.
  struct Position {
    Value firstLeft; ///< the first row that is in `packedLeft`
    Value panel, firstRow, lastRow;
    Value start, count;         ///< of the k-block: its first word, and how many it has
    Value nextPanel, nextStart; ///< what is copied after this panel
    Value isFirst, isLast;      ///< of the k-blocks
    Value linesPerSlot;         ///< of what is next, by one prefetch: a fixed-point number
  };

  void emitRowBlock(Value before, Value units);
  void emitBand(const Band &band);
  void overBlocks(Position &at, function_ref<void()> body);
  void overPanels(Value first, Value last, function_ref<void(Value panel, PanelShape shape)> body);
  void packLeft(Position &at, const Band &band, Value firstUnit, Value lastUnit);
  void emitPanel(Position at, const Band &band, PanelShape shape);
  Value leftPlace(const Position &at, Value row);
  void emitTile(const Position &at, PanelShape shape, int64_t rows, Value row, Value slot);
  void prefetchNext(const Position &at, Value line);
  void prefetchResult(const Position &at, int64_t rows, Value row);
  void emitEpilogue(const Position &at, PanelShape shape, int64_t rows, Value row, ValueRange sums);

  int64_t lanesOf(PanelShape shape, int64_t vector) const { return vector + 1 == shape.vectors ? shape.lastLanes : lanes; }
  Value constant(int64_t value) { return indexConstant(b, value); }

  KernelFunction &f;
  ImplicitLocOpBuilder &b;
  const TrainingProduct &p;
  const ProductKind kind;
  const int64_t lanes, columns, rowsOfTile;
  Value words; ///< of the depth
  PanelPacker packer;
  Value packed;                  ///< memref<k_block x columns>: the panel
  Value partial;                 ///< memref<row block x columns>: sums between k-blocks
  Value staged;                  ///< memref<rows x columns>: a tile's sums on their way to the activation
  Value packedLeft;              ///< of TrainingProduct::leftShape, only of bf16
  Value flatLeft;                ///< memref<?x>: what of the left operand tiles read
  int64_t leftStride = 1;        ///< between two words of a row there
  Value blockCount, blockLength; ///< of the depth, in words
};

} // namespace

/// Row blocks are as equal as whole tasks allow.
void ProductEmitter::emit() {
  Value units = ceilDiv(b, p.rows, p.rowsPerTask());
  Value unitsPerBlock = units;
  if (int64_t most = p.rowBlock() / p.rowsPerTask(); p.hasRowBlocks())
    unitsPerBlock = arith::CeilDivUIOp::create(b, units, ceilDiv(b, units, most));
  Value tasks = mul(b, unitsPerBlock, p.panels());
  forLoop(b, arith::DivUIOp::create(b, f.begin, tasks), arith::CeilDivUIOp::create(b, f.end, tasks), 1, [&](Value rowBlockAt) {
    Value before = mul(b, rowBlockAt, unitsPerBlock);
    emitRowBlock(before, min(b, sub(b, units, before), unitsPerBlock));
  });
}

/// `units` tasks' rows after the first `before`: one band if all of their tasks are to be done, else as many as the product wants.
void ProductEmitter::emitRowBlock(Value before, Value units) {
  int64_t unit = p.rowsPerTask();
  Value firstRow = mul(b, before, unit), firstTask = mul(b, before, p.panels());
  Value all = mul(b, units, p.panels());
  Value from = max(b, sub(b, f.begin, firstTask), constant(0)), to = min(b, sub(b, f.end, firstTask), all);
  if (p.bands == 1)
    return emitBand({firstRow, units, from, to});
  Value isWhole = equal(b, sub(b, to, from), all);
  Value bands = arith::SelectOp::create(b, isWhole, constant(1), constant(p.bands));
  Value unitsPerBand = arith::SelectOp::create(b, isWhole, units, ceilDiv(b, units, p.bands));
  forLoop(b, constant(0), bands, 1, [&](Value bandAt) {
    Value firstUnit = mul(b, bandAt, unitsPerBand), tasksBefore = mul(b, firstUnit, p.panels());
    Band band;
    band.firstRow = add(b, firstRow, mul(b, firstUnit, unit));
    band.units = min(b, unitsPerBand, sub(b, units, firstUnit));
    band.from = max(b, sub(b, from, tasksBefore), constant(0));
    band.to = min(b, sub(b, to, tasksBefore), mul(b, band.units, p.panels()));
    ifThen(b, less(b, band.from, band.to), [&] { emitBand(band); });
  });
}

void ProductEmitter::emitBand(const Band &band) {
  Value first = arith::DivUIOp::create(b, band.from, band.units);
  Value last = add(b, arith::DivUIOp::create(b, sub(b, band.to, constant(1)), band.units), 1);
  Position at;
  auto panelAt = [&](Value panel, PanelShape shape) {
    at.panel = panel;
    emitPanel(at, band, shape);
  };
  // Rows of all panels of the range, as long as it has more than one.
  Value isOne = equal(b, sub(b, last, first), constant(1)), before = mul(b, first, band.units);
  auto packRows = [&] {
    if (p.bf16)
      packLeft(at, band, arith::SelectOp::create(b, isOne, sub(b, band.from, before), constant(0)),
               arith::SelectOp::create(b, isOne, sub(b, band.to, before), band.units));
  };
  if (p.accumulate)
    return overBlocks(at, [&] {
      packRows();
      overPanels(first, last, [&](Value panel, PanelShape shape) {
        Value isLast = equal(b, add(b, panel, 1), last);
        at.nextPanel = arith::SelectOp::create(b, isLast, first, add(b, panel, 1));
        at.nextStart = arith::SelectOp::create(b, isLast, add(b, at.start, blockLength), at.start);
        panelAt(panel, shape);
      });
    });
  packRows();
  overPanels(first, last, [&](Value panel, PanelShape shape) {
    overBlocks(at, [&] {
      at.nextPanel = arith::SelectOp::create(b, at.isLast, add(b, panel, 1), panel);
      at.nextStart = arith::SelectOp::create(b, at.isLast, constant(0), add(b, at.start, blockLength));
      panelAt(panel, shape);
    });
  });
}

void ProductEmitter::overBlocks(Position &at, function_ref<void()> body) {
  forLoop(b, constant(0), blockCount, 1, [&](Value blockAt) {
    at.start = mul(b, blockAt, blockLength);
    at.count = min(b, sub(b, words, at.start), blockLength);
    at.isFirst = equal(b, blockAt, constant(0));
    at.isLast = equal(b, add(b, blockAt, 1), blockCount);
    body();
  });
}

void ProductEmitter::overPanels(Value first, Value last, function_ref<void(Value panel, PanelShape shape)> body) {
  int64_t full = p.outputs / columns, rest = p.outputs % columns;
  if (full)
    forLoop(b, first, rest ? min(b, last, constant(full)) : last, 1, [&](Value panel) { body(panel, {columns / lanes, lanes}); });
  if (rest)
    ifThen(b, less(b, constant(full), last),
           [&] { body(constant(full), {llvm::divideCeilSigned(rest, lanes), rest % lanes ? rest % lanes : lanes}); });
}

/// The rows of tasks [firstUnit, lastUnit) of the band as words, of the whole depth or if they lie by columns of the k-block.
void ProductEmitter::packLeft(Position &at, const Band &band, Value firstUnit, Value lastUnit) {
  const int64_t unit = p.rowsPerTask();
  at.firstLeft = add(b, band.firstRow, mul(b, firstUnit, unit));
  Value end = add(b, band.firstRow, mul(b, lastUnit, unit));
  if (!p.leftColumns)
    return packer.convertRows(p.left, at.firstLeft, sub(b, min(b, end, p.rows), at.firstLeft), packedLeft);
  const int64_t rest = *p.fixedRows % unit, full = *p.fixedRows / unit;
  Value firstAt = div(b, at.firstLeft, unit), endAt = div(b, end, unit);
  auto strip = [&](Value unitAt, int64_t rows) {
    packer.copyRows(p.leftColumns, {at.start, at.count}, mul(b, unitAt, unit), rows, packedLeft, sub(b, unitAt, firstAt));
  };
  forLoop(b, firstAt, min(b, endAt, constant(full)), 1, [&](Value unitAt) { strip(unitAt, unit); });
  if (rest)
    ifThen(b, less(b, constant(full), endAt), [&] { strip(constant(full), rest); });
}

/// The range's rows of one panel and one k-block. Up to a third of a tile's rows at the end are done one by one; more make another tile, in
/// which the last row stands for the missing ones.
void ProductEmitter::emitPanel(Position at, const Band &band, PanelShape shape) {
  Value before = mul(b, at.panel, band.units);
  Value first = max(b, sub(b, band.from, before), constant(0)), last = min(b, sub(b, band.to, before), band.units);
  at.firstRow = add(b, band.firstRow, mul(b, first, p.rowsPerTask()));
  at.lastRow = min(b, add(b, band.firstRow, mul(b, last, p.rowsPerTask())), p.rows);
  const int64_t single = rowsOfTile / 3, step = p.schedule.getPrefetch();
  Value tiles = div(b, add(b, sub(b, at.lastRow, at.firstRow), rowsOfTile - 1 - single), rowsOfTile);
  int64_t width = (shape.vectors - 1) * lanes + shape.lastLanes;
  if (p.rightByColumns)
    packer.transposeRows(p.right, {at.start, at.count}, mul(b, at.panel, columns), width, packed);
  else
    packer.copyRows(p.right, {at.start, at.count}, mul(b, at.panel, columns), width, packed);

  // As often as its tiles can they fetch one of the lines of what is next, which so comes evenly, and not long before it is used.
  Value slotsPerTile = step ? div(b, at.count, step) : constant(0);
  if (step) {
    Value slots = max(b, mul(b, tiles, slotsPerTile), constant(1));
    Value lines = mul(b, at.count, p.perWord() * llvm::divideCeilSigned(columns, lineFloats));
    at.linesPerSlot = arith::DivUIOp::create(b, mul(b, lines, fixedPoint), slots);
  }
  forLoop(b, constant(0), tiles, 1,
          [&](Value tile) { emitTile(at, shape, rowsOfTile, add(b, at.firstRow, mul(b, tile, rowsOfTile)), mul(b, tile, slotsPerTile)); });
  if (single)
    forLoop(b, add(b, at.firstRow, mul(b, tiles, rowsOfTile)), at.lastRow, 1,
            [&](Value row) { emitTile(at, shape, 1, row, mul(b, sub(b, row, at.firstRow), slotsPerTile)); });
}

/// Fetches a line of what is copied after this panel: while tiles reuse a panel, the next one walks into the second-level cache. Asking for
/// lines after the last panel does nothing.
void ProductEmitter::prefetchNext(const Position &at, Value line) {
  Value column = mul(b, at.nextPanel, columns);
  SmallVector<Value> place;
  if (p.rightByColumns) {
    // A row of the weight is a run of steps.
    int64_t linesPerRow = llvm::divideCeilSigned(p.blockLength() * p.perWord(), lineFloats);
    place = {add(b, column, div(b, line, linesPerRow)),
             add(b, mul(b, at.nextStart, p.perWord()), mul(b, rem(b, line, linesPerRow), lineFloats))};
  } else {
    int64_t linesPerRow = llvm::divideCeilSigned(columns, lineFloats);
    place = {add(b, mul(b, at.nextStart, p.perWord()), div(b, line, linesPerRow)),
             add(b, column, mul(b, rem(b, line, linesPerRow), lineFloats))};
  }
  memref::PrefetchOp::create(b, p.right, place, /*isWrite=*/false, /*localityHint=*/2, /*isDataCache=*/true);
}

//===--------------------------------------------------------------------------------------===//
// Tiles
//===--------------------------------------------------------------------------------------===//

/// Where row `row` of the left operand has the first word of the k-block; a place in flat memory.
Value ProductEmitter::leftPlace(const Position &at, Value row) {
  if (!p.bf16)
    return p.leftColumns ? add(b, mul(b, at.start, *p.fixedRows), row) : add(b, mul(b, row, *p.fixedDepth), at.start);
  Value packedRow = sub(b, row, at.firstLeft);
  const int64_t unit = p.rowsPerTask();
  if (p.leftColumns)
    return add(b, mul(b, div(b, packedRow, unit), p.blockLength() * unit), rem(b, packedRow, unit));
  return add(b, mul(b, packedRow, p.leftShape().back()), at.start);
}

void ProductEmitter::emitTile(const Position &at, PanelShape shape, int64_t rows, Value row, Value slot) {
  SmallVector<Value> firsts;
  Value lastRow = sub(b, at.lastRow, constant(1));
  for (int64_t i = 0; i < rows; ++i)
    firsts.push_back(leftPlace(at, i ? min(b, add(b, row, i), lastRow) : row));
  RegisterTile tile{rows, shape.vectors, lanes, kind};
  SmallVector<Value> sums(rows * shape.vectors, splat(b, 0, lanes));
  if (partial) {
    auto start = scf::IfOp::create(b, TypeRange(ValueRange(sums)), at.isFirst, /*withElseRegion=*/true);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(start.thenBlock());
    scf::YieldOp::create(b, sums);
    b.setInsertionPointToStart(start.elseBlock());
    SmallVector<Value> stored;
    for (int64_t i = 0; i < rows; ++i)
      for (int64_t vector = 0; vector < shape.vectors; ++vector)
        stored.push_back(loadVector(b, partial, {add(b, sub(b, row, at.firstRow), i), constant(vector * lanes)}, lanes));
    scf::YieldOp::create(b, stored);
    sums = llvm::to_vector(ValueRange(start.getResults()));
  }

  if (p.fixedDepth.value_or(deepEnough) >= deepEnough)
    prefetchResult(at, rows, row);
  auto steps = [&](Value from, Value count, ValueRange carried) {
    return emitTileProduct(
        b, tile, count, carried,
        [&](int64_t i, Value k) {
          Value place = add(b, firsts[i], mul(b, add(b, from, k), leftStride));
          // Columns of the left operand take a line of each row, which no prefetcher of the machine foresees: the next tiles' line.
          if (i == 0 && leftStride > lineFloats && rows > 1)
            memref::PrefetchOp::create(b, flatLeft, add(b, place, lineFloats), /*isWrite=*/false, /*localityHint=*/3, /*isDataCache=*/true);
          return load(b, flatLeft, place);
        },
        [&](Value k, int64_t j) { return loadVector(b, packed, {add(b, from, k), constant(j * lanes)}, lanes); });
  };
  if (int64_t stride = p.schedule.getPrefetch()) {
    Value strides = mul(b, div(b, at.count, stride), stride);
    sums = forLoop(b, constant(0), strides, stride, sums, [&](Value k, ValueRange carried) {
      prefetchNext(at, div(b, mul(b, add(b, slot, div(b, k, stride)), at.linesPerSlot), fixedPoint));
      return steps(k, constant(stride), carried);
    });
    if (!p.fixedDepth || *p.fixedDepth % (stride * p.perWord()) != 0 || p.blockLength() % stride != 0)
      sums = steps(strides, sub(b, at.count, strides), sums);
  } else {
    sums = steps(constant(0), at.count, sums);
  }

  if (!partial)
    return emitEpilogue(at, shape, rows, row, sums);
  ifThen(
      b, at.isLast, [&] { emitEpilogue(at, shape, rows, row, sums); },
      [&] {
        for (int64_t i = 0; i < rows; ++i)
          for (int64_t vector = 0; vector < shape.vectors; ++vector)
            storeVector(b, sums[i * shape.vectors + vector], partial, {add(b, sub(b, row, at.firstRow), i), constant(vector * lanes)});
      });
}

/// Fetches what the results are made of and what they overwrite while the tile's sums are formed.
void ProductEmitter::prefetchResult(const Position &at, int64_t rows, Value row) {
  Value column = mul(b, at.panel, columns), lastRow = sub(b, at.lastRow, constant(1));
  for (int64_t i = 0; i < rows; ++i) {
    Value current = i ? min(b, add(b, row, i), lastRow) : row;
    for (int64_t line = 0; line < columns; line += lineFloats)
      for (Value memref : {p.factor, p.addend, p.derivative, p.result})
        if (memref)
          memref::PrefetchOp::create(b, memref, ValueRange{current, add(b, column, line)},
                                     /*isWrite=*/memref == p.result || memref == p.derivative, /*localityHint=*/3, /*isDataCache=*/true);
  }
}

void ProductEmitter::emitEpilogue(const Position &at, PanelShape shape, int64_t rows, Value row, ValueRange sums) {
  auto emitRow = [&](Value current, function_ref<Value(int64_t vector)> sum) {
    emitResults(b, p, {current, mul(b, at.panel, columns), shape.vectors, lanes, shape.lastLanes, sum});
  };
  emitTileRows(b, {rows, shape.vectors, lanes, row, at.lastRow, sums, staged}, emitRow);
}

void emitTrainingProduct(KernelFunction &f, const TrainingProduct &product) { ProductEmitter(f, product).emit(); }

} // namespace vitc::cpu
