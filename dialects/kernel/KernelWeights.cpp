//===- KernelWeights.cpp - weights rounded, quantized and packed ------------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "dialects/kernel/KernelDialect.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

#include <limits>

using namespace mlir;
using namespace vitc;
using namespace vitc::kernel;

static RankedTensorType tensorType(Value value) { return cast<RankedTensorType>(value.getType()); }

//===--------------------------------------------------------------------------------------===//
// Number types
//===--------------------------------------------------------------------------------------===//

LogicalResult ConvertWeightOp::verify() {
  RankedTensorType from = tensorType(getWeight()), to = tensorType(getValue());
  if (!from.hasStaticShape() || from.getShape() != to.getShape() || !from.getElementType().isF32() || !isShortFloat(to.getElementType()))
    return emitOpError() << "rounds a static f32 tensor to bf16, f16 or tf32 of the same shape, not " << from << " to " << to;
  return success();
}

FailureOr<SmallVector<Value>> ConvertWeightOp::lowerToReference(OpBuilder &builder) {
  Location loc = getLoc();
  RankedTensorType to = tensorType(getValue());
  Value empty = tensor::EmptyOp::create(builder, loc, to.getShape(), to.getElementType());
  auto map = linalg::MapOp::create(builder, loc, ValueRange{getWeight()}, empty, [&](OpBuilder &b, Location l, ValueRange arguments) {
    linalg::YieldOp::create(b, l, arith::TruncFOp::create(b, l, to.getElementType(), arguments[0]).getResult());
  });
  return SmallVector<Value>{map->getResult(0)};
}

LogicalResult QuantizeWeightOp::verify() {
  RankedTensorType from = tensorType(getWeight()), to = tensorType(getValue()), scales = tensorType(getScales());
  if (!from.hasStaticShape() || from.getRank() != 2 || from.getShape() != to.getShape() || !from.getElementType().isF32() ||
      !to.getElementType().isInteger(8) || scales.getShape() != ArrayRef<int64_t>{2, from.getDimSize(0)} ||
      !scales.getElementType().isF32())
    return emitOpError() << "quantizes a static f32 tensor [N, K] to i8 [N, K] and f32 scales [2, N], not " << from << " to " << to
                         << " and " << scales;
  return success();
}

namespace {

/// The pieces of a quantized weight as linalg on [N, K] and [N].
struct QuantizeWeight {
  OpBuilder &builder;
  Location loc;
  int64_t outputs, inputs;

  Value empty(ArrayRef<int64_t> shape, Type element) { return tensor::EmptyOp::create(builder, loc, shape, element); }

  Value zeros(ArrayRef<int64_t> shape) {
    Value zero = arith::ConstantOp::create(builder, loc, builder.getF32FloatAttr(0.0f));
    return linalg::FillOp::create(builder, loc, zero, empty(shape, builder.getF32Type())).getResult(0);
  }

  AffineMap rowOf() { return AffineMap::get(2, 0, builder.getAffineDimExpr(0)); }

  /// combine over k of matrix[n, k], from zero.
  Value reduceRows(Value matrix, function_ref<Value(OpBuilder &, Location, Value, Value)> combine) {
    auto reduce = linalg::ReduceOp::create(
        builder, loc, ValueRange{matrix}, ValueRange{zeros({outputs})}, ArrayRef<int64_t>{1},
        [&](OpBuilder &b, Location l, ValueRange arguments) { linalg::YieldOp::create(b, l, combine(b, l, arguments[0], arguments[1])); });
    return reduce->getResult(0);
  }

  /// max |weight[n, :]| / 127, or 1 where that is zero or subnormal.
  Value scales(Value weight) {
    Value greatest = reduceRows(weight, [](OpBuilder &b, Location l, Value element, Value so_far) -> Value {
      return arith::MaximumFOp::create(b, l, math::AbsFOp::create(b, l, element), so_far);
    });
    auto map = linalg::MapOp::create(
        builder, loc, ValueRange{greatest}, empty({outputs}, builder.getF32Type()), [&](OpBuilder &b, Location l, ValueRange arguments) {
          auto constant = [&](float value) -> Value { return arith::ConstantOp::create(b, l, b.getF32FloatAttr(value)); };
          Value scale = arith::DivFOp::create(b, l, arguments[0], constant(127.0f));
          // A subnormal scale has too few bits to divide by: such weights round to zero by a scale of one.
          Value isTiny = arith::CmpFOp::create(b, l, arith::CmpFPredicate::OLT, scale, constant(std::numeric_limits<float>::min()));
          linalg::YieldOp::create(b, l, arith::SelectOp::create(b, l, isTiny, constant(1.0f), scale).getResult());
        });
    return map->getResult(0);
  }

  /// round(weight[n, k] / scales[n]), as f32.
  Value rounded(Value weight, Value scales) {
    SmallVector<utils::IteratorType> parallel(2, utils::IteratorType::parallel);
    auto identity = builder.getMultiDimIdentityMap(2);
    auto generic = linalg::GenericOp::create(
        builder, loc, TypeRange{weight.getType()}, ValueRange{weight, scales}, ValueRange{empty({outputs, inputs}, builder.getF32Type())},
        ArrayRef<AffineMap>{identity, rowOf(), identity}, parallel, [&](OpBuilder &b, Location l, ValueRange arguments) {
          // 1.5 * 2^23: the sum has no bits below one, so the addition itself rounds to the nearest, ties to even, without a call of a library.
          Value magic = arith::ConstantOp::create(b, l, b.getF32FloatAttr(12582912.0f));
          Value quotient = arith::DivFOp::create(b, l, arguments[0], arguments[1]);
          Value shifted = arith::AddFOp::create(b, l, quotient, magic);
          linalg::YieldOp::create(b, l, arith::SubFOp::create(b, l, shifted, magic).getResult());
        });
    return generic.getResult(0);
  }
};

} // namespace

