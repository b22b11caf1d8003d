//===- DeviceFunction.cpp - the kernel of a launch on a GPU -------------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/codegen/gpu/DeviceFunction.h"
#include "compiler/codegen/gpu/DeviceConversion.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

#include "llvm/Support/MathExtras.h"

#include <bit>

using namespace mlir;

namespace vitc::gpu {

DeviceFunction::DeviceFunction(ModuleOp module, StringRef symbol, Location loc, ArrayRef<Type> elements, int64_t threads)
    : b(loc, module.getContext()) {
  module.getContext()->loadDialect<arith::ArithDialect, device::DeviceDialect, math::MathDialect, scf::SCFDialect, vector::VectorDialect>();
  SmallVector<Type> types = llvm::map_to_vector(
      elements, [&](Type element) -> Type { return device::MemoryType::get(b.getContext(), device::Space::Global, element); });
  types.push_back(b.getI32Type());
  b.setInsertionPointToEnd(module.getBody());
  kernel = device::KernelOp::create(b, symbol, types, threads, /*sharedBytes=*/0);
  Block *entry = b.createBlock(&kernel.getBody(), {}, types, SmallVector<Location>(types.size(), loc));
  b.setInsertionPoint(device::ReturnOp::create(b));
  images = entry->getArguments().back();
  block = device::BlockIdOp::create(b, b.getI32Type());
  thread = device::ThreadIdOp::create(b, b.getI32Type());
}

Value DeviceFunction::takeTensorMap(Type element, int64_t rank) {
  const unsigned number = kernel.getNumArguments();
  [[maybe_unused]] LogicalResult inserted = kernel.insertArgument(number, device::TensorMapType::get(b.getContext(), element, rank),
                                                                  DictionaryAttr::get(b.getContext()), b.getLoc());
  assert(succeeded(inserted) && "a kernel takes arguments of any type");
  return kernel.getArgument(number);
}

Value DeviceFunction::takeShared(int64_t elements, Type element, int64_t alignment) {
  int64_t offset = llvm::alignTo(sharedBytes(), alignment);
  kernel.setSharedBytes(offset + elements * device::bytesOf(element));
  return device::SharedOp::create(b, device::MemoryType::get(b.getContext(), device::Space::Shared, element), offset);
}

void DeviceFunction::limitRegisters(int64_t blocks) { kernel->setAttr(residentBlocks, b.getI64IntegerAttr(blocks)); }

Value constant(ImplicitLocOpBuilder &b, int64_t value) {
  return arith::ConstantOp::create(b, b.getI32IntegerAttr(static_cast<int32_t>(value)));
}
Value add(ImplicitLocOpBuilder &b, Value lhs, Value rhs) { return arith::AddIOp::create(b, lhs, rhs); }
Value add(ImplicitLocOpBuilder &b, Value lhs, int64_t rhs) { return rhs ? add(b, lhs, constant(b, rhs)) : lhs; }
Value sub(ImplicitLocOpBuilder &b, Value lhs, Value rhs) { return arith::SubIOp::create(b, lhs, rhs); }
Value mul(ImplicitLocOpBuilder &b, Value lhs, Value rhs) { return arith::MulIOp::create(b, lhs, rhs); }
Value mul(ImplicitLocOpBuilder &b, Value lhs, int64_t rhs) { return rhs == 1 ? lhs : mul(b, lhs, constant(b, rhs)); }
Value div(ImplicitLocOpBuilder &b, Value lhs, int64_t rhs) { return rhs == 1 ? lhs : arith::DivUIOp::create(b, lhs, constant(b, rhs)); }
Value rem(ImplicitLocOpBuilder &b, Value lhs, int64_t rhs) { return arith::RemUIOp::create(b, lhs, constant(b, rhs)); }
Value min(ImplicitLocOpBuilder &b, Value lhs, Value rhs) { return arith::MinSIOp::create(b, lhs, rhs); }
Value less(ImplicitLocOpBuilder &b, Value lhs, Value rhs) { return arith::CmpIOp::create(b, arith::CmpIPredicate::slt, lhs, rhs); }
Value less(ImplicitLocOpBuilder &b, Value lhs, int64_t rhs) { return less(b, lhs, constant(b, rhs)); }
Value both(ImplicitLocOpBuilder &b, Value lhs, Value rhs) { return arith::AndIOp::create(b, lhs, rhs); }
Value select(ImplicitLocOpBuilder &b, Value condition, Value then, Value otherwise) {
  return arith::SelectOp::create(b, condition, then, otherwise);
}

Value number(ImplicitLocOpBuilder &b, double value) { return arith::ConstantOp::create(b, b.getF32FloatAttr(static_cast<float>(value))); }
Value maximum(ImplicitLocOpBuilder &b, Value lhs, Value rhs) { return arith::MaximumFOp::create(b, lhs, rhs); }

/// `type` with other elements.
static Type withElement(Type type, Type element) {
  auto vector = dyn_cast<VectorType>(type);
  return vector ? vector.clone(element) : element;
}

Value widened(ImplicitLocOpBuilder &b, Value value) {
  return getElementTypeOrSelf(value).isF32() ? value : arith::ExtFOp::create(b, withElement(value.getType(), b.getF32Type()), value);
}

Value narrowed(ImplicitLocOpBuilder &b, Value value, Type element) {
  if (isa<FloatTF32Type>(element))
    return device::ToTf32Op::create(b, value.getType(), value);
  return element.isF32() ? value : arith::TruncFOp::create(b, withElement(value.getType(), element), value);
}

Value meetingOfLanes(ImplicitLocOpBuilder &b, Value value, int64_t lanes, function_ref<Value(Value, Value)> combine) {
  assert(std::has_single_bit(static_cast<uint64_t>(lanes)) && lanes <= device::kWarp);
  for (int64_t mask = lanes / 2; mask > 0; mask /= 2)
    value = combine(value, device::ShuffleOp::create(b, value.getType(), value, static_cast<uint32_t>(mask)));
  return value;
}

Value sumOfLanes(ImplicitLocOpBuilder &b, Value value, int64_t lanes) {
  return meetingOfLanes(b, value, lanes, [&](Value x, Value y) { return addf(b, x, y); });
}
Value maximumOfLanes(ImplicitLocOpBuilder &b, Value value, int64_t lanes) {
  return meetingOfLanes(b, value, lanes, [&](Value x, Value y) { return maximum(b, x, y); });
}

static Type accessType(Value memory, int64_t lanes) {
  Type element = device::registerType(cast<device::MemoryType>(memory.getType()).getElement());
  return lanes == 1 ? element : VectorType::get({lanes}, element);
}

Value load(ImplicitLocOpBuilder &b, Value memory, Value index, int64_t lanes) {
  return device::LoadOp::create(b, accessType(memory, lanes), memory, index);
}

Value loadIf(ImplicitLocOpBuilder &b, Value condition, Value memory, Value index, int64_t lanes) {
  Type type = accessType(memory, lanes);
  auto zero = [&]() -> Value { return arith::ConstantOp::create(b, b.getZeroAttr(type)); };
  return ifElse(
             b, condition, type, [&] { return SmallVector<Value>{load(b, memory, index, lanes)}; },
             [&] { return SmallVector<Value>{zero()}; })
      .front();
}

void store(ImplicitLocOpBuilder &b, Value value, Value memory, Value index) { device::StoreOp::create(b, value, memory, index); }

Value advance(ImplicitLocOpBuilder &b, Value memory, Value index) { return device::AdvanceOp::create(b, memory.getType(), memory, index); }

Value rowOf(ImplicitLocOpBuilder &b, Value memory, Value row, int64_t stride) {
  Value wide = arith::ExtSIOp::create(b, b.getI64Type(), row);
  return advance(b, memory, arith::MulIOp::create(b, wide, arith::ConstantOp::create(b, b.getI64IntegerAttr(stride))));
}

Value lane(ImplicitLocOpBuilder &b, Value vector, int64_t number) {
  return isa<VectorType>(vector.getType()) ? vector::ExtractOp::create(b, vector, number) : vector;
}

Value vectorOf(ImplicitLocOpBuilder &b, ValueRange lanes) {
  if (lanes.size() == 1)
    return lanes.front();
  return vector::FromElementsOp::create(b, VectorType::get({static_cast<int64_t>(lanes.size())}, lanes.front().getType()), lanes);
}

Value concatenated(ImplicitLocOpBuilder &b, ValueRange vectors) {
  auto type = cast<VectorType>(vectors.front().getType());
  const int64_t size = type.getNumElements(), all = size * static_cast<int64_t>(vectors.size());
  Value result = arith::ConstantOp::create(b, b.getZeroAttr(VectorType::get({all}, type.getElementType())));
  for (auto [number, vector] : llvm::enumerate(vectors))
    result = vector::InsertStridedSliceOp::create(b, vector, result, ArrayRef<int64_t>{static_cast<int64_t>(number) * size},
                                                  ArrayRef<int64_t>{1});
  return result;
}

void barrier(ImplicitLocOpBuilder &b) { device::BarrierOp::create(b); }

SmallVector<Value> forLoop(ImplicitLocOpBuilder &b, Value lower, Value upper, int64_t step, ValueRange carried,
                           function_ref<SmallVector<Value>(Value, ValueRange)> body) {
  auto loop = scf::ForOp::create(b, lower, upper, constant(b, step), carried);
  OpBuilder::InsertionGuard guard(b);
  // An empty loop has its terminator already.
  if (carried.empty())
    b.setInsertionPoint(loop.getBody()->getTerminator());
  else
    b.setInsertionPointToEnd(loop.getBody());
  SmallVector<Value> next = body(loop.getInductionVar(), loop.getRegionIterArgs());
  if (!carried.empty())
    scf::YieldOp::create(b, next);
  return loop.getResults();
}

void ifThen(ImplicitLocOpBuilder &b, Value condition, function_ref<void()> then) {
  auto choice = scf::IfOp::create(b, condition);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPoint(choice.thenYield());
  then();
}

SmallVector<Value> ifElse(ImplicitLocOpBuilder &b, Value condition, TypeRange types, function_ref<SmallVector<Value>()> then,
                          function_ref<SmallVector<Value>()> otherwise) {
  auto choice = scf::IfOp::create(b, types, condition, /*addThenBlock=*/true, /*addElseBlock=*/true);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(choice.thenBlock());
  scf::YieldOp::create(b, then());
  b.setInsertionPointToStart(choice.elseBlock());
  scf::YieldOp::create(b, otherwise());
  return choice.getResults();
}

int64_t vectorFor(int64_t width, Type element) {
  int64_t lanes = 16 / device::bytesOf(element);
  while (width % lanes != 0)
    lanes /= 2;
  return lanes;
}

} // namespace vitc::gpu
