//===- WarpProduct.cpp - rows times a weight, on tensor cores -----------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Both operands come through a ring of tiles in shared memory; each warp multiplies its part of them by device.mma, 16 x 8 x 16 or of tf32 16 x 8 x 8 at a time, with sums of
// f32 in the order of K, whatever the tile's size; of parts of K one after the other. Operands that have to be rounded go through registers instead of asynchronous copies.
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/codegen/gpu/PartialSums.h"
#include "compiler/codegen/gpu/Product.h"
#include "compiler/codegen/gpu/WarpFragments.h"

using namespace mlir;

namespace vitc::gpu {

namespace {

/// Rows and columns of a warp's product.
constexpr int64_t kRows = 16, kColumns = 8;
/// Elements of 16 bits in 16 bytes of shared memory: what is rounded.
constexpr int64_t kChunk = 8;
/// Rows of the result whose residual is read before the first of them is written: reads that follow a write have to wait for it.
constexpr int64_t kRowsAhead = 4;

/// Of an operand that is rounded: [count, K], or by columns [K, count], where element (other, k) lies, and how many lie side by side.
struct Rounded {
  bool byColumns;
  Value first, count; ///< i32
  std::function<Place(Value other, Value k)> place;
  int64_t segment;
  std::function<Value(Value numbers, Value k)> decode; ///< as Product::decode
};

class WarpProduct {
public:
  WarpProduct(DeviceFunction &f, const Product &product, const ProductSchedule &schedule)
      : f(f), b(f.b), p(product), s(schedule), parts(b, s.parts, p.counters, p.partialSums),
        weightElement(cast<device::MemoryType>(p.weight.getType()).getElement()),
        element(p.rounded && device::bytesOf(weightElement) != 2 ? Type(b.getBF16Type()) : weightElement),
        left(f, p.inputByColumns ? s.depth : s.rows, p.inputByColumns ? s.rows : s.depth, element, s.stages),
        right(f, p.weightByColumns ? s.depth : s.columns, p.weightByColumns ? s.columns : s.depth, element, s.stages),
        warpRows(s.rows / s.warpsDown), warpColumns(s.columns / s.warpsAcross), beside(p.weightByColumns                   ? 1
                                                                                       : warpColumns % (4 * kColumns) == 0 ? 4
                                                                                                                           : 2) {
    depth = p.depth ? constant(b, p.depth) : p.steps;
    const int64_t columnTiles = llvm::divideCeilSigned(p.outputs, s.columns);
    Value tile = parts.tileOf(f.block);
    firstRow = mul(b, div(b, tile, columnTiles), s.rows);
    firstColumn = mul(b, rem(b, tile, columnTiles), s.columns);
    Value warp = div(b, f.thread, device::kWarp);
    warpRow = mul(b, div(b, warp, s.warpsAcross), warpRows);
    warpColumn = mul(b, rem(b, warp, s.warpsAcross), warpColumns);
  }

  void emit() {
    SmallVector<Value> zeros(warpRows / kRows * (warpColumns / kColumns), zeroSums(b));
    auto [begin, end] = parts.range(f.block, div(b, add(b, depth, s.depth - 1), s.depth));
    SmallVector<Value> sums = p.rounded ? multiplyRounded(begin, end, zeros) : multiplyCopied(begin, end, zeros);
    parts.join(f.block, f.thread, f.threads(), sums, [&](ArrayRef<Value> all) { write(all); });
  }

private:
  /// Steps [begin, end) of K.
  SmallVector<Value> multiplyCopied(Value begin, Value end, ValueRange zeros) {
    Value first = mul(b, begin, s.depth);
    return forStages(
        f, s.stages, sub(b, end, begin), zeros, [&](Value step, Value stage) { fill(add(b, first, mul(b, step, s.depth)), stage); },
        [&](Value, Value stage, ValueRange before) { return multiplyStage(stage, before); });
  }

