//===- AttentionGrad.h - attention's gradient on a GPU ------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_COMPILER_CODEGEN_GPU_ATTENTIONGRAD_H
#define VITC_COMPILER_CODEGEN_GPU_ATTENTIONGRAD_H

#include "compiler/codegen/gpu/AttentionOperands.h"

namespace vitc::gpu {

/// The sizes of a kernel.attention_grad without weights: qkv [tokens, 3 heads width], upstream [tokens, heads width] and result, the gradient of
/// qkv.
struct AttentionGradShape {
  int64_t tokens, heads, width;
  double scale;
  Type element, result; ///< of qkv; of the gradient: f32, or the same

  static AttentionGradShape of(kernel::AttentionGradOp op);

  /// Element types of the launch's operands and of its result.
  llvm::SmallVector<Type> operandElements() const;
  int64_t inner() const { return heads * width; }
  int64_t stride() const { return 3 * inner(); }
};

/// A launch's operands as a block, which has a head of an image, sees them: rows `stride` apart, of `upstream` `inner`.
class AttentionGradOperands {
public:
  /// Queries' gradients are sums over tiles of `tileRows` keys.
  AttentionGradOperands(DeviceFunction &f, const AttentionGradShape &shape, int64_t tileRows);

  Value query, keys, values, upstream;
  Value keyGradient, valueGradient;

  /// Writes a part of a row of keyGradient or valueGradient, f32, rounded to what those are.
  void write(Value part, Value to, Value token, Value column) const;
  /// Adds a part of a row, f32, to the queries' gradients, the same thread each time; of the tile whose keys begin at `tile`.
  void addToQueries(Value part, Value token, Value column, Value tile) const;
  /// Behind the last tile, for all threads: rounds the queries' gradients to the result.
  void finishQueries(const DeviceFunction &f) const;
  /// In which queries' gradients are added up as f32 where the result is shorter; 0 if it is not.
  int64_t scratchBytes() const;

private:
  /// [tokens, width] in scratch memory.
  Value querySums() const;

  ImplicitLocOpBuilder &b;
  const AttentionGradShape s;
  const int64_t tileRows;
  Value queryGradient;
};

/// The sizes of a kernel.attention_grad with queries of their own: keys and values [tokens, 2 heads width], upstream and query
/// [queries, heads width] -> the gradients of keys and values, and of the query.
struct QueryGradShape {
  int64_t tokens, queries, heads, width;
  double scale;
  Type element;                ///< of keys, values and query
  Type keyResult, queryResult; ///< of the gradients

  static QueryGradShape of(kernel::AttentionGradOp op);

  /// Element types of the launch's operands and of its results.
  llvm::SmallVector<Type> operandElements() const;
  int64_t inner() const { return heads * width; }
  int64_t stride() const { return 2 * inner(); }
};

/// An error where the kernel takes more shared memory than there is.
mlir::FailureOr<KernelInfo> checkedAttentionGrad(mlir::Location loc, const AttentionGradShape &shape, const KernelInfo &info);

KernelInfo describeAttentionGrad(const DeviceFunction &f, int64_t heads, int64_t scratchBytes, llvm::StringRef symbol);

/// The gradient by multiply-adds of f32, of operands of any type and heads of any width. For any GPU.
mlir::FailureOr<KernelInfo> emitThreadAttentionGrad(mlir::ModuleOp module, mlir::Location loc, const AttentionGradShape &shape,
                                                    llvm::StringRef symbol);

/// Whether emitWarpAttentionGrad has a kernel: operands of 16 bits, heads of an even width of at most 128.
bool hasWarpAttentionGrad(const AttentionGradShape &shape);

/// The gradient by products of a warp, of operands of 16 bits, with softmax and sums in f32. For sm_80 and newer.
mlir::FailureOr<KernelInfo> emitWarpAttentionGrad(mlir::ModuleOp module, mlir::Location loc, const AttentionGradShape &shape,
                                                  llvm::StringRef symbol);

/// The gradient with few queries of their own, at most kernel::AttentionGradOp::mostScores scores of a head, in f32. For any GPU.
KernelInfo emitQueryAttentionGrad(mlir::ModuleOp module, mlir::Location loc, const QueryGradShape &shape, llvm::StringRef symbol);

} // namespace vitc::gpu

#endif // VITC_COMPILER_CODEGEN_GPU_ATTENTIONGRAD_H
