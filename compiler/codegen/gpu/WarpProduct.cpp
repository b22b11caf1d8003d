//===- WarpProduct.cpp - rows times a weight, on tensor cores -----------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Both operands come through a ring of tiles in shared memory; each warp multiplies its part of them by device.mma, 16 x 8 x 16 at a time, with sums of
// f32 in the order of K, whatever the tile's size.
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/codegen/gpu/Product.h"
#include "compiler/codegen/gpu/WarpFragments.h"

using namespace mlir;

namespace vitc::gpu {

namespace {

/// Rows and columns of a warp's product, and its steps of K.
constexpr int64_t kRows = 16, kColumns = 8, kDepth = 16;
/// Rows of the result whose residual is read before the first of them is written: reads that follow a write have to wait for it.
constexpr int64_t kRowsAhead = 4;

class WarpProduct {
public:
  WarpProduct(DeviceFunction &f, const Product &product, const ProductSchedule &schedule)
      : f(f), b(f.b), p(product), s(schedule), element(cast<device::MemoryType>(p.weight.getType()).getElement()),
        left(f, s.rows, s.depth, element, s.stages), right(f, s.columns, s.depth, element, s.stages), warpRows(s.rows / s.warpsDown),
        warpColumns(s.columns / s.warpsAcross), beside(warpColumns % (4 * kColumns) == 0 ? 4 : 2) {
    const int64_t columnTiles = llvm::divideCeilSigned(p.outputs, s.columns);
    firstRow = mul(b, div(b, f.block, columnTiles), s.rows);
    firstColumn = mul(b, rem(b, f.block, columnTiles), s.columns);
    Value warp = div(b, f.thread, device::kWarp);
    warpRow = mul(b, div(b, warp, s.warpsAcross), warpRows);
    warpColumn = mul(b, rem(b, warp, s.warpsAcross), warpColumns);
  }

  void emit() {
    FragmentReader readLeft(f, OperandLayout::LeftMK, warpRow), readRight(f, OperandLayout::RightNK, warpColumn);
    SmallVector<Value> zeros(warpRows / kRows * (warpColumns / kColumns), zeroSums(b));
    Value steps = constant(b, llvm::divideCeilSigned(p.depth, s.depth));
    SmallVector<Value> sums = forStages(
        f, s.stages, steps, zeros, [&](Value step, Value stage) { fill(mul(b, step, s.depth), stage); },
        [&](Value, Value stage, ValueRange before) {
          SmallVector<Value> after(before);
          SharedTile leftStage = left.stage(stage), rightStage = right.stage(stage);
          for (int64_t k = 0; k < s.depth; k += kDepth) {
            SmallVector<Value> rows, columns;
            for (int64_t row = 0; row < warpRows; row += kRows)
              rows.push_back(readLeft.read(leftStage, row, k));
            for (int64_t column = 0; column < warpColumns; column += 2 * kColumns) {
              Value square = readRight.read(rightStage, column, k);
              columns.append({rightOperand(b, square, 0), rightOperand(b, square, 1)});
            }
            for (size_t i = 0; i < after.size(); ++i)
              after[i] = multiply(b, rows[i / columns.size()], columns[i % columns.size()], after[i]);
          }
          return after;
        });
    write(sums);
  }

private:
  /// Rows and columns beyond the last one are computed as it is, and not written; what lies beyond the last k is zero.
  void fill(Value first, Value stage) {
    const int64_t weightSegment = vectorFor(p.depth, element);
    auto existing = [&](Value k) { return p.depth % s.depth == 0 ? Value() : less(b, k, p.depth); };
    copyTile(f, left.stage(stage), p.segment, [&](Value row, Value column) {
      Value k = add(b, first, column);
      return CopySource{p.input(min(b, add(b, firstRow, row), sub(b, p.rows, constant(b, 1))), k), existing(k)};
    });
    copyTile(f, right.stage(stage), weightSegment, [&](Value row, Value column) {
      Value k = add(b, first, column), output = min(b, add(b, firstColumn, outputOf(row)), constant(b, p.outputs - 1));
      return CopySource{{rowOf(b, p.weight, output, p.depth), k}, existing(k)};
    });
  }

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
        biases.push_back(p.bias ? read({p.bias, readable}, lanes) : SmallVector<Value>());
      }

