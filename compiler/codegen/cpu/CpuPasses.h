//===- CpuPasses.h - passes of the CPU code generator -------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_COMPILER_CODEGEN_CPU_CPUPASSES_H
#define VITC_COMPILER_CODEGEN_CPU_CPUPASSES_H

#include "mlir/Pass/Pass.h"
#include "mlir/Pass/PassRegistry.h"

namespace vitc::cpu {

#define GEN_PASS_DECL
#include "compiler/codegen/cpu/CpuPasses.h.inc"

#define GEN_PASS_REGISTRATION
#include "compiler/codegen/cpu/CpuPasses.h.inc"

} // namespace vitc::cpu

#endif // VITC_COMPILER_CODEGEN_CPU_CPUPASSES_H
