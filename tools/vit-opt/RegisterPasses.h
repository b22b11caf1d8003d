//===- RegisterPasses.h - what vit-opt knows ----------------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_TOOLS_VIT_OPT_REGISTERPASSES_H
#define VITC_TOOLS_VIT_OPT_REGISTERPASSES_H

namespace vitc {

/// Registers the project's passes, and those of MLIR that take their output further: to loops and LLVM, for `mlir-runner`.
void registerPasses();

} // namespace vitc

#endif // VITC_TOOLS_VIT_OPT_REGISTERPASSES_H
