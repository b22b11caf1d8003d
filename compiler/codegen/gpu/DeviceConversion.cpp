//===- DeviceConversion.cpp - what both lowerings of the device dialect share -------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/codegen/gpu/DeviceConversion.h"
#include "dialects/device/DeviceDialect.h"

#include "mlir/Dialect/SCF/Transforms/Patterns.h"

using namespace mlir;

namespace vitc::gpu {

Value llvmConstant(ImplicitLocOpBuilder &b, int64_t value, unsigned bits) {
  return LLVM::ConstantOp::create(b, b.getIntegerType(bits), b.getIntegerAttr(b.getIntegerType(bits), value));
}

DeviceTypeConverter::DeviceTypeConverter(bool emulated) {
  addConversion([](Type type) { return type; });
  addConversion([emulated](device::MemoryType type) -> Type {
    return LLVM::LLVMPointerType::get(type.getContext(), emulated ? 0 : static_cast<unsigned>(type.getSpace()));
  });
  addConversion([](device::TensorMapType type) -> Type { return LLVM::LLVMPointerType::get(type.getContext()); });
  addConversion([emulated](device::SumsType type) -> Type {
    MLIRContext *context = type.getContext();
    if (emulated)
      return IntegerType::get(context, 32);
    return LLVM::LLVMStructType::getLiteral(context, SmallVector<Type>(type.getColumns() / 2, Float32Type::get(context)));
  });
  auto cast = [](OpBuilder &builder, Type type, ValueRange values, Location loc) -> Value {
    return UnrealizedConversionCastOp::create(builder, loc, type, values).getResult(0);
  };
  addSourceMaterialization(cast);
  addTargetMaterialization(cast);
}

LogicalResult convertDevice(Operation *root, const TypeConverter &converter, ConversionTarget &target, RewritePatternSet kernels,
                            RewritePatternSet operations) {
  ConversionTarget first(*root->getContext());
  first.addIllegalOp<device::KernelOp>();
  first.markUnknownOpDynamicallyLegal([](Operation *) { return true; });
  if (failed(applyPartialConversion(root, first, std::move(kernels))))
    return failure();
  target.addIllegalDialect<device::DeviceDialect>();
  target.markUnknownOpDynamicallyLegal([](Operation *) { return true; });
  // Loops carry sums.
  scf::populateSCFStructuralTypeConversionsAndLegality(converter, operations, target);
  return applyPartialConversion(root, target, std::move(operations));
}

} // namespace vitc::gpu
