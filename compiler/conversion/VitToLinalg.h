//===- VitToLinalg.h - the reference lowering of whole regions ----------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_COMPILER_CONVERSION_VITTOLINALG_H
#define VITC_COMPILER_CONVERSION_VITTOLINALG_H

#include "mlir/IR/Operation.h"

namespace vitc {

struct ReferenceCounts {
  int64_t decomposed = 0;
  int64_t lowered = 0;
};

/// Replaces all operations below `root` that can be decomposed or have a reference lowering. Fails after an error was emitted.
mlir::FailureOr<ReferenceCounts> lowerToReference(mlir::Operation *root);

} // namespace vitc

#endif // VITC_COMPILER_CONVERSION_VITTOLINALG_H
