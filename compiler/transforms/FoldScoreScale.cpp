//===- FoldScoreScale.cpp - attention's scale into the query's weights ------------------------===//
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
#define GEN_PASS_DEF_VITFOLDSCORESCALE
#include "compiler/transforms/Passes.h.inc"

namespace {

FloatAttr scaleOf(Operation *attention) { return attention->getAttrOfType<FloatAttr>("scale"); }

/// The first `rows` rows of a weight times the scale; null stays null.
Value scaled(OpBuilder &builder, Location loc, Value weight, int64_t rows, FloatAttr scale) {
  return weight ? vit::ScaleRowsByConstantOp::create(builder, loc, weight.getType(), weight, builder.getI64IntegerAttr(rows), scale)
                : Value();
}

template <typename OperandRange> void assign(OperandRange operand, Value value) {
  if (value)
    operand.assign(value);
}

void scaleProduct(vit::LinearOp product, int64_t rows, FloatAttr scale) {
  OpBuilder builder(product);
  product.getWeightMutable().assign(scaled(builder, product.getLoc(), product.getWeight(), rows, scale));
  assign(product.getBiasMutable(), scaled(builder, product.getLoc(), product.getBias(), rows, scale));
  renameFolded(product);
}

/// A query that is an operand of its own: a weight, or the result of a product that nothing else reads.
StringRef scaleQuery(Operation *attention, OpOperand &query, FloatAttr scale) {
  if (cast<RankedTensorType>(query.get().getType()).hasStaticShape()) {
    OpBuilder builder(attention);
    int64_t rows = cast<RankedTensorType>(query.get().getType()).getDimSize(0);
    query.set(scaled(builder, attention->getLoc(), query.get(), rows, scale));
    return "";
  }
  auto product = query.get().getDefiningOp<vit::LinearOp>();
  if (!product)
    return "the query does not come from a product";
  if (!product->hasOneUse())
    return "the query's product has other users";
  if (product.getActivation() != vit::Activation::None || product.getResidual())
    return "the query's product has an epilogue";
  scaleProduct(product, cast<RankedTensorType>(product.getWeight().getType()).getDimSize(0), scale);
  return "";
}

/// The query that is part of the same rows as key and value.
StringRef scaleQuery(const AttentionSource &source, FloatAttr scale) {
  if (!source.product)
    return source.why;
  if (llvm::any_of(source.readers, [&](Operation *reader) { return scaleOf(reader) != scale; }))
    return "it is read with several scales";
  if (vit::HeadNormalizeOp norm = source.norm) {
    // What is normalized forgets a factor; the gain after it does not.
    if (!norm.getQGain())
      return "the query is normalized and has no gain";
    OpBuilder builder(norm);
    int64_t width = cast<RankedTensorType>(norm.getQGain().getType()).getDimSize(0);
    assign(norm.getQGainMutable(), scaled(builder, norm.getLoc(), norm.getQGain(), width, scale));
    assign(norm.getQShiftMutable(), scaled(builder, norm.getLoc(), norm.getQShift(), width, scale));
    renameFolded(norm);
  } else {
    scaleProduct(source.product, source.width, scale);
  }
  // A rotation is linear.
  if (source.rotary)
    renameFolded(source.rotary);
  return "";
}

struct FoldScoreScalePass : impl::VitFoldScoreScaleBase<FoldScoreScalePass> {
  /// Folds the scale of `readers`, which see one query.
  void fold(ArrayRef<Operation *> readers, function_ref<StringRef(FloatAttr)> scaleQuery) {
    Report report("fold", "score-scale");
    FloatAttr scale = scaleOf(readers.front());
    if (scale.getValue().isExactlyValue(1.0))
      return;
    auto sdpa = dyn_cast<vit::SdpaOp>(readers.front());
    StringRef why = sdpa && sdpa.getRowTable() ? "decomposed relative positions are products of the unscaled query" : scaleQuery(scale);
    if (!why.empty()) {
      ++missed;
      return report.missed(readers.front(), "scores are scaled at run time: " + why);
    }
    for (Operation *reader : readers)
      reader->setAttr("scale", FloatAttr::get(scale.getType(), 1.0));
    ++folded;
    report.done(readers.front(), "the scores' scale folded into the query");
  }

  void runOnOperation() override {
    for (auto &[attention, source] : attentionsOf(getOperation())) {
      if (!source.separateQuery) {
        fold(source.readers, [&](FloatAttr scale) { return scaleQuery(source, scale); });
        continue;
      }
      for (Operation *reader : source.readers) {
        auto sdpa = dyn_cast<vit::SdpaOp>(reader);
        OpOperand &query = sdpa ? *sdpa.getQueryMutable().begin() : cast<vit::AttentionPoolOp>(reader).getQueryMutable();
        fold(reader, [&](FloatAttr scale) { return scaleQuery(reader, query, scale); });
      }
    }
  }
};

} // namespace
} // namespace vitc
