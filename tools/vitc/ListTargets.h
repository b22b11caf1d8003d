//===- ListTargets.h - vitc --list-targets ------------------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_TOOLS_VITC_LISTTARGETS_H
#define VITC_TOOLS_VITC_LISTTARGETS_H

#include "llvm/Support/raw_ostream.h"

namespace vitc::tool {

/// The targets, and what this machine has of the instructions that kernels multiply with.
void listTargets(llvm::raw_ostream &os);

} // namespace vitc::tool

#endif // VITC_TOOLS_VITC_LISTTARGETS_H
