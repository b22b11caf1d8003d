//===- CalibratedRange.cpp - the grids of calibrated values -------------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/transforms/CalibratedRange.h"

#include "dialects/vit/LayerName.h"

#include "mlir/IR/BuiltinOps.h"

#include <cmath>

using namespace mlir;

namespace vitc {

/// One range for all rows makes steps as large as the widest row wants; more than this many times those of the rows' own ranges cost accuracy
/// that no speed is worth (docs/precision.md).
static constexpr double coarsestGrid = 3;

std::optional<std::pair<double, double>> calibratedRange(Value value) {
  auto module = value.getParentRegion()->getParentOfType<ModuleOp>();
  auto ranges = module->getAttrOfType<DictionaryAttr>("kernel.ranges");
  auto found = ranges ? ranges.getAs<DenseF32ArrayAttr>(layerName(value.getLoc())) : DenseF32ArrayAttr();
  if (!found || found.size() != 3 || !llvm::all_of(found.asArrayRef(), [](float number) { return std::isfinite(number); }))
    return std::nullopt;
  std::pair<double, double> range(std::min<double>(found[0], 0), std::max<double>(found[1], 0));
  return range.second - range.first <= coarsestGrid * found[2] ? std::optional(range) : std::nullopt;
}

DenseF32ArrayAttr gridOf(MLIRContext *context, std::pair<double, double> range) {
  double scale = range.second > range.first ? (range.second - range.first) / 255 : 1;
  return DenseF32ArrayAttr::get(context, {static_cast<float>(scale), static_cast<float>(std::nearbyint(0.0 - range.first / scale))});
}

} // namespace vitc
