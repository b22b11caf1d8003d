//===- PatchEmbed.h - kernel.patch_embed as machine code --------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_COMPILER_CODEGEN_CPU_PATCHEMBED_H
#define VITC_COMPILER_CODEGEN_CPU_PATCHEMBED_H

#include "compiler/codegen/cpu/CpuCodegen.h"
#include "dialects/kernel/KernelDialect.h"

namespace vitc::cpu {

/// A product whose left operand's rows are patches read where they lie in the image (no im2col copy), with the position table added and
/// the prefix rows put before each image's patches. Rows are patches, of all images of the group one after the other; a task is a block of
/// them times a panel of columns.
mlir::FailureOr<KernelInfo> emitPatchEmbed(mlir::ModuleOp module, kernel::PatchEmbedOp op, llvm::StringRef symbol);

} // namespace vitc::cpu

#endif // VITC_COMPILER_CODEGEN_CPU_PATCHEMBED_H
