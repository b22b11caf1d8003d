//===- PixelEmbed.cpp - patch embedding of pictures as they are decoded -------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "dialects/kernel/PixelEmbed.h"

#include "mlir/IR/OpImplementation.h"

using namespace mlir;
using namespace vitc;
using namespace vitc::kernel;

#define GET_OP_CLASSES
#include "dialects/kernel/PixelEmbed.cpp.inc"

static RankedTensorType tensorType(Value value) { return cast<RankedTensorType>(value.getType()); }

LogicalResult PixelEmbedOp::verify() {
  RankedTensorType pixels = tensorType(getPixels()), result = tensorType(getValue()), weight = tensorType(getWeight());
  if (pixels.getRank() != 4 || result.getRank() != 3 || weight.getRank() != 2 || getPatch().size() != 2)
    return emitOpError() << "takes pixels [B, H, W, C], a weight [D, K] and a patch [P, Q] and gives tokens [B, T, D], not " << pixels
                         << ", " << weight << " and " << result;
  const int64_t height = getPatch()[0], width = getPatch()[1], channels = pixels.getDimSize(3), columns = result.getDimSize(2);
  if (height <= 0 || width <= 0)
    return emitOpError() << "patch " << height << "x" << width << " is empty";
  if (weight.getDimSize(0) != columns || weight.getDimSize(1) != channels * height * width)
    return emitOpError() << "weight " << weight << " must have a row of " << channels * height * width << " for each of " << columns
                         << " columns";
  const int64_t patches = (pixels.getDimSize(1) / height) * (pixels.getDimSize(2) / width);
  const int64_t prefix = getPrefix() ? tensorType(getPrefix()).getDimSize(0) : 0;
  if (patches == 0 || result.getDimSize(1) != prefix + patches)
    return emitOpError() << prefix << " prefix tokens and " << patches << " patches do not make " << result;
  if (getPrefix() && tensorType(getPrefix()).getShape() != ArrayRef<int64_t>{prefix, columns})
    return emitOpError() << "prefix " << getPrefix().getType() << " must have rows of width " << columns;
  if (getPosition() && tensorType(getPosition()).getShape() != ArrayRef<int64_t>{patches, columns})
    return emitOpError() << "position " << getPosition().getType() << " must be one row of width " << columns << " for each of " << patches
                         << " patches";
  if (static_cast<int64_t>(getMean().size()) != channels || static_cast<int64_t>(getStd().size()) != channels)
    return emitOpError() << "takes a mean and a standard deviation for each of " << channels << " channels";
  return success();
}

/// A CPU has no kernel for it, and a GPU's is chosen when it is emitted.
void PixelEmbedOp::chooseSchedule(const Machine &) {}

int64_t PixelEmbedOp::getFlopPerImage() {
  // The prefix rows are no product.
  RankedTensorType pixels = tensorType(getPixels()), weight = tensorType(getWeight());
  const int64_t patches = (pixels.getDimSize(1) / getPatch()[0]) * (pixels.getDimSize(2) / getPatch()[1]);
  return 2 * patches * weight.getNumElements();
}

std::string PixelEmbedOp::getOperandRole(unsigned operand) {
  Value value = getOperand(operand);
  return value == getWeight() ? "weight" : value == getPosition() ? "position" : value == getPrefix() ? "prefix" : "pixels";
}
