//===- Differentiate.h - reference lowerings in reverse -----------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_DIALECTS_VIT_DIFFERENTIATE_H
#define VITC_DIALECTS_VIT_DIFFERENTIATE_H

#include "mlir/IR/Builders.h"

namespace vitc::vit {

/// Builds what `forward` builds (linalg on tensors, tensor.*, arith.*; it returns the results), then the gradients with respect to `wrt` of
/// the sum of results times `upstream`: reverse accumulation over the operations built, each differentiated scalar by scalar (Griewank and
/// Walther 2008, "Evaluating Derivatives", chapter 3). Failure, after an error, at an operation without a derivative.
llvm::FailureOr<llvm::SmallVector<mlir::Value>>
pullBack(mlir::OpBuilder &builder, mlir::Location loc, llvm::ArrayRef<mlir::Value> wrt, mlir::ValueRange upstream,
         llvm::function_ref<llvm::FailureOr<llvm::SmallVector<mlir::Value>>(mlir::OpBuilder &)> forward);

/// The same for the reference lowering of `op`, which is erased.
llvm::FailureOr<llvm::SmallVector<mlir::Value>> pullBack(mlir::OpBuilder &builder, mlir::Operation *op, llvm::ArrayRef<mlir::Value> wrt,
                                                         mlir::ValueRange upstream);

} // namespace vitc::vit

#endif // VITC_DIALECTS_VIT_DIFFERENTIATE_H
