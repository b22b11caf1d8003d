//===- IndependentElements.h - who may compute what of a reference body -------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_COMPILER_CODEGEN_CPU_INDEPENDENTELEMENTS_H
#define VITC_COMPILER_CODEGEN_CPU_INDEPENDENTELEMENTS_H

#include "compiler/codegen/cpu/ReferenceLoops.h"

namespace vitc::cpu {

/// Whether nobody has to wait for anybody when the positions of each of the function's linalg operations and copies, all on buffers of static
/// shape, are shared out by their number: then what is read was not written by one of them, or by the same position of one; and nothing is
/// written by two others. Of `team`, where that has reductions together, see lowerLinalgToLoops. False also for what is not understood, and where there are temporaries.
bool elementsAreIndependent(mlir::func::FuncOp function, const ReductionTeam *team = nullptr);

} // namespace vitc::cpu

#endif // VITC_COMPILER_CODEGEN_CPU_INDEPENDENTELEMENTS_H
