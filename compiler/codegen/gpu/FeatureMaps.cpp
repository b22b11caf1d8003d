//===- FeatureMaps.cpp - kernels on feature maps with a row for each pixel, on a GPU ------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/codegen/cpu/Activation.h"
#include "compiler/codegen/gpu/DeviceFunction.h"
#include "compiler/codegen/gpu/GpuCodegen.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

#include <limits>

using namespace mlir;

namespace vitc::gpu {

static constexpr int64_t kThreads = 256;

/// Whether 0 <= value < count.
static Value isBetween(ImplicitLocOpBuilder &b, Value value, int64_t count) {
  return arith::CmpIOp::create(b, arith::CmpIPredicate::ult, value, constant(b, count));
}

/// A kernel each thread of which computes a vector of channels of a pixel of the result, [B, pixels, channels]: body(image, pixel, channel).
static KernelInfo forVectors(DeviceFunction &f, StringRef symbol, const char *kind, int64_t pixels, int64_t channels, int64_t lanes,
                             function_ref<void(Value, Value, Value)> body) {
  ImplicitLocOpBuilder &b = f.b;
  const int64_t across = channels / lanes;
  Value number = add(b, mul(b, f.block, kThreads), f.thread), row = div(b, number, across);
  ifThen(b, less(b, number, mul(b, f.images, pixels * across)),
         [&] { body(div(b, row, pixels), rem(b, row, pixels), mul(b, rem(b, number, across), lanes)); });
  KernelInfo info;
  info.symbol = symbol.str();
  info.kind = kind;
  info.rowsPerImage = pixels * across;
  info.rowsPerTask = kThreads;
  info.threads = kThreads;
  return info;
}

FailureOr<KernelInfo> emitPadRows(ModuleOp module, kernel::PadRowsOp op, StringRef symbol) {
  const int64_t channels = tensorOf(op.getInput()).getShape().back(), lanes = vectorFor(channels, tensorOf(op.getInput()).getElementType());
  const int64_t height = op.getGrid()[0], width = op.getGrid()[1], top = op.getPadding()[0], left = op.getPadding()[2];
  const int64_t paddedWidth = left + width + op.getPadding()[3], pixels = rowsOfImage(op.getValue());
  DeviceFunction f(module, symbol, op.getLoc(), elementsOf(op), kThreads);
  ImplicitLocOpBuilder &b = f.b;
  return forVectors(f, symbol, "pad_rows", pixels, channels, lanes, [&](Value image, Value pixel, Value channel) {
    Value y = sub(b, div(b, pixel, paddedWidth), constant(b, top)), x = sub(b, rem(b, pixel, paddedWidth), constant(b, left));
    Value from = add(b, mul(b, image, height * width), add(b, mul(b, y, width), x));
    Value value =
        loadIf(b, both(b, isBetween(b, y, height), isBetween(b, x, width)), rowOf(b, f.operand(0), from, channels), channel, lanes);
    store(b, value, rowOf(b, f.operand(1), add(b, mul(b, image, pixels), pixel), channels), channel);
  });
}

FailureOr<KernelInfo> emitPoolRows(ModuleOp module, kernel::PoolRowsOp op, StringRef symbol) {
  const int64_t channels = tensorOf(op.getInput()).getShape().back(), lanes = vectorFor(channels, Float32Type::get(op.getContext()));
  const int64_t height = op.getGrid()[0], width = op.getGrid()[1], pixels = rowsOfImage(op.getValue());
  ArrayRef<int64_t> window = op.getWindow(), stride = op.getStride(), padding = op.getPadding();
  const int64_t across = (width + padding[2] + padding[3] - window[1]) / stride[1] + 1;
  const bool isMax = op.getKind() == vit::WindowPool::Max;
  DeviceFunction f(module, symbol, op.getLoc(), elementsOf(op), kThreads);
  ImplicitLocOpBuilder &b = f.b;
  return forVectors(f, symbol, "pool_rows", pixels, channels, lanes, [&](Value image, Value pixel, Value channel) {
    Value firstY = sub(b, mul(b, div(b, pixel, across), stride[0]), constant(b, padding[0]));
    Value firstX = sub(b, mul(b, rem(b, pixel, across), stride[1]), constant(b, padding[2]));
    SmallVector<Value> pooled(lanes, number(b, isMax ? -std::numeric_limits<double>::infinity() : 0));
    Value count = number(b, 0);
    for (int64_t tap = 0; tap < window[0] * window[1]; ++tap) {
      Value y = add(b, firstY, tap / window[1]), x = add(b, firstX, tap % window[1]);
      Value exists = both(b, isBetween(b, y, height), isBetween(b, x, width));
      Value from = add(b, mul(b, image, height * width), add(b, mul(b, y, width), x));
      Value value = widened(b, loadIf(b, exists, rowOf(b, f.operand(0), from, channels), channel, lanes));
      count = addf(b, count, select(b, exists, number(b, 1), number(b, 0)));
      for (int64_t i = 0; i < lanes; ++i)
        pooled[i] = isMax ? select(b, exists, maximum(b, pooled[i], lane(b, value, i)), pooled[i]) : addf(b, pooled[i], lane(b, value, i));
    }
    for (Value &value : pooled)
      value = isMax ? value : divf(b, value, count);
    store(b, narrowed(b, vectorOf(b, pooled), tensorOf(op.getValue()).getElementType()),
          rowOf(b, f.operand(1), add(b, mul(b, image, pixels), pixel), channels), channel);
  });
}

/// A group of an image is a block's, which goes over it for its mean, its variance and its result.
FailureOr<KernelInfo> emitGroupNorm(ModuleOp module, kernel::GroupNormOp op, StringRef symbol) {
  RankedTensorType type = tensorOf(op.getInput());
  const int64_t pixels = rowsOfImage(op.getInput()), channels = type.getShape().back(), groups = op.getGroups(), width = channels / groups;
  const int64_t lanes = vectorFor(width, Float32Type::get(op.getContext())), across = width / lanes;
  DeviceFunction f(module, symbol, op.getLoc(), elementsOf(op), kThreads);
  ImplicitLocOpBuilder &b = f.b;
  unsigned operand = 0;
  Value input = f.operand(operand++), gain = op.getGain() ? f.operand(operand++) : Value(),
        shift = op.getShift() ? f.operand(operand++) : Value();
  Value residual = op.getResidual() ? f.operand(operand++) : Value(), result = f.operand(operand);
  Value image = div(b, f.block, groups), firstChannel = mul(b, rem(b, f.block, groups), width);

  /// body(row, channel, carried) for the thread's vectors.
  auto forVectorsOfGroup = [&](ValueRange carried, function_ref<SmallVector<Value>(Value, Value, ValueRange)> body) {
    return forLoop(b, f.thread, constant(b, pixels * across), kThreads, carried, [&](Value number, ValueRange before) {
      Value row = add(b, mul(b, image, pixels), div(b, number, across));
      return body(row, add(b, firstChannel, mul(b, rem(b, number, across), lanes)), before);
    });
  };
  auto read = [&](Value memory, Value row, Value channel) { return widened(b, load(b, rowOf(b, memory, row, channels), channel, lanes)); };
  constexpr int64_t warps = kThreads / device::kWarp;
  Value meeting = f.takeShared(2 * warps, b.getF32Type());
  auto meanOf = [&](int64_t place, function_ref<Value(Value)> term) {
    Value sum = forVectorsOfGroup(ValueRange(number(b, 0)), [&](Value row, Value channel, ValueRange before) {
                  Value vector = read(input, row, channel), sum = before[0];
                  for (int64_t i = 0; i < lanes; ++i)
                    sum = addf(b, sum, term(lane(b, vector, i)));
                  return SmallVector<Value>{sum};
                }).front();
    sum = sumOfLanes(b, sum, device::kWarp);
    ifThen(b, less(b, rem(b, f.thread, device::kWarp), 1),
           [&] { store(b, sum, meeting, add(b, div(b, f.thread, device::kWarp), place * warps)); });
    barrier(b);
    Value total = load(b, meeting, constant(b, place * warps));
    for (int64_t i = 1; i < warps; ++i)
      total = addf(b, total, load(b, meeting, constant(b, place * warps + i)));
    return mulf(b, total, number(b, 1.0 / static_cast<double>(pixels * width)));
  };
  Value mean = meanOf(0, [](Value x) { return x; });
  Value variance = meanOf(1, [&](Value x) {
    Value difference = subf(b, x, mean);
    return mulf(b, difference, difference);
  });
  Value factor = math::RsqrtOp::create(b, addf(b, variance, number(b, op.getEps().convertToDouble())));

  forVectorsOfGroup({}, [&](Value row, Value channel, ValueRange) {
    Value vector = read(input, row, channel), gains = gain ? widened(b, load(b, gain, channel, lanes)) : Value();
    Value shifts = shift ? widened(b, load(b, shift, channel, lanes)) : Value(),
          residuals = residual ? read(residual, row, channel) : Value();
    SmallVector<Value> values;
    for (int64_t i = 0; i < lanes; ++i) {
      Value y = mulf(b, subf(b, lane(b, vector, i), mean), factor);
      y = gains ? mulf(b, y, lane(b, gains, i)) : y;
      y = shifts ? addf(b, y, lane(b, shifts, i)) : y;
      y = residuals ? addf(b, y, lane(b, residuals, i)) : y;
      values.push_back(cpu::activate(b, op.getActivation(), y));
    }
    store(b, narrowed(b, vectorOf(b, values), tensorOf(op.getValue()).getElementType()), rowOf(b, result, row, channels), channel);
    return SmallVector<Value>();
  });

  KernelInfo info;
  info.symbol = symbol.str();
  info.kind = "group_norm";
  info.rowsPerImage = groups;
  info.threads = kThreads;
  info.sharedBytes = f.sharedBytes();
  return info;
}

} // namespace vitc::gpu
