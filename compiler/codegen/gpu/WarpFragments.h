//===- WarpFragments.h - operands and sums of a warp's product ----------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// device.mma multiplies a left operand [16, K] by a right one [K, 8], K = 16, of tf32 8; these are read from tiles of shared memory in squares of 16
// rows by 32 bytes, by one device.load_matrix each, a right one for two products beside each other. "Half of K" is 8 elements, of tf32 4.
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
  RightKN, ///< b: the values of attention. Of tf32 its steps of K are those of a left operand made of sums: `leftOfSums`
};

/// Elements of a product's K: 16, of tf32 8.
int64_t depthOf(Type element);

/// Reads operands of a warp's products, squares whose first element is at least (row, column) of their tile, both i32 or null for 0, rows a multiple of 8
/// and columns of half of K. `element` is null for either type of 16 bits; tf32 has no LeftKM.
class FragmentReader {
public:
  FragmentReader(DeviceFunction &f, OperandLayout layout, Value row = {}, Value column = {}, Type element = {});

  /// A square from (row + below, column + beyond) on, multiples of 8 rows and of half of K columns: a left operand or two right ones, 16 of M or N
  /// by K elements.
  Value read(const SharedTile &tile, int64_t below, int64_t beyond) const;

private:
  /// The same of tf32 and RightKN: elements of 32 bits cannot be transposed on the way.
  Value readWords(const SharedTile &tile, int64_t below, int64_t beyond) const;

  ImplicitLocOpBuilder &b;
  OperandLayout layout;
  bool byWords;
  Value row, column; ///< of the thread's address
};

/// Operand 0 or 1 of a right square: of columns N from 0 or from 8 on.
Value rightOperand(ImplicitLocOpBuilder &b, Value square, int64_t number);

/// A left operand of type `element` made of the sums of one or two products beside each other, [16, K]: of two of them where K is 16. Of tf32 step p of K
/// is column 2 p of the sums, step p + 4 column 2 p + 1, so that no thread needs another one's.
Value leftOfSums(ImplicitLocOpBuilder &b, ValueRange sums, Type element);

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
