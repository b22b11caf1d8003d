//===- HopperToEmulator.cpp - operations of compute capability 9.0 on the emulator -------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/codegen/gpu/EmulatorCalls.h"

using namespace mlir;
using vitrt::emulator::Call;

namespace vitc::gpu {

/// The address of a barrier.
template <typename Op, typename Adaptor> static Value barrierOf(Op, Adaptor adaptor, Caller &c) {
  return c.address(adaptor.getBarriers(), adaptor.getIndex(), c.b.getI64Type());
}

/// `vitrt::emulator::Product`: two pointers and nine numbers.
static Value productOf(Caller &c, Value a, device::LayoutAttr aLayout, Value b, device::LayoutAttr bLayout, bool fragments, Type element,
                       bool overwrite) {
  MLIRContext *context = c.b.getContext();
  SmallVector<Type> types{c.pointer(), c.pointer()};
  types.append(9, c.b.getI32Type());
  auto type = LLVM::LLVMStructType::getLiteral(context, types);
  auto layout = [&](device::LayoutAttr attribute) {
    if (!attribute)
      return SmallVector<int64_t>{0, 0, 0};
    return SmallVector<int64_t>{attribute.getSwizzle(), attribute.getMajor() == device::Major::MN, attribute.getPanel()};
  };
  SmallVector<int64_t> numbers = layout(aLayout);
  numbers.append(layout(bLayout));
  numbers.append({fragments, static_cast<int64_t>(operandType(element)), overwrite});
  SmallVector<Value> fields{a, b};
  for (int64_t value : numbers)
    fields.push_back(c.number(value));
  Value memory = c.slot(type);
  for (auto [index, field] : llvm::enumerate(fields)) {
    Value place = LLVM::GEPOp::create(c.b, c.pointer(), type, memory, ArrayRef<LLVM::GEPArg>{0, static_cast<int32_t>(index)});
    LLVM::StoreOp::create(c.b, field, place);
  }
  return memory;
}

void populateHopperToEmulator(RewritePatternSet &patterns, const TypeConverter &converter) {
  MLIRContext *context = patterns.getContext();
  auto add = [&]<typename Op>(typename ValueConversion<Op, Caller>::Body body) {
    patterns.add(std::make_unique<ValueConversion<Op, Caller>>(converter, context, std::move(body)));
  };
  auto addValues = [&]<typename Op>(typename ValuesConversion<Op, Caller>::Body body) {
    patterns.add(std::make_unique<ValuesConversion<Op, Caller>>(converter, context, std::move(body)));
  };
  using namespace device;

  add.operator()<MbarrierInitOp>([](MbarrierInitOp op, auto adaptor, Caller &c) {
    return c.call(Call::MbarrierInit, {}, {barrierOf(op, adaptor, c), c.number(op.getCount()), c.site()});
  });
  add.operator()<MbarrierFenceOp>([](MbarrierFenceOp, auto, Caller &c) { return c.call(Call::MbarrierFence, {}, {}); });
  add.operator()<MbarrierExpectOp>([](MbarrierExpectOp op, auto adaptor, Caller &c) {
    return c.call(Call::MbarrierArrive, {}, {barrierOf(op, adaptor, c), llvmConstant(c.b, op.getBytes(), 64), c.site()});
  });
  add.operator()<MbarrierArriveOp>([](MbarrierArriveOp op, auto adaptor, Caller &c) {
    return c.call(Call::MbarrierArrive, {}, {barrierOf(op, adaptor, c), llvmConstant(c.b, 0, 64), c.site()});
  });
  add.operator()<MbarrierWaitOp>([](MbarrierWaitOp op, auto adaptor, Caller &c) {
    return c.call(Call::MbarrierWait, {}, {barrierOf(op, adaptor, c), adaptor.getParity(), c.site()});
  });
  add.operator()<TensorCopyOp>([](TensorCopyOp op, auto adaptor, Caller &c) {
    Value coordinates = c.slot(LLVM::LLVMArrayType::get(c.b.getI32Type(), adaptor.getCoordinates().size()));
    for (auto [axis, coordinate] : llvm::enumerate(adaptor.getCoordinates()))
      LLVM::StoreOp::create(c.b, coordinate, c.address(coordinates, c.number(axis), c.b.getI32Type()));
    Value to = c.address(adaptor.getTo(), adaptor.getToIndex(), op.getTo().getType().getElement());
    return c.call(Call::TensorCopy, {}, {adaptor.getMap(), coordinates, to, barrierOf(op, adaptor, c), c.site()});
  });
  add.operator()<ProxyFenceOp>([](ProxyFenceOp, auto, Caller &c) { return c.call(Call::ProxyFence, {}, {}); });
  // Launches come one after the other here.
  add.operator()<DependencyWaitOp>([](DependencyWaitOp, auto, Caller &) { return Value(); });
  add.operator()<SetRegistersOp>(
      [](SetRegistersOp op, auto, Caller &c) { return c.call(Call::SetRegisters, {}, {c.number(op.getCount())}); });

  addValues.operator()<WgmmaBeginOp>([](WgmmaBeginOp op, auto adaptor, Caller &c) {
    SmallVector<Value> registers;
    for (auto [value, before, type] : llvm::zip(adaptor.getValues(), op.getValues().getTypes(), op.getRegisters().getTypes())) {
      auto sums = before == type ? SumsType() : cast<SumsType>(type);
      registers.push_back(sums ? c.call(Call::WgmmaBegin, c.b.getI32Type(), {c.stored(value), c.number(sums.getColumns())}) : value);
    }
    return registers;
  });
  add.operator()<WgmmaOp>([](WgmmaOp op, auto adaptor, Caller &c) {
    Type element = op.getB().getType().getElement();
    Value a = c.address(adaptor.getA(), adaptor.getAIndex(), element), b = c.address(adaptor.getB(), adaptor.getBIndex(), element);
    Value product = productOf(c, a, op.getALayout(), b, op.getBLayout(), /*fragments=*/false, element, op.getOverwrite());
    return c.call(Call::Wgmma, c.b.getI32Type(), {adaptor.getSums(), product, c.site()});
  });
  add.operator()<WgmmaFragmentsOp>([](WgmmaFragmentsOp op, auto adaptor, Caller &c) {
    Type element = op.getB().getType().getElement();
    Value b = c.address(adaptor.getB(), adaptor.getBIndex(), element);
    Value product = productOf(c, c.stored(adaptor.getA()), {}, b, op.getBLayout(), /*fragments=*/true, element, op.getOverwrite());
    return c.call(Call::Wgmma, c.b.getI32Type(), {adaptor.getSums(), product, c.site()});
  });
  add.operator()<WgmmaCommitOp>([](WgmmaCommitOp, auto, Caller &c) { return c.call(Call::WgmmaCommit, {}, {c.site()}); });
  addValues.operator()<WgmmaWaitOp>([](WgmmaWaitOp op, auto adaptor, Caller &c) {
    c.call(Call::WgmmaWait, {}, {c.number(op.getPending()), c.site()});
    SmallVector<Value> values;
    for (auto [sums, type] : llvm::zip(adaptor.getSums(), op.getValues().getTypes())) {
      if (isa<SumsType>(type)) {
        values.push_back(sums);
        continue;
      }
      Value memory = c.slot(type);
      c.call(Call::WgmmaTake, {}, {sums, memory, c.site()});
      values.push_back(LLVM::LoadOp::create(c.b, type, memory, /*alignment=*/16));
    }
    return values;
  });
}

} // namespace vitc::gpu
