//===- DoublePrecision.cpp - f32 functions as f64 functions -------------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "DoublePrecision.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/AttrTypeSubElements.h"
#include "mlir/IR/Builders.h"

using namespace mlir;

namespace vitc::test {

static APFloat widened(APFloat value) {
  bool losesInfo = false;
  value.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &losesInfo);
  return value;
}

void promoteToDouble(ModuleOp module) {
  auto f64 = Float64Type::get(module.getContext());
  AttrTypeReplacer replacer;
  replacer.addReplacement([=](Float32Type) -> Type { return f64; });
  replacer.addReplacement([=](FloatAttr attribute) -> std::optional<std::pair<Attribute, WalkResult>> {
    if (!attribute.getType().isF32())
      return std::nullopt;
    return std::pair(FloatAttr::get(f64, widened(attribute.getValue())), WalkResult::skip());
  });
  replacer.addReplacement([=](DenseFPElementsAttr attribute) -> std::optional<std::pair<Attribute, WalkResult>> {
    if (!attribute.getElementType().isF32())
      return std::nullopt;
    return std::pair(attribute.mapValues(f64, [](const APFloat &value) { return widened(value).bitcastToAPInt(); }), WalkResult::skip());
  });
  replacer.recursivelyReplaceElementsIn(module, /*replaceAttrs=*/true, /*replaceLocs=*/false, /*replaceTypes=*/true);
  module->walk([](arith::BitcastOp op) {
    OpBuilder builder(op);
    op.getInMutable().assign(arith::TruncFOp::create(builder, op.getLoc(), builder.getF32Type(), op.getIn()));
  });
}

} // namespace vitc::test
