//===- Product.cpp - rows times a weight, by multiply-adds of f32 -------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/codegen/gpu/Product.h"
#include "compiler/codegen/cpu/Activation.h"
#include "compiler/codegen/gpu/PartialSums.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

#include <limits>

using namespace mlir;

namespace vitc::gpu {

namespace {

/// The tile, and the steps of K that are in shared memory at a time.
constexpr int64_t kRows = 64, kColumns = 64, kDepth = 16;
/// A thread's part of the tile, in each direction.
constexpr int64_t kThread = 4;
constexpr int64_t kThreadsAcross = kColumns / kThread;
/// Threads that fetch a step of all lines, four lines each.
constexpr int64_t kAcross = kColumns / 4;
/// Columns of shared memory lie this far apart: 4 more than rows there are, so that a warp's transposed stores meet fewer banks at once while
/// vectors of four stay aligned.
constexpr int64_t kStride = kRows + 4;
/// Each fetches four elements of both operands at a time.
static_assert(kRows == kColumns && kRows / kThread * kThreadsAcross * 4 == kRows * kDepth);

class MultiplyAdds {
public:
  MultiplyAdds(DeviceFunction &f, const Product &product) : f(f), b(f.b), p(product) {
    columnTiles = llvm::divideCeilSigned(p.outputs, kColumns);
    firstRow = mul(b, div(b, f.block, columnTiles), kRows);
    firstColumn = mul(b, rem(b, f.block, columnTiles), kColumns);
    left = f.takeShared(kDepth * kStride, b.getF32Type());
    right = f.takeShared(kDepth * kStride, b.getF32Type());
    threadRow = mul(b, div(b, f.thread, kThreadsAcross), kThread);
    threadColumn = mul(b, rem(b, f.thread, kThreadsAcross), kThread);
  }

  void emit() {
    Operand input{p.input, p.inputByColumns, p.segment, p.decode, firstRow, p.rows, left};
    const int64_t width = p.weightByColumns ? p.outputs : p.depth;
    auto weightAt = [&](Value column, Value k) {
      return p.weightByColumns ? Place{rowOf(b, p.weight, k, width), column} : Place{rowOf(b, p.weight, column, width), k};
    };
    Operand weight{weightAt, p.weightByColumns, vectorFor(width, cast<device::MemoryType>(p.weight.getType()).getElement()),
                   nullptr,  firstColumn,       constant(b, p.outputs),
                   right};
    for (Operand *operand : {&input, &weight})
      prepare(*operand);

    Value end = p.depth ? constant(b, p.depth) : p.steps;
    SmallVector<Value> zeros(kThread * kThread, number(b, 0));
    SmallVector<Value> sums = forLoop(b, constant(b, 0), end, kDepth, zeros, [&](Value first, ValueRange carried) {
      SmallVector<Value> inputs = fetch(input, first, end), weights = fetch(weight, first, end);
      // What the last step's threads still read must not be overwritten.
      barrier(b);
      stage(input, inputs);
      stage(weight, weights);
      barrier(b);
      return multiply(carried);
    });
    write(sums);
  }

private:
  /// Lines of K elements, rows of the input or columns of the weight, of which the block has those from `first` on.
  struct Operand {
    std::function<Place(Value line, Value k)> place;
    bool byColumns; ///< what lies side by side belongs to several lines
    int64_t segment;
    std::function<Value(Value numbers, Value k)> decode;
    Value first, count; ///< lines
    Value shared;       ///< [kDepth, kStride]
    /// Where the thread's four elements begin: steps of one line, or by columns one step of four lines.
    Value line = {}, step = {};
  };

  void prepare(Operand &operand) {
    if (operand.byColumns) {
      operand.step = div(b, f.thread, kAcross);
      operand.line = mul(b, rem(b, f.thread, kAcross), 4);
      return;
    }
    operand.line = div(b, f.thread, kDepth / 4);
    operand.step = mul(b, rem(b, f.thread, kDepth / 4), 4);
  }

