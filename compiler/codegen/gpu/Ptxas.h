//===- Ptxas.h - NVIDIA's assembler, where there is one ------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_COMPILER_CODEGEN_GPU_PTXAS_H
#define VITC_COMPILER_CODEGEN_GPU_PTXAS_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <string>

namespace vitc::gpu {

/// ptxas of a CUDA toolkit: in PATH, in CUDA_HOME's bin, in /usr/local/cuda/bin. Empty if there is none.
std::string findPtxas();

/// Machine code of `ptx` for `architecture`. What was assembled before by the same program is taken from `cacheFolder`, unless that is
/// empty; a cache that cannot be written is none. The error is what ptxas complains of first.
llvm::Expected<std::string> assemble(llvm::StringRef ptx, llvm::StringRef architecture, llvm::StringRef ptxas, llvm::StringRef cacheFolder);

} // namespace vitc::gpu

#endif // VITC_COMPILER_CODEGEN_GPU_PTXAS_H
