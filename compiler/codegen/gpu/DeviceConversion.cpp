//===- DeviceConversion.cpp - what both lowerings of the device dialect share -------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/codegen/gpu/DeviceConversion.h"
#include "dialects/device/DeviceDialect.h"

using namespace mlir;

namespace vitc::gpu {

Value llvmConstant(ImplicitLocOpBuilder &b, int64_t value, unsigned bits) {
  return LLVM::ConstantOp::create(b, b.getIntegerType(bits), b.getIntegerAttr(b.getIntegerType(bits), value));
}

MemoryConverter::MemoryConverter(bool addressSpaces) {
  addConversion([](Type type) { return type; });
  addConversion([addressSpaces](device::MemoryType type) -> Type {
    return LLVM::LLVMPointerType::get(type.getContext(), addressSpaces ? static_cast<unsigned>(type.getSpace()) : 0);
  });
  auto cast = [](OpBuilder &builder, Type type, ValueRange values, Location loc) -> Value {
    return UnrealizedConversionCastOp::create(builder, loc, type, values).getResult(0);
  };
  addSourceMaterialization(cast);
  addTargetMaterialization(cast);
}

LogicalResult convertDevice(Operation *root, ConversionTarget &target, RewritePatternSet kernels, RewritePatternSet operations) {
  ConversionTarget first(*root->getContext());
  first.addIllegalOp<device::KernelOp>();
  first.markUnknownOpDynamicallyLegal([](Operation *) { return true; });
  if (failed(applyPartialConversion(root, first, std::move(kernels))))
    return failure();
  target.addIllegalDialect<device::DeviceDialect>();
  target.markUnknownOpDynamicallyLegal([](Operation *) { return true; });
  return applyPartialConversion(root, target, std::move(operations));
}

} // namespace vitc::gpu
