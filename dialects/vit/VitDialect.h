//===- VitDialect.h - the vit dialect: what a Vision Transformer computes -----*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_DIALECTS_VIT_VITDIALECT_H
#define VITC_DIALECTS_VIT_VITDIALECT_H

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/ControlFlowInterfaces.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

namespace mlir {
class PatternRewriter;
} // namespace mlir

namespace vitc::vit {

/// The constraints of VitDialect.td on an operand's type. A weight is static; of an activation only axis 0, the batch, may be dynamic. No
/// axis is empty.
bool isWeight(mlir::Type type);
bool isActivation(mlir::Type type);
bool isImages(mlir::Type type);

/// The gradient of `op` that follows from its reference lowering: a vit.pullback for the activations among the operands that are `needed`, and
/// one for the weights, because the latter go from image to image. One value an operand, null where it is not needed.
llvm::FailureOr<llvm::SmallVector<mlir::Value>> buildPullback(mlir::Operation *op, mlir::OpBuilder &builder, mlir::ValueRange upstream,
                                                              llvm::function_ref<bool(unsigned)> needed);

} // namespace vitc::vit

#include "dialects/vit/VitDialect.h.inc"
#include "dialects/vit/VitEnums.h.inc"
#include "dialects/vit/VitInterfaces.h.inc"

#define GET_ATTRDEF_CLASSES
#include "dialects/vit/VitAttributes.h.inc"

#define GET_OP_CLASSES
#include "dialects/vit/VitOps.h.inc"

#endif // VITC_DIALECTS_VIT_VITDIALECT_H
