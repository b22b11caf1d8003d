//===- AttentionAlgebra.h - products before an attention, for folding ---------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//
//
// What the passes share that fold something of an attention into the products around it: `vit-fold-score-scale`, `vit-drop-key-bias` and
// `vit-fold-value-bias`.
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_COMPILER_TRANSFORMS_ATTENTIONALGEBRA_H
#define VITC_COMPILER_TRANSFORMS_ATTENTIONALGEBRA_H

#include "dialects/vit/VitDialect.h"

#include "mlir/IR/BuiltinOps.h"

namespace vitc {

/// The rows of keys and values that attention reads, and where they come from.
struct AttentionSource {
  /// The product that computes them, a plain one that nothing else reads; null if there is none, `why` says why not.
  vit::LinearOp product;
  llvm::StringRef why;
  /// QK-norm and rotation on the way from the product to the attention, in this order; either may be null.
  vit::HeadNormalizeOp norm;
  vit::RotaryOp rotary;
  /// All that reads the rows as query, key and value: `vit.sdpa`, `vit.attention_probabilities`, `vit.talking_heads`, `vit.attention_pool`.
  llvm::SmallVector<mlir::Operation *> readers;
  /// Whether the readers have queries that are operands of their own.
  bool separateQuery = false;
  /// Columns of the product: the query's, if it is in there, then `width` of the key and `width` of the value.
  int64_t keyColumn = 0, valueColumn = 0, width = 0;
};

/// Whether `op` makes queries listen to keys and values.
bool isAttention(mlir::Operation *op);

/// Where the keys and values of `attention` come from.
AttentionSource sourceOf(mlir::Operation *attention);

/// One attention for each product that is read by some, in order, with its source: several that read the same rows count once.
llvm::SmallVector<std::pair<mlir::Operation *, AttentionSource>> attentionsOf(mlir::Operation *function);

/// A bias [N] without its elements [first, first + count): zeros there.
mlir::Value withoutElements(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value bias, int64_t first, int64_t count);

/// From now on `op` does not compute the layer's value, which must not be compared with it: "blocks.0.attn.qkv" and "folded" give
/// "blocks.0.attn.qkv.folded", whatever has been folded before.
void renameFolded(mlir::Operation *op, llvm::StringRef suffix = "folded");

} // namespace vitc

#endif // VITC_COMPILER_TRANSFORMS_ATTENTIONALGEBRA_H
