//===- Gemm.cpp - kernel.gemm on a GPU ----------------------------------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/codegen/gpu/ProductChoice.h"

using namespace mlir;

namespace vitc::gpu {

FailureOr<KernelInfo> emitGemm(ModuleOp module, kernel::GemmOp op, StringRef symbol, const DeviceTarget &target) {
  if (op.getRowScales() || op.getColumnScales() || op.getInputGrid() || op.getResultGrid())
    return op.emitOpError() << "is a product of bytes, for which a GPU has no kernel";
  FailureOr<AnyProductSchedule> chosen = productScheduleOf(op, target);
  if (failed(chosen))
    return failure();
  const auto *large = std::get_if<WarpgroupSchedule>(&*chosen);
  const ProductSchedule schedule = large ? ProductSchedule() : std::get<ProductSchedule>(*chosen);
  const int64_t parts = large ? large->parts : schedule.parts;
  const ProductShape shape = gemmShape(op);
  const int64_t rows = shape.rowsPerImage, width = tensorOf(op.getInput()).getShape().back();
  Product product;
  product.outputs = shape.outputs;
  product.depth = shape.depth;
  product.segment = vectorFor(width, shape.input);
  product.activation = op.getActivation();
  product.activationLast = op.getActivationLast();

  const SmallVector<Type> elements = elementsOf(op);
  DeviceFunction f(module, symbol, op.getLoc(), withParts(elements, parts), large ? large->threads() : schedule.threads());
  ImplicitLocOpBuilder &b = f.b;
  product.rows = mul(b, f.images, rows);
  unsigned operand = 0;
  Value input = f.operand(operand++);
  if (kernel::WindowAttr window = op.getWindowAttr()) {
    const int64_t across = window.windowsAcross(), windows = window.windowsDown() * across, pixels = window.getHeight() * window.getWidth();
    product.input = [=, &b](Value row, Value k) {
      Value image = rowOf(b, input, div(b, row, windows), pixels * width), number = rem(b, row, windows), tap = div(b, k, width);
      Value y = add(b, mul(b, div(b, number, across), window.getStrideY()), div(b, tap, window.getColumns()));
      Value x = add(b, mul(b, rem(b, number, across), window.getStrideX()), rem(b, tap, window.getColumns()));
      return Place{image, add(b, mul(b, add(b, mul(b, y, window.getWidth()), x), width), rem(b, k, width))};
    };
  } else {
    product.input = rowMajor(b, input, width);
  }
  product.weight = f.operand(operand++);
  if (op.getBias())
    product.bias = f.operand(operand++);
  if (op.getResidual())
    product.residual = rowMajor(b, f.operand(operand++), product.outputs);
  product.result = rowMajor(b, f.operand(operand), product.outputs);
  takeParts(product, f, parts, elements.size());

  KernelInfo info;
  info.symbol = symbol.str();
  info.kind = "gemm";
  if (large) {
    emitWarpgroupProduct(f, product, *large, rows, info);
  } else {
    emitProduct(f, product, schedule);
    describeProduct(info, f, product, schedule, rows);
  }
  return info;
}

} // namespace vitc::gpu
