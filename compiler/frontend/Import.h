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

#include "llvm/ADT/ArrayRef.h"

#include <string>

namespace vitc {

struct ModelConfig;

/// One sentence that lists every switch of a valid config that import has no operations for; empty if there is none.
std::string unsupportedSwitches(const ModelConfig &config);
/// What the program takes.
enum class ImageType {
  F32, ///< [B, C, H, W], normalised
  U8   ///< [B, H, W, C] as decoded: the program normalises them by the config's preprocessing
};

/// Builds `func.func @infer(%images: tensor<?xCxHxWxf32>) -> tensor<?xKxf32>` from a validated config without unsupported switches, in
/// `vit` operations (attention and mlp as one operation each). With `pool=none` the result is tensor<?xTxKxf32>. Every operation's location
/// is the name of the layer whose value it computes: "patch_embed", "pos_embed", "blocks.0.norm1", "blocks.0.attn",
/// "blocks.0.attn_residual", "blocks.0.norm2", "blocks.0.mlp", "blocks.0", "norm", "pool", "head"; timm's own names elsewhere
/// ("norm_pre", "fc_norm", "blocks.0.attns.1.attn"). The dialects `vit` and `func` are loaded into the context.
///
/// `take` names what the function returns instead, in this order:
///   logits       what the classifier gives
///   features     the row that the classifier gets: pooled, after fc_norm
///   tokens       all tokens after the final norm, [?, T, D]
///   block.N      all tokens after block N, [?, T, D]
///   attention.N  the attention's probabilities in block N, [?, h, T, T]; attention.N.B of branch B of a block with parallel branches
/// A result's name is its attribute `vit.output`. Null, after an error that names the nearest choice, if the model has none of that name.
mlir::OwningOpRef<mlir::ModuleOp> importModel(mlir::MLIRContext &context, const ModelConfig &config, llvm::ArrayRef<std::string> take = {},
                                              ImageType images = ImageType::F32);

/// Builds `func.func @train(%images: tensor<?xCxHxWxf32>, %targets: tensor<?xKxf32>, %randomness: tensor<?x4xf32>) -> tensor<?x1xf32>`: the
/// loss of each image, with dropout at its places (keys of `vit.dropout`). A model with a distillation token (DeiT) takes `%teacher`:
/// tensor<?xKxf32> after the targets, the teacher's classes or their probabilities; its loss is half the class token's with the targets and
/// half the distillation token's with the teacher (Touvron et al. 2021, equation 3). Null, after an error, if the model has no classifier.
mlir::OwningOpRef<mlir::ModuleOp> importTrainingModel(mlir::MLIRContext &context, const ModelConfig &config);

} // namespace vitc

#endif // VITC_COMPILER_FRONTEND_IMPORT_H
