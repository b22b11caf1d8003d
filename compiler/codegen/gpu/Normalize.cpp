//===- Normalize.cpp - kernel.normalize on a GPU ------------------------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/codegen/gpu/DeviceFunction.h"
#include "compiler/codegen/gpu/GpuCodegen.h"

#include "mlir/Dialect/Math/IR/Math.h"

#include "llvm/ADT/bit.h"

using namespace mlir;

namespace vitc::gpu {

/// Vectors of a row that a thread keeps in registers.
static constexpr int64_t mostVectors = 8;
static constexpr int64_t warpsOfBlock = 4;

/// A row is read once, kept in the registers of one or more warps, and summed up by shuffles; several warps of a row meet in shared memory.
FailureOr<KernelInfo> emitNormalize(ModuleOp module, kernel::NormalizeOp op, StringRef symbol) {
  if (op.getScales())
    return op.emitOpError() << "quantizes its rows, for which a GPU has no kernel";
  auto inputType = cast<RankedTensorType>(op.getInput().getType());
  Type inputElement = inputType.getElementType(), element = cast<RankedTensorType>(op.getValue().getType()).getElementType();
  const int64_t width = inputType.getShape().back(), lanes = vectorFor(width, inputElement);
  const int64_t vectors = llvm::divideCeilSigned(width, lanes);
  const auto warps =
      static_cast<int64_t>(llvm::bit_ceil(static_cast<uint64_t>(llvm::divideCeilSigned(vectors, mostVectors * device::kWarp))));
  if (warps > 32)
    return op.emitOpError() << "has rows of " << width << " elements, more than a block of threads holds";
  const int64_t threadsOfRow = warps * device::kWarp, rows = std::max<int64_t>(1, warpsOfBlock / warps);
  const int64_t steps = llvm::divideCeilSigned(vectors, threadsOfRow);

  SmallVector<Type> elements{inputElement};
  for (Value vector : {op.getGain(), op.getShift()})
    if (vector)
      elements.push_back(cast<RankedTensorType>(vector.getType()).getElementType());
  elements.push_back(element);
  DeviceFunction f(module, symbol, op.getLoc(), elements, rows * threadsOfRow);
  ImplicitLocOpBuilder &b = f.b;
  unsigned operand = 0;
  Value input = f.operand(operand++);
  Value gain = op.getGain() ? f.operand(operand++) : Value(), shift = op.getShift() ? f.operand(operand++) : Value();
  Value result = f.operand(operand);

  Value count = mul(b, f.images, rowsOfImage(op.getInput()));
  Value rowOfBlock = div(b, f.thread, threadsOfRow), threadOfRow = rem(b, f.thread, threadsOfRow);
  Value row = add(b, mul(b, f.block, rows), rowOfBlock), exists = less(b, row, count);
  // Threads without a row go through the barriers with the last one.
  Value from = min(b, row, sub(b, count, constant(b, 1)));
  Value inputRow = rowOf(b, input, from, width), resultRow = rowOf(b, result, from, width);

  auto columnOf = [&](int64_t step) { return mul(b, add(b, threadOfRow, step * threadsOfRow), lanes); };
  auto isThere = [&](int64_t step) { return less(b, columnOf(step), width); };
  const bool whole = vectors % threadsOfRow == 0;
  SmallVector<Value> kept;
  for (int64_t step = 0; step < steps; ++step)
    kept.push_back(
        widened(b, whole ? load(b, inputRow, columnOf(step), lanes) : loadIf(b, isThere(step), inputRow, columnOf(step), lanes)));

  Value meeting = warps > 1 ? f.takeShared(2 * rows * warps, b.getF32Type()) : Value();
  auto sumOfRow = [&](Value value, int64_t place) {
    value = sumOfLanes(b, value, device::kWarp);
    if (warps == 1)
      return value;
    Value first = mul(b, add(b, rowOfBlock, place * rows), warps);
    Value warp = div(b, threadOfRow, device::kWarp);
    ifThen(b, less(b, rem(b, f.thread, device::kWarp), 1), [&] { store(b, value, meeting, add(b, first, warp)); });
    barrier(b);
    Value total = load(b, meeting, first);
    for (int64_t i = 1; i < warps; ++i)
      total = addf(b, total, load(b, meeting, add(b, first, i)));
    return total;
  };

  Value inverse = number(b, 1.0 / static_cast<double>(width));
  if (op.getKind() == vit::NormKind::Layer) {
    Value sum = number(b, 0);
    for (Value vector : kept)
      for (int64_t i = 0; i < lanes; ++i)
        sum = addf(b, sum, lane(b, vector, i));
    Value mean = mulf(b, sumOfRow(sum, 0), inverse);
    for (auto [step, vector] : llvm::enumerate(kept)) {
      SmallVector<Value> centred;
      for (int64_t i = 0; i < lanes; ++i) {
        Value difference = subf(b, lane(b, vector, i), mean);
        // Lanes beyond the row must not count among the squares.
        centred.push_back(whole ? difference : select(b, isThere(step), difference, number(b, 0)));
      }
      vector = vectorOf(b, centred);
    }
  }
  Value squares = number(b, 0);
  for (Value vector : kept)
    for (int64_t i = 0; i < lanes; ++i)
      squares = fma(b, lane(b, vector, i), lane(b, vector, i), squares);
  Value variance = mulf(b, sumOfRow(squares, 1), inverse);
  Value factor = math::RsqrtOp::create(b, addf(b, variance, number(b, op.getEps().convertToDouble())));

  for (auto [step, vector] : llvm::enumerate(kept)) {
    Value column = columnOf(static_cast<int64_t>(step));
    ifThen(b, both(b, exists, isThere(static_cast<int64_t>(step))), [&] {
      Value gains = gain ? widened(b, load(b, gain, column, lanes)) : Value();
      Value shifts = shift ? widened(b, load(b, shift, column, lanes)) : Value();
      SmallVector<Value> scaled;
      for (int64_t i = 0; i < lanes; ++i) {
        Value y = mulf(b, lane(b, vector, i), factor);
        if (gains)
          y = shifts ? fma(b, y, lane(b, gains, i), lane(b, shifts, i)) : mulf(b, y, lane(b, gains, i));
        else if (shifts)
          y = addf(b, y, lane(b, shifts, i));
        scaled.push_back(y);
      }
      store(b, narrowed(b, vectorOf(b, scaled), element), resultRow, column);
    });
  }

  KernelInfo info;
  info.symbol = symbol.str();
  info.kind = "normalize";
  info.rowsPerImage = rowsOfImage(op.getInput());
  info.rowsPerTask = rows;
  info.threads = f.threads();
  info.sharedBytes = f.sharedBytes();
  return info;
}

} // namespace vitc::gpu
