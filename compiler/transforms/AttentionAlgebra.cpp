//===- AttentionAlgebra.cpp - products before an attention, for folding ---------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/transforms/AttentionAlgebra.h"
#include "dialects/vit/LayerName.h"

#include "llvm/ADT/SmallPtrSet.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace vitc;

bool vitc::isAttention(Operation *op) {
  return isa<vit::SdpaOp, vit::AttentionProbabilitiesOp, vit::TalkingHeadsOp, vit::AttentionPoolOp>(op);
}

/// The operand of an attention that holds its keys and values.
static OpOperand &keysAndValues(Operation *attention) { return attention->getOpOperand(isa<vit::AttentionPoolOp>(attention) ? 1 : 0); }

static bool hasQueryOfItsOwn(Operation *attention) {
  auto sdpa = dyn_cast<vit::SdpaOp>(attention);
  return isa<vit::AttentionPoolOp>(attention) || (sdpa && sdpa.getQuery());
}

/// The operation that computes `rows` from others like them, if it is of this kind; then `rows` are those others.
template <typename OpTy> static OpTy takeLink(Value &rows) {
  auto op = rows.getDefiningOp<OpTy>();
  if (op)
    rows = op.getQkv();
  return op;
}

AttentionSource vitc::sourceOf(Operation *attention) {
  AttentionSource source;
  Value rows = keysAndValues(attention).get();
  int64_t columns = cast<RankedTensorType>(rows.getType()).getShape().back();
  source.separateQuery = hasQueryOfItsOwn(attention);
  source.width = columns / (source.separateQuery ? 2 : 3);
  source.valueColumn = columns - source.width;
  source.keyColumn = source.valueColumn - source.width;
  for (OpOperand &use : rows.getUses()) {
    Operation *reader = use.getOwner();
    if (isAttention(reader) && &use == &keysAndValues(reader) && hasQueryOfItsOwn(reader) == source.separateQuery)
      source.readers.push_back(reader);
    else
      source.why = "the rows of query, key and value have other users";
  }
  source.rotary = takeLink<vit::RotaryOp>(rows);
  source.norm = takeLink<vit::HeadNormalizeOp>(rows);
  auto product = rows.getDefiningOp<vit::LinearOp>();
  if (!source.why.empty())
    return source;
  if (!product)
    source.why = "query, key and value do not come from a product";
  else if ((source.rotary || source.norm) && !(product->hasOneUse() && (!source.rotary || !source.norm || source.norm->hasOneUse())))
    source.why = "the product has other users";
  else if (product.getActivation() != vit::Activation::None || product.getResidual())
    source.why = "the product has an epilogue";
  else
    source.product = product;
  return source;
}

SmallVector<std::pair<Operation *, AttentionSource>> vitc::attentionsOf(Operation *function) {
  SmallVector<std::pair<Operation *, AttentionSource>> result;
  llvm::SmallPtrSet<Operation *, 16> seen;
  function->walk([&](Operation *op) {
    if (!isAttention(op) || !seen.insert(op).second)
      return;
    AttentionSource source = sourceOf(op);
    seen.insert_range(source.readers);
    result.emplace_back(op, std::move(source));
  });
  return result;
}

Value vitc::withoutElements(OpBuilder &builder, Location loc, Value bias, int64_t first, int64_t count) {
  auto type = cast<RankedTensorType>(bias.getType());
  int64_t rest = type.getDimSize(0) - first - count;
  SmallVector<Value> parts;
  auto keep = [&](int64_t from, int64_t elements) {
    if (elements > 0)
      parts.push_back(vit::SliceRowsOp::create(builder, loc, type.clone({elements}), bias, from));
  };
  keep(0, first);
  parts.push_back(vit::ZerosOp::create(builder, loc, type.clone({count})));
  keep(first + count, rest);
  return vit::ConcatOp::create(builder, loc, type, parts);
}

void vitc::renameFolded(Operation *op, StringRef suffix) {
  if (!layerName(op->getLoc()).ends_with(("." + suffix).str()))
    op->setLoc(childLoc(op->getLoc(), suffix));
}