  /// The sums after a stage's steps of K.
  SmallVector<Value> multiplyStage(Value stage, ValueRange before) {
    const bool leftKM = p.inputByColumns, rightKN = p.weightByColumns;
    FragmentReader readLeft(f, leftKM ? OperandLayout::LeftKM : OperandLayout::LeftMK, leftKM ? Value() : warpRow,
                            leftKM ? warpRow : Value(), element);
    FragmentReader readRight(f, rightKN ? OperandLayout::RightKN : OperandLayout::RightNK, rightKN ? Value() : warpColumn,
                             rightKN ? warpColumn : Value(), element);
    SmallVector<Value> after(before);
    SharedTile leftStage = left.stage(stage), rightStage = right.stage(stage);
    for (int64_t k = 0, step = depthOf(element); k < s.depth; k += step) {
      SmallVector<Value> rows, columns;
      for (int64_t row = 0; row < warpRows; row += kRows)
        rows.push_back(leftKM ? readLeft.read(leftStage, k, row) : readLeft.read(leftStage, row, k));
      for (int64_t column = 0; column < warpColumns; column += 2 * kColumns) {
        Value square = rightKN ? readRight.read(rightStage, k, column) : readRight.read(rightStage, column, k);
        columns.append({rightOperand(b, square, 0), rightOperand(b, square, 1)});
      }
      for (size_t i = 0; i < after.size(); ++i)
        after[i] = multiply(b, rows[i / columns.size()], columns[i % columns.size()], after[i]);
    }
    return after;
  }

  /// The same of operands that are rounded: a step's are loaded while the one before it is multiplied, and stored to the stage that the one before that was in.
  SmallVector<Value> multiplyRounded(Value begin, Value end, ValueRange zeros) {
    assert(s.stages == 2 && (p.depth || p.weightByColumns) && "a weight's rows have a length");
    Value one = constant(b, 1);
    const Rounded input = {p.inputByColumns, firstRow, p.rows, p.input, p.segment, p.decode};
    const Rounded weight = {p.weightByColumns,
                            firstColumn,
                            constant(b, p.outputs),
                            [&](Value other, Value k) { return weightPlace(other, k); },
                            weightSegment(weightElement),
                            nullptr};
    auto load = [&](Value step) {
      Value first = mul(b, step, s.depth);
      SmallVector<Value> loaded = loadRounded(left, input, first);
      llvm::append_range(loaded, loadRounded(right, weight, first));
      return loaded;
    };
    SmallVector<Value> carried{constant(b, 0)};
    llvm::append_range(carried, load(begin));
    const size_t loads = carried.size() - 1, ofLeft = left.rows * left.columns / kChunk / f.threads();
    llvm::append_range(carried, zeros);
    SmallVector<Value> last = forLoop(b, begin, end, 1, carried, [&](Value step, ValueRange before) {
      Value stage = before[0];
      storeRounded(left.stage(stage), before.slice(1, ofLeft));
      storeRounded(right.stage(stage), before.slice(1 + ofLeft, loads - ofLeft));
      barrier(b);
      SmallVector<Value> after{sub(b, one, stage)};
      llvm::append_range(after, load(min(b, add(b, step, 1), sub(b, end, one))));
      llvm::append_range(after, multiplyStage(stage, before.drop_front(1 + loads)));
      return after;
    });
    return SmallVector<Value>(llvm::drop_begin(last, 1 + loads));
  }

  /// The thread's chunks of a tile from step `first` of K on, vector<8xf32>; what lies beyond K is zero.
  SmallVector<Value> loadRounded(const SharedTile &tile, const Rounded &from, Value first) {
    SmallVector<Value> chunks;
    const int64_t most = std::min<int64_t>(from.segment, 4);
    const bool rightRows = &tile == &right && !p.weightByColumns;
    forChunks(tile, [&](Value row, Value column) {
      SmallVector<Value> values;
      for (int64_t i = 0; i < kChunk; i += most) {
        Value k = add(b, first, from.byColumns ? row : add(b, column, i)), exists = less(b, k, depth);
        Value other = add(b, from.first, from.byColumns ? add(b, column, i) : rightRows ? outputOf(row) : row);
        // Beyond the last one what is there last is read, so that no thread waits for a branch.
        const int64_t alongK = from.byColumns ? 1 : most, alongOthers = from.byColumns ? most : 1;
        auto [memory, index] =
            from.place(min(b, other, sub(b, from.count, constant(b, alongOthers))), min(b, k, sub(b, depth, constant(b, alongK))));
        Value numbers = gpu::load(b, memory, index, most), vector = from.decode ? from.decode(numbers, k) : widened(b, numbers);
        for (int64_t j = 0; j < most; ++j)
          values.push_back(select(b, exists, lane(b, vector, j), number(b, 0)));
      }
      chunks.push_back(vectorOf(b, values));
    });
    return chunks;
  }

