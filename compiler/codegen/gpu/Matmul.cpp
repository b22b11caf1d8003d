//===- Matmul.cpp - kernel.matmul and kernel.contract_rows on a GPU -----------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/codegen/gpu/Product.h"

#include <limits>

using namespace mlir;

namespace vitc::gpu {

FailureOr<KernelInfo> emitMatmul(ModuleOp module, kernel::MatmulOp op, StringRef symbol, const DeviceTarget &target) {
  const int64_t rowsPerImage = rowsOfImage(op.getValue());
  Type element = tensorOf(op.getInput()).getElementType();
  Product product;
  product.outputs = tensorOf(op.getValue()).getShape().back();
  product.depth = tensorOf(op.getInput()).getShape().back();
  product.segment = vectorFor(product.depth, element);
  product.activation = op.getActivation();
  product.rounded = op.getBf16();
  const ProductShape shape = shapeOf(product, rowsPerImage, element, element);
  const ProductSchedule schedule = product.rounded ? chooseRoundedProduct(shape, target) : chooseProduct(shape, target);
  DeviceFunction f(module, symbol, op.getLoc(), elementsOf(op), schedule.threads());
  ImplicitLocOpBuilder &b = f.b;
  product.rows = mul(b, f.images, rowsPerImage);

  unsigned operand = 0;
  product.input = rowMajor(b, f.operand(operand++), product.depth);
  product.weight = f.operand(operand++);
  product.weightByColumns = op.getTransposed();
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
  emitProduct(f, product, schedule);

  KernelInfo info;
  info.symbol = symbol.str();
  info.kind = "matmul";
  describeProduct(info, f, product, schedule, rowsPerImage);
  return info;
}

/// Rows of the result are columns of lhs; its blocks go through all rows of lhs and rhs, in their order.
FailureOr<KernelInfo> emitContractRows(ModuleOp module, kernel::ContractRowsOp op, StringRef symbol, const DeviceTarget &target) {
  const int64_t rows = tensorOf(op.getLhs()).getShape().back();
  Type element = tensorOf(op.getLhs()).getElementType();
  Product product;
  product.outputs = tensorOf(op.getRhs()).getShape().back();
  product.segment = vectorFor(rows, element);
  product.rounded = op.getBf16();
  // The result is no greater for more images; K is that of a few.
  DeviceTarget once = target;
  once.images = 1;
  const ProductShape shape = {rows, product.outputs, 8 * rowsOfImage(op.getLhs()), product.segment, element, element};
  const ProductSchedule schedule = product.rounded ? chooseRoundedProduct(shape, once) : chooseProduct(shape, once);
  DeviceFunction f(module, symbol, op.getLoc(), elementsOf(op), schedule.threads());
  ImplicitLocOpBuilder &b = f.b;
  product.steps = mul(b, f.images, rowsOfImage(op.getLhs()));
  product.rows = constant(b, rows);
  auto lhs = rowMajor(b, f.operand(0), rows);
  product.input = [lhs](Value row, Value k) { return lhs(k, row); };
  product.inputByColumns = true;
  product.weight = f.operand(1);
  product.weightByColumns = true;
  product.residual = product.result = rowMajor(b, f.operand(2), product.outputs);
  emitProduct(f, product, schedule);

  KernelInfo info;
  info.symbol = symbol.str();
  info.kind = "contract_rows";
  describeProduct(info, f, product, schedule, /*rowsPerImage=*/1);
  info.columnTasks *= llvm::divideCeilSigned(rows, info.rowsPerTask);
  info.rowsPerTask = std::numeric_limits<int32_t>::max();
  info.choosesByImages = false;
  return info;
}

} // namespace vitc::gpu
