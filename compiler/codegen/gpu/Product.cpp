//===- Product.cpp - rows times a weight, by multiply-adds of f32 -------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/codegen/gpu/Product.h"
#include "compiler/codegen/cpu/Activation.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;

namespace vitc::gpu {

namespace {

/// The tile, and the steps of K that are in shared memory at a time.
constexpr int64_t kRows = 64, kColumns = 64, kDepth = 16;
/// A thread's part of the tile, in each direction.
constexpr int64_t kThread = 4;
constexpr int64_t kThreadsAcross = kColumns / kThread;
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
    // Rows and columns beyond the last one are computed as it is, and not written.
    Value fetched = div(b, f.thread, kDepth / 4), steps = mul(b, rem(b, f.thread, kDepth / 4), 4);
    Value row = min(b, add(b, firstRow, fetched), sub(b, p.rows, constant(b, 1)));
    Value column = min(b, add(b, firstColumn, fetched), constant(b, p.outputs - 1));
    Value weightRow = rowOf(b, p.weight, column, p.depth);
    auto fetchInput = [&](Value k) { return p.input(row, k); };
    auto fetchWeight = [&](Value k) { return Place{weightRow, k}; };
    int64_t weightSegment = vectorFor(p.depth, cast<device::MemoryType>(p.weight.getType()).getElement());

    SmallVector<Value> zeros(kThread * kThread, number(b, 0));
    SmallVector<Value> sums = forLoop(b, constant(b, 0), constant(b, p.depth), kDepth, zeros, [&](Value first, ValueRange carried) {
      Value k = add(b, first, steps);
      SmallVector<Value> inputs = fetch(fetchInput, k, p.segment), weights = fetch(fetchWeight, k, weightSegment);
      // What the last step's threads still read must not be overwritten.
      barrier(b);
      for (int64_t i = 0; i < 4; ++i) {
        Value place = add(b, mul(b, add(b, steps, i), kStride), fetched);
        store(b, inputs[i], left, place);
        store(b, weights[i], right, place);
      }
      barrier(b);
      return multiply(carried);
    });
    write(sums);
  }

private:
  /// input[r, k .. k + 4) as f32, zero beyond the last k.
  SmallVector<Value> fetch(function_ref<Place(Value)> place, Value k, int64_t segment) {
    SmallVector<Value> result;
    int64_t lanes = std::min<int64_t>(segment, 4);
    for (int64_t i = 0; i < 4; i += lanes) {
      Value at = add(b, k, i);
      Value exists = less(b, at, p.depth);
      // Where k ends is known here; what place computes beyond it is not read.
      auto [memory, index] = place(at);
      Value vector = widened(b, p.depth % kDepth == 0 ? load(b, memory, index, lanes) : loadIf(b, exists, memory, index, lanes));
      for (int64_t j = 0; j < lanes; ++j)
        result.push_back(lane(b, vector, j));
    }
    return result;
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
    Value bias = p.bias ? widened(b, load(b, p.bias, column, lanes)) : Value(), residual;
    if (p.residual) {
      auto [memory, index] = p.residual(row, column);
      residual = widened(b, load(b, memory, index, lanes));
    }
    SmallVector<Value> values;
    for (int64_t i = 0; i < lanes; ++i) {
      values.push_back(
          finishSum(b, p, sums[i], bias ? lane(b, bias, i) : Value(), residual ? lane(b, residual, i) : Value(), b.getF32Type()));
    }
    auto [memory, index] = p.result(row, column);
    store(b, narrowed(b, vectorOf(b, values), cast<device::MemoryType>(memory.getType()).getElement()), memory, index);
  }

  DeviceFunction &f;
  ImplicitLocOpBuilder &b;
  const Product &p;
  int64_t columnTiles;
  Value firstRow, firstColumn, threadRow, threadColumn, left, right;
};

} // namespace

void emitMultiplyAdds(DeviceFunction &f, const Product &product, const ProductSchedule &schedule) {
  assert(schedule.rows == kRows && schedule.columns == kColumns && schedule.depth == kDepth);
  MultiplyAdds(f, product).emit();
}

Value finishSum(ImplicitLocOpBuilder &b, const Product &product, Value sum, Value bias, Value residual, Type resultElement) {
  auto activated = [&](Value y) { return cpu::activate(b, product.activation, y, /*coarse=*/resultElement.isBF16()); };
  Value y = bias ? addf(b, sum, bias) : sum;
  if (!product.activationLast)
    y = activated(y);
  if (residual)
    y = addf(b, y, residual);
  return product.activationLast ? activated(y) : y;
}

ProductShape shapeOf(const Product &product, int64_t rowsPerImage, Type input, Type weight) {
  return {rowsPerImage, product.outputs, product.depth, std::min(product.segment, vectorFor(product.depth, weight)), input, weight};
}

void emitProduct(DeviceFunction &f, const Product &product, const ProductSchedule &schedule) {
  (schedule.onTensorCores() ? emitWarpProduct : emitMultiplyAdds)(f, product, schedule);
}

void describeProduct(KernelInfo &info, const DeviceFunction &f, const Product &product, const ProductSchedule &schedule,
                     int64_t rowsPerImage) {
  info.schedule = schedule.text();
  info.choosesByImages = schedule.onTensorCores();
  info.rowsPerImage = rowsPerImage;
  info.rowsPerTask = schedule.rows;
  info.columnTasks = llvm::divideCeilSigned(product.outputs, schedule.columns);
  info.threads = f.threads();
  info.sharedBytes = f.sharedBytes();
}

} // namespace vitc::gpu