  /// The thread's elements as f32, zero beyond the last k. Lines beyond the last one are fetched as it is, or by columns as zeros; their
  /// results are not written.
  SmallVector<Value> fetch(const Operand &operand, Value firstStep, Value end) {
    SmallVector<Value> result;
    int64_t lanes = std::min<int64_t>(operand.segment, 4);
    const bool isWhole = p.depth % kDepth == 0 && p.depth;
    Value line = add(b, operand.first, operand.line), step = add(b, firstStep, operand.step);
    if (!operand.byColumns)
      line = min(b, line, sub(b, operand.count, constant(b, 1)));
    for (int64_t i = 0; i < 4; i += lanes) {
      Value l = operand.byColumns ? add(b, line, i) : line, k = operand.byColumns ? step : add(b, step, i);
      Value exists = isWhole ? Value() : less(b, k, end);
      if (operand.byColumns)
        exists = exists ? both(b, exists, less(b, l, operand.count)) : less(b, l, operand.count);
      // What place computes beyond the last one is not read.
      auto [memory, index] = operand.place(l, k);
      Value numbers = exists ? loadIf(b, exists, memory, index, lanes) : load(b, memory, index, lanes);
      Value vector = operand.decode ? operand.decode(numbers, k) : widened(b, numbers);
      for (int64_t j = 0; j < lanes; ++j) {
        Value number = lane(b, vector, j);
        // What is there instead of nothing need not mean zero.
        result.push_back(operand.decode && exists ? select(b, exists, number, gpu::number(b, 0)) : number);
      }
    }
    return result;
  }

  void stage(const Operand &operand, ArrayRef<Value> elements) {
    if (operand.byColumns)
      return store(b, vectorOf(b, elements), operand.shared, add(b, mul(b, operand.step, kStride), operand.line));
    for (int64_t i = 0; i < 4; ++i)
      store(b, elements[i], operand.shared, add(b, mul(b, add(b, operand.step, i), kStride), operand.line));
  }

  SmallVector<Value> multiply(ValueRange carried) {
    SmallVector<Value> sums(carried);
    for (int64_t k = 0; k < kDepth; ++k) {
      Value x = load(b, left, add(b, threadRow, k * kStride), kThread), w = load(b, right, add(b, threadColumn, k * kStride), kThread);
      for (int64_t i = 0; i < kThread; ++i)
        for (int64_t j = 0; j < kThread; ++j)
          sums[kThread * i + j] = fma(b, lane(b, x, i), lane(b, w, j), sums[kThread * i + j]);
    }
    return sums;
  }

  void write(ArrayRef<Value> sums) {
    Value column = add(b, firstColumn, threadColumn);
    int64_t lanes = std::min<int64_t>(kThread, vectorFor(p.outputs, b.getF32Type()));
    for (int64_t i = 0; i < kThread; ++i) {
      Value row = add(b, add(b, firstRow, threadRow), i);
      Value exists = less(b, row, p.rows);
      for (int64_t j = 0; j < kThread; j += lanes) {
        Value first = add(b, column, j);
        ifThen(b, both(b, exists, less(b, first, p.outputs)), [&] { writeVector(row, first, sums.slice(kThread * i + j, lanes)); });
      }
    }
  }

  void writeVector(Value row, Value column, ArrayRef<Value> sums) {
    const auto lanes = static_cast<int64_t>(sums.size());
    auto read = [&](const std::function<Place(Value, Value)> &place) {
      auto [memory, index] = place(row, column);
      return widened(b, load(b, memory, index, lanes));
    };
    auto put = [&](const std::function<Place(Value, Value)> &place, ArrayRef<Value> values) {
      auto [memory, index] = place(row, column);
      store(b, narrowed(b, vectorOf(b, values), cast<device::MemoryType>(memory.getType()).getElement()), memory, index);
    };
    SmallVector<Value> biases;
    for (int64_t i = 0, step = std::min(lanes, p.biasSegment); p.bias && i < lanes; i += step)
      for (Value part = widened(b, load(b, p.bias, add(b, column, i), step)); static_cast<int64_t>(biases.size()) < i + step;)
        biases.push_back(lane(b, part, static_cast<int64_t>(biases.size()) - i));
    Value residual = p.residual ? read(p.residual) : Value(), factor = p.factor ? read(p.factor) : Value();
    SmallVector<Value> values, derivatives;
    for (int64_t i = 0; i < lanes; ++i) {
      Value derivative;
      values.push_back(finishSum(b, p, sums[i], p.bias ? biases[i] : Value(), residual ? lane(b, residual, i) : Value(), b.getF32Type(),
                                 factor ? lane(b, factor, i) : Value(), &derivative));
      derivatives.push_back(derivative);
    }
    put(p.result, values);
    if (p.derivative)
      put(p.derivative, derivatives);
  }

