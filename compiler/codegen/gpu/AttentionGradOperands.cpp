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
  return {qkv.getDimSize(1),
          heads,
          qkv.getDimSize(2) / (3 * heads),
          op.getScale().convertToDouble(),
          qkv.getElementType(),
          tensorOf(op.getValue()).getElementType()};
}

SmallVector<Type> AttentionGradShape::operandElements() const {
  Type f32 = Float32Type::get(element.getContext());
  return {element, f32, result};
}

AttentionGradOperands::AttentionGradOperands(DeviceFunction &f, const AttentionGradShape &s, int64_t tileRows)
    : b(f.b), s(s), tileRows(tileRows) {
  Value firstRow = mul(b, div(b, f.block, s.heads), s.tokens), column = mul(b, rem(b, f.block, s.heads), s.width);
  query = advance(b, rowOf(b, f.operand(0), firstRow, s.stride()), column);
  keys = advance(b, query, constant(b, s.inner()));
  values = advance(b, query, constant(b, 2 * s.inner()));
  upstream = advance(b, rowOf(b, f.operand(1), firstRow, s.inner()), column);
  queryGradient = advance(b, rowOf(b, f.operand(2), firstRow, s.stride()), column);
  keyGradient = advance(b, queryGradient, constant(b, s.inner()));
  valueGradient = advance(b, queryGradient, constant(b, 2 * s.inner()));
}

void AttentionGradOperands::write(Value part, Value to, Value token, Value column) const {
  store(b, narrowed(b, part, s.result), to, add(b, mul(b, token, s.stride()), column));
}

void AttentionGradOperands::addToQueries(Value part, Value token, Value column, Value tile) const {
  if (s.tokens <= tileRows)
    return write(part, queryGradient, token, column);
  auto vector = dyn_cast<VectorType>(part.getType());
  Value sums = scratchBytes() > 0 ? querySums() : queryGradient;
  Value at = add(b, mul(b, token, scratchBytes() > 0 ? s.width : s.stride()), column);
  store(b, addf(b, part, loadIf(b, less(b, constant(b, 0), tile), sums, at, vector ? vector.getNumElements() : 1)), sums, at);
}

void AttentionGradOperands::finishQueries(const DeviceFunction &f) const {
  if (scratchBytes() == 0)
    return;
  barrier(b); // all sums are there
  const int64_t lanes = vectorFor(s.width, b.getF32Type()), perRow = s.width / lanes;
  forLoop(b, f.thread, constant(b, s.tokens * perRow), f.threads(), {}, [&](Value number, ValueRange) {
    write(load(b, querySums(), mul(b, number, lanes), lanes), queryGradient, div(b, number, perRow), mul(b, rem(b, number, perRow), lanes));
    return SmallVector<Value>();
  });
}

Value AttentionGradOperands::querySums() const {
  return device::ScratchOp::create(b, device::MemoryType::get(b.getContext(), device::Space::Global, b.getF32Type()), /*offset=*/0);
}

int64_t AttentionGradOperands::scratchBytes() const {
  return s.result.isF32() || s.tokens <= tileRows ? 0 : s.tokens * s.width * static_cast<int64_t>(sizeof(float));
}

FailureOr<KernelInfo> emitAttentionGrad(ModuleOp module, kernel::AttentionGradOp op, StringRef symbol) {
  if (op.getWeights())
    return op.emitOpError() << "takes attention's weights, which a GPU's attention does not keep";
  if (op.getQuery())
    return emitQueryAttentionGrad(module, op.getLoc(), QueryGradShape::of(op), symbol);
  const AttentionGradShape shape = AttentionGradShape::of(op);
  return (hasWarpAttentionGrad(shape) ? emitWarpAttentionGrad : emitThreadAttentionGrad)(module, op.getLoc(), shape, symbol);
}

KernelInfo describeAttentionGrad(const DeviceFunction &f, int64_t heads, int64_t scratchBytes, StringRef symbol) {
  KernelInfo info;
  info.symbol = symbol.str();
  info.kind = "attention_grad";
  info.rowsPerImage = heads;
  info.threads = f.threads();
  info.sharedBytes = f.sharedBytes();
  info.scratchBytes = scratchBytes;
  return info;
}

FailureOr<KernelInfo> checkedAttentionGrad(Location loc, const AttentionGradShape &s, const KernelInfo &info) {
  if (info.sharedBytes > kMostSharedBytes)
    return emitError(loc) << "the gradient of attention of " << s.tokens << " tokens with heads of " << s.width << " takes "
                          << info.sharedBytes << " bytes of shared memory; a GPU has " << kMostSharedBytes << " for a block";
  return info;
}

} // namespace vitc::gpu
