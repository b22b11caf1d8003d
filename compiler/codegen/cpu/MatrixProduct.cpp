//===- MatrixProduct.cpp - the register-tiled product that kernels share ------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/codegen/cpu/MatrixProduct.h"
#include "compiler/codegen/cpu/Activation.h"
#include "compiler/codegen/cpu/MultiplyAdd.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;

namespace vitc::cpu {

static constexpr int64_t cacheLineFloats = 16;
/// Steps of K that are long against fetching a tile's lines of the result.
static constexpr int64_t deepEnough = 384;

namespace {

Value max(ImplicitLocOpBuilder &b, Value lhs, Value rhs) { return arith::MaxSIOp::create(b, lhs, rhs); }

/// `value`, about which LLVM knows nothing: with what it knows of these loops' bounds its strength reduction gives the addresses of the innermost
/// ones up, and the accumulators spill.
Value opaque(ImplicitLocOpBuilder &b, Value value) {
  Value integer = arith::IndexCastOp::create(b, b.getI64Type(), value);
  auto barrier = LLVM::InlineAsmOp::create(b, b.getI64Type(), ValueRange{integer}, /*asm_string=*/"", /*constraints=*/"=r,0",
                                           /*has_side_effects=*/false, /*is_align_stack=*/false, LLVM::TailCallKind::None,
                                           LLVM::AsmDialectAttr(), /*operand_attrs=*/ArrayAttr());
  return arith::IndexCastOp::create(b, b.getIndexType(), barrier.getResult(0));
}

/// Emits the loops of one product. Values with the suffix `At` are positions known only when the code runs.
class ProductEmitter {
public:
  ProductEmitter(KernelFunction &f, const MatrixProduct &product)
      : f(f), b(f.b), p(product), lanes(product.schedule.getVector()), columns(product.schedule.getColumns()),
        kBlock(product.schedule.getKBlock()), rowBlock(product.schedule.getRowBlock()), rowsOfTile(product.schedule.getRows()),
        split(product.depthBlocks() > 1) {}

  void emit();

private:
  /// What of a panel is there: all vectors but the last are full.
  struct PanelShape {
    int64_t vectors;
    int64_t lastLanes;
  };
  /// Where the code is in the loops around a tile.
  struct Position {
    Value firstRow, lastRow;   ///< of the panel
    Value firstPanel, blockAt; ///< first panel of the chunk; k-block
    Value panel;
    Value nextPanel, nextBlock; ///< what is read after this panel
    Value secondLine;           ///< what a prefetch fetches besides its own line: so many lines further
  };
  /// Tasks [from, to) of a band of tile rows, panel by panel: panel p has tasks [p tiles, (p + 1) tiles).
  struct Band {
    Value firstRow, tiles, from, to;
  };

  void emitRowBlock(Value rowBlockAt);
  void emitBand(const Band &band);
  std::pair<Value, Value> rowsOf(const Band &band, Value panel);
  void emitPanel(const Position &at, PanelShape shape);
  void emitTile(const Position &at, PanelShape shape, int64_t rows, Value row, Value prefetchLine);
  SmallVector<Value> emitDepth(const Position &at, ValueRange sums, Value prefetchLine,
                               function_ref<SmallVector<Value>(Value k, Value offset, ValueRange sums)> step);
  void emitEpilogue(const Position &at, PanelShape shape, int64_t rows, Value row, ValueRange sums);
  void prefetch(const Position &at, Value line);
  void prefetchResult(const Position &at, int64_t rows, Value row);

  int64_t lanesOf(PanelShape shape, int64_t vector) const { return vector + 1 == shape.vectors ? shape.lastLanes : lanes; }
  Value constant(int64_t value) { return indexConstant(b, value); }