  DeviceFunction &f;
  ImplicitLocOpBuilder &b;
  const Product &p;
  int64_t columnTiles;
  Value firstRow, firstColumn, threadRow, threadColumn, left, right;
};

} // namespace

std::function<Place(Value, Value)> rowMajor(ImplicitLocOpBuilder &b, Value memory, int64_t width) {
  return [&b, memory, width](Value row, Value column) { return Place{rowOf(b, memory, row, width), column}; };
}

void emitMultiplyAdds(DeviceFunction &f, const Product &product, const ProductSchedule &schedule) {
  assert(schedule.rows == kRows && schedule.columns == kColumns && schedule.depth == kDepth);
  MultiplyAdds(f, product).emit();
}

Value finishSum(ImplicitLocOpBuilder &b, const Product &product, Value sum, Value bias, Value residual, Type resultElement, Value factor,
                Value *derivative) {
  auto activated = [&](Value y) { return cpu::activate(b, product.activation, y, /*coarse=*/resultElement.isBF16()); };
  Value y = bias ? addf(b, sum, bias) : sum;
  if (product.derivative)
    std::tie(y, *derivative) = cpu::activateWithDerivative(b, product.activation, y);
  else if (!product.activationLast)
    y = activated(y);
  if (factor)
    y = mulf(b, y, factor);
  if (residual)
    y = addf(b, y, residual);
  return product.activationLast ? activated(y) : y;
}

SmallVector<Type> withParts(SmallVector<Type> elements, int64_t parts) {
  MLIRContext *context = elements.front().getContext();
  if (parts > 1)
    elements.append({IntegerType::get(context, 32), Float32Type::get(context)});
  return elements;
}

void takeParts(Product &product, const DeviceFunction &f, int64_t parts, size_t operands) {
  if (parts == 1)
    return;
  product.counters = f.operand(static_cast<unsigned>(operands));
  product.partialSums = f.operand(static_cast<unsigned>(operands) + 1);
}

ProductShape shapeOf(const Product &product, int64_t rowsPerImage, Type input, Type weight) {
  const int64_t together = vectorFor(product.weightByColumns ? product.outputs : product.depth, weight);
  return {.rowsPerImage = rowsPerImage,
          .outputs = product.outputs,
          .depth = product.depth,
          .together = std::min(product.segment, together),
          .input = input,
          .weight = weight,
          .weightByColumns = product.weightByColumns};
}

void emitProduct(DeviceFunction &f, const Product &product, const ProductSchedule &schedule) {
  (schedule.onTensorCores() ? emitWarpProduct : emitMultiplyAdds)(f, product, schedule);
}

void describeTasks(KernelInfo &info, const DeviceFunction &f, const Product &product, int64_t rowsPerImage, int64_t rows, int64_t columns,
                   int64_t parts, int64_t threads) {
  info.rowsPerImage = rowsPerImage;
  info.rowsPerTask = rows;
  info.columnTasks = parts * llvm::divideCeilSigned(product.outputs, columns);
  if (product.fixedRows) {
    info.columnTasks *= llvm::divideCeilSigned(product.fixedRows, rows);
    info.rowsPerImage = 1;
    info.rowsPerTask = std::numeric_limits<int32_t>::max();
  }
  info.threads = f.threads();
  info.sharedBytes = f.sharedBytes();
  if (parts > 1) {
    info.partCounters = threads / device::kWarp;
    info.partBytes = PartialSums::bytes(threads, rows * columns / threads / 4);
  }
}

void describeProduct(KernelInfo &info, const DeviceFunction &f, const Product &product, const ProductSchedule &schedule,
                     int64_t rowsPerImage) {
  info.schedule = schedule.text();
  // A result that is no greater for more images has one kernel for all of them.
  info.choosesByImages = schedule.onTensorCores() && !product.fixedRows;
  describeTasks(info, f, product, rowsPerImage, schedule.rows, schedule.columns, schedule.parts, f.threads());
}

} // namespace vitc::gpu