  void storeRounded(const SharedTile &tile, ValueRange chunks) {
    size_t next = 0;
    forChunks(tile, [&](Value row, Value column) { store(b, narrowed(b, chunks[next++], element), tile.memory, tile.index(row, column)); });
  }

  /// body(row, column) for the thread's chunks of a tile.
  void forChunks(const SharedTile &tile, function_ref<void(Value, Value)> body) {
    const int64_t across = tile.columns / kChunk, chunks = tile.rows * across;
    assert(chunks % f.threads() == 0);
    for (int64_t first = 0; first < chunks; first += f.threads()) {
      Value number = add(b, f.thread, first);
      body(div(b, number, across), mul(b, rem(b, number, across), kChunk));
    }
  }

  /// Rows and columns beyond the last one are computed as it is, and not written; what lies beyond the last k is zero.
  void fill(Value first, Value stage) {
    // Of what lies by columns as many at a time as are copied.
    const int64_t ofWeight = weightSegment(element), rows = p.inputByColumns ? p.segment : 1, outputs = p.weightByColumns ? ofWeight : 1;
    auto existing = [&](Value k) { return p.depth && p.depth % s.depth == 0 ? Value() : less(b, k, depth); };
    copyTile(f, left.stage(stage), p.segment, [&](Value row, Value column) {
      if (p.inputByColumns)
        std::swap(row, column);
      Value k = add(b, first, column);
      return CopySource{p.input(min(b, add(b, firstRow, row), sub(b, p.rows, constant(b, rows))), k), existing(k)};
    });
    copyTile(f, right.stage(stage), ofWeight, [&](Value row, Value column) {
      Value k = add(b, first, p.weightByColumns ? row : column), output = p.weightByColumns ? column : outputOf(row);
      return CopySource{weightPlace(min(b, add(b, firstColumn, output), constant(b, p.outputs - outputs)), k), existing(k)};
    });
  }

  Place weightPlace(Value output, Value k) {
    return p.weightByColumns ? Place{rowOf(b, p.weight, k, p.outputs), output} : Place{rowOf(b, p.weight, output, p.depth), k};
  }

  /// Elements of the weight from a multiple of that on that lie side by side.
  int64_t weightSegment(Type type) const { return vectorFor(p.weightByColumns ? p.outputs : p.depth, type); }

  /// Which column of the block's tile row `row` of the right operand is for. Of each product of a warp a thread has columns 2 p and 2 p + 1; so that those
  /// of the `beside` products beside each other are neighbours in the result, columns change places among them.
  Value outputOf(Value row) {
    const int64_t group = kColumns * beside;
    Value product = div(b, rem(b, row, group), kColumns), column = rem(b, row, kColumns);
    Value place = add(b, mul(b, div(b, column, 2), 2 * beside), add(b, mul(b, product, 2), rem(b, column, 2)));
    return add(b, mul(b, div(b, row, group), group), place);
  }

  void write(ArrayRef<Value> sums) {
    // Of each row a thread has `parts` runs of `run` neighbouring columns, in vectors of `lanes`.
    const int64_t run = 2 * beside, lanes = static_cast<int64_t>(llvm::MinAlign(p.outputs, run)), across = warpColumns / kColumns;
    SumsLayout layout(f);
    SmallVector<Value> columns, exists;
    SmallVector<SmallVector<Value>> biases;
    for (int64_t part = 0; part < across / beside; ++part)
      for (int64_t i = 0; i < run; i += lanes) {
        Value column = add(b, add(b, firstColumn, warpColumn), add(b, mul(b, layout.column, beside), part * kColumns * beside + i));
        columns.push_back(column);
        const bool whole = p.outputs % s.columns == 0;
        exists.push_back(whole ? Value() : less(b, column, p.outputs));
        Value readable = whole ? column : min(b, column, constant(b, p.outputs - lanes));
        biases.push_back(p.bias ? read({p.bias, readable}, lanes, Value(), p.biasSegment) : SmallVector<Value>());
      }

    const int64_t rows = 2 * (warpRows / kRows);
    for (int64_t first = 0; first < rows; first += kRowsAhead) {
      const int64_t end = std::min(rows, first + kRowsAhead);
      SmallVector<SmallVector<Value>> residuals, factors;
      for (int64_t i = first; (p.residual || p.factor) && i < end; ++i) {
        // What another thread writes must not be read, even if nobody uses it.
        Value row = rowAt(layout, i), rowExists = less(b, row, p.rows);
        for (auto [column, columnExists] : llvm::zip(columns, exists))
          for (auto [place, into] : {std::pair(&p.residual, &residuals), std::pair(&p.factor, &factors)})
            if (*place)
              into->push_back(read((*place)(row, column), lanes, columnExists ? both(b, rowExists, columnExists) : rowExists));
      }
      for (int64_t i = first; i < end; ++i) {
        Value row = rowAt(layout, i), rowExists = less(b, row, p.rows);
        for (auto [number, column] : llvm::enumerate(columns)) {
          // Vector `number` begins with element `number * lanes` of the thread's part of the row, two of which are in each product's sums.
          SmallVector<Value> own;
          for (int64_t j = static_cast<int64_t>(number) * lanes, last = j + lanes; j < last; ++j)
            own.push_back(lane(b, sums[i / 2 * across + j / 2], 2 * (i % 2) + j % 2));
          const size_t at = (i - first) * columns.size() + number;
          ArrayRef<Value> residual = p.residual ? ArrayRef(residuals[at]) : ArrayRef<Value>();
          ArrayRef<Value> factor = p.factor ? ArrayRef(factors[at]) : ArrayRef<Value>();
          ifThen(b, exists[number] ? both(b, rowExists, exists[number]) : rowExists,
                 [&] { write(row, column, own, biases[number], residual, factor); });
        }
      }
    }
  }

