//===- PixelOps.cpp - images as they are decoded --------------------------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "dialects/vit/PixelOps.h"

#include "dialects/vit/ReferenceBuilder.h"
#include "dialects/vit/Verify.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/OpImplementation.h"

using namespace mlir;
using namespace vitc;
using namespace vitc::vit;

#define GET_OP_CLASSES
#include "dialects/vit/PixelOps.cpp.inc"

bool vitc::vit::isPixels(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  return tensor && tensor.getElementType().isInteger(8) && !tensor.getEncoding() && tensor.getRank() == 4 &&
         !llvm::is_contained(tensor.getShape(), 0) && !ShapedType::isDynamicShape(tensor.getShape().drop_front());
}

LogicalResult NormalizeImagesOp::verify() {
  ArrayRef<int64_t> pixels = shapeOf(getPixels());
  if (failed(expectShape(*this, "result", getImages(), {{"B", pixels[0]}, {"C", pixels[3]}, {"H", pixels[1]}, {"W", pixels[2]}}))) // (C1)
    return failure();
  const auto channels = static_cast<size_t>(pixels[3]);
  if (getMean().size() != channels || getStd().size() != channels || !llvm::all_of(getStd(), [](float std) { return std != 0; })) // (C2)
    return emitOpError() << "takes a mean and a standard deviation other than 0 for each of " << channels << " channels";
  return success();
}

/// Of each channel its own.
static Value constantOf(ImplicitLocOpBuilder &b, Value channel, ArrayRef<float> numbers) {
  auto number = [&](float value) -> Value { return arith::ConstantOp::create(b, b.getF32FloatAttr(value)); };
  Value result = number(numbers.back());
  for (size_t i = numbers.size() - 1; i-- > 0;) {
    Value index = arith::ConstantOp::create(b, b.getIntegerAttr(channel.getType(), static_cast<int64_t>(i)));
    Value isThis = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, channel, index);
    result = arith::SelectOp::create(b, isThis, number(numbers[i]), result);
  }
  return result;
}

Value vitc::vit::normalizedPixel(ImplicitLocOpBuilder &b, Value pixel, Value channel, ArrayRef<float> mean, ArrayRef<float> std,
                                 bool multiply) {
  constexpr double white = 255;
  Value wide = arith::ExtUIOp::create(b, b.getI32Type(), pixel), level;
  if (multiply) {
    Value exact = arith::UIToFPOp::create(b, b.getF64Type(), wide), factor = arith::ConstantOp::create(b, b.getF64FloatAttr(1 / white));
    level = arith::TruncFOp::create(b, b.getF32Type(), arith::MulFOp::create(b, exact, factor));
  } else {
    Value exact = arith::UIToFPOp::create(b, b.getF32Type(), wide), divisor = arith::ConstantOp::create(b, b.getF32FloatAttr(white));
    level = arith::DivFOp::create(b, exact, divisor);
  }
  return arith::DivFOp::create(b, arith::SubFOp::create(b, level, constantOf(b, channel, mean)), constantOf(b, channel, std));
}

FailureOr<SmallVector<Value>> NormalizeImagesOp::lowerToReference(OpBuilder &builder) {
  ReferenceBuilder b(builder, getLoc(), getPixels());
  const unsigned axes = 4;
  AffineMap read = AffineMap::get(axes, 0, {b.axis(0), b.axis(2), b.axis(3), b.axis(1)}, b.getContext());
  SmallVector<AffineMap> maps{read, AffineMap::getMultiDimIdentityMap(axes, b.getContext())};
  SmallVector<utils::IteratorType> loops(axes, utils::IteratorType::parallel);
  auto result = linalg::GenericOp::create(b, getImages().getType(), ValueRange{getPixels()}, ValueRange{b.empty(shapeOf(getImages()))},
                                          maps, loops, [&](OpBuilder &inner, Location loc, ValueRange arguments) {
                                            ImplicitLocOpBuilder body(loc, inner);
                                            Value channel = linalg::IndexOp::create(body, 1);
                                            linalg::YieldOp::create(
                                                body, normalizedPixel(body, arguments[0], channel, getMean(), getStd(), getMultiply()));
                                          });
  return SmallVector<Value>{result.getResult(0)};
}
