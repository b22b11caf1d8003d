//===- Attention.h - kernel.attention as machine code -------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_COMPILER_CODEGEN_CPU_ATTENTION_H
#define VITC_COMPILER_CODEGEN_CPU_ATTENTION_H

#include "compiler/codegen/cpu/CpuCodegen.h"
#include "dialects/kernel/KernelDialect.h"

namespace vitc::cpu {

/// softmax(scale Q K' + bias) V (Vaswani et al. 2017, equation 1); a task is one head of one image.
///
/// K is transposed once for a head, with the scale folded in. Then `rows` queries at a time meet all keys: their scores stay in the first-level cache,
/// so the whole row's maximum is known before the first exp and no running rescale (Milakov and Gimelshein 2018) is needed. The division by the sum is
/// left to the result.
mlir::FailureOr<KernelInfo> emitAttention(mlir::ModuleOp module, kernel::AttentionOp op, llvm::StringRef symbol);

} // namespace vitc::cpu

#endif // VITC_COMPILER_CODEGEN_CPU_ATTENTION_H
