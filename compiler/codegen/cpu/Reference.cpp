//===- Reference.cpp - kernel.reference as machine code -----------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/codegen/cpu/Reference.h"
#include "compiler/codegen/cpu/KernelFunction.h"
#include "compiler/codegen/cpu/ReferenceBody.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Utils/IndexingUtils.h"

using namespace mlir;

/// More rows than a group has: all of a launch is one task.
static constexpr int64_t oneTaskRows = 1 << 20;

namespace vitc::cpu {

static RankedTensorType tensorType(Value value) { return cast<RankedTensorType>(value.getType()); }
static bool isActivation(RankedTensorType type) { return type.isDynamicDim(0); }

/// What an operand of a launch is to the region: a weight's whole buffer, or one image at any offset of an activation's.
static MemRefType bufferType(RankedTensorType type) {
  if (!isActivation(type))
    return MemRefType::get(type.getShape(), type.getElementType());
  SmallVector<int64_t> shape(type.getShape());
  shape[0] = 1;
  SmallVector<int64_t> strides = computeSuffixProduct(shape);
  return MemRefType::get(shape, type.getElementType(), StridedLayoutAttr::get(type.getContext(), ShapedType::kDynamic, strides));
}

/// Image `image` of `activation` (`memref<?xSHAPExf32>`), as `bufferType` describes it.
static Value imageOf(ImplicitLocOpBuilder &b, Value activation, Value image, MemRefType type) {
  SmallVector<OpFoldResult> offsets(type.getRank(), b.getIndexAttr(0)), sizes, strides(type.getRank(), b.getIndexAttr(1));
  offsets[0] = image;
  for (int64_t size : type.getShape())
    sizes.push_back(b.getIndexAttr(size));
  return memref::SubViewOp::create(b, type, activation, offsets, sizes, strides);
}

/// sums += values, element by element.
static void addTo(ImplicitLocOpBuilder &b, Value sums, Value values, int64_t axis = 0, SmallVector<Value> at = {}) {
  auto type = cast<MemRefType>(sums.getType());
  if (axis == type.getRank())
    return store(b, addf(b, load(b, sums, at), load(b, values, at)), sums, at);
  forLoop(b, indexConstant(b, 0), indexConstant(b, type.getDimSize(axis)), 1, [&](Value i) {
    SmallVector<Value> inner(at);
    inner.push_back(i);
    addTo(b, sums, values, axis + 1, inner);
  });
}

FailureOr<KernelInfo> emitReference(ModuleOp module, kernel::ReferenceOp op, StringRef symbol) {
  SmallVector<RankedTensorType> tensors = llvm::map_to_vector(op->getOperands(), tensorType);
  llvm::append_range(tensors, llvm::map_range(op->getResults(), [](Value value) { return tensorType(value); }));
  SmallVector<MemRefType> types = llvm::map_to_vector(tensors, bufferType);
  ArrayRef<MemRefType> all = types;
  FailureOr<ReferenceBody> body =
      ReferenceBody::lower(op.getBody(), all.take_front(op->getNumOperands()), all.drop_front(op->getNumOperands()));
  if (failed(body))
    return failure();

  // A weight's gradient is a sum over images: each image's is computed beside it and added, by one task in the images' order.
  bool readsImages = llvm::any_of(op->getOperands(), [](Value value) { return isActivation(tensorType(value)); });
  size_t operandCount = op->getNumOperands();
  auto isSum = [&](size_t index) { return readsImages && index >= operandCount && !isActivation(tensors[index]); };
  int64_t scratchBytes = llvm::alignTo(body->scratchBytes(), 64);
  bool sums = false;

  KernelFunction f(module, symbol, op.getLoc());
  SmallVector<Value> buffers, shares(tensors.size());
  for (auto [index, type] : llvm::enumerate(tensors))
    buffers.push_back(isActivation(type) ? f.activation(index, type.getShape().drop_front(), type.getElementType())
                                         : f.weight(index, type.getShape()));
  for (auto [index, tensor] : llvm::enumerate(tensors))
    if (isSum(index)) {
      sums = true;
      shares[index] = f.scratch(scratchBytes, tensor.getShape(), tensor.getElementType());
      scratchBytes += llvm::alignTo(tensor.getNumElements() * sizeof(float), 64);
    }
  Value first = sums ? indexConstant(f.b, 0) : f.begin, last = sums ? f.images : f.end;
  forLoop(f.b, first, last, 1, [&](Value image) {
    SmallVector<Value> operands;
    for (auto [buffer, share, tensor, type] : llvm::zip(buffers, shares, tensors, types))
      operands.push_back(isActivation(tensor) ? imageOf(f.b, buffer, image, type) : share ? share : buffer);
    body->inlineInto(f.b, operands,
                     [&](int64_t offset, MemRefType type) { return f.scratch(offset, type.getShape(), type.getElementType()); });
    for (auto [buffer, share] : llvm::zip(buffers, shares))
      if (share)
        addTo(f.b, buffer, share);
  });

  KernelInfo info;
  info.symbol = symbol.str();
  info.kind = "reference";
  info.scratchBytes = scratchBytes;
  if (sums)
    info.rowsPerTask = oneTaskRows;
  return info;
}

} // namespace vitc::cpu
