//===- Reference.cpp - kernel.reference on a GPU ------------------------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/codegen/cpu/ReferenceBody.h"
#include "compiler/codegen/gpu/DeviceFunction.h"
#include "compiler/codegen/gpu/GpuCodegen.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"

#include <functional>
#include <numeric>

using namespace mlir;

namespace vitc::gpu {

static constexpr int64_t kThreads = 128;

static bool isActivation(RankedTensorType type) { return type.isDynamicDim(0); }

/// The elements of each operation among the block's threads, which meet behind it.
static void walkByThreads(ImplicitLocOpBuilder &b, ArrayRef<int64_t> sizes, function_ref<void(ValueRange)> body) {
  int64_t count = std::accumulate(sizes.begin(), sizes.end(), int64_t{1}, std::multiplies<>());
  Value thread = arith::IndexCastOp::create(b, b.getIndexType(), device::ThreadIdOp::create(b, b.getI32Type()));
  cpu::forLoop(b, thread, cpu::indexConstant(b, count), kThreads, [&](Value number) {
    SmallVector<Value> position(sizes.size());
    for (size_t axis = sizes.size(); axis-- > 0;) {
      position[axis] = axis ? cpu::rem(b, number, sizes[axis]) : number;
      number = cpu::div(b, number, sizes[axis]);
    }
    body(position);
  });
  barrier(b);
}

FailureOr<KernelInfo> emitReference(ModuleOp module, kernel::ReferenceOp op, StringRef symbol) {
  SmallVector<RankedTensorType> tensors;
  for (Value value : op->getOperands())
    tensors.push_back(cast<RankedTensorType>(value.getType()));
  const size_t inputs = tensors.size();
  for (Value value : op->getResults())
    tensors.push_back(cast<RankedTensorType>(value.getType()));
  if (llvm::any_of(ArrayRef(tensors).drop_front(inputs), [](RankedTensorType type) { return !isActivation(type); }))
    return op.emitOpError() << "sums over images, for which a GPU has no reference kernel";

  // An image is a block's, and begins where its own memory does.
  SmallVector<MemRefType> types;
  for (RankedTensorType tensor : tensors) {
    SmallVector<int64_t> shape(tensor.getShape());
    if (isActivation(tensor))
      shape[0] = 1;
    types.push_back(MemRefType::get(shape, tensor.getElementType()));
  }
  ArrayRef<MemRefType> all = types;
  FailureOr<cpu::ReferenceBody> body =
      cpu::ReferenceBody::lower(op.getBody(), all.take_front(inputs), all.drop_front(inputs), walkByThreads);
  if (failed(body))
    return failure();

  SmallVector<Type> elements;
  for (RankedTensorType tensor : tensors)
    elements.push_back(tensor.getElementType());
  DeviceFunction f(module, symbol, op.getLoc(), elements, kThreads);
  ImplicitLocOpBuilder &b = f.b;
  SmallVector<Value> operands;
  for (auto [index, type] : llvm::enumerate(types)) {
    Value memory = f.operand(index);
    if (isActivation(tensors[index]))
      memory = rowOf(b, memory, f.block, type.getNumElements());
    operands.push_back(device::ViewOp::create(b, type, memory, Value()));
  }
  body->inlineInto(b, operands, [&](int64_t offset, MemRefType type) -> Value {
    auto memory = device::MemoryType::get(b.getContext(), device::Space::Global, type.getElementType());
    return device::ViewOp::create(b, type, device::ScratchOp::create(b, memory, offset), Value());
  });

  KernelInfo info;
  info.symbol = symbol.str();
  info.kind = "reference";
  info.threads = kThreads;
  info.sharedBytes = f.sharedBytes();
  info.scratchBytes = body->scratchBytes();
  return info;
}

} // namespace vitc::gpu
