//===- ReferenceLoops.h - linalg on buffers as scalar loops -------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_COMPILER_CODEGEN_CPU_REFERENCELOOPS_H
#define VITC_COMPILER_CODEGEN_CPU_REFERENCELOOPS_H

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace vitc::cpu {

/// Replaces every linalg operation and memref.copy of `function`, all of static shapes, by scf loops.
///
/// Unlike upstream's convert-linalg-to-loops a reduction runs in the innermost loops and carries its accumulator as a value: a result element is read and
/// written once, and because no store lies in the loop, LLVM may vectorize it. Sums carry `reassoc` for the same reason (several partial sums are also
/// the more accurate way to add).
///
/// Fails with an error on the operation that has no such form.
llvm::LogicalResult lowerLinalgToLoops(mlir::func::FuncOp function);

} // namespace vitc::cpu

#endif // VITC_COMPILER_CODEGEN_CPU_REFERENCELOOPS_H
