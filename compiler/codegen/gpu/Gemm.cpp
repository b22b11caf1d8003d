//===- Gemm.cpp - kernel.gemm and kernel.patch_embed on a GPU -----------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/codegen/gpu/ProductChoice.h"

#include <numeric>

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

FailureOr<KernelInfo> emitPatchEmbed(ModuleOp module, kernel::PatchEmbedOp op, StringRef symbol, const DeviceTarget &target) {
  ArrayRef<int64_t> image = tensorOf(op.getImages()).getShape(), tokenShape = tensorOf(op.getValue()).getShape();
  const int64_t channels = image[1], height = image[2], width = image[3], patchHeight = op.getPatch()[0], patchWidth = op.getPatch()[1];
  const int64_t across = width / patchWidth, patches = height / patchHeight * across, tokens = tokenShape[1], prefixRows = tokens - patches;

  FailureOr<AnyProductSchedule> chosen = productScheduleOf(op, target);
  if (failed(chosen))
    return failure();
  const auto schedule = std::get<ProductSchedule>(*chosen);
  const ProductShape shape = patchShape(op);
  Product product;
  product.outputs = shape.outputs;
  product.depth = shape.depth;
  product.segment = vectorFor(std::gcd(patchWidth, width), shape.input);

  DeviceFunction f(module, symbol, op.getLoc(), elementsOf(op), schedule.threads());
  ImplicitLocOpBuilder &b = f.b;
  product.rows = mul(b, f.images, patches);
  unsigned operand = 0;
  Value images = f.operand(operand++);
  // Weights' columns are in (channel, row, column) order.
  product.input = [=, &b](Value row, Value k) {
    Value patch = rem(b, row, patches), line = div(b, k, patchWidth);
    Value y = add(b, mul(b, div(b, patch, across), patchHeight), rem(b, line, patchHeight));
    Value x = add(b, mul(b, rem(b, patch, across), patchWidth), rem(b, k, patchWidth));
    Value plane = add(b, mul(b, div(b, line, patchHeight), height), y);
    return Place{rowOf(b, images, div(b, row, patches), channels * height * width), add(b, mul(b, plane, width), x)};
  };
  product.weight = f.operand(operand++);
  if (op.getPosition()) {
    Value position = f.operand(operand++);
    product.residual = [=, &b, outputs = product.outputs](Value row, Value column) {
      return Place{rowOf(b, position, rem(b, row, patches), outputs), column};
    };
  }
  Value prefix = op.getPrefix() ? f.operand(operand++) : Value(), result = f.operand(operand);
  product.result = [=, &b, outputs = product.outputs](Value row, Value column) {
    Value token = add(b, add(b, mul(b, div(b, row, patches), tokens), rem(b, row, patches)), prefixRows);
    return Place{rowOf(b, result, token, outputs), column};
  };
  emitProduct(f, product, schedule);

  // The block that has an image's first patch copies the prefix rows, in its own columns: a tile may have several such images.
  if (prefix) {
    const int64_t columnTiles = llvm::divideCeilSigned(product.outputs, schedule.columns);
    Value firstRow = mul(b, div(b, f.block, columnTiles), schedule.rows);
    Value column = add(b, mul(b, rem(b, f.block, columnTiles), schedule.columns), rem(b, f.thread, schedule.columns));
    Value firstImage = div(b, add(b, firstRow, patches - 1), patches);
    Value end = min(b, div(b, add(b, firstRow, schedule.rows + patches - 1), patches), f.images);
    Value tokensOfThread = add(b, mul(b, firstImage, prefixRows), div(b, f.thread, schedule.columns));
    ifThen(b, less(b, column, product.outputs), [&] {
      forLoop(b, tokensOfThread, mul(b, end, prefixRows), schedule.threads() / schedule.columns, {}, [&](Value token, ValueRange) {
        Value row = rem(b, token, prefixRows), to = add(b, mul(b, div(b, token, prefixRows), tokens), row);
        store(b, load(b, rowOf(b, prefix, row, product.outputs), column), rowOf(b, result, to, product.outputs), column);
        return SmallVector<Value>();
      });
    });
  }

  KernelInfo info;
  info.symbol = symbol.str();
  info.kind = "patch_embed";
  describeProduct(info, f, product, schedule, patches);
  return info;
}

} // namespace vitc::gpu
