//===- RowThreads.cpp - rows in the registers of warps ------------------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/codegen/gpu/RowThreads.h"

#include "llvm/ADT/bit.h"

using namespace mlir;

namespace vitc::gpu {

/// Vectors of a row that a thread keeps in registers.
static constexpr int64_t mostVectors = 8;
static constexpr int64_t warpsOfBlock = 4, mostWarps = 32;

FailureOr<RowShape> RowShape::choose(Operation *op, int64_t width, Type element) {
  RowShape shape{width, vectorFor(width, element), 0, 0, 0};
  const int64_t vectors = llvm::divideCeilSigned(width, shape.lanes);
  shape.warps = static_cast<int64_t>(llvm::bit_ceil(static_cast<uint64_t>(llvm::divideCeilSigned(vectors, mostVectors * device::kWarp))));
  if (shape.warps > mostWarps)
    return op->emitOpError() << "has rows of " << width << " elements, more than a block of threads holds";
  shape.rows = std::max<int64_t>(1, warpsOfBlock / shape.warps);
  shape.steps = llvm::divideCeilSigned(vectors, shape.threadsOfRow());
  return shape;
}

RowThreads::RowThreads(DeviceFunction &f, const RowShape &shape, Value count) : f(f), b(f.b), shape(shape) {
  rowOfBlock = div(b, f.thread, shape.threadsOfRow());
  threadOfRow = rem(b, f.thread, shape.threadsOfRow());
  Value row = add(b, mul(b, f.block, shape.rows), rowOfBlock);
  exists = less(b, row, count);
  from = min(b, row, sub(b, count, constant(b, 1)));
  isFirst = less(b, threadOfRow, 1);
}

SmallVector<Value> RowThreads::load(Value row) {
  SmallVector<Value> vectors;
  for (int64_t step = 0; step < shape.steps; ++step)
    vectors.push_back(widened(b, isWhole() ? gpu::load(b, row, columnOf(step), shape.lanes)
                                           : loadIf(b, isThere(step), row, columnOf(step), shape.lanes)));
  return vectors;
}

void RowThreads::forEach(function_ref<void(int64_t, Value)> function) {
  for (int64_t step = 0; step < shape.steps; ++step)
    ifThen(b, both(b, exists, isThere(step)), [&] { function(step, columnOf(step)); });
}

Value RowThreads::centred(Value vector, int64_t step, Value mean) {
  SmallVector<Value> result;
  for (int64_t i = 0; i < shape.lanes; ++i) {
    Value difference = subf(b, lane(b, vector, i), mean);
    result.push_back(isWhole() ? difference : select(b, isThere(step), difference, number(b, 0)));
  }
  return vectorOf(b, result);
}

Value RowThreads::sum(Value value) {
  value = sumOfLanes(b, value, device::kWarp);
  if (shape.warps == 1)
    return value;
  Value meeting = f.takeShared(shape.rows * shape.warps, b.getF32Type()), first = mul(b, rowOfBlock, shape.warps);
  ifThen(b, less(b, rem(b, f.thread, device::kWarp), 1),
         [&] { store(b, value, meeting, add(b, first, div(b, threadOfRow, device::kWarp))); });
  barrier(b);
  Value total = gpu::load(b, meeting, first);
  for (int64_t i = 1; i < shape.warps; ++i)
    total = addf(b, total, gpu::load(b, meeting, add(b, first, i)));
  return total;
}

} // namespace vitc::gpu
