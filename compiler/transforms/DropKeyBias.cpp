//===- DropKeyBias.cpp - a bias that no softmax sees ------------------------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/transforms/AttentionAlgebra.h"
#include "compiler/transforms/Passes.h"
#include "compiler/transforms/Report.h"

using namespace mlir;

namespace vitc {
#define GEN_PASS_DEF_VITDROPKEYBIAS
#include "compiler/transforms/Passes.h.inc"

namespace {

/// Why the key's bias changes the result, or an empty string.
StringRef whyKept(const AttentionSource &source) {
  if (!source.product)
    return source.why;
  if (source.norm)
    return "the key is normalized with it";
  // Turned by another angle for every key, it is another vector for every key.
  return source.rotary ? "the key is rotated with it" : "";
}

struct DropKeyBiasPass : impl::VitDropKeyBiasBase<DropKeyBiasPass> {
  void runOnOperation() override {
    Report report("fold", "key-bias");
    for (auto &[attention, source] : attentionsOf(getOperation())) {
      if (source.product && !source.product.getBias())
        continue;
      StringRef why = whyKept(source);
      if (!why.empty()) {
        ++missed;
        report.missed(attention, "the key's bias is added at run time: " + why);
        continue;
      }
      vit::LinearOp product = source.product;
      OpBuilder builder(product);
      product.getBiasMutable().assign(withoutElements(builder, product.getLoc(), product.getBias(), source.keyColumn, source.width));
      renameFolded(product);
      ++dropped;
      report.done(attention, "the key's bias dropped, which adds the same to all scores of a query");
    }
  }
};

} // namespace
} // namespace vitc