  KernelFunction &f;
  ImplicitLocOpBuilder &b;
  const MatrixProduct &p;
  const int64_t lanes, columns, kBlock, rowBlock, rowsOfTile;
  const bool split; ///< more than one k-block
  Value partial;    ///< memref<chunk x row_block x columns>: sums between k-blocks
  Value staged;     ///< memref<rows x columns>: a tile's sums on their way to the activation
};

} // namespace

void ProductEmitter::emit() {
  if (split)
    partial = f.scratch(0, {p.chunkPanels(), rowBlock, columns}, sumElement(b, p.kind));
  if (p.isStaged())
    staged = f.scratch(p.partialBytes(), {rowsOfTile, columns}, sumElement(b, p.kind));
  int64_t tasks = p.panels() * (rowBlock / rowsOfTile);
  forLoop(b, div(b, f.begin, tasks), ceilDiv(b, f.end, tasks), 1, [&](Value rowBlockAt) { emitRowBlock(rowBlockAt); });
}

/// The block's tile rows are one band if all of its tasks are to be done, else two.
void ProductEmitter::emitRowBlock(Value rowBlockAt) {
  int64_t panels = p.panels(), tilesPerBlock = rowBlock / rowsOfTile;
  Value firstRow = mul(b, rowBlockAt, rowBlock), firstTask = mul(b, rowBlockAt, tilesPerBlock * panels);
  Value tiles = ceilDiv(b, min(b, sub(b, p.rows, firstRow), constant(rowBlock)), rowsOfTile);
  Value all = mul(b, tiles, panels);
  Value from = max(b, sub(b, f.begin, firstTask), constant(0)), to = min(b, sub(b, f.end, firstTask), all);
  Value isWhole = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, sub(b, to, from), all);
  Value bands = arith::SelectOp::create(b, isWhole, constant(1), constant(2));
  Value tilesPerBand = arith::SelectOp::create(b, isWhole, tiles, ceilDiv(b, tiles, 2));
  forLoop(b, constant(0), bands, 1, [&](Value bandAt) {
    Value firstTile = mul(b, bandAt, tilesPerBand), before = mul(b, firstTile, panels);
    Band band;
    band.firstRow = add(b, firstRow, mul(b, firstTile, rowsOfTile));
    band.tiles = min(b, tilesPerBand, sub(b, tiles, firstTile));
    band.from = max(b, sub(b, from, before), constant(0));
    band.to = min(b, sub(b, to, before), mul(b, band.tiles, panels));
    ifThen(b, less(b, band.from, band.to), [&] { emitBand(band); });
  });
}

std::pair<Value, Value> ProductEmitter::rowsOf(const Band &band, Value panel) {
  Value before = mul(b, panel, band.tiles);
  Value first = max(b, sub(b, band.from, before), constant(0)), last = min(b, sub(b, band.to, before), band.tiles);
  return {add(b, band.firstRow, mul(b, first, rowsOfTile)), min(b, add(b, band.firstRow, mul(b, last, rowsOfTile)), p.rows)};
}

void ProductEmitter::emitBand(const Band &band) {
  Value firstPanel = arith::DivUIOp::create(b, band.from, band.tiles);
  Value lastPanel = add(b, arith::DivUIOp::create(b, sub(b, band.to, constant(1)), band.tiles), 1);
  if (p.also)
    forLoop(b, firstPanel, lastPanel, 1, [&](Value panel) {
      auto [firstRow, lastRow] = rowsOf(band, panel);
      Value column = mul(b, panel, columns);
      p.also(firstRow, lastRow, column, min(b, add(b, column, columns), constant(p.outputs)));
    });

  int64_t fullPanels = p.outputs / columns, restColumns = p.outputs % columns;
  PanelShape full{columns / lanes, lanes};
  PanelShape rest{(restColumns + lanes - 1) / lanes, restColumns % lanes ? restColumns % lanes : lanes};
  forLoop(b, firstPanel, lastPanel, p.chunkPanels(), [&](Value chunkAt) {
    Value chunkEnd = min(b, add(b, chunkAt, p.chunkPanels()), lastPanel);
    forLoop(b, constant(0), constant(p.depthBlocks()), 1, [&](Value blockAt) {
      Position at;
      at.firstPanel = chunkAt;
      at.blockAt = blockAt;
      // After the chunk's last panel comes its first one's next k-block, after the last k-block the next chunk.
      Value blockAfter = add(b, blockAt, 1);
      Value isLastBlock = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, blockAfter, constant(p.depthBlocks()));
      Value panelAfterBlock = arith::SelectOp::create(b, isLastBlock, chunkEnd, chunkAt);
      blockAfter = arith::SelectOp::create(b, isLastBlock, constant(0), blockAfter);
      auto panelAt = [&](Value panel, PanelShape shape) {
        at.panel = panel;
        auto [firstRow, lastRow] = rowsOf(band, panel);
        at.firstRow = opaque(b, firstRow);
        at.lastRow = opaque(b, lastRow);
        Value next = add(b, panel, 1), inChunk = less(b, next, chunkEnd);
        at.nextPanel = arith::SelectOp::create(b, inChunk, next, panelAfterBlock);
        at.nextBlock = arith::SelectOp::create(b, inChunk, blockAt, blockAfter);
        emitPanel(at, shape);
      };
      Value fullEnd = restColumns ? min(b, chunkEnd, constant(fullPanels)) : chunkEnd;
      if (fullPanels)
        forLoop(b, chunkAt, fullEnd, 1, [&](Value panel) { panelAt(panel, full); });
      if (restColumns)
        ifThen(b, less(b, constant(fullPanels), chunkEnd), [&] { panelAt(constant(fullPanels), rest); });
    });
  });
}

