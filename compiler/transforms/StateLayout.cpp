//===- StateLayout.cpp - where the weights of a training program lie -- -*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/transforms/StateLayout.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace vitc {

static RankedTensorType typeOf(Value value) { return cast<RankedTensorType>(value.getType()); }

std::optional<StateRange> StateLayout::find(StringRef name) const {
  auto found = indices.find(name);
  return found == indices.end() ? std::nullopt : std::optional(ranges[found->second].second);
}

void StateLayout::alias(const Twine &name, StateRange range) {
  if (indices.try_emplace(name.str(), ranges.size()).second)
    ranges.emplace_back(name.str(), range);
}

StateRange StateLayout::place(const Twine &name, int64_t length) {
  if (std::optional<StateRange> known = find(name.str()))
    return *known;
  StateRange range{static_cast<int64_t>(llvm::alignTo(end, alignment)), length};
  alias(name, range);
  end = range.end();
  return range;
}

void StateLayout::placeSideBySide(ArrayRef<std::pair<std::string, int64_t>> parts) {
  end = llvm::alignTo(end, alignment);
  for (const auto &[name, length] : parts) {
    alias(name, {end, length});
    end += length;
  }
}

DictionaryAttr StateLayout::toAttribute(MLIRContext *context) const {
  SmallVector<NamedAttribute> entries;
  for (const auto &[name, range] : ranges)
    entries.emplace_back(StringAttr::get(context, name), DenseI64ArrayAttr::get(context, {range.first, range.length}));
  return DictionaryAttr::get(context, entries);
}

std::optional<StateRange> StateLayout::lookup(DictionaryAttr layout, StringRef name) {
  auto range = layout ? layout.getAs<DenseI64ArrayAttr>(name) : DenseI64ArrayAttr();
  return range ? std::optional(StateRange{range[0], range[1]}) : std::nullopt;
}

int64_t StateLayout::size(DictionaryAttr layout) {
  int64_t end = 0;
  for (NamedAttribute entry : layout ? layout.getValue() : ArrayRef<NamedAttribute>()) {
    auto range = cast<DenseI64ArrayAttr>(entry.getValue());
    end = std::max(end, range[0] + range[1]);
  }
  return end;
}

std::optional<SmallVector<vit::WeightOp>> joinedWeights(Value value) {
  if (auto weight = value.getDefiningOp<vit::WeightOp>())
    return SmallVector<vit::WeightOp>{weight};
  if (auto reshape = value.getDefiningOp<vit::ReshapeOp>())
    return joinedWeights(reshape.getInput());
  auto concat = value.getDefiningOp<vit::ConcatOp>();
  if (!concat)
    return std::nullopt;
  SmallVector<vit::WeightOp> all;
  for (Value part : concat.getParts()) {
    auto weights = joinedWeights(part);
    if (!weights)
      return std::nullopt;
    llvm::append_range(all, *weights);
  }
  return all;
}

ElementsOf elementsOf(Value value) {
  if (auto reshape = value.getDefiningOp<vit::ReshapeOp>())
    return elementsOf(reshape.getInput());
  auto slice = value.getDefiningOp<vit::SliceRowsOp>();
  if (!slice)
    return {value, 0};
  ElementsOf whole = elementsOf(slice.getInput());
  RankedTensorType from = typeOf(slice.getInput());
  whole.first += static_cast<int64_t>(slice.getFirst()) * (from.getNumElements() / from.getDimSize(0));
  return whole;
}

} // namespace vitc
