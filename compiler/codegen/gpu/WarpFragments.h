//===- WarpFragments.h - operands and sums of a warp's product ----------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// device.mma multiplies a left operand [16, 16] by a right one [16, 8]; these are read from tiles of shared memory in squares of 16 x 16 elements by one
// device.load_matrix each, a right one for two products beside each other.
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_COMPILER_CODEGEN_GPU_WARPFRAGMENTS_H
#define VITC_COMPILER_CODEGEN_GPU_WARPFRAGMENTS_H

#include "compiler/codegen/gpu/SharedTile.h"

namespace vitc::gpu {

/// What the rows and columns of a tile are to the product a [M, K] times b [K, N].
enum class OperandLayout {
  LeftMK,  ///< a as it is written
  LeftKM,  ///< its transpose
  RightNK, ///< b's transpose: a weight
  RightKN, ///< b: the values of attention
};

/// Reads operands of a warp's products, squares whose first element is at least (row, column) of their tile, both i32 or null for 0, the column a
/// multiple of 8.
class FragmentReader {
public:
  FragmentReader(DeviceFunction &f, OperandLayout layout, Value row = {}, Value column = {});

  /// The 16 x 16 elements from (row + below, column + beyond) on, multiples of 8: vector<8>, a left operand or two right ones.
  Value read(const SharedTile &tile, int64_t below, int64_t beyond) const;

private:
  ImplicitLocOpBuilder &b;
  OperandLayout layout;
  Value row, column; ///< of the thread's address
};

/// Operand 0 or 1 of a right square: of columns N from 0 or from 8 on.
Value rightOperand(ImplicitLocOpBuilder &b, Value square, int64_t number);

/// sums + left right, [16, 8].
Value multiply(ImplicitLocOpBuilder &b, Value left, Value right, Value sums);
Value zeroSums(ImplicitLocOpBuilder &b);

/// Where a thread's part of the sums [16, 8] of a product lies: element i of its four is (row + 8 (i / 2), column + i % 2).
struct SumsLayout {
  explicit SumsLayout(DeviceFunction &f);
  Value row;    ///< lane / 4
  Value column; ///< 2 (lane % 4)
};

} // namespace vitc::gpu

#endif // VITC_COMPILER_CODEGEN_GPU_WARPFRAGMENTS_H