/// All rows for one panel and one k-block. Up to a third of a tile's rows at the end are done one by one; more make another
/// tile, in which the last row stands for the missing ones.
void ProductEmitter::emitPanel(const Position &position, PanelShape shape) {
  Position at = position;
  int64_t rows = rowsOfTile;
  int64_t single = rows / 3;
  Value count = sub(b, at.lastRow, at.firstRow);
  Value tiles = div(b, add(b, count, rows - 1 - single), rows);
  int64_t step = p.schedule.getPrefetch();
  int64_t linesPerTile = step ? kBlock / step : 0;
  if (step) {
    // Half the rows of a block leave half of the next panel to a second line.
    Value fetched = mul(b, tiles, linesPerTile), wanted = constant(kBlock * columns / cacheLineFloats);
    at.secondLine = arith::SelectOp::create(b, less(b, fetched, wanted), fetched, constant(0));
  }
  forLoop(b, constant(0), tiles, 1,
          [&](Value tile) { emitTile(at, shape, rows, add(b, at.firstRow, mul(b, tile, rows)), mul(b, tile, linesPerTile)); });
  if (single)
    forLoop(b, add(b, at.firstRow, mul(b, tiles, rows)), at.lastRow, 1,
            [&](Value row) { emitTile(at, shape, 1, row, mul(b, sub(b, row, at.firstRow), linesPerTile)); });
}

void ProductEmitter::emitTile(const Position &at, PanelShape shape, int64_t rows, Value row, Value prefetchLine) {
  SmallVector<Value> firsts;
  Value lastRow = sub(b, at.lastRow, constant(1));
  for (int64_t i = 0; i < rows; ++i)
    firsts.push_back(p.input.first(i ? min(b, add(b, row, i), lastRow) : row));

  auto partialAt = [&](int64_t i, int64_t vector) -> SmallVector<Value> {
    return {sub(b, at.panel, at.firstPanel), add(b, sub(b, row, at.firstRow), i), constant(vector * lanes)};
  };
  Value zeros = arith::ConstantOp::create(b, b.getZeroAttr(VectorType::get({lanes}, sumElement(b, p.kind))));
  SmallVector<Value> sums(rows * shape.vectors, zeros);
  if (split) {
    Value isFirst = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, at.blockAt, constant(0));
    auto start = scf::IfOp::create(b, TypeRange(ValueRange(sums)), isFirst, /*withElseRegion=*/true);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(start.thenBlock());
    scf::YieldOp::create(b, sums);
    b.setInsertionPointToStart(start.elseBlock());
    SmallVector<Value> stored;
    for (int64_t i = 0; i < rows; ++i)
      for (int64_t vector = 0; vector < shape.vectors; ++vector)
        stored.push_back(loadVector(b, partial, partialAt(i, vector), lanes));
    scf::YieldOp::create(b, stored);
    sums = llvm::to_vector(ValueRange(start.getResults()));
  }

  if (p.depth >= deepEnough)
    prefetchResult(at, rows, row);
  sums = emitDepth(at, sums, prefetchLine, [&](Value k, Value offset, ValueRange carried) {
    SmallVector<WeightVector> weights;
    SmallVector<Value> next;
    for (int64_t vector = 0; vector < shape.vectors; ++vector)
      weights.push_back(widen(b, p.kind, loadVector(b, p.weights, {at.blockAt, at.panel, k, constant(vector * lanes)}, lanes)));
    for (int64_t i = 0; i < rows; ++i) {
      InputElements element = readInput(b, p.kind, p.input.elements, add(b, firsts[i], offset), lanes);
      for (int64_t vector = 0; vector < shape.vectors; ++vector)
        next.push_back(multiplyAdd(b, p.kind, element, weights[vector], carried[i * shape.vectors + vector]));
    }
    return next;
  });

  if (!split)
    return emitEpilogue(at, shape, rows, row, sums);
  Value isLast = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, at.blockAt, constant(p.depthBlocks() - 1));
  ifThen(
      b, isLast, [&] { emitEpilogue(at, shape, rows, row, sums); },
      [&] {
        for (int64_t i = 0; i < rows; ++i)
          for (int64_t vector = 0; vector < shape.vectors; ++vector)
            storeVector(b, sums[i * shape.vectors + vector], partial, partialAt(i, vector));
      });
}

