//===- KernelFunction.cpp - the entry point of a generated kernel -------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/codegen/cpu/KernelFunction.h"

#include "mlir/Conversion/LLVMCommon/MemRefBuilder.h"
#include "mlir/Conversion/LLVMCommon/TypeConverter.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

namespace vitc::cpu {

KernelFunction::KernelFunction(ModuleOp module, StringRef symbol, Location loc) : b(loc, module.getContext()) {
  MLIRContext *context = module.getContext();
  context->loadDialect<arith::ArithDialect, func::FuncDialect, LLVM::LLVMDialect, math::MathDialect, memref::MemRefDialect, scf::SCFDialect,
                       vector::VectorDialect>();
  Type pointer = LLVM::LLVMPointerType::get(context);
  Type i64 = b.getI64Type();
  b.setInsertionPointToEnd(module.getBody());
  auto function = func::FuncOp::create(b, symbol, b.getFunctionType({pointer, i64, i64, i64, pointer}, {}));
  Block *entry = function.addEntryBlock();
  b.setInsertionPointToStart(entry);
  b.setInsertionPoint(func::ReturnOp::create(b));
  buffers = entry->getArgument(0);
  images = arith::IndexCastOp::create(b, b.getIndexType(), entry->getArgument(1));
  begin = arith::IndexCastOp::create(b, b.getIndexType(), entry->getArgument(2));
  end = arith::IndexCastOp::create(b, b.getIndexType(), entry->getArgument(3));
  scratchMemory = entry->getArgument(4);
}

Value KernelFunction::buffer(unsigned operand) {
  Type pointer = LLVM::LLVMPointerType::get(b.getContext());
  Value slot = LLVM::GEPOp::create(b, pointer, pointer, buffers, ArrayRef<LLVM::GEPArg>{static_cast<int32_t>(operand)});
  return LLVM::LoadOp::create(b, pointer, slot);
}

Value KernelFunction::activation(unsigned operand, ArrayRef<int64_t> shape, Type element) {
  SmallVector<int64_t> dims{ShapedType::kDynamic};
  llvm::append_range(dims, shape);
  return memrefAt(b, buffer(operand), MemRefType::get(dims, element ? element : b.getF32Type()), images);
}

Value KernelFunction::rows(unsigned operand, int64_t rowsPerImage, int64_t width, Type element) {
  return memrefAt(b, buffer(operand), MemRefType::get({ShapedType::kDynamic, width}, element ? element : b.getF32Type()),
                  mul(b, images, rowsPerImage));
}

Value KernelFunction::weight(unsigned operand, ArrayRef<int64_t> shape, Type element) {
  return memrefAt(b, buffer(operand), MemRefType::get(shape, element ? element : b.getF32Type()));
}

Value KernelFunction::scratch(int64_t offset, ArrayRef<int64_t> shape, Type element) {
  Type pointer = LLVM::LLVMPointerType::get(b.getContext());
  Value at = LLVM::GEPOp::create(b, pointer, b.getI8Type(), scratchMemory, ArrayRef<LLVM::GEPArg>{static_cast<int32_t>(offset)});
  return memrefAt(b, at, MemRefType::get(shape, element ? element : b.getF32Type()));
}

Value memrefAt(ImplicitLocOpBuilder &b, Value pointer, MemRefType type, Value rows) {
  assert(type.getLayout().isIdentity() && (type.hasStaticShape() || (type.isDynamicDim(0) && type.getNumDynamicDims() == 1 && rows)));
  LLVMTypeConverter converter(b.getContext());
  // What cpu-floats-as-bits makes of it later.
  converter.addConversion([](FloatTF32Type element) -> Type { return Float32Type::get(element.getContext()); });
  Location loc = b.getLoc();
  MemRefDescriptor descriptor = MemRefDescriptor::poison(b, loc, converter.convertType(type));
  descriptor.setAllocatedPtr(b, loc, pointer);
  descriptor.setAlignedPtr(b, loc, pointer);
  descriptor.setConstantOffset(b, loc, 0);
  SmallVector<int64_t> strides = type.getStridesAndOffset().first;
  for (auto [axis, size] : llvm::enumerate(type.getShape())) {
    if (ShapedType::isDynamic(size))
      descriptor.setSize(b, loc, axis, arith::IndexCastOp::create(b, b.getI64Type(), rows));
    else
      descriptor.setConstantSize(b, loc, axis, size);
    descriptor.setConstantStride(b, loc, axis, strides[axis]);
  }
  return UnrealizedConversionCastOp::create(b, TypeRange{type}, ValueRange{descriptor}).getResult(0);
}

Value indexConstant(ImplicitLocOpBuilder &b, int64_t value) { return arith::ConstantIndexOp::create(b, value); }

Value floatConstant(ImplicitLocOpBuilder &b, double value) { return splat(b, value, 0); }

VectorType f32Vector(ImplicitLocOpBuilder &b, int64_t lanes) { return VectorType::get({lanes}, b.getF32Type()); }

Value splat(ImplicitLocOpBuilder &b, double value, int64_t lanes) {
  TypedAttr scalar = b.getF32FloatAttr(static_cast<float>(value));
  return arith::ConstantOp::create(b, lanes ? TypedAttr(DenseElementsAttr::get(f32Vector(b, lanes), Attribute(scalar))) : scalar);
}

Value add(ImplicitLocOpBuilder &b, Value lhs, Value rhs) { return arith::AddIOp::create(b, lhs, rhs); }
Value add(ImplicitLocOpBuilder &b, Value lhs, int64_t rhs) { return rhs ? add(b, lhs, indexConstant(b, rhs)) : lhs; }
Value sub(ImplicitLocOpBuilder &b, Value lhs, Value rhs) { return arith::SubIOp::create(b, lhs, rhs); }
Value mul(ImplicitLocOpBuilder &b, Value lhs, Value rhs) { return arith::MulIOp::create(b, lhs, rhs); }
Value mul(ImplicitLocOpBuilder &b, Value lhs, int64_t rhs) { return rhs == 1 ? lhs : mul(b, lhs, indexConstant(b, rhs)); }
Value div(ImplicitLocOpBuilder &b, Value lhs, int64_t rhs) { return arith::DivUIOp::create(b, lhs, indexConstant(b, rhs)); }
Value ceilDiv(ImplicitLocOpBuilder &b, Value lhs, int64_t rhs) { return div(b, add(b, lhs, rhs - 1), rhs); }
Value rem(ImplicitLocOpBuilder &b, Value lhs, int64_t rhs) { return arith::RemUIOp::create(b, lhs, indexConstant(b, rhs)); }
Value min(ImplicitLocOpBuilder &b, Value lhs, Value rhs) { return arith::MinSIOp::create(b, lhs, rhs); }
Value less(ImplicitLocOpBuilder &b, Value lhs, Value rhs) { return arith::CmpIOp::create(b, arith::CmpIPredicate::slt, lhs, rhs); }

Value load(ImplicitLocOpBuilder &b, Value memref, ValueRange at) { return memref::LoadOp::create(b, memref, at); }
void store(ImplicitLocOpBuilder &b, Value scalar, Value memref, ValueRange at) { memref::StoreOp::create(b, scalar, memref, at); }

Value firstLanes(ImplicitLocOpBuilder &b, int64_t lanes, int64_t count) {
  SmallVector<bool> bits(lanes);
  std::fill_n(bits.begin(), count, true);
  return arith::ConstantOp::create(b, DenseElementsAttr::get(VectorType::get({lanes}, b.getI1Type()), bits));
}

Value loadVector(ImplicitLocOpBuilder &b, Value memref, ValueRange at, int64_t lanes, int64_t count) {
  Type element = cast<MemRefType>(memref.getType()).getElementType();
  auto type = VectorType::get({lanes}, element);
  Value vector;
  if (count < lanes) {
    Value zeros = arith::ConstantOp::create(b, b.getZeroAttr(type));
    vector = vector::MaskedLoadOp::create(b, type, memref, at, firstLanes(b, lanes, count), zeros);
  } else {
    vector = vector::LoadOp::create(b, type, memref, at);
  }
  return element.isBF16() ? arith::ExtFOp::create(b, f32Vector(b, lanes), vector) : vector;
}

Value loadVector(ImplicitLocOpBuilder &b, Value memref, ValueRange at, int64_t lanes) { return loadVector(b, memref, at, lanes, lanes); }

void storeVector(ImplicitLocOpBuilder &b, Value vector, Value memref, ValueRange at, int64_t count) {
  int64_t lanes = cast<VectorType>(vector.getType()).getDimSize(0);
  Type element = cast<MemRefType>(memref.getType()).getElementType();
  if (element.isBF16())
    vector = arith::TruncFOp::create(b, VectorType::get({lanes}, element), vector);
  if (count < lanes)
    vector::MaskedStoreOp::create(b, memref, at, firstLanes(b, lanes, count), vector);
  else
    vector::StoreOp::create(b, vector, memref, at);
}

void storeVector(ImplicitLocOpBuilder &b, Value vector, Value memref, ValueRange at) {
  storeVector(b, vector, memref, at, cast<VectorType>(vector.getType()).getDimSize(0));
}

Value broadcast(ImplicitLocOpBuilder &b, Value scalar, int64_t lanes) {
  return vector::BroadcastOp::create(b, VectorType::get({lanes}, scalar.getType()), scalar);
}

Value fma(ImplicitLocOpBuilder &b, Value x, Value y, Value z) { return math::FmaOp::create(b, x, y, z); }
Value addf(ImplicitLocOpBuilder &b, Value x, Value y) { return arith::AddFOp::create(b, x, y); }
Value subf(ImplicitLocOpBuilder &b, Value x, Value y) { return arith::SubFOp::create(b, x, y); }
Value mulf(ImplicitLocOpBuilder &b, Value x, Value y) { return arith::MulFOp::create(b, x, y); }
Value divf(ImplicitLocOpBuilder &b, Value x, Value y) { return arith::DivFOp::create(b, x, y); }

SmallVector<Value> forLoop(ImplicitLocOpBuilder &b, Value lower, Value upper, int64_t step, ValueRange carried,
                           function_ref<SmallVector<Value>(Value, ValueRange)> body) {
  auto loop = scf::ForOp::create(b, lower, upper, indexConstant(b, step), carried);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(loop.getBody());
  SmallVector<Value> next = body(loop.getInductionVar(), loop.getRegionIterArgs());
  if (!carried.empty())
    scf::YieldOp::create(b, next);
  return loop.getResults();
}

void forLoop(ImplicitLocOpBuilder &b, Value lower, Value upper, int64_t step, function_ref<void(Value)> body) {
  forLoop(b, lower, upper, step, {}, [&](Value i, ValueRange) {
    body(i);
    return SmallVector<Value>();
  });
}

void ifThen(ImplicitLocOpBuilder &b, Value condition, function_ref<void()> then, function_ref<void()> otherwise) {
  auto branch = scf::IfOp::create(b, condition, /*withElseRegion=*/static_cast<bool>(otherwise));
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPoint(branch.thenYield());
  then();
  if (otherwise) {
    b.setInsertionPoint(branch.elseYield());
    otherwise();
  }
}

} // namespace vitc::cpu
