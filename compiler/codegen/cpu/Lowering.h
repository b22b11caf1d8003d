//===- Lowering.h - from kernels' dialects to LLVM ----------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_COMPILER_CODEGEN_CPU_LOWERING_H
#define VITC_COMPILER_CODEGEN_CPU_LOWERING_H

namespace mlir {
class OpPassManager;
}

namespace vitc::cpu {

struct CpuTarget;

/// func, scf, memref, vector, arith, math -> LLVM dialect. Transcendental functions become polynomials (Math.h), so that the result calls
/// no library.
void buildLowering(mlir::OpPassManager &pm, const CpuTarget &target);

} // namespace vitc::cpu

#endif // VITC_COMPILER_CODEGEN_CPU_LOWERING_H
