//===- KernelFunction.h - the entry point of a generated kernel ---------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What every emitter starts with: the function of docs/abi.md with its buffers as memrefs, and short spellings of the operations that
// vector kernels consist of.
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_COMPILER_CODEGEN_CPU_KERNELFUNCTION_H
#define VITC_COMPILER_CODEGEN_CPU_KERNELFUNCTION_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace vitc::cpu {

/// The function `void symbol(buffers, images, begin, end, scratch)`, complete with its return; `b` inserts before that return.
///
/// Buffers are offered as memrefs, of f32 unless another element is named, with static strides, so that addresses need no descriptor; only the number of rows or images is
/// dynamic. The conversion to LLVM sees through the casts. Accesses may assume an alignment of 4 bytes: only a buffer's first image is
/// aligned to 64.
class KernelFunction {
public:
  KernelFunction(mlir::ModuleOp module, llvm::StringRef symbol, mlir::Location loc);

  mlir::ImplicitLocOpBuilder b;
  mlir::Value images; ///< index: images in this group
  mlir::Value begin;  ///< index: first task to do
  mlir::Value end;    ///< index: one past the last task to do

  /// Operand `operand` of the launch as `memref<?xSHAPExf32>`, images outermost: an activation of per-image shape `shape`.
  mlir::Value activation(unsigned operand, llvm::ArrayRef<int64_t> shape, mlir::Type element = {});

  /// Operand `operand`, of `rowsPerImage` rows an image, as `memref<?xWIDTHxf32>`: consecutive images' rows are contiguous.
  mlir::Value rows(unsigned operand, int64_t rowsPerImage, int64_t width, mlir::Type element = {});

  /// Operand `operand` as a memref of static shape: a weight.
  mlir::Value weight(unsigned operand, llvm::ArrayRef<int64_t> shape, mlir::Type element = {});

  /// Elements of the worker's scratch memory from byte `offset` on; the address is as aligned as `offset` is, at most to 64 bytes.
  mlir::Value scratch(int64_t offset, llvm::ArrayRef<int64_t> shape, mlir::Type element = {});

private:
  mlir::Value buffer(unsigned operand);

  mlir::Value buffers, scratchMemory;
};

/// `pointer` (!llvm.ptr) as a memref with an identity layout; a dynamic size of the type, its first only, is `rows`.
mlir::Value memrefAt(mlir::ImplicitLocOpBuilder &b, mlir::Value pointer, mlir::MemRefType type, mlir::Value rows = {});

//===--------------------------------------------------------------------------------------===//
// Short spellings. `f32xN` is a vector of N floats; indices are of type index.
//===--------------------------------------------------------------------------------------===//

mlir::Value indexConstant(mlir::ImplicitLocOpBuilder &b, int64_t value);
mlir::Value floatConstant(mlir::ImplicitLocOpBuilder &b, double value);

/// All lanes `value`; `lanes` 0 makes a scalar.
mlir::Value splat(mlir::ImplicitLocOpBuilder &b, double value, int64_t lanes);
mlir::VectorType f32Vector(mlir::ImplicitLocOpBuilder &b, int64_t lanes);

mlir::Value add(mlir::ImplicitLocOpBuilder &b, mlir::Value lhs, mlir::Value rhs);
mlir::Value add(mlir::ImplicitLocOpBuilder &b, mlir::Value lhs, int64_t rhs);
mlir::Value sub(mlir::ImplicitLocOpBuilder &b, mlir::Value lhs, mlir::Value rhs);
mlir::Value mul(mlir::ImplicitLocOpBuilder &b, mlir::Value lhs, mlir::Value rhs);
mlir::Value mul(mlir::ImplicitLocOpBuilder &b, mlir::Value lhs, int64_t rhs);
/// Quotients of non-negative indices by a positive constant.
mlir::Value div(mlir::ImplicitLocOpBuilder &b, mlir::Value lhs, int64_t rhs);
mlir::Value ceilDiv(mlir::ImplicitLocOpBuilder &b, mlir::Value lhs, int64_t rhs);
mlir::Value rem(mlir::ImplicitLocOpBuilder &b, mlir::Value lhs, int64_t rhs);
mlir::Value min(mlir::ImplicitLocOpBuilder &b, mlir::Value lhs, mlir::Value rhs);
mlir::Value less(mlir::ImplicitLocOpBuilder &b, mlir::Value lhs, mlir::Value rhs);

mlir::Value load(mlir::ImplicitLocOpBuilder &b, mlir::Value memref, mlir::ValueRange at);
void store(mlir::ImplicitLocOpBuilder &b, mlir::Value scalar, mlir::Value memref, mlir::ValueRange at);

/// The mask of the first `count` of `lanes` lanes.
mlir::Value firstLanes(mlir::ImplicitLocOpBuilder &b, int64_t lanes, int64_t count);

/// `lanes` consecutive elements; with `count` < lanes only the first `count` are read, the rest are zero. Those of a memref of bf16 are widened to f32.
mlir::Value loadVector(mlir::ImplicitLocOpBuilder &b, mlir::Value memref, mlir::ValueRange at, int64_t lanes, int64_t count);
mlir::Value loadVector(mlir::ImplicitLocOpBuilder &b, mlir::Value memref, mlir::ValueRange at, int64_t lanes);
/// Writes the vector, or its first `count` lanes only. To a memref of bf16 each element is rounded to the nearest.
void storeVector(mlir::ImplicitLocOpBuilder &b, mlir::Value vector, mlir::Value memref, mlir::ValueRange at, int64_t count);
void storeVector(mlir::ImplicitLocOpBuilder &b, mlir::Value vector, mlir::Value memref, mlir::ValueRange at);

mlir::Value broadcast(mlir::ImplicitLocOpBuilder &b, mlir::Value scalar, int64_t lanes);
/// a * b + c, rounded once where the target can (see MathPass.h); scalars and vectors.
mlir::Value fma(mlir::ImplicitLocOpBuilder &b, mlir::Value x, mlir::Value y, mlir::Value z);
mlir::Value addf(mlir::ImplicitLocOpBuilder &b, mlir::Value x, mlir::Value y);
mlir::Value subf(mlir::ImplicitLocOpBuilder &b, mlir::Value x, mlir::Value y);
mlir::Value mulf(mlir::ImplicitLocOpBuilder &b, mlir::Value x, mlir::Value y);
mlir::Value divf(mlir::ImplicitLocOpBuilder &b, mlir::Value x, mlir::Value y);

/// for (i = lower; i < upper; i += step); `body` builds with `b`, takes the loop-carried values and returns their next ones. Returns the
/// last ones.
llvm::SmallVector<mlir::Value> forLoop(mlir::ImplicitLocOpBuilder &b, mlir::Value lower, mlir::Value upper, int64_t step,
                                       mlir::ValueRange carried,
                                       llvm::function_ref<llvm::SmallVector<mlir::Value>(mlir::Value, mlir::ValueRange)> body);
void forLoop(mlir::ImplicitLocOpBuilder &b, mlir::Value lower, mlir::Value upper, int64_t step, llvm::function_ref<void(mlir::Value)> body);

void ifThen(mlir::ImplicitLocOpBuilder &b, mlir::Value condition, llvm::function_ref<void()> then,
            llvm::function_ref<void()> otherwise = {});

} // namespace vitc::cpu

#endif // VITC_COMPILER_CODEGEN_CPU_KERNELFUNCTION_H
