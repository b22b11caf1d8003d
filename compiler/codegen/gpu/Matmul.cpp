//===- Matmul.cpp - kernel.matmul and kernel.contract_rows on a GPU -----------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/codegen/gpu/WarpgroupProduct.h"

using namespace mlir;

namespace vitc::gpu {

namespace {

/// Which kernel a training product has: operands of bf16 are multiplied by warpgroups where there are any, those of f32 that are to be rounded
/// by warps.
struct Choice {
  Choice(const ProductShape &shape, bool rounded, const DeviceTarget &target)
      : large(rounded ? std::nullopt : chooseWarpgroupProduct(shape, target)),
        schedule(rounded ? chooseRoundedProduct(shape, target) : chooseProduct(shape, target)) {}

  int64_t threads() const { return large ? large->threads() : schedule.threads(); }
  int64_t parts() const { return large ? large->parts : schedule.parts; }

  /// The kernel of a launch.
  DeviceFunction function(ModuleOp module, StringRef symbol, Operation *launch) const {
    return DeviceFunction(module, symbol, launch->getLoc(), withParts(elementsOf(launch), parts()), threads());
  }

  KernelInfo emit(DeviceFunction &f, Product &product, StringRef symbol, Operation *launch, int64_t rowsPerImage) const {
    takeParts(product, f, parts(), launch->getNumOperands() + launch->getNumResults());
    KernelInfo info;
    info.symbol = symbol.str();
    info.kind = launch->getName().stripDialect().str();
    if (large) {
      emitWarpgroupProduct(f, product, *large, rowsPerImage, info);
    } else {
      emitProduct(f, product, schedule);
      describeProduct(info, f, product, schedule, rowsPerImage);
    }
    return info;
  }

  std::optional<WarpgroupSchedule> large;
  ProductSchedule schedule;
};

} // namespace

FailureOr<KernelInfo> emitMatmul(ModuleOp module, kernel::MatmulOp op, StringRef symbol, const DeviceTarget &target) {
  const int64_t rowsPerImage = rowsOfImage(op.getValue());
  Type element = tensorOf(op.getInput()).getElementType();
  Product product;
  product.outputs = tensorOf(op.getValue()).getShape().back();
  product.depth = tensorOf(op.getInput()).getShape().back();
  product.segment = vectorFor(product.depth, element);
  product.weightByColumns = op.getTransposed();
  product.activation = op.getActivation();
  product.rounded = op.getBf16() && element.isF32();
  const Choice choice(shapeOf(product, rowsPerImage, element, element), product.rounded, target);
  DeviceFunction f = choice.function(module, symbol, op);
  ImplicitLocOpBuilder &b = f.b;
  product.rows = mul(b, f.images, rowsPerImage);

  unsigned operand = 0;
  product.input = rowMajor(b, f.operand(operand++), product.depth);
  product.weight = f.operand(operand++);
  // A bias is a part of several that lie side by side, and begins where the one before it ends.
  product.biasSegment = 1;
  if (op.getBias())
    product.bias = f.operand(operand++);
  auto rows = [&](bool present) -> std::function<Place(Value, Value)> {
    if (!present)
      return nullptr;
    return rowMajor(b, f.operand(operand++), product.outputs);
  };
  product.residual = rows(static_cast<bool>(op.getResidual()));
  product.factor = rows(static_cast<bool>(op.getFactor()));
  product.result = rows(true);
  product.derivative = rows(static_cast<bool>(op.getDerivative()));
  return choice.emit(f, product, symbol, op, rowsPerImage);
}

/// Rows of the result are columns of lhs; its blocks go through all rows of lhs and rhs, or a part of them, in their order.
FailureOr<KernelInfo> emitContractRows(ModuleOp module, kernel::ContractRowsOp op, StringRef symbol, const DeviceTarget &target) {
  const int64_t rowsPerImage = rowsOfImage(op.getLhs());
  Type element = tensorOf(op.getLhs()).getElementType();
  Product product;
  product.fixedRows = tensorOf(op.getLhs()).getShape().back();
  product.outputs = tensorOf(op.getRhs()).getShape().back();
  product.segment = vectorFor(product.fixedRows, element);
  product.inputByColumns = product.weightByColumns = true;
  product.rounded = op.getBf16() && element.isF32();
  // The result is no greater for more images; K is that of a group.
  constexpr int64_t images = 64;
  DeviceTarget once = target;
  once.images = 1;
  ProductShape shape = shapeOf(product, product.fixedRows, element, element);
  shape.depth = images * rowsPerImage;
  shape.partable = true;
  const Choice choice(shape, product.rounded, once);
  DeviceFunction f = choice.function(module, symbol, op);
  ImplicitLocOpBuilder &b = f.b;
  product.steps = mul(b, f.images, rowsPerImage);
  product.rows = constant(b, product.fixedRows);
  auto lhs = rowMajor(b, f.operand(0), product.fixedRows);
  product.input = [lhs](Value row, Value k) { return lhs(k, row); };
  product.weight = f.operand(1);
  product.residual = product.result = rowMajor(b, f.operand(2), product.outputs);
  return choice.emit(f, product, symbol, op, rowsPerImage);
}

} // namespace vitc::gpu
