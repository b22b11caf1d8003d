//===- FoldValueBias.cpp - the value's bias into the product after the attention --------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/transforms/AttentionAlgebra.h"
#include "compiler/transforms/CarryThrough.h"
#include "compiler/transforms/Passes.h"
#include "compiler/transforms/Report.h"

using namespace mlir;

namespace vitc {
#define GEN_PASS_DEF_VITFOLDVALUEBIAS
#include "compiler/transforms/Passes.h.inc"

namespace {

/// The products that read the result of `attention`; none if something else does.
SmallVector<vit::LinearOp> projectionsOf(Operation *attention) {
  SmallVector<vit::LinearOp> result;
  for (OpOperand &use : attention->getUses()) {
    auto linear = dyn_cast<vit::LinearOp>(use.getOwner());
    if (!linear || use.getOperandNumber() != 0 || linear.getResidual() == use.get())
      return {};
    result.push_back(linear);
  }
  return result;
}

/// Why the value's bias has to be added to the values, or an empty string.
StringRef whyKept(const AttentionSource &source) {
  if (!source.product)
    return source.why;
  for (Operation *reader : source.readers) {
    // Its shares belong to all keys, whatever the values are.
    if (isa<vit::AttentionProbabilitiesOp>(reader))
      continue;
    if (isa<vit::TalkingHeadsOp>(reader))
      return "the mixed shares of a query do not sum to 1";
    if (projectionsOf(reader).empty())
      return "the heads are read by something else than a product";
  }
  return "";
}

struct FoldValueBiasPass : impl::VitFoldValueBiasBase<FoldValueBiasPass> {
  static void fold(const AttentionSource &source) {
    vit::LinearOp product = source.product;
    OpBuilder builder(product);
    Location loc = product.getLoc();
    Value all = product.getBias();
    auto part = cast<RankedTensorType>(all.getType()).clone({source.width});
    Value bias = vit::SliceRowsOp::create(builder, loc, part, all, source.valueColumn);
    product.getBiasMutable().assign(withoutElements(builder, loc, all, source.valueColumn, source.width));
    renameFolded(product);
    if (source.norm)
      renameFolded(source.norm);
    if (source.rotary)
      renameFolded(source.rotary);
    for (Operation *reader : source.readers) {
      if (isa<vit::AttentionProbabilitiesOp>(reader))
        continue;
      for (vit::LinearOp projection : projectionsOf(reader))
        carryThrough(projection, bias);
      renameFolded(reader, "unbiased");
    }
  }

  void runOnOperation() override {
    Report report("fold", "value-bias");
    for (auto &[attention, source] : attentionsOf(getOperation())) {
      if (source.product && !source.product.getBias())
        continue;
      StringRef why = whyKept(source);
      if (!why.empty()) {
        ++missed;
        report.missed(attention, "the value's bias is added at run time: " + why);
        continue;
      }
      fold(source);
      ++folded;
      report.done(attention, "the value's bias folded into the bias of the product that follows");
    }
  }
};

} // namespace
} // namespace vitc
