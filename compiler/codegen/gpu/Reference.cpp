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
/// Where a block has a large image, or all of them, to itself.
static constexpr int64_t kMostThreads = 512;
/// Of a thread, where several blocks share an image's elements.
static constexpr int64_t kElementsOfThread = 4;
/// Of an image's, which would keep few of a GPU's threads busy.
static constexpr int64_t kFewPositions = 4096;

static bool isActivation(RankedTensorType type) { return type.isDynamicDim(0); }

/// Numbers below `count` among the threads of the `blocks` that share an image, `together` of whom have the same; those of a block meet behind it.
static void forThreads(ImplicitLocOpBuilder &b, int64_t count, int64_t threads, int64_t blocks, function_ref<void(Value)> body,
                       int64_t together = 1) {
  Value thread = device::ThreadIdOp::create(b, b.getI32Type());
  if (blocks > 1)
    thread = add(b, thread, mul(b, rem(b, device::BlockIdOp::create(b, b.getI32Type()), blocks), threads));
  Value first = arith::IndexCastOp::create(b, b.getIndexType(), div(b, thread, together));
  cpu::forLoop(b, first, cpu::indexConstant(b, count), threads * blocks / together, body);
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

namespace {

/// Warps have the positions of long reductions, if there are too few positions for a GPU's threads to have one each.
class WarpTeam : public cpu::ReductionTeam {
public:
  WarpTeam(int64_t threads, int64_t blocks, int64_t &longest) : threads(threads), blocks(blocks), longest(longest) {}

  int64_t lanes(int64_t positions, int64_t length) const override {
    return length >= device::kWarp && positions < kFewPositions ? device::kWarp : 1;
  }
  void walk(ImplicitLocOpBuilder &b, ArrayRef<int64_t> sizes, int64_t lanes, function_ref<void(ValueRange, Value)> body) const override {
    const int64_t positions = llvm::product_of(sizes);
    longest = std::max(longest, positions * lanes);
    auto lane = [&]() -> Value {
      return arith::IndexCastOp::create(b, b.getIndexType(), rem(b, device::ThreadIdOp::create(b, b.getI32Type()), lanes));
    };
    forThreads(b, positions, threads, blocks, [&](Value number) { body(positionOf(b, number, sizes), lane()); }, lanes);
  }
  Value meet(ImplicitLocOpBuilder &b, Value own, int64_t lanes, function_ref<Value(Value, Value)> combine) const override {
    return meetingOfLanes(b, own, lanes, combine);
  }
  void byFirst(ImplicitLocOpBuilder &b, Value lane, function_ref<void()> body) const override {
    ifThen(b, arith::CmpIOp::create(b, arith::CmpIPredicate::eq, lane, cpu::indexConstant(b, 0)), body);
  }

private:
  const int64_t threads, blocks;
  int64_t &longest; ///< of the walks, in threads that have something to do
};

} // namespace

/// A weight's gradient is a sum over images: what an image adds to it is computed beside it, and added by one block in the images' order.
FailureOr<KernelInfo> emitReference(ModuleOp module, kernel::ReferenceOp op, StringRef symbol) {
  SmallVector<RankedTensorType> tensors = llvm::map_to_vector(op->getOperands(), tensorOf);
  const size_t inputs = tensors.size();
  llvm::append_range(tensors, llvm::map_range(op->getResults(), tensorOf));
  const bool readsImages = llvm::any_of(ArrayRef(tensors).take_front(inputs), isActivation);
  auto isSum = [&](size_t index) { return readsImages && index >= inputs && !isActivation(tensors[index]); };
  const bool sums = llvm::any_of(llvm::seq<size_t>(inputs, tensors.size()), isSum);
  int64_t threads = sums ? kMostThreads : kThreads, blocks = 1;

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
  auto lower = [&] {
    auto walk = [&](ImplicitLocOpBuilder &b, ArrayRef<int64_t> sizes, function_ref<void(ValueRange)> body) {
      longest = std::max(longest, llvm::product_of(sizes));
      forThreads(b, llvm::product_of(sizes), threads, blocks, [&](Value number) { body(positionOf(b, number, sizes)); });
    };
    const WarpTeam team(threads, blocks, longest);
    return cpu::ReferenceBody::lower(op.getBody(), all.take_front(inputs), all.drop_front(inputs), walk, &team);
  };
  FailureOr<cpu::ReferenceBody> body = lower();
  if (failed(body))
    return failure();
  // Where no element needs another one, nobody has to meet, and an image may be several blocks'.
  if (!sums && longest >= kThreads * kElementsOfThread) {
    if (body->hasIndependentElements())
      blocks = longest / (kThreads * kElementsOfThread);
    else
      threads = std::min(kMostThreads, kThreads * llvm::divideCeilSigned(longest, kThreads * kElementsOfThread));
    body = lower();
    if (failed(body))
      return failure();
  }

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
