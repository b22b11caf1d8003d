//===- FeatureMaps.cpp - padding and pooling of feature maps ------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/codegen/cpu/FeatureMaps.h"
#include "compiler/codegen/cpu/KernelFunction.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

#include <limits>

using namespace mlir;

namespace vitc::cpu {

static Value max(ImplicitLocOpBuilder &b, Value x, Value y) { return arith::MaxSIOp::create(b, x, y); }

/// The schedule of a row-wise kernel, or failure after an error was emitted.
static FailureOr<kernel::RowScheduleAttr> scheduleOf(Operation *op, kernel::RowScheduleAttr schedule) {
  if (!schedule)
    return op->emitOpError() << "has no schedule to generate code by";
  if (schedule.getRowsPerTask() < 1 || schedule.getVector() < 1)
    return op->emitOpError() << "needs a schedule of one row a task and one lane at least, not " << schedule;
  return schedule;
}

static KernelInfo rowKernel(StringRef symbol, const char *kind, kernel::RowScheduleAttr schedule, int64_t rowsPerImage) {
  KernelInfo info;
  info.symbol = symbol.str();
  info.kind = kind;
  llvm::raw_string_ostream(info.schedule) << schedule;
  info.rowsPerImage = rowsPerImage;
  info.rowsPerTask = schedule.getRowsPerTask();
  return info;
}

/// body(row) for the rows of tasks [f.begin, f.end).
static void forRows(KernelFunction &f, int64_t rowsPerTask, int64_t rowsPerImage, function_ref<void(Value)> body) {
  Value first = mul(f.b, f.begin, rowsPerTask);
  Value last = min(f.b, mul(f.b, f.end, rowsPerTask), mul(f.b, f.images, rowsPerImage));
  forLoop(f.b, first, last, 1, body);
}

/// body(column, count) for vectors of `lanes` floats that cover columns [first, first + width); the last may have fewer.
static void forVectors(ImplicitLocOpBuilder &b, int64_t first, int64_t width, int64_t lanes, function_ref<void(Value, int64_t)> body) {
  int64_t full = first + width / lanes * lanes;
  if (first < full)
    forLoop(b, indexConstant(b, first), indexConstant(b, full), lanes, [&](Value column) { body(column, lanes); });
  if (full < first + width)
    body(indexConstant(b, full), first + width - full);
}

FailureOr<KernelInfo> emitPadRows(ModuleOp module, kernel::PadRowsOp op, StringRef symbol) {
  FailureOr<kernel::RowScheduleAttr> schedule = scheduleOf(op, op.getScheduleAttr());
  if (failed(schedule))
    return failure();
  int64_t channels = cast<ShapedType>(op.getInput().getType()).getShape().back(), lanes = schedule->getVector();
  int64_t height = op.getGrid()[0], width = op.getGrid()[1] * channels;
  int64_t top = op.getPadding()[0], left = op.getPadding()[2] * channels, right = op.getPadding()[3] * channels;
  int64_t paddedHeight = top + height + op.getPadding()[1], paddedWidth = left + width + right;

  KernelFunction f(module, symbol, op.getLoc());
  ImplicitLocOpBuilder &b = f.b;
  Value input = f.rows(0, height, width), result = f.rows(1, paddedHeight, paddedWidth);
  forRows(f, schedule->getRowsPerTask(), paddedHeight, [&](Value row) {
    auto zero = [&](int64_t first, int64_t count) {
      forVectors(b, first, count, lanes,
                 [&](Value column, int64_t lanesLeft) { storeVector(b, splat(b, 0, lanes), result, {row, column}, lanesLeft); });
    };
    Value y = rem(b, row, paddedHeight);
    // Above the map y - top wraps around to a huge number.
    Value from = sub(b, y, indexConstant(b, top));
    Value inside = arith::CmpIOp::create(b, arith::CmpIPredicate::ult, from, indexConstant(b, height));
    ifThen(
        b, inside,
        [&] {
          Value source = add(b, mul(b, div(b, row, paddedHeight), height), from);
          zero(0, left);
          forVectors(b, 0, width, lanes, [&](Value column, int64_t count) {
            storeVector(b, loadVector(b, input, {source, column}, lanes, count), result, {row, add(b, column, left)}, count);
          });
          zero(left + width, right);
        },
        [&] { zero(0, paddedWidth); });
  });
  return rowKernel(symbol, "pad_rows", *schedule, paddedHeight);
}

namespace {
/// The pixels [first, last) of an axis that lie in a window.
struct Reach {
  Value first, last;
};
} // namespace

static Reach reachOf(ImplicitLocOpBuilder &b, Value window, int64_t stride, int64_t before, int64_t size, int64_t pixels) {
  Value first = sub(b, mul(b, window, stride), indexConstant(b, before));
  return {max(b, first, indexConstant(b, 0)), min(b, add(b, first, size), indexConstant(b, pixels))};
}

FailureOr<KernelInfo> emitPoolRows(ModuleOp module, kernel::PoolRowsOp op, StringRef symbol) {
  FailureOr<kernel::RowScheduleAttr> schedule = scheduleOf(op, op.getScheduleAttr());
  if (failed(schedule))
    return failure();
  int64_t channels = cast<ShapedType>(op.getInput().getType()).getShape().back(), lanes = schedule->getVector();
  int64_t height = op.getGrid()[0], width = op.getGrid()[1];
  ArrayRef<int64_t> window = op.getWindow(), stride = op.getStride(), padding = op.getPadding();
  int64_t across = (width + padding[2] + padding[3] - window[1]) / stride[1] + 1;
  int64_t down = (height + padding[0] + padding[1] - window[0]) / stride[0] + 1;
  bool isMax = op.getKind() == vit::WindowPool::Max;

  KernelFunction f(module, symbol, op.getLoc());
  ImplicitLocOpBuilder &b = f.b;
  Value input = f.rows(0, height * width, channels), result = f.rows(1, down * across, channels);
  Value start = splat(b, isMax ? -std::numeric_limits<double>::infinity() : 0.0, lanes);
  forRows(f, schedule->getRowsPerTask(), down, [&](Value row) {
    Value firstPixel = mul(b, div(b, row, down), height * width);
    Reach rows = reachOf(b, rem(b, row, down), stride[0], padding[0], window[0], height);
    forLoop(b, indexConstant(b, 0), indexConstant(b, across), 1, [&](Value x) {
      Reach columns = reachOf(b, x, stride[1], padding[2], window[1], width);
      Value to = add(b, mul(b, row, across), x);
      Value share;
      if (!isMax) {
        Value count = arith::MulIOp::create(b, sub(b, rows.last, rows.first), sub(b, columns.last, columns.first));
        Value pixels = arith::UIToFPOp::create(b, b.getF32Type(), arith::IndexCastOp::create(b, b.getI32Type(), count));
        share = broadcast(b, pixels, lanes);
      }
      forVectors(b, 0, channels, lanes, [&](Value channel, int64_t count) {
        Value pooled = forLoop(b, rows.first, rows.last, 1, ValueRange(start), [&](Value y, ValueRange outer) {
                         Value pixelRow = add(b, firstPixel, mul(b, y, width));
                         return forLoop(b, columns.first, columns.last, 1, outer, [&](Value column, ValueRange inner) {
                           Value pixel = loadVector(b, input, {add(b, pixelRow, column), channel}, lanes, count);
                           Value next = isMax ? Value(arith::MaximumFOp::create(b, inner[0], pixel)) : addf(b, inner[0], pixel);
                           return SmallVector<Value>{next};
                         });
                       }).front();
        storeVector(b, isMax ? pooled : divf(b, pooled, share), result, {to, channel}, count);
      });
    });
  });
  return rowKernel(symbol, "pool_rows", *schedule, down);
}

} // namespace vitc::cpu
