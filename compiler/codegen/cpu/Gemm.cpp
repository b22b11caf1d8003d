//===- Gemm.cpp - kernel.gemm ---------------------------------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/codegen/cpu/Gemm.h"
#include "compiler/codegen/cpu/MatrixProduct.h"

using namespace mlir;

namespace vitc::cpu {

FailureOr<KernelInfo> emitGemm(ModuleOp module, kernel::GemmOp op, StringRef symbol) {
  if (!op.getScheduleAttr())
    return op.emitOpError() << "has no schedule to generate code by";
  ArrayRef<int64_t> inputShape = cast<ShapedType>(op.getInput().getType()).getShape();
  int64_t rowsPerImage = 1, elementsPerImage = inputShape.back();
  for (int64_t size : inputShape.drop_front().drop_back())
    elementsPerImage *= size;
  for (int64_t size : cast<ShapedType>(op.getValue().getType()).getShape().drop_front().drop_back())
    rowsPerImage *= size;

  Type inputType = cast<ShapedType>(op.getInput().getType()).getElementType();
  Type weightType = cast<ShapedType>(op.getWeight().getType()).getElementType();
  Type resultType = cast<ShapedType>(op.getValue().getType()).getElementType();
  const int64_t perWord = kernel::elementsPerWord(weightType), perElement = kernel::elementsPerWord(inputType);
  MatrixProduct product;
  product.kind = productKind(inputType, weightType);
  product.depth = llvm::divideCeil(op.getDepth(), perWord);
  product.outputs = cast<ShapedType>(op.getValue().getType()).getShape().back();
  product.schedule = op.getScheduleAttr();
  product.activation = op.getActivation();
  product.activationLast = op.getActivationLast();

  KernelFunction f(module, symbol, op.getLoc());
  unsigned operand = 0;
  product.rows = mul(f.b, f.images, rowsPerImage);
  product.input.elements = f.activation(operand++, {}, inputWord(f.b, product.kind));
  if (std::optional<kernel::WindowAttr> window = op.getWindow()) {
    // A row of a window is contiguous.
    int64_t channels = inputShape.back() / perElement, across = window->windowsAcross(), pixelRow = window->getWidth() * channels;
    product.input.segment = window->getColumns() * inputShape.back() / perWord;
    product.input.first = [=, &f](Value row) {
      Value image = div(f.b, row, rowsPerImage), place = rem(f.b, row, rowsPerImage);
      Value y = mul(f.b, div(f.b, place, across), window->getStrideY() * pixelRow);
      Value x = mul(f.b, rem(f.b, place, across), window->getStrideX() * channels);
      return add(f.b, mul(f.b, image, elementsPerImage / perElement), add(f.b, y, x));
    };
    product.input.segmentOffset = [=, &f](Value segment) { return mul(f.b, segment, pixelRow); };
  } else {
    product.input.segment = product.depth;
    product.input.first = [&](Value row) { return mul(f.b, row, inputShape.back() / perElement); };
  }
  product.weights = f.weight(operand++, product.packedShape(), weightWord(f.b, product.kind));
  if (op.getBias())
    product.bias = f.weight(operand++, {product.outputs});
  if (op.getResidual())
    product.addend = f.rows(operand++, rowsPerImage, product.outputs, resultType);
  if (op.getRowScales())
    product.rowScales = f.rows(operand++, rowsPerImage, 2);
  if (op.getColumnScales())
    product.columnScales = f.weight(operand++, {2, product.outputs});
  product.inputGrid = byteGrid(op.getInputGrid());
  product.resultGrid = byteGrid(op.getResultGrid());
  product.result = f.rows(operand++, rowsPerImage, product.outputs, resultType);
  product.resultRow = product.addendRow = [](Value row) { return row; };
  emitMatrixProduct(f, product);

  KernelInfo info;
  info.symbol = symbol.str();
  info.kind = "gemm";
  llvm::raw_string_ostream(info.schedule) << product.schedule;
  info.scratchBytes = product.scratchBytes();
  info.rowsPerImage = rowsPerImage;
  info.rowsPerTask = product.schedule.getRows();
  info.columnTasks = product.panels();
  return info;
}

} // namespace vitc::cpu
