//===- DoublePrecision.h - f32 functions as f64 functions ---------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_TEST_UNIT_VIT_DOUBLEPRECISION_H
#define VITC_TEST_UNIT_VIT_DOUBLEPRECISION_H

#include "mlir/IR/BuiltinOps.h"

namespace vitc::test {

/// Makes f64 of all f32 types and constants of linalg, tensor, arith and math. The bits of a value are still those of the nearest f32.
void promoteToDouble(mlir::ModuleOp module);

} // namespace vitc::test

#endif // VITC_TEST_UNIT_VIT_DOUBLEPRECISION_H
