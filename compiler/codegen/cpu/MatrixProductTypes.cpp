//===- MatrixProductTypes.cpp - number types and scratch memory of a product --*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/codegen/cpu/MatrixProduct.h"

using namespace mlir;

namespace vitc::cpu {

ProductKind productKind(Type input, Type weight) {
  if (input.isInteger(8))
    return ProductKind::Int8;
  if (input.isBF16())
    return ProductKind::Bf16;
  return weight.isBF16() ? ProductKind::Bf16Weights : ProductKind::F32;
}

Type weightWord(ImplicitLocOpBuilder &b, ProductKind kind) {
  return kind == ProductKind::F32 ? Type(b.getF32Type()) : Type(b.getI32Type());
}

Type inputWord(ImplicitLocOpBuilder &b, ProductKind kind) {
  return kind == ProductKind::F32 || kind == ProductKind::Bf16Weights ? Type(b.getF32Type()) : Type(b.getI32Type());
}

/// Partial sums of a chunk share the second-level cache with the row block's input and a weight panel.
static constexpr int64_t chunkBytes = 320 << 10;

int64_t MatrixProduct::chunkPanels() const {
  int64_t panelBytes = schedule.getRowBlock() * schedule.getColumns() * sizeof(float);
  return depthBlocks() == 1 ? panels() : std::clamp<int64_t>(chunkBytes / panelBytes, 1, panels());
}

int64_t MatrixProduct::partialBytes() const {
  int64_t bytes = depthBlocks() == 1 ? 0 : chunkPanels() * schedule.getRowBlock() * schedule.getColumns() * int64_t(sizeof(float));
  return llvm::alignTo(bytes, 64);
}

int64_t MatrixProduct::scratchBytes() const {
  return partialBytes() + (isStaged() ? schedule.getRows() * schedule.getColumns() * int64_t(sizeof(float)) : 0);
}

} // namespace vitc::cpu
