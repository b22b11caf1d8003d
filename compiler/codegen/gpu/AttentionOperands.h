//===- AttentionOperands.h - what attention reads and writes on a GPU ---------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_COMPILER_CODEGEN_GPU_ATTENTIONOPERANDS_H
#define VITC_COMPILER_CODEGEN_GPU_ATTENTIONOPERANDS_H

#include "compiler/codegen/gpu/DeviceFunction.h"
#include "compiler/codegen/gpu/GpuCodegen.h"
#include "compiler/codegen/gpu/WarpFragments.h"

namespace vitc::gpu {

/// The sizes of a kernel.attention: `tokens` of a window, `queries` those of them that attend, `width` of a head.
struct AttentionShape {
  int64_t windows = 1, tokens, queries, heads, width;
  int64_t firstQuery = 0;
  bool separate = false; ///< whether the queries are an operand of their own, [queries, heads width], and keys lie beside values alone
  double scale = 1;
  Type element, resultElement;
  bool hasBias = false;
  int64_t height = 0, across = 0; ///< of the grid of tokens whose distances have tables, 0 without tables

  static AttentionShape of(kernel::AttentionOp op);

  /// Element types of the launch's operands, then of its result.
  llvm::SmallVector<Type> operandElements() const;
  /// Elements of a row of the first operand.
  int64_t keyStride() const { return (separate ? 2 : 3) * heads * width; }
  int64_t queryStride() const { return separate ? heads * width : keyStride(); }
  /// The most elements in which parts of a head can be walked in both.
  int64_t segment() const;
};

/// A launch's operands as a block sees them, from its window and head on.
struct AttentionOperands {
  AttentionOperands(DeviceFunction &f, const AttentionShape &shape, Value window, Value head);

  Value query, keys, values; ///< row 0, column 0 of the head's part; rows are queryStride and keyStride apart
  Value bias;                ///< [queries, tokens] of the head, or null
  Value rowTable, columnTable;
  Value result; ///< as `query`, rows heads * width apart
};

/// The most shared memory of a block on an A100, a KiB less than a multiprocessor has (CUDA C++ programming guide 13.0, table 27).
inline constexpr int64_t kMostSharedBytes = 163 << 10;

/// The score of a key that is not there.
Value negativeInfinity(ImplicitLocOpBuilder &b);

/// log2 e: exp(x) = 2^(x log2 e).
inline constexpr double kLog2E = 1.4426950408889634;

/// Left operands [16, K] of rows in global memory by blocks of K columns, K = depthOf(element), zero from `width` on, which is even. Each thread reads its
/// own part, pairs of neighbours in `rows`, the memories of the two rows that its sums have, of tf32 single ones; numbers become of type `element`.
llvm::SmallVector<Value> loadLeftOperands(ImplicitLocOpBuilder &b, const SumsLayout &layout, ValueRange rows, int64_t width, Type element);

/// Attention by multiply-adds of f32, of operands of any type. For any GPU.
mlir::FailureOr<KernelInfo> emitThreadAttention(mlir::ModuleOp module, mlir::Location loc, const AttentionShape &shape,
                                                llvm::StringRef symbol);

/// Whether emitWarpAttention has a kernel: operands of 16 bits or tf32, heads of at most 128 that can be walked in pairs, no tables of distances.
bool hasWarpAttention(const AttentionShape &shape);

/// Attention by products of a warp, with scores, softmax and sums in f32. For sm_80 and newer.
KernelInfo emitWarpAttention(mlir::ModuleOp module, mlir::Location loc, const AttentionShape &shape, llvm::StringRef symbol);

/// Whether emitWarpgroupAttention has a kernel: operands of 16 bits, heads of up to 128 that begin at multiples of 16 bytes, no tables of distances, and
/// more than a few queries.
bool hasWarpgroupAttention(const AttentionShape &shape);

/// The same by the copy engine and products of a warpgroup. For sm_90a.
KernelInfo emitWarpgroupAttention(mlir::ModuleOp module, mlir::Location loc, const AttentionShape &shape, llvm::StringRef symbol);

} // namespace vitc::gpu

#endif // VITC_COMPILER_CODEGEN_GPU_ATTENTIONOPERANDS_H
