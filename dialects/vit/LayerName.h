//===- LayerName.h - locations are the model's layer names --------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_DIALECTS_VIT_LAYERNAME_H
#define VITC_DIALECTS_VIT_LAYERNAME_H

#include "mlir/IR/Location.h"

namespace vitc {

/// The layer that a location names: "blocks.0.attn" of `loc("blocks.0.attn")`. Of several fused locations the last that has a name,
/// because the last operation of a fusion computes its value. Empty if there is none, as in a test that was written by hand.
llvm::StringRef layerName(mlir::Location loc);

/// The location of a part of `loc`'s layer: "blocks.0.attn" and "qkv" give "blocks.0.attn.qkv"; a location without a name gives "qkv".
mlir::Location childLoc(mlir::Location loc, llvm::StringRef part);

} // namespace vitc

#endif // VITC_DIALECTS_VIT_LAYERNAME_H
