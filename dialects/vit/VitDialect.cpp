//===- VitDialect.cpp - the vit dialect ------------------------------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "dialects/vit/VitDialect.h"

#include "dialects/vit/PatchDropout.h"
#include "dialects/vit/PixelOps.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace vitc::vit;

#include "dialects/vit/VitDialect.cpp.inc"
#include "dialects/vit/VitEnums.cpp.inc"
#include "dialects/vit/VitInterfaces.cpp.inc"

#define GET_ATTRDEF_CLASSES
#include "dialects/vit/VitAttributes.cpp.inc"

void VitDialect::initialize() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "dialects/vit/VitAttributes.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "dialects/vit/VitOps.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "dialects/vit/PatchDropout.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "dialects/vit/PixelOps.cpp.inc"
      >();
}

/// True if `type` is an f32 tensor of at least `minRank` axes, none empty, all but the first `dynamicAxes` static.
static bool isTensor(Type type, int64_t minRank, size_t dynamicAxes) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  return tensor && tensor.getElementType().isF32() && !tensor.getEncoding() && tensor.getRank() >= minRank &&
         !llvm::is_contained(tensor.getShape(), 0) && !ShapedType::isDynamicShape(tensor.getShape().drop_front(dynamicAxes));
}

bool vitc::vit::isWeight(Type type) { return isTensor(type, /*minRank=*/1, /*dynamicAxes=*/0); }
bool vitc::vit::isActivation(Type type) { return isTensor(type, /*minRank=*/2, /*dynamicAxes=*/1); }
bool vitc::vit::isImages(Type type) { return isActivation(type) && cast<RankedTensorType>(type).getRank() == 4; }
