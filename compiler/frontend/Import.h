//===- Import.h - a model's config as vit IR ----------------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_COMPILER_FRONTEND_IMPORT_H
#define VITC_COMPILER_FRONTEND_IMPORT_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

#include <string>

namespace vitc {

struct ModelConfig;

/// One sentence that lists every switch of a valid config that import has no operations for; empty if there is none.
std::string unsupportedSwitches(const ModelConfig &config);

/// Builds `func.func @infer(%images: tensor<?xCxHxWxf32>) -> tensor<?xKxf32>` from a validated config without unsupported switches, in
/// `vit` operations (attention and mlp as one operation each). With `pool=none` the result is tensor<?xTxKxf32>. Every operation's location
/// is the name of the layer whose value it computes: "patch_embed", "pos_embed", "blocks.0.norm1", "blocks.0.attn",
/// "blocks.0.attn_residual", "blocks.0.norm2", "blocks.0.mlp", "blocks.0", "norm", "pool", "head"; timm's own names elsewhere
/// ("norm_pre", "fc_norm", "blocks.0.attns.1.attn"). The dialects `vit` and `func` are loaded into the context.
mlir::OwningOpRef<mlir::ModuleOp> importModel(mlir::MLIRContext &context, const ModelConfig &config);

} // namespace vitc

#endif // VITC_COMPILER_FRONTEND_IMPORT_H
