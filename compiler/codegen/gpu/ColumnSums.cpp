//===- ColumnSums.cpp - sums of all rows on a GPU -----------------------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//
//
// A block has 32 columns, and its warps every so many rows of them; what they have summed up meets in shared memory and is added to the
// result, all in one order.
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/codegen/gpu/DeviceFunction.h"
#include "compiler/codegen/gpu/GpuCodegen.h"

#include <limits>

using namespace mlir;

namespace vitc::gpu {

static constexpr int64_t warps = 16, threads = warps * device::kWarp;

/// results[i][column] += the sum of what `term` gives for each row: it adds a row's terms to `sums`.
static KernelInfo emitColumnSums(DeviceFunction &f, int64_t width, Value rows, ArrayRef<Value> results,
                                 function_ref<SmallVector<Value>(Value row, Value column, ValueRange sums)> term) {
  ImplicitLocOpBuilder &b = f.b;
  Value warp = div(b, f.thread, device::kWarp), laneOfWarp = rem(b, f.thread, device::kWarp);
  Value column = add(b, mul(b, f.block, device::kWarp), laneOfWarp), inRow = min(b, column, constant(b, width - 1));
  SmallVector<Value> zeros(results.size(), number(b, 0));
  SmallVector<Value> sums = forLoop(b, warp, rows, warps, zeros, [&](Value row, ValueRange carried) { return term(row, inRow, carried); });

  SmallVector<Value> meetings;
  for (Value sum : sums) {
    meetings.push_back(f.takeShared(threads, b.getF32Type()));
    store(b, sum, meetings.back(), f.thread);
  }
  barrier(b);
  ifThen(b, both(b, less(b, f.thread, device::kWarp), less(b, column, width)), [&] {
    for (auto [result, meeting] : llvm::zip_equal(results, meetings)) {
      Value total = load(b, meeting, laneOfWarp);
      for (int64_t i = 1; i < warps; ++i)
        total = addf(b, total, load(b, meeting, add(b, laneOfWarp, i * device::kWarp)));
      store(b, addf(b, load(b, result, column), total), result, column);
    }
  });

  KernelInfo info;
  info.rowsPerTask = std::numeric_limits<int32_t>::max();
  info.columnTasks = llvm::divideCeilSigned(width, device::kWarp);
  info.threads = f.threads();
  info.sharedBytes = f.sharedBytes();
  return info;
}

FailureOr<KernelInfo> emitSumRows(ModuleOp module, kernel::SumRowsOp op, StringRef symbol) {
  const int64_t width = tensorOf(op.getInput()).getShape().back();
  DeviceFunction f(module, symbol, op.getLoc(), elementsOf(op), threads);
  ImplicitLocOpBuilder &b = f.b;
  KernelInfo info = emitColumnSums(f, width, mul(b, f.images, rowsOfImage(op.getInput())), f.operand(1),
                                   [&](Value row, Value column, ValueRange sums) -> SmallVector<Value> {
                                     return {addf(b, sums[0], widened(b, load(b, rowOf(b, f.operand(0), row, width), column)))};
                                   });
  info.symbol = symbol.str();
  info.kind = "sum_rows";
  return info;
}

FailureOr<KernelInfo> emitNormalizeWeightGrad(ModuleOp module, kernel::NormalizeWeightGradOp op, StringRef symbol) {
  const int64_t width = tensorOf(op.getInput()).getShape().back();
  DeviceFunction f(module, symbol, op.getLoc(), elementsOf(op), threads);
  ImplicitLocOpBuilder &b = f.b;
  Value input = f.operand(0), upstream = f.operand(1), statistics = f.operand(2);
  KernelInfo info = emitColumnSums(f, width, mul(b, f.images, rowsOfImage(op.getInput())), {f.operand(3), f.operand(4)},
                                   [&](Value row, Value column, ValueRange sums) -> SmallVector<Value> {
                                     Value pair = rowOf(b, statistics, row, 2), mean = load(b, pair, constant(b, 0));
                                     Value inverse = load(b, pair, constant(b, 1));
                                     Value dy = load(b, rowOf(b, upstream, row, width), column);
                                     Value x = load(b, rowOf(b, input, row, width), column);
                                     return {fma(b, dy, mulf(b, subf(b, x, mean), inverse), sums[0]), addf(b, sums[1], dy)};
                                   });
  info.symbol = symbol.str();
  info.kind = "normalize_weight_grad";
  return info;
}

} // namespace vitc::gpu
