//===- AttentionGradOperands.cpp - what attention's gradient reads and writes -------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/codegen/gpu/AttentionGrad.h"

using namespace mlir;

namespace vitc::gpu {

AttentionGradShape AttentionGradShape::of(kernel::AttentionGradOp op) {
  RankedTensorType qkv = tensorOf(op.getQkv());
  const int64_t heads = op.getHeads();
  return {qkv.getDimSize(1), heads, qkv.getDimSize(2) / (3 * heads), op.getScale().convertToDouble(), qkv.getElementType()};
}

SmallVector<Type> AttentionGradShape::operandElements() const {
  Type f32 = Float32Type::get(element.getContext());
  return {element, f32, f32};
}

AttentionGradOperands::AttentionGradOperands(DeviceFunction &f, const AttentionGradShape &s) {
  ImplicitLocOpBuilder &b = f.b;
  Value firstRow = mul(b, div(b, f.block, s.heads), s.tokens), column = mul(b, rem(b, f.block, s.heads), s.width);
  query = advance(b, rowOf(b, f.operand(0), firstRow, s.stride()), column);
  keys = advance(b, query, constant(b, s.inner()));
  values = advance(b, query, constant(b, 2 * s.inner()));
  upstream = advance(b, rowOf(b, f.operand(1), firstRow, s.inner()), column);
  queryGradient = advance(b, rowOf(b, f.operand(2), firstRow, s.stride()), column);
  keyGradient = advance(b, queryGradient, constant(b, s.inner()));
  valueGradient = advance(b, queryGradient, constant(b, 2 * s.inner()));
}

FailureOr<KernelInfo> emitAttentionGrad(ModuleOp module, kernel::AttentionGradOp op, StringRef symbol) {
  if (op.getWeights())
    return op.emitOpError() << "takes attention's weights, which a GPU's attention does not keep";
  const AttentionGradShape shape = AttentionGradShape::of(op);
  return (hasWarpAttentionGrad(shape) ? emitWarpAttentionGrad : emitThreadAttentionGrad)(module, op.getLoc(), shape, symbol);
}

KernelInfo describeAttentionGrad(const DeviceFunction &f, const AttentionGradShape &s, StringRef symbol) {
  KernelInfo info;
  info.symbol = symbol.str();
  info.kind = "attention_grad";
  info.rowsPerImage = s.heads;
  info.threads = f.threads();
  info.sharedBytes = f.sharedBytes();
  return info;
}

FailureOr<KernelInfo> checkedAttentionGrad(Location loc, const AttentionGradShape &s, const KernelInfo &info) {
  if (info.sharedBytes > kMostSharedBytes)
    return emitError(loc) << "the gradient of attention of " << s.tokens << " tokens with heads of " << s.width << " takes "
                          << info.sharedBytes << " bytes of shared memory; a GPU has " << kMostSharedBytes << " for a block";
  return info;
}

} // namespace vitc::gpu
