//===- WarpFragments.cpp - operands and sums of a warp's product --------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/codegen/gpu/WarpFragments.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

namespace vitc::gpu {

/// Rows and columns of a matrix of device.load_matrix.
static constexpr int64_t kMatrix = 8;

FragmentReader::FragmentReader(DeviceFunction &f, OperandLayout layout, Value row, Value column)
    : b(f.b), layout(layout), row(row), column(column) {
  // Threads 8 i to 8 i + 7 give the rows of matrix i. In a left operand matrix 1 lies below matrix 0 in M, in a right one in K; that is below in
  // the tile if M, or K, are its rows. Matrix 2 lies in the other direction.
  const bool secondBelow = layout == OperandLayout::LeftMK || layout == OperandLayout::RightKN;
  Value laneRow = rem(b, f.thread, kMatrix), matrix = rem(b, div(b, f.thread, kMatrix), 4);
  Value second = mul(b, rem(b, matrix, 2), kMatrix), third = mul(b, div(b, matrix, 2), kMatrix);
  Value below = add(b, laneRow, secondBelow ? second : third), beyond = secondBelow ? third : second;
  this->row = row ? add(b, row, below) : below;
  this->column = column ? add(b, column, beyond) : beyond;
}

Value FragmentReader::read(const SharedTile &tile, int64_t below, int64_t beyond) const {
  const bool transposed = layout == OperandLayout::LeftKM || layout == OperandLayout::RightKN;
  Type element = cast<device::MemoryType>(tile.memory.getType()).getElement();
  Value index = add(b, tile.index(row, add(b, column, beyond)), below * tile.pitch);
  return device::LoadMatrixOp::create(b, VectorType::get({8}, element), tile.memory, index, transposed);
}

Value rightOperand(ImplicitLocOpBuilder &b, Value square, int64_t number) {
  return vector::ExtractStridedSliceOp::create(b, square, ArrayRef<int64_t>{4 * number}, ArrayRef<int64_t>{4}, ArrayRef<int64_t>{1});
}

Value zeroSums(ImplicitLocOpBuilder &b) { return arith::ConstantOp::create(b, b.getZeroAttr(VectorType::get({4}, b.getF32Type()))); }

Value multiply(ImplicitLocOpBuilder &b, Value left, Value right, Value sums) {
  return device::MmaOp::create(b, sums.getType(), left, right, sums);
}

SumsLayout::SumsLayout(DeviceFunction &f) {
  Value lane = rem(f.b, f.thread, device::kWarp);
  row = div(f.b, lane, 4);
  column = mul(f.b, rem(f.b, lane, 4), 2);
}

} // namespace vitc::gpu