/// The loop over a k-block's words. `step` gets k within the block and the offset of what meets it from its row's first element.
SmallVector<Value> ProductEmitter::emitDepth(const Position &at, ValueRange sums, Value prefetchLine,
                                             function_ref<SmallVector<Value>(Value, Value, ValueRange)> step) {
  bool even = p.depth % kBlock == 0;
  Value start = mul(b, at.blockAt, kBlock);
  Value count = even ? constant(kBlock) : min(b, sub(b, constant(p.depth), start), constant(kBlock));
  int64_t stride = p.schedule.getPrefetch() ? p.schedule.getPrefetch() : 8;

  if (p.input.segment == p.depth) {
    auto elements = [&](Value from, Value to, ValueRange carried) {
      return forLoop(b, from, to, 1, carried,
                     [&](Value k, ValueRange inner) { return step(k, mul(b, add(b, start, k), p.elementsPerStep()), inner); });
    };
    Value strides = mul(b, div(b, count, stride), stride);
    SmallVector<Value> done = forLoop(b, constant(0), strides, stride, sums, [&](Value k, ValueRange carried) {
      prefetch(at, add(b, prefetchLine, div(b, k, stride)));
      return forLoop(b, constant(0), constant(stride), 1, carried, [&](Value j, ValueRange inner) {
        Value kj = add(b, k, j);
        return step(kj, mul(b, add(b, start, kj), p.elementsPerStep()), inner);
      });
    });
    bool exact = kBlock % stride == 0 && p.depth % stride == 0;
    return exact ? done : elements(strides, count, done);
  }

  // Whole segments, but for the first and last of a k-block that does not end with one.
  int64_t segment = p.input.segment;
  bool whole = !split || kBlock % segment == 0;
  Value last = add(b, start, count);
  return forLoop(b, div(b, start, segment), ceilDiv(b, last, segment), 1, sums, [&](Value segmentAt, ValueRange carried) {
    Value segmentStart = mul(b, segmentAt, segment);
    Value segmentOffset = p.input.segmentOffset(segmentAt);
    Value from = whole ? constant(0) : Value(arith::MaxSIOp::create(b, sub(b, start, segmentStart), constant(0)));
    Value to = whole ? constant(segment) : min(b, sub(b, last, segmentStart), constant(segment));
    Value kStart = sub(b, segmentStart, start);
    for (int64_t line = 0; line < std::min<int64_t>(llvm::divideCeilSigned(segment, stride), 4); ++line)
      prefetch(at, add(b, add(b, prefetchLine, div(b, add(b, kStart, segment - 1), stride)), line));
    return forLoop(b, from, to, 1, carried, [&](Value x, ValueRange inner) {
      return step(add(b, kStart, x), add(b, segmentOffset, mul(b, x, p.elementsPerStep())), inner);
    });
  });
}

/// Fetches line `line` of the panel after this one: while the row loop reuses a panel, the next one walks into the second-level cache (78
/// to 91 % of peak on Ice Lake). The lines after the last panel do not exist, and asking for them does nothing.
void ProductEmitter::prefetch(const Position &at, Value line) {
  if (!p.schedule.getPrefetch())
    return;
  for (Value fetched : {line, add(b, line, at.secondLine)})
    memref::PrefetchOp::create(b, p.weights, ValueRange{at.nextBlock, at.nextPanel, constant(0), mul(b, fetched, cacheLineFloats)},
                               /*isWrite=*/false, /*localityHint=*/2, /*isDataCache=*/true);
}

/// Fetches what the epilogue is going to read and to overwrite while the tile's sums are formed: of wide models neither is in the second-level
/// cache.
void ProductEmitter::prefetchResult(const Position &at, int64_t rows, Value row) {
  Value column = mul(b, at.panel, columns), lastRow = sub(b, at.lastRow, constant(1));
  auto fetch = [&](Value memref, Value atRow, bool isWrite) {
    for (int64_t line = 0; line < columns; line += cacheLineFloats)
      memref::PrefetchOp::create(b, memref, ValueRange{atRow, add(b, column, line)}, isWrite, /*localityHint=*/3, /*isDataCache=*/true);
  };
  for (int64_t i = 0; i < rows; ++i) {
    Value current = i ? min(b, add(b, row, i), lastRow) : row;
    if (p.addend)
      fetch(p.addend, p.addendRow(current), /*isWrite=*/false);
    fetch(p.result, p.resultRow(current), /*isWrite=*/true);
  }
}

