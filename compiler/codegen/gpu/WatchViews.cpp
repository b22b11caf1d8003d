//===- WatchViews.cpp - what reference lowerings touch, for the emulator to see -----------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/codegen/cpu/KernelFunction.h"
#include "compiler/codegen/gpu/EmulatorCalls.h"
#include "dialects/device/DeviceDialect.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Interfaces/ViewLikeInterface.h"

using namespace mlir;

namespace vitc::gpu {

namespace {
/// An element of a memref as one of the memory that it is a view of.
struct Element {
  Value memory, index;
};
} // namespace

/// Views keep where they lie in their types: strides, and an offset from the memory's beginning. None for what is no view of a memory.
static std::optional<Element> elementOf(ImplicitLocOpBuilder &b, Value memref, ValueRange indices) {
  auto type = cast<MemRefType>(memref.getType());
  SmallVector<int64_t> strides;
  int64_t offset;
  if (failed(type.getStridesAndOffset(strides, offset)) || ShapedType::isDynamic(offset) || llvm::any_of(strides, ShapedType::isDynamic))
    return std::nullopt;
  while (auto view = memref.getDefiningOp<ViewLikeOpInterface>())
    memref = view.getViewSource();
  auto view = memref.getDefiningOp<device::ViewOp>();
  if (!view)
    return std::nullopt;
  Value index = cpu::indexConstant(b, offset);
  for (auto [number, stride] : llvm::zip_equal(indices, strides))
    index = cpu::add(b, index, cpu::mul(b, number, stride));
  return Element{view.getMemory(), arith::IndexCastOp::create(b, b.getI32Type(), index)};
}

void watchViews(Operation *module) {
  module->walk([](Operation *op) {
    ImplicitLocOpBuilder b(op->getLoc(), op);
    if (auto load = dyn_cast<memref::LoadOp>(op)) {
      if (std::optional<Element> element = elementOf(b, load.getMemRef(), load.getIndices())) {
        load.replaceAllUsesWith(device::LoadOp::create(b, load.getType(), element->memory, element->index).getResult());
        load.erase();
      }
    } else if (auto store = dyn_cast<memref::StoreOp>(op)) {
      if (std::optional<Element> element = elementOf(b, store.getMemRef(), store.getIndices())) {
        device::StoreOp::create(b, store.getValue(), element->memory, element->index);
        store.erase();
      }
    }
  });
}

} // namespace vitc::gpu
