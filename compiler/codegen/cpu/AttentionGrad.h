//===- AttentionGrad.h - kernel.attention_grad as machine code ----------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_COMPILER_CODEGEN_CPU_ATTENTIONGRAD_H
#define VITC_COMPILER_CODEGEN_CPU_ATTENTIONGRAD_H

#include "compiler/codegen/cpu/CpuCodegen.h"
#include "dialects/kernel/KernelDialect.h"

namespace vitc::cpu {

/// The gradients of O = P V, P = softmax(s Q K'), with respect to Q, K and V, from O's; a task is one head of one image.
///
///     dV = P' dO      dP = dO V'      dS = P (dP - rowsum(P dP))      dQ = s dS K      dK = s dS' Q
///
/// (Dao et al. 2022, appendix B.2, without their rescaling.) P is what emitAttention kept, or is computed again as it does, with equal
/// bits. A block of queries at a time: its P and dS stay in the second-level cache, tile by tile of `rows` queries; then all keys' dV and
/// dK gain the block's share, whose products read P and dS by columns. So scratch memory grows with T, not with its square.
mlir::FailureOr<KernelInfo> emitAttentionGrad(mlir::ModuleOp module, kernel::AttentionGradOp op, llvm::StringRef symbol);

} // namespace vitc::cpu

#endif // VITC_COMPILER_CODEGEN_CPU_ATTENTIONGRAD_H
