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

#include <limits>

using namespace mlir;

namespace vitc::gpu {

static constexpr int64_t kThreads = 128;
/// Of a kernel that has one block: it sums over images.
static constexpr int64_t kThreadsOfSum = 512;
/// Of a thread, where several blocks share an image's elements.
static constexpr int64_t kElementsOfThread = 4;

static bool isActivation(RankedTensorType type) { return type.isDynamicDim(0); }

/// Numbers below `count` among the threads of the `blocks` that share an image; those of a block meet behind it.
static void forThreads(ImplicitLocOpBuilder &b, int64_t count, int64_t threads, int64_t blocks, function_ref<void(Value)> body) {
  Value thread = device::ThreadIdOp::create(b, b.getI32Type());
  if (blocks > 1)
    thread = add(b, thread, mul(b, rem(b, device::BlockIdOp::create(b, b.getI32Type()), blocks), threads));
  cpu::forLoop(b, arith::IndexCastOp::create(b, b.getIndexType(), thread), cpu::indexConstant(b, count), threads * blocks, body);
  barrier(b);
}

/// The position in a space of `sizes` of an element by its number.
static SmallVector<Value> positionOf(ImplicitLocOpBuilder &b, Value number, ArrayRef<int64_t> sizes) {
  SmallVector<Value> position(sizes.size());
  for (size_t axis = sizes.size(); axis-- > 0;) {
    position[axis] = axis ? cpu::rem(b, number, sizes[axis]) : number;
    number = cpu::div(b, number, sizes[axis]);
  }
  return position;
}

/// A weight's gradient is a sum over images: what an image adds to it is computed beside it, and added by one block in the images' order.
FailureOr<KernelInfo> emitReference(ModuleOp module, kernel::ReferenceOp op, StringRef symbol) {
  SmallVector<RankedTensorType> tensors = llvm::map_to_vector(op->getOperands(), tensorOf);
  const size_t inputs = tensors.size();
  llvm::append_range(tensors, llvm::map_range(op->getResults(), tensorOf));
  const bool readsImages = llvm::any_of(ArrayRef(tensors).take_front(inputs), isActivation);
  auto isSum = [&](size_t index) { return readsImages && index >= inputs && !isActivation(tensors[index]); };
  const bool sums = llvm::any_of(llvm::seq<size_t>(inputs, tensors.size()), isSum);
  const int64_t threads = sums ? kThreadsOfSum : kThreads;

  // An image's memory begins where the image does.
  SmallVector<MemRefType> types;
  for (RankedTensorType tensor : tensors) {
    SmallVector<int64_t> shape(tensor.getShape());
    if (isActivation(tensor))
      shape[0] = 1;
    types.push_back(MemRefType::get(shape, tensor.getElementType()));
  }
  ArrayRef<MemRefType> all = types;
  int64_t longest = 0;
  auto lower = [&](int64_t blocks) {
    auto walk = [&, blocks](ImplicitLocOpBuilder &b, ArrayRef<int64_t> sizes, function_ref<void(ValueRange)> body) {
      longest = std::max(longest, llvm::product_of(sizes));
      forThreads(b, llvm::product_of(sizes), threads, blocks, [&](Value number) { body(positionOf(b, number, sizes)); });
    };
    return cpu::ReferenceBody::lower(op.getBody(), all.take_front(inputs), all.drop_front(inputs), walk);
  };
  FailureOr<cpu::ReferenceBody> body = lower(/*blocks=*/1);
  // Where no element needs another one, nobody has to meet, and an image may be several blocks'.
  int64_t blocks = 1;
  if (succeeded(body) && body->hasIndependentElements() && !sums)
    blocks = std::max<int64_t>(1, longest / (threads * kElementsOfThread));
  if (blocks > 1)
    body = lower(blocks);
  if (failed(body))
    return failure();

  DeviceFunction f(module, symbol, op.getLoc(), elementsOf(op), threads);
  ImplicitLocOpBuilder &b = f.b;
  int64_t scratchBytes = llvm::alignTo(body->scratchBytes(), 64);
  auto scratch = [&](int64_t offset, MemRefType type) -> Value {
    auto memory = device::MemoryType::get(b.getContext(), device::Space::Global, type.getElementType());
    return device::ViewOp::create(b, type, device::ScratchOp::create(b, memory, offset), Value());
  };
  SmallVector<Value> shares(tensors.size());
  for (auto [index, type] : llvm::enumerate(types))
    if (isSum(index)) {
      shares[index] = scratch(scratchBytes, type);
      scratchBytes += llvm::alignTo(type.getNumElements() * sizeof(float), 64);
    }
  auto computeImage = [&](Value image) {
    SmallVector<Value> operands;
    for (auto [index, type] : llvm::enumerate(types)) {
      Value memory = f.operand(index);
      if (isActivation(tensors[index]))
        memory = rowOf(b, memory, image, type.getNumElements());
      operands.push_back(shares[index] ? shares[index] : Value(device::ViewOp::create(b, type, memory, Value())));
    }
    body->inlineInto(b, operands, scratch);
  };
  if (!sums) {
    computeImage(div(b, f.block, blocks));
  } else {
    forLoop(b, constant(b, 0), f.images, 1, {}, [&](Value image, ValueRange) {
      computeImage(image);
      for (auto [index, share] : llvm::enumerate(shares)) {
        if (!share)
          continue;
        Value sum = device::ViewOp::create(b, types[index], f.operand(index), Value());
        forThreads(b, types[index].getNumElements(), threads, /*blocks=*/1, [&](Value number) {
          SmallVector<Value> at = positionOf(b, number, types[index].getShape());
          cpu::store(b, addf(b, cpu::load(b, sum, at), cpu::load(b, share, at)), sum, at);
        });
      }
      return SmallVector<Value>();
    });
  }

  KernelInfo info;
  info.symbol = symbol.str();
  info.kind = "reference";
  info.rowsPerImage = blocks;
  info.threads = threads;
  info.sharedBytes = f.sharedBytes();
  info.scratchBytes = scratchBytes;
  if (sums)
    info.rowsPerTask = std::numeric_limits<int32_t>::max();
  return info;
}

} // namespace vitc::gpu