  /// The thread's row i: of each product one above, one below.
  Value rowAt(const SumsLayout &layout, int64_t i) {
    return add(b, add(b, firstRow, warpRow), add(b, layout.row, kRows * (i / 2) + kRows / 2 * (i % 2)));
  }

  void write(Value row, Value column, ArrayRef<Value> sums, ArrayRef<Value> bias, ArrayRef<Value> residual, ArrayRef<Value> factor) {
    Place to = p.result(row, column);
    Type resultElement = cast<device::MemoryType>(to.memory.getType()).getElement();
    auto at = [](ArrayRef<Value> values, size_t i) { return values.empty() ? Value() : values[i]; };
    SmallVector<Value> values, derivatives;
    for (auto [i, sum] : llvm::enumerate(sums)) {
      Value derivative;
      values.push_back(finishSum(b, p, sum, at(bias, i), at(residual, i), resultElement, at(factor, i), &derivative));
      derivatives.push_back(derivative);
    }
    write(to, values);
    if (p.derivative)
      write(p.derivative(row, column), derivatives);
  }

  void write(Place to, ArrayRef<Value> values) {
    Type resultElement = cast<device::MemoryType>(to.memory.getType()).getElement();
    const int64_t most = 16 / device::bytesOf(resultElement), count = static_cast<int64_t>(values.size());
    for (int64_t i = 0; i < count; i += most) {
      Value vector = vectorOf(b, values.slice(i, std::min(most, count)));
      store(b, narrowed(b, vector, resultElement), to.memory, add(b, to.index, i));
    }
  }

  /// `count` elements as f32, zeros unless `condition`, in vectors of no more than `segment`.
  SmallVector<Value> read(Place from, int64_t count, Value condition = {}, int64_t segment = 8) {
    const int64_t most = std::min({count, segment, 16 / device::bytesOf(cast<device::MemoryType>(from.memory.getType()).getElement())});
    SmallVector<Value> values;
    for (int64_t i = 0; i < count; i += most) {
      Value at = add(b, from.index, i);
      Value vector = widened(b, condition ? loadIf(b, condition, from.memory, at, most) : load(b, from.memory, at, most));
      for (int64_t j = 0; j < most; ++j)
        values.push_back(lane(b, vector, j));
    }
    return values;
  }

  DeviceFunction &f;
  ImplicitLocOpBuilder &b;
  const Product &p;
  const ProductSchedule s;
  const PartialSums parts;
  const Type weightElement; ///< in global memory
  const Type element;       ///< in shared memory
  SharedTile left, right;
  const int64_t warpRows, warpColumns;
  const int64_t beside; ///< products of a warp whose columns of the result are mixed
  Value depth, firstRow, firstColumn, warpRow, warpColumn;
};

} // namespace

void emitWarpProduct(DeviceFunction &f, const Product &product, const ProductSchedule &schedule) {
  // Loads into registers, and copies of less than 16 bytes, which are so many that their addresses want the registers, are not limited.
  if (!product.rounded && product.segment * schedule.bytes % 16 == 0)
    f.limitRegisters(schedule.residentBlocks());
  WarpProduct(f, product, schedule).emit();
}

} // namespace vitc::gpu
