//===- ScalarDerivatives.h - derivatives of a formula of scalars --------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_DIALECTS_VIT_SCALARDERIVATIVES_H
#define VITC_DIALECTS_VIT_SCALARDERIVATIVES_H

#include "mlir/IR/IRMapping.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace vitc::vit {

/// `seed` times the derivative of `result` with respect to `argument`, both values of `body`, whose operations `map` names copies of. Null if
/// `result` does not depend on `argument`; failure, after an error, at an operation without a derivative.
llvm::FailureOr<mlir::Value> differentiateScalars(mlir::ImplicitLocOpBuilder &b, mlir::Block &body, const mlir::IRMapping &map,
                                                  mlir::Value result, mlir::Value seed, mlir::Value argument);

} // namespace vitc::vit

#endif // VITC_DIALECTS_VIT_SCALARDERIVATIVES_H