FailureOr<SmallVector<Value>> QuantizeWeightOp::lowerToReference(OpBuilder &builder) {
  Location loc = getLoc();
  RankedTensorType to = tensorType(getValue());
  QuantizeWeight quantize{builder, loc, to.getDimSize(0), to.getDimSize(1)};
  Value scales = quantize.scales(getWeight());
  Value rounded = quantize.rounded(getWeight(), scales);
  auto bytes =
      linalg::MapOp::create(builder, loc, ValueRange{rounded}, quantize.empty(to.getShape(), to.getElementType()),
                            [&](OpBuilder &b, Location l, ValueRange arguments) {
                              linalg::YieldOp::create(b, l, arith::FPToSIOp::create(b, l, to.getElementType(), arguments[0]).getResult());
                            });
  Value sums = quantize.reduceRows(
      rounded, [](OpBuilder &b, Location l, Value element, Value sum) -> Value { return arith::AddFOp::create(b, l, element, sum); });
  Value both = quantize.zeros({2, quantize.outputs});
  const Value vectors[] = {scales, sums};
  for (auto [row, vector] : llvm::enumerate(vectors)) {
    SmallVector<OpFoldResult> offsets{builder.getIndexAttr(row), builder.getIndexAttr(0)};
    SmallVector<OpFoldResult> sizes{builder.getIndexAttr(1), builder.getIndexAttr(quantize.outputs)};
    SmallVector<OpFoldResult> strides(2, builder.getIndexAttr(1));
    both = tensor::InsertSliceOp::create(builder, loc, vector, both, offsets, sizes, strides);
  }
  return SmallVector<Value>{bytes->getResult(0), both};
}

//===--------------------------------------------------------------------------------------===//
// Packing
//===--------------------------------------------------------------------------------------===//

LogicalResult PackOp::verify() {
  RankedTensorType from = tensorType(getWeight()), to = tensorType(getPacked());
  int64_t perWord = elementsPerWord(from.getElementType()), rank = perWord == 1 ? 4 : 5;
  if (from.getRank() != 2 || to.getRank() != rank || !from.hasStaticShape() || !to.hasStaticShape() ||
      from.getElementType() != to.getElementType() || (perWord > 1 && to.getDimSize(4) != perWord))
    return emitOpError() << "packs a static [outputs, inputs] tensor into [k-blocks, panels, k_block, columns] words of 32 bits, not "
                         << from << " into " << to;
  if (to.getDimSize(0) != llvm::divideCeilSigned(from.getDimSize(1), to.getDimSize(2) * perWord) ||
      to.getDimSize(1) != llvm::divideCeilSigned(from.getDimSize(0), to.getDimSize(3)))
    return emitOpError() << "the number of blocks of " << to << " does not fit " << from;
  return success();
}

FailureOr<SmallVector<Value>> PackOp::lowerToReference(OpBuilder &builder) {
  Location loc = getLoc();
  RankedTensorType from = tensorType(getWeight()), to = tensorType(getPacked());
  int64_t perWord = elementsPerWord(from.getElementType());
  Value empty = tensor::EmptyOp::create(builder, loc, to.getShape(), to.getElementType());
  SmallVector<utils::IteratorType> parallel(to.getRank(), utils::IteratorType::parallel);
  auto generic =
      linalg::GenericOp::create(builder, loc, to, ValueRange{}, ValueRange{empty}, {builder.getMultiDimIdentityMap(to.getRank())}, parallel,
                                [&](OpBuilder &b, Location l, ValueRange) {
                                  auto constant = [&](int64_t value) -> Value { return arith::ConstantIndexOp::create(b, l, value); };
                                  // position = block * size + offset
                                  auto position = [&](Value block, int64_t size, Value offset) -> Value {
                                    return arith::AddIOp::create(b, l, arith::MulIOp::create(b, l, block, constant(size)), offset);
                                  };
                                  auto dim = [&](int64_t axis) -> Value { return linalg::IndexOp::create(b, l, axis); };
                                  // Past the end the last element is read and thrown away.
                                  auto clamped = [&](Value at, int64_t extent, Value &inside) -> Value {
                                    inside = arith::CmpIOp::create(b, l, arith::CmpIPredicate::ult, at, constant(extent));
                                    return arith::MinUIOp::create(b, l, at, constant(extent - 1));
                                  };
                                  Value rowInside, columnInside;
                                  Value row = clamped(position(dim(1), to.getDimSize(3), dim(3)), from.getDimSize(0), rowInside);
                                  Value word = position(dim(0), to.getDimSize(2), dim(2));
                                  Value column =
                                      clamped(perWord == 1 ? word : position(word, perWord, dim(4)), from.getDimSize(1), columnInside);
                                  Value element = tensor::ExtractOp::create(b, l, getWeight(), ValueRange{row, column});
                                  Value inside = arith::AndIOp::create(b, l, rowInside, columnInside);
                                  Value zero = arith::ConstantOp::create(b, l, b.getZeroAttr(to.getElementType()));
                                  linalg::YieldOp::create(b, l, arith::SelectOp::create(b, l, inside, element, zero).getResult());
                                });
  return SmallVector<Value>{generic.getResult(0)};
}
