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
/// qkv, of f32.
struct AttentionGradShape {
  int64_t tokens, heads, width;
  double scale;
  Type element; ///< of qkv

  static AttentionGradShape of(kernel::AttentionGradOp op);

  /// Element types of the launch's operands and of its result.
  llvm::SmallVector<Type> operandElements() const;
  int64_t inner() const { return heads * width; }
  int64_t stride() const { return 3 * inner(); }
};

/// A launch's operands as a block, which has a head of an image, sees them: rows `stride` apart, of `upstream` `inner`.
struct AttentionGradOperands {
  AttentionGradOperands(DeviceFunction &f, const AttentionGradShape &shape);

  Value query, keys, values, upstream;
  Value queryGradient, keyGradient, valueGradient;
};

/// An error where the kernel takes more shared memory than there is.
mlir::FailureOr<KernelInfo> checkedAttentionGrad(mlir::Location loc, const AttentionGradShape &shape, const KernelInfo &info);

KernelInfo describeAttentionGrad(const DeviceFunction &f, const AttentionGradShape &shape, llvm::StringRef symbol);

/// The gradient by multiply-adds of f32, of operands of any type and heads of any width. For any GPU.
mlir::FailureOr<KernelInfo> emitThreadAttentionGrad(mlir::ModuleOp module, mlir::Location loc, const AttentionGradShape &shape,
                                                    llvm::StringRef symbol);

/// Whether emitWarpAttentionGrad has a kernel: operands of 16 bits, heads of an even width of at most 128.
bool hasWarpAttentionGrad(const AttentionGradShape &shape);

/// The gradient by products of a warp, of operands of 16 bits, with softmax and sums in f32. For sm_80 and newer.
mlir::FailureOr<KernelInfo> emitWarpAttentionGrad(mlir::ModuleOp module, mlir::Location loc, const AttentionGradShape &shape,
                                                  llvm::StringRef symbol);

} // namespace vitc::gpu

#endif // VITC_COMPILER_CODEGEN_GPU_ATTENTIONGRAD_H