void ProductEmitter::emitEpilogue(const Position &at, PanelShape shape, int64_t rows, Value row, ValueRange sums) {
  Value column = mul(b, at.panel, columns);
  SmallVector<Value> columnsAt, biases, scales, columnSums;
  for (int64_t vector = 0; vector < shape.vectors; ++vector) {
    columnsAt.push_back(add(b, column, vector * lanes));
    int64_t count = lanesOf(shape, vector);
    if (p.bias)
      biases.push_back(loadVector(b, p.bias, columnsAt.back(), lanes, count));
    if (p.kind != ProductKind::Int8)
      continue;
    scales.push_back(loadVector(b, p.columnScales, {constant(0), columnsAt.back()}, lanes, count));
    columnSums.push_back(loadVector(b, p.columnScales, {constant(1), columnsAt.back()}, lanes, count));
    if (!p.inputGrid)
      continue;
    // One scale and zero point for all rows make one factor and one offset of each column.
    scales.back() = mulf(b, scales.back(), splat(b, p.inputGrid->scale, lanes));
    Value offset = mulf(b, mulf(b, columnSums.back(), splat(b, -p.inputGrid->zeroPoint, lanes)), scales.back());
    columnSums.back() = p.bias ? addf(b, offset, biases.back()) : offset;
  }
  std::optional<GridVectors> resultGrid;
  if (p.resultGrid)
    resultGrid = vectorsOf(b, *p.resultGrid, lanes);
  bool coarse = !cast<MemRefType>(p.result.getType()).getElementType().isF32();
  auto emitRow = [&](Value current, function_ref<Value(int64_t vector)> sumOf) {
    Value resultRow = p.resultRow(current);
    Value addendRow = p.addend ? p.addendRow(current) : Value();
    Value scale, zeroPoint;
    if (p.rowScales) {
      scale = broadcast(b, load(b, p.rowScales, {current, constant(0)}), lanes);
      zeroPoint = broadcast(b, load(b, p.rowScales, {current, constant(1)}), lanes);
    }
    for (int64_t vector = 0; vector < shape.vectors; ++vector) {
      Value value = sumOf(vector);
      // sum of (q - zero) w = sum of q w - zero * (sum of w)
      if (p.kind == ProductKind::Int8)
        value = arith::SIToFPOp::create(b, f32Vector(b, lanes), value);
      if (p.rowScales)
        value = mulf(b, subf(b, value, mulf(b, zeroPoint, columnSums[vector])), mulf(b, scale, scales[vector]));
      if (p.inputGrid)
        value = fma(b, value, scales[vector], columnSums[vector]);
      else if (p.bias)
        value = addf(b, value, biases[vector]);
      if (!p.activationLast)
        value = activate(b, p.activation, value, coarse);
      if (p.addend)
        value = addf(b, value, loadVector(b, p.addend, {addendRow, columnsAt[vector]}, lanes, lanesOf(shape, vector)));
      if (p.activationLast)
        value = activate(b, p.activation, value, coarse);
      if (resultGrid)
        value = quantize(b, value, *resultGrid);
      storeVector(b, value, p.result, {resultRow, columnsAt[vector]}, lanesOf(shape, vector));
    }
  };

  emitTileRows(b, {rows, shape.vectors, lanes, row, at.lastRow, sums, p.isStaged() ? staged : Value()}, emitRow);
}

void emitTileRows(ImplicitLocOpBuilder &b, const TileRows &tile, function_ref<void(Value, SumOf)> emitRow) {
  auto constant = [&](int64_t value) { return indexConstant(b, value); };
  if (tile.staged) {
    for (int64_t i = 0; i < tile.rows; ++i)
      for (int64_t vector = 0; vector < tile.vectors; ++vector)
        storeVector(b, tile.sums[i * tile.vectors + vector], tile.staged, {constant(i), constant(vector * tile.lanes)});
    return forLoop(b, constant(0), min(b, constant(tile.rows), sub(b, tile.lastRow, tile.row)), 1, [&](Value i) {
      emitRow(add(b, tile.row, i),
              [&](int64_t vector) { return loadVector(b, tile.staged, {i, constant(vector * tile.lanes)}, tile.lanes); });
    });
  }
  for (int64_t i = 0; i < tile.rows; ++i) {
    auto emit = [&] { emitRow(add(b, tile.row, i), [&](int64_t vector) { return tile.sums[i * tile.vectors + vector]; }); };
    if (i)
      ifThen(b, less(b, add(b, tile.row, i), tile.lastRow), emit);
    else
      emit();
  }
}

void emitMatrixProduct(KernelFunction &f, const MatrixProduct &product) { ProductEmitter(f, product).emit(); }

} // namespace vitc::cpu
