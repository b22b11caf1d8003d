//===- ReferenceBuilder.cpp - formulas as linalg on tensors -------------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "dialects/vit/ReferenceBuilder.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Utils/ReshapeOpsUtils.h"

using namespace mlir;

namespace vitc::vit {

//===--------------------------------------------------------------------------------------===//
// Scalars
//===--------------------------------------------------------------------------------------===//

template <typename OpTy> static Scalar apply(Scalar a) { return {a.builder, OpTy::create(*a.builder, a.value)}; }

template <typename OpTy> static Scalar apply(Scalar a, Scalar b) { return {a.builder, OpTy::create(*a.builder, a.value, b.value)}; }

Scalar Scalar::constant(double number) const {
  return {builder, arith::ConstantOp::create(*builder, builder->getF32FloatAttr(static_cast<float>(number)))};
}

Scalar operator+(Scalar a, Scalar b) { return apply<arith::AddFOp>(a, b); }
Scalar operator-(Scalar a, Scalar b) { return apply<arith::SubFOp>(a, b); }
Scalar operator*(Scalar a, Scalar b) { return apply<arith::MulFOp>(a, b); }
Scalar operator/(Scalar a, Scalar b) { return apply<arith::DivFOp>(a, b); }
Scalar operator-(Scalar a) { return apply<arith::NegFOp>(a); }
Scalar max(Scalar a, Scalar b) { return apply<arith::MaximumFOp>(a, b); }
Scalar exp(Scalar x) { return apply<math::ExpOp>(x); }
Scalar log(Scalar x) { return apply<math::LogOp>(x); }
Scalar erf(Scalar x) { return apply<math::ErfOp>(x); }
Scalar sin(Scalar x) { return apply<math::SinOp>(x); }
Scalar cos(Scalar x) { return apply<math::CosOp>(x); }
Scalar sqrt(Scalar x) { return apply<math::SqrtOp>(x); }
Scalar tanh(Scalar x) { return apply<math::TanhOp>(x); }

//===--------------------------------------------------------------------------------------===//
// Tensors
//===--------------------------------------------------------------------------------------===//

SmallVector<AffineExpr> ReferenceBuilder::axes(unsigned count, unsigned first) {
  SmallVector<AffineExpr> result;
  for (unsigned i = 0; i < count; ++i)
    result.push_back(axis(first + i));
  return result;
}

SmallVector<OpFoldResult> ReferenceBuilder::sizes(ArrayRef<int64_t> shape) {
  SmallVector<OpFoldResult> result = getAsIndexOpFoldResult(getContext(), shape);
  if (ShapedType::isDynamic(shape.front()))
    result.front() = tensor::DimOp::create(*this, batched, 0).getResult();
  return result;
}

Value ReferenceBuilder::empty(ArrayRef<int64_t> shape) { return tensor::EmptyOp::create(*this, sizes(shape), getF32Type()); }

Value ReferenceBuilder::fill(ArrayRef<int64_t> shape, double value) {
  Value scalar = arith::ConstantOp::create(*this, getF32FloatAttr(static_cast<float>(value)));
  return linalg::FillOp::create(*this, scalar, empty(shape)).getResult(0);
}

Value ReferenceBuilder::generic(Value init, unsigned reduced, ArrayRef<Read> reads, Body body) {
  unsigned kept = shapeOf(init).size(), loops = kept + reduced;
  SmallVector<Value> inputs;
  SmallVector<AffineMap> maps;
  for (const Read &read : reads) {
    inputs.push_back(read.tensor);
    maps.push_back(AffineMap::get(loops, 0, read.at, getContext()));
  }
  maps.push_back(AffineMap::get(loops, 0, axes(kept), getContext()));
  SmallVector<utils::IteratorType> iterators(kept, utils::IteratorType::parallel);
  iterators.append(reduced, utils::IteratorType::reduction);
  auto op = linalg::GenericOp::create(
      *this, init.getType(), inputs, init, maps, iterators, [&](OpBuilder &b, Location loc, ValueRange arguments) {
        ImplicitLocOpBuilder scalars(loc, b);
        // Without a reduction the result's old element means nothing.
        ValueRange used = reduced ? arguments : arguments.drop_back();
        SmallVector<Scalar> elements = llvm::map_to_vector(used, [&](Value value) { return Scalar{&scalars, value}; });
        linalg::YieldOp::create(scalars, body(elements).value);
      });
  return op.getResult(0);
}

Value ReferenceBuilder::compute(ArrayRef<int64_t> shape, ArrayRef<Read> reads, Body body) { return generic(empty(shape), 0, reads, body); }

Value ReferenceBuilder::reduce(ArrayRef<int64_t> shape, unsigned reduced, double init, ArrayRef<Read> reads, Body body) {
  return generic(fill(shape, init), reduced, reads, body);
}

Value ReferenceBuilder::reshape(Value tensor, ArrayRef<int64_t> shape) {
  auto from = cast<RankedTensorType>(tensor.getType());
  auto to = RankedTensorType::get(shape, from.getElementType());
  if (from == to)
    return tensor;
  std::optional<SmallVector<ReassociationIndices>> groups = getReassociationIndicesForReshape(from, to);
  if (groups && to.getRank() > from.getRank())
    return tensor::ExpandShapeOp::create(*this, to, tensor, *groups, sizes(shape));
  if (groups && to.getRank() < from.getRank())
    return tensor::CollapseShapeOp::create(*this, to, tensor, *groups);
  // Neither only splits nor only joins axes: through all of them joined, but for a dynamic batch.
  SmallVector<int64_t> joined;
  if (ShapedType::isDynamic(shape.front()))
    joined.push_back(shape.front());
  joined.push_back(llvm::product_of(from.getShape().drop_front(joined.size())));
  return reshape(reshape(tensor, joined), shape);
}

Value ReferenceBuilder::slice(Value tensor, ArrayRef<int64_t> offsets, ArrayRef<int64_t> shape) {
  if (shapeOf(tensor) == shape)
    return tensor;
  SmallVector<OpFoldResult> strides(shape.size(), getIndexAttr(1));
  return tensor::ExtractSliceOp::create(*this, tensor, getAsIndexOpFoldResult(getContext(), offsets), sizes(shape), strides);
}

Value ReferenceBuilder::insert(Value part, Value into, ArrayRef<int64_t> offsets) {
  SmallVector<OpFoldResult> strides(offsets.size(), getIndexAttr(1));
  return tensor::InsertSliceOp::create(*this, part, into, getAsIndexOpFoldResult(getContext(), offsets), sizes(shapeOf(part)), strides);
}

//===--------------------------------------------------------------------------------------===//
// Formulas of several operations
//===--------------------------------------------------------------------------------------===//

Value normalizeRows(ReferenceBuilder &b, Value input, Value gain, Value shift, bool centred, double eps) {
  ArrayRef<int64_t> shape = shapeOf(input);
  unsigned last = shape.size() - 1;
  double width = shape.back();
  Read whole{input, b.axes(last + 1)};
  if (centred) {
    Value sums = b.reduce(shape.drop_back(), 1, 0.0, {whole}, [](ArrayRef<Scalar> x) { return x[1] + x[0]; });
    Value deviations = b.compute(shape, {whole, {sums, b.axes(last)}}, [&](ArrayRef<Scalar> x) { return x[0] - x[1] / width; });
    whole.tensor = deviations;
  }
  Value squares = b.reduce(shape.drop_back(), 1, 0.0, {whole}, [](ArrayRef<Scalar> x) { return x[1] + x[0] * x[0]; });
  SmallVector<Read> reads{whole, {squares, b.axes(last)}};
  if (gain)
    reads.push_back({gain, {b.axis(last)}});
  if (shift)
    reads.push_back({shift, {b.axis(last)}});
  return b.compute(shape, reads, [&](ArrayRef<Scalar> x) {
    Scalar value = x[0] / sqrt(x[1] / width + eps);
    value = gain ? value * x[2] : value;
    return shift ? value + x.back() : value;
  });
}

} // namespace vitc::vit
