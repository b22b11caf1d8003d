//===- Binding.cpp - kernel.binding as a bind function ------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/codegen/cpu/CpuCodegen.h"
#include "compiler/codegen/cpu/KernelFunction.h"
#include "compiler/codegen/cpu/ReferenceBody.h"
#include "dialects/kernel/KernelDialect.h"

#include "mlir/Conversion/LLVMCommon/MemRefBuilder.h"
#include "mlir/Conversion/LLVMCommon/TypeConverter.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

using namespace mlir;

namespace vitc::cpu {

/// Axes of a source, as `struct Source` of docs/abi.md has room for.
static constexpr int64_t maxSourceRank = 5;

static MemRefType sourceType(RankedTensorType tensor) {
  SmallVector<int64_t> strides(tensor.getRank(), ShapedType::kDynamic);
  return MemRefType::get(tensor.getShape(), tensor.getElementType(), StridedLayoutAttr::get(tensor.getContext(), 0, strides));
}

/// sources[index] as a memref: its data pointer and strides are read from the array.
static Value sourceAt(ImplicitLocOpBuilder &b, Value sources, int64_t index, MemRefType type) {
  MLIRContext *context = b.getContext();
  Type pointer = LLVM::LLVMPointerType::get(context), i64 = b.getI64Type();
  auto source = LLVM::LLVMStructType::getLiteral(context, {pointer, LLVM::LLVMArrayType::get(i64, maxSourceRank)});
  auto field = [&](Type type, ArrayRef<LLVM::GEPArg> path) -> Value {
    return LLVM::LoadOp::create(b, type, LLVM::GEPOp::create(b, pointer, source, sources, path));
  };
  auto at = static_cast<int32_t>(index);
  Location loc = b.getLoc();
  LLVMTypeConverter converter(context);
  MemRefDescriptor descriptor = MemRefDescriptor::poison(b, loc, converter.convertType(type));
  Value data = field(pointer, {at, 0});
  descriptor.setAllocatedPtr(b, loc, data);
  descriptor.setAlignedPtr(b, loc, data);
  descriptor.setConstantOffset(b, loc, 0);
  for (auto [axis, size] : llvm::enumerate(type.getShape())) {
    descriptor.setConstantSize(b, loc, axis, size);
    descriptor.setStride(b, loc, axis, field(i64, {at, 1, static_cast<int32_t>(axis)}));
  }
  return UnrealizedConversionCastOp::create(b, TypeRange{type}, ValueRange{descriptor}).getResult(0);
}

FailureOr<int64_t> emitBinding(ModuleOp module, Operation *operation, StringRef symbol) {
  auto binding = cast<kernel::BindingOp>(operation);
  Region &region = binding.getBody();
  SmallVector<MemRefType> sources;
  for (auto [argument, name] : llvm::zip(region.getArguments(), binding.getSources())) {
    auto type = cast<RankedTensorType>(argument.getType());
    if (!type.hasStaticShape() || type.getRank() > maxSourceRank)
      return binding.emitOpError() << "source " << name << " has the type " << type << ", but sources have static shapes of at most "
                                   << maxSourceRank << " axes";
    sources.push_back(sourceType(type));
  }
  auto packed = cast<RankedTensorType>(region.front().getTerminator()->getOperand(0).getType());
  auto packedType = MemRefType::get(packed.getShape(), packed.getElementType());
  FailureOr<ReferenceBody> body = ReferenceBody::lower(region, sources, packedType);
  if (failed(body))
    return failure();

  ImplicitLocOpBuilder b(binding.getLoc(), module.getContext());
  b.getContext()->loadDialect<LLVM::LLVMDialect>();
  Type pointer = LLVM::LLVMPointerType::get(b.getContext());
  b.setInsertionPointToEnd(module.getBody());
  auto function = func::FuncOp::create(b, symbol, b.getFunctionType({pointer, pointer, pointer}, {}));
  Block *entry = function.addEntryBlock();
  b.setInsertionPointToStart(entry);
  SmallVector<Value> operands;
  for (auto [index, type] : llvm::enumerate(sources))
    operands.push_back(sourceAt(b, entry->getArgument(1), index, type));
  operands.push_back(memrefAt(b, entry->getArgument(0), packedType));
  body->inlineInto(b, operands, [&](int64_t offset, MemRefType type) {
    Value at = LLVM::GEPOp::create(b, pointer, b.getI8Type(), entry->getArgument(2), ArrayRef<LLVM::GEPArg>{static_cast<int32_t>(offset)});
    return memrefAt(b, at, type);
  });
  func::ReturnOp::create(b);
  return body->scratchBytes();
}

} // namespace vitc::cpu
