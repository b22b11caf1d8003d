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

/// Rows of a matrix of device.load_matrix, and its columns of 16 bits.
static constexpr int64_t kMatrix = 8;

static bool isTf32(Type element) { return isa_and_nonnull<FloatTF32Type>(element); }

int64_t depthOf(Type element) { return isTf32(element) ? kMatrix : 2 * kMatrix; }

FragmentReader::FragmentReader(DeviceFunction &f, OperandLayout layout, Value row, Value column, Type element)
    : b(f.b), layout(layout), byWords(isTf32(element) && layout == OperandLayout::RightKN), row(row), column(column) {
  assert(!(isTf32(element) && layout == OperandLayout::LeftKM) && "elements of 32 bits are not transposed");
  if (byWords) {
    SumsLayout own(f);
    this->row = row ? add(b, row, own.column) : own.column;
    this->column = column ? add(b, column, own.row) : own.row;
    return;
  }
  // Threads 8 i to 8 i + 7 give the rows of matrix i. In a left operand matrix 1 lies below matrix 0 in M, in a right one in K; that is below in
  // the tile if M, or K, are its rows. Matrix 2 lies in the other direction.
  const bool secondBelow = layout == OperandLayout::LeftMK || layout == OperandLayout::RightKN;
  Value laneRow = rem(b, f.thread, kMatrix), matrix = rem(b, div(b, f.thread, kMatrix), 4);
  const int64_t columns = depthOf(element) / 2;
  Value second = rem(b, matrix, 2), third = div(b, matrix, 2);
  Value below = add(b, laneRow, mul(b, secondBelow ? second : third, kMatrix)), beyond = mul(b, secondBelow ? third : second, columns);
  this->row = row ? add(b, row, below) : below;
  this->column = column ? add(b, column, beyond) : beyond;
}

Value FragmentReader::read(const SharedTile &tile, int64_t below, int64_t beyond) const {
  if (byWords)
    return readWords(tile, below, beyond);
  const bool transposed = layout == OperandLayout::LeftKM || layout == OperandLayout::RightKN;
  Type element = cast<device::MemoryType>(tile.memory.getType()).getElement();
  Value index = add(b, tile.index(row, add(b, column, beyond)), below * tile.pitch);
  auto type = VectorType::get({16 / device::bytesOf(element)}, device::registerType(element));
  return device::LoadMatrixOp::create(b, type, tile.memory, index, transposed);
}

Value FragmentReader::readWords(const SharedTile &tile, int64_t below, int64_t beyond) const {
  SmallVector<Value> words;
  for (int64_t right = 0; right < 2 * kMatrix; right += kMatrix)
    for (int64_t odd = 0; odd < 2; ++odd) {
      Value index = tile.index(add(b, row, odd), add(b, column, beyond + right));
      words.push_back(load(b, tile.memory, add(b, index, below * tile.pitch)));
    }
  return vectorOf(b, words);
}

Value leftOfSums(ImplicitLocOpBuilder &b, ValueRange sums, Type element) {
  if (!isTf32(element))
    return narrowed(b, concatenated(b, sums), element);
  // Of a thread's sums two are in one row; of its part of a left operand one is below the other.
  SmallVector<Value> swapped;
  for (int64_t number : {0, 2, 1, 3})
    swapped.push_back(lane(b, sums.front(), number));
  return narrowed(b, vectorOf(b, swapped), element);
}

Value rightOperand(ImplicitLocOpBuilder &b, Value square, int64_t number) {
  const int64_t size = cast<VectorType>(square.getType()).getNumElements() / 2;
  return vector::ExtractStridedSliceOp::create(b, square, ArrayRef<int64_t>{size * number}, ArrayRef<int64_t>{size}, ArrayRef<int64_t>{1});
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
