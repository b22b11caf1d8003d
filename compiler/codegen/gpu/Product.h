//===- Product.h - rows times a weight on a GPU -------------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_COMPILER_CODEGEN_GPU_PRODUCT_H
#define VITC_COMPILER_CODEGEN_GPU_PRODUCT_H

#include "compiler/codegen/gpu/DeviceFunction.h"
#include "compiler/codegen/gpu/ProductSchedule.h"
#include "compiler/codegen/gpu/SharedTile.h"

namespace vitc::gpu {

/// result[r, n] = factor * activation(sum over k of input[r, k] weight[n, k] + bias[n]) + residual, of any row-wise arrangement in memory.
struct Product {
  int64_t outputs;       ///< N
  int64_t depth = 0;     ///< K; 0: it is `steps`
  Value steps;           ///< K where only the launch knows it, i32
  Value rows;            ///< how many there are, of all images
  int64_t fixedRows = 0; ///< the same, where images do not change it

  /// Where input[r, k] lies; `segment` elements from a multiple of that on lie side by side, at multiples of their size: of a row, or of a
  /// column.
  std::function<Place(Value row, Value k)> input;
  int64_t segment;
  /// Numbers of the input as they are loaded from step `k` on, a scalar or a vector, as f32; null: what widens them. Of products in f32, and of rounded ones.
  std::function<Value(Value numbers, Value k)> decode;
  bool inputByColumns = false;
  Value weight; ///< [N, K], or by columns [K, N]
  bool weightByColumns = false;
  bool rounded = false;    ///< operands are rounded as they are copied, for tensor cores: to the weight's numbers of 16 bits, or to bf16
  Value bias;              ///< [N], or null
  int64_t biasSegment = 4; ///< elements of it from a multiple of that on lie at multiples of their size
  vit::Activation activation = vit::Activation::None;
  bool activationLast = false;

  /// Where residual[r, n], the factor, and the activation's derivative, which is another result, lie; null: there is none.
  std::function<Place(Value row, Value column)> residual, factor, derivative;
  std::function<Place(Value row, Value column)> result;

  Value counters, partialSums; ///< of schedules with parts: see PartialSums.h
};

/// An element of the result, f32: factor * activation(sum + bias) + residual in the order that the product asks for; bias, residual and factor may
/// be null. What will be rounded to bf16 need not be more exact than that. A product with a derivative gives it to `derivative`.
Value finishSum(ImplicitLocOpBuilder &b, const Product &product, Value sum, Value bias, Value residual, Type resultElement,
                Value factor = {}, Value *derivative = nullptr);

/// The shape of a product of an image's rows; `product.rows` and the callbacks are not read.
ProductShape shapeOf(const Product &product, int64_t rowsPerImage, Type input, Type weight);

/// Types of the operands that a kernel for `parts` of each sum takes behind its launch's; and those operands.
llvm::SmallVector<Type> withParts(llvm::SmallVector<Type> elements, int64_t parts);
void takeParts(Product &product, const DeviceFunction &f, int64_t parts, size_t operands);

/// Row-major rows of `width` elements.
std::function<Place(Value, Value)> rowMajor(ImplicitLocOpBuilder &b, Value memory, int64_t width);

/// The block's tile, as the schedule says. A function for it has `schedule.threads()` threads.
void emitProduct(DeviceFunction &f, const Product &product, const ProductSchedule &schedule);

/// The same by multiply-adds of f32, for any GPU, operands of f32, bf16 and f16.
void emitMultiplyAdds(DeviceFunction &f, const Product &product, const ProductSchedule &schedule);

/// The same on tensor cores, operands both of bf16, both of f16 or both of tf32, or rounded; those of tf32 lie by rows.
void emitWarpProduct(DeviceFunction &f, const Product &product, const ProductSchedule &schedule);

/// The tasks of a product in tiles of rows x columns and parts of K, by `threads` threads each; of `rowsPerImage` rows an image unless their
/// number is fixed.
void describeTasks(KernelInfo &info, const DeviceFunction &f, const Product &product, int64_t rowsPerImage, int64_t rows, int64_t columns,
                   int64_t parts, int64_t threads);

/// The same, and the schedule's name.
void describeProduct(KernelInfo &info, const DeviceFunction &f, const Product &product, const ProductSchedule &schedule,
                     int64_t rowsPerImage);

} // namespace vitc::gpu

#endif // VITC_COMPILER_CODEGEN_GPU_PRODUCT_H
