//===- Structure.h - what an operation computes, as text ----------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_DIALECTS_KERNEL_STRUCTURE_H
#define VITC_DIALECTS_KERNEL_STRUCTURE_H

#include "mlir/IR/Operation.h"

#include <string>

namespace vitc::kernel {

/// What an operation computes without what it is called: operations of equal text do the same to their operands, so that one function
/// serves both. Values are numbered as they come. Names of symbols and weights are left out.
std::string structureOf(mlir::Operation *op);

} // namespace vitc::kernel

#endif // VITC_DIALECTS_KERNEL_STRUCTURE_H
