//===- PatchEmbed.cpp - kernel.patch_embed --------------------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/codegen/cpu/PatchEmbed.h"
#include "compiler/codegen/cpu/MatrixProduct.h"

using namespace mlir;

namespace vitc::cpu {

FailureOr<KernelInfo> emitPatchEmbed(ModuleOp module, kernel::PatchEmbedOp op, StringRef symbol) {
  if (!op.getScheduleAttr())
    return op.emitOpError() << "has no schedule to generate code by";
  ArrayRef<int64_t> imageShape = cast<ShapedType>(op.getImages().getType()).getShape();
  ArrayRef<int64_t> tokenShape = cast<ShapedType>(op.getValue().getType()).getShape();
  const int64_t channels = imageShape[1], height = imageShape[2], width = imageShape[3];
  const int64_t patchHeight = op.getPatch()[0], patchWidth = op.getPatch()[1];
  const int64_t patchesPerRow = width / patchWidth, patches = height / patchHeight * patchesPerRow;
  const int64_t tokens = tokenShape[1], prefixRows = tokens - patches;

  Type imageType = cast<ShapedType>(op.getImages().getType()).getElementType();
  Type weightType = cast<ShapedType>(op.getWeight().getType()).getElementType();
  const int64_t perWord = kernel::elementsPerWord(weightType), perElement = kernel::elementsPerWord(imageType);
  MatrixProduct product;
  product.kind = productKind(imageType, weightType);
  product.depth = channels * patchHeight * patchWidth / perWord;
  product.outputs = tokenShape[2];
  product.schedule = op.getScheduleAttr();

  KernelFunction f(module, symbol, op.getLoc());
  ImplicitLocOpBuilder &b = f.b;
  unsigned operand = 0;
  product.rows = mul(b, f.images, patches);
  product.input.elements = f.activation(operand++, {}, inputWord(b, product.kind));
  product.input.segment = patchWidth / perWord;
  product.input.first = [&](Value row) {
    Value image = div(b, row, patches), patch = rem(b, row, patches);
    Value pixelRow = mul(b, div(b, patch, patchesPerRow), patchHeight * width / perElement);
    Value pixel = mul(b, rem(b, patch, patchesPerRow), patchWidth / perElement);
    return add(b, mul(b, image, channels * height * width / perElement), add(b, pixelRow, pixel));
  };
  // Weights' columns are in (channel, row, column) order.
  product.input.segmentOffset = [&](Value segment) {
    return add(b, mul(b, div(b, segment, patchHeight), height * width / perElement),
               mul(b, rem(b, segment, patchHeight), width / perElement));
  };
  product.weights = f.weight(operand++, product.packedShape(), weightWord(b, product.kind));
  if (op.getPosition())
    product.addend = f.weight(operand++, {patches, product.outputs});
  product.addendRow = [&](Value row) { return rem(b, row, patches); };
  Value prefix = op.getPrefix() ? f.weight(operand++, {prefixRows, product.outputs}) : Value();
  product.result = f.rows(operand++, tokens, product.outputs);
  product.resultRow = [&](Value row) { return add(b, add(b, mul(b, div(b, row, patches), tokens), rem(b, row, patches)), prefixRows); };
  // The task that does an image's first patch copies the prefix rows, in its own columns.
  if (prefix)
    product.also = [&](Value first, Value last, Value firstColumn, Value lastColumn) {
      forLoop(b, ceilDiv(b, first, patches), ceilDiv(b, last, patches), 1, [&](Value image) {
        forLoop(b, indexConstant(b, 0), indexConstant(b, prefixRows), 1, [&](Value row) {
          Value resultRow = add(b, mul(b, image, tokens), row);
          forLoop(b, firstColumn, lastColumn, 1,
                  [&](Value column) { store(b, load(b, prefix, {row, column}), product.result, {resultRow, column}); });
        });
      });
    };
  emitMatrixProduct(f, product);

  KernelInfo info;
  info.symbol = symbol.str();
  info.kind = "patch_embed";
  llvm::raw_string_ostream(info.schedule) << product.schedule;
  info.scratchBytes = product.scratchBytes();
  info.rowsPerImage = patches;
  info.rowsPerTask = product.schedule.getRows();
  info.columnTasks = product.panels();
  return info;
}

} // namespace vitc::cpu
