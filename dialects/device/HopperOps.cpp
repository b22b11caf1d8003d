//===- HopperOps.cpp - what operations of compute capability 9.0 demand -------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "dialects/device/DeviceDialect.h"

using namespace mlir;
using namespace vitc;
using namespace vitc::device;

LogicalResult SumsType::verify(function_ref<InFlightDiagnostic()> emitError, int64_t columns) {
  if (columns < 8 || columns > 256 || columns % 8 != 0)
    return emitError() << "a warpgroup's product has 8 to 256 columns, a multiple of 8, not " << columns;
  return success();
}

LogicalResult LayoutAttr::verify(function_ref<InFlightDiagnostic()> emitError, Major major, int64_t swizzle, int64_t panel) {
  if (swizzle != 32 && swizzle != 64 && swizzle != 128)
    return emitError() << "rows of an operand have 32, 64 or 128 bytes, not " << swizzle;
  if (panel % 16 != 0 || (panel != 0 && major == Major::K))
    return emitError() << "panels are of layouts along mn, and multiples of 16 bytes apart";
  return success();
}

template <typename Op> static LogicalResult verifyBarriers(Op op) {
  if (Type element = op.getBarriers().getType().getElement(); !element.isInteger(64))
    return op.emitOpError() << "uses memory of " << element << " as barriers, which are i64";
  return success();
}
LogicalResult MbarrierInitOp::verify() { return verifyBarriers(*this); }
LogicalResult MbarrierExpectOp::verify() { return verifyBarriers(*this); }
LogicalResult MbarrierArriveOp::verify() { return verifyBarriers(*this); }
LogicalResult MbarrierWaitOp::verify() { return verifyBarriers(*this); }

LogicalResult TensorCopyOp::verify() {
  if (getMap().getType().getElement() != getTo().getType().getElement())
    return emitOpError() << "copies " << getMap().getType().getElement() << " to memory of " << getTo().getType().getElement();
  if (static_cast<int64_t>(getCoordinates().size()) != getMap().getType().getRank())
    return emitOpError() << "has " << getCoordinates().size() << " coordinates in a tensor of rank " << getMap().getType().getRank();
  return verifyBarriers(*this);
}

/// The vector that holds a thread's part of `sums`.
static VectorType valuesOf(SumsType sums) { return VectorType::get({sums.getColumns() / 2}, Float32Type::get(sums.getContext())); }

LogicalResult WgmmaBeginOp::verify() {
  if (getValues().size() != getRegisters().size())
    return emitOpError() << "hands over " << getValues().size() << " values as " << getRegisters().size();
  for (auto [value, result] : llvm::zip(getValues().getTypes(), getRegisters().getTypes())) {
    auto sums = dyn_cast<SumsType>(result);
    auto vector = dyn_cast<VectorType>(value);
    bool stays = result == value && (sums || (vector && vector.getNumElements() == 8 && vector.getElementTypeBitWidth() == 16));
    if (!stays && (!sums || valuesOf(sums) != value))
      return emitOpError() << "hands over " << value << " as " << result
                           << "; columns / 2 values of f32 become sums, sums and fragments stay what they are";
  }
  return success();
}

LogicalResult WgmmaWaitOp::verify() {
  if (getSums().size() != getValues().size())
    return emitOpError() << "waits for " << getSums().size() << " sums and returns " << getValues().size();
  for (auto [sums, value] : llvm::zip(getSums().getTypes(), getValues().getTypes()))
    if (value != sums && value != valuesOf(cast<SumsType>(sums)))
      return emitOpError() << "returns " << sums << " as " << value << "; complete sums are " << valuesOf(cast<SumsType>(sums));
  return success();
}

LogicalResult WgmmaOp::verify() {
  Type a = getA().getType().getElement(), b = getB().getType().getElement();
  const bool isTf32 = isa<FloatTF32Type>(a);
  if (a != b || !(a.isBF16() || a.isF16() || isTf32))
    return emitOpError() << "multiplies " << a << " by " << b << "; operands are both bf16, both f16 or both tf32";
  if (isTf32 && (getALayout().getMajor() != Major::K || getBLayout().getMajor() != Major::K))
    return emitOpError() << "has operands of tf32 along mn; they lie along k";
  return success();
}
LogicalResult WgmmaFragmentsOp::verify() {
  if (getA().getType().getElementType() != getB().getType().getElement())
    return emitOpError() << "multiplies " << getA().getType().getElementType() << " by " << getB().getType().getElement();
  return success();
}

LogicalResult SetRegistersOp::verify() {
  if (getCount() % 8 != 0)
    return emitOpError() << "asks for " << getCount() << " registers; they come in eights";
  return success();
}
