//===- PatchEmbed.cpp - kernel.patch_embed and kernel.pixel_embed on a GPU ----------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/codegen/gpu/ProductChoice.h"
#include "dialects/kernel/PixelEmbed.h"
#include "dialects/vit/PixelOps.h"

#include <numeric>

using namespace mlir;

namespace vitc::gpu {

namespace {

/// A patch embedding of one kind or the other, with its operands' numbers in its launch: images, weight, then what there is of these.
struct Embedding {
  ArrayRef<int64_t> patch;
  int64_t channels, height, width; ///< of an image
  int64_t tokens;                  ///< of the result
  bool hasPosition, hasPrefix;

  int64_t across() const { return width / patch[1]; }
  int64_t patches() const { return height / patch[0] * across(); }
  int64_t prefixRows() const { return tokens - patches(); }
};

/// The block that has an image's first patch copies the prefix rows, in its own columns: a tile may have several such images.
void copyPrefix(DeviceFunction &f, const Embedding &e, const Product &product, const ProductSchedule &schedule, Value prefix,
                Value result) {
  ImplicitLocOpBuilder &b = f.b;
  const int64_t patches = e.patches(), prefixRows = e.prefixRows(), columnTiles = llvm::divideCeilSigned(product.outputs, schedule.columns);
  Value firstRow = mul(b, div(b, f.block, columnTiles), schedule.rows);
  Value column = add(b, mul(b, rem(b, f.block, columnTiles), schedule.columns), rem(b, f.thread, schedule.columns));
  Value firstImage = div(b, add(b, firstRow, patches - 1), patches);
  Value end = min(b, div(b, add(b, firstRow, schedule.rows + patches - 1), patches), f.images);
  Value tokensOfThread = add(b, mul(b, firstImage, prefixRows), div(b, f.thread, schedule.columns));
  ifThen(b, less(b, column, product.outputs), [&] {
    forLoop(b, tokensOfThread, mul(b, end, prefixRows), schedule.threads() / schedule.columns, {}, [&](Value token, ValueRange) {
      Value row = rem(b, token, prefixRows), to = add(b, mul(b, div(b, token, prefixRows), e.tokens), row);
      store(b, load(b, rowOf(b, prefix, row, product.outputs), column), rowOf(b, result, to, product.outputs), column);
      return SmallVector<Value>();
    });
  });
}

/// `product` knows how the input is read.
KernelInfo emitEmbedding(DeviceFunction &f, const Embedding &e, Product &product, const ProductSchedule &schedule, StringRef symbol,
                         StringRef kind) {
  ImplicitLocOpBuilder &b = f.b;
  const int64_t patches = e.patches(), tokens = e.tokens, prefixRows = e.prefixRows(), outputs = product.outputs;
  product.rows = mul(b, f.images, patches);
  unsigned operand = 1;
  product.weight = f.operand(operand++);
  if (e.hasPosition) {
    Value position = f.operand(operand++);
    product.residual = [=, &b](Value row, Value column) { return Place{rowOf(b, position, rem(b, row, patches), outputs), column}; };
  }
  Value prefix = e.hasPrefix ? f.operand(operand++) : Value(), result = f.operand(operand);
  product.result = [=, &b](Value row, Value column) {
    Value token = add(b, add(b, mul(b, div(b, row, patches), tokens), rem(b, row, patches)), prefixRows);
    return Place{rowOf(b, result, token, outputs), column};
  };
  emitProduct(f, product, schedule);
  if (prefix)
    copyPrefix(f, e, product, schedule, prefix, result);

  KernelInfo info;
  info.symbol = symbol.str();
  info.kind = kind.str();
  describeProduct(info, f, product, schedule, patches);
  return info;
}

} // namespace

FailureOr<KernelInfo> emitPatchEmbed(ModuleOp module, kernel::PatchEmbedOp op, StringRef symbol, const DeviceTarget &target) {
  FailureOr<AnyProductSchedule> chosen = productScheduleOf(op, target);
  if (failed(chosen))
    return failure();
  const auto schedule = std::get<ProductSchedule>(*chosen);
  ArrayRef<int64_t> image = tensorOf(op.getImages()).getShape();
  const Embedding e = {op.getPatch(),      image[1],        image[2], image[3], tensorOf(op.getValue()).getDimSize(1),
                       !!op.getPosition(), !!op.getPrefix()};
  const int64_t patchHeight = e.patch[0], patchWidth = e.patch[1];
  const ProductShape shape = patchShape(op);
  Product product;
  product.outputs = shape.outputs;
  product.depth = shape.depth;
  product.segment = vectorFor(std::gcd(patchWidth, e.width), shape.input);

  DeviceFunction f(module, symbol, op.getLoc(), elementsOf(op), schedule.threads());
  ImplicitLocOpBuilder &b = f.b;
  // Weights' columns are in (channel, row, column) order.
  product.input = [&, images = f.operand(0)](Value row, Value k) {
    Value patch = rem(b, row, e.patches()), line = div(b, k, patchWidth);
    Value y = add(b, mul(b, div(b, patch, e.across()), patchHeight), rem(b, line, patchHeight));
    Value x = add(b, mul(b, rem(b, patch, e.across()), patchWidth), rem(b, k, patchWidth));
    Value plane = add(b, mul(b, div(b, line, patchHeight), e.height), y);
    return Place{rowOf(b, images, div(b, row, e.patches()), e.channels * e.height * e.width), add(b, mul(b, plane, e.width), x)};
  };
  return emitEmbedding(f, e, product, schedule, symbol, "patch_embed");
}

FailureOr<KernelInfo> emitPixelEmbed(ModuleOp module, kernel::PixelEmbedOp op, StringRef symbol, const DeviceTarget &target) {
  ArrayRef<int64_t> image = tensorOf(op.getPixels()).getShape();
  const Embedding e = {op.getPatch(),      image[3],        image[1], image[2], tensorOf(op.getValue()).getDimSize(1),
                       !!op.getPosition(), !!op.getPrefix()};
  // A patch's row of pixels lies together.
  const int64_t line = e.patch[1] * e.channels;
  Type byte = tensorOf(op.getPixels()).getElementType(), weight = tensorOf(op.getWeight()).getElementType();
  Product product;
  product.outputs = tensorOf(op.getValue()).getDimSize(2);
  product.depth = e.patch[0] * line;
  product.segment = vectorFor(std::gcd(line, e.width * e.channels), byte);
  product.rounded = device::bytesOf(weight) == 2;
  const ProductShape shape = shapeOf(product, e.patches(), byte, weight);
  const ProductSchedule schedule = product.rounded ? chooseRoundedProduct(shape, target) : chooseProduct(shape, target);

  DeviceFunction f(module, symbol, op.getLoc(), elementsOf(op), schedule.threads());
  ImplicitLocOpBuilder &b = f.b;
  product.input = [&, pixels = f.operand(0)](Value row, Value k) {
    Value patch = rem(b, row, e.patches());
    Value y = add(b, mul(b, div(b, patch, e.across()), e.patch[0]), div(b, k, line));
    Value x = add(b, mul(b, rem(b, patch, e.across()), line), rem(b, k, line));
    return Place{rowOf(b, pixels, div(b, row, e.patches()), e.height * e.width * e.channels), add(b, mul(b, y, e.width * e.channels), x)};
  };
  product.decode = [&](Value numbers, Value k) -> Value {
    auto decoded = [&](Value pixel, int64_t offset) {
      return vit::normalizedPixel(b, pixel, rem(b, add(b, k, offset), e.channels), op.getMean(), op.getStd(), op.getMultiply());
    };
    auto vector = dyn_cast<VectorType>(numbers.getType());
    if (!vector)
      return decoded(numbers, 0);
    SmallVector<Value> lanes;
    for (int64_t i = 0; i < vector.getNumElements(); ++i)
      lanes.push_back(decoded(lane(b, numbers, i), i));
    return vectorOf(b, lanes);
  };
  return emitEmbedding(f, e, product, schedule, symbol, "pixel_embed");
}

} // namespace vitc::gpu