    const int64_t rows = 2 * (warpRows / kRows);
    for (int64_t first = 0; first < rows; first += kRowsAhead) {
      const int64_t end = std::min(rows, first + kRowsAhead);
      SmallVector<SmallVector<Value>> residuals;
      for (int64_t i = first; p.residual && i < end; ++i) {
        // What another thread writes must not be read, even if nobody uses it.
        Value row = rowAt(layout, i), rowExists = less(b, row, p.rows);
        for (auto [column, columnExists] : llvm::zip(columns, exists))
          residuals.push_back(read(p.residual(row, column), lanes, columnExists ? both(b, rowExists, columnExists) : rowExists));
      }
      for (int64_t i = first; i < end; ++i) {
        Value row = rowAt(layout, i), rowExists = less(b, row, p.rows);
        for (auto [number, column] : llvm::enumerate(columns)) {
          // Vector `number` begins with element `number * lanes` of the thread's part of the row, two of which are in each product's sums.
          SmallVector<Value> own;
          for (int64_t j = static_cast<int64_t>(number) * lanes, last = j + lanes; j < last; ++j)
            own.push_back(lane(b, sums[i / 2 * across + j / 2], 2 * (i % 2) + j % 2));
          ArrayRef<Value> residual = p.residual ? ArrayRef(residuals[(i - first) * columns.size() + number]) : ArrayRef<Value>();
          ifThen(b, exists[number] ? both(b, rowExists, exists[number]) : rowExists,
                 [&] { write(p.result(row, column), own, biases[number], residual); });
        }
      }
    }
  }

  /// The thread's row i: of each product one above, one below.
  Value rowAt(const SumsLayout &layout, int64_t i) {
    return add(b, add(b, firstRow, warpRow), add(b, layout.row, kRows * (i / 2) + kRows / 2 * (i % 2)));
  }

  void write(Place to, ArrayRef<Value> sums, ArrayRef<Value> bias, ArrayRef<Value> residual) {
    Type resultElement = cast<device::MemoryType>(to.memory.getType()).getElement();
    SmallVector<Value> values;
    for (auto [i, sum] : llvm::enumerate(sums))
      values.push_back(finishSum(b, p, sum, bias.empty() ? Value() : bias[i], residual.empty() ? Value() : residual[i], resultElement));
    const int64_t most = 16 / device::bytesOf(resultElement), count = static_cast<int64_t>(values.size());
    for (int64_t i = 0; i < count; i += most) {
      Value vector = vectorOf(b, ArrayRef(values).slice(i, std::min(most, count)));
      store(b, narrowed(b, vector, resultElement), to.memory, add(b, to.index, i));
    }
  }

  /// `count` elements as f32, zeros unless `condition`.
  SmallVector<Value> read(Place from, int64_t count, Value condition = {}) {
    const int64_t most = std::min(count, 16 / device::bytesOf(cast<device::MemoryType>(from.memory.getType()).getElement()));
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
  const Type element;
  SharedTile left, right;
  const int64_t warpRows, warpColumns;
  const int64_t beside; ///< products of a warp whose columns of the result are mixed
  Value firstRow, firstColumn, warpRow, warpColumn;
};

} // namespace

void emitWarpProduct(DeviceFunction &f, const Product &product, const ProductSchedule &schedule) {
  // Copies of less than 16 bytes are so many that their addresses want the registers.
  if (product.segment % 8 == 0)
    f.limitRegisters(schedule.residentBlocks());
  WarpProduct(f, product, schedule).emit();
}

} // namespace vitc::gpu
