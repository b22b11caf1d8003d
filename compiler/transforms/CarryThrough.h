//===- CarryThrough.h - a vector added before a product, into its bias --------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_COMPILER_TRANSFORMS_CARRYTHROUGH_H
#define VITC_COMPILER_TRANSFORMS_CARRYTHROUGH_H

#include "dialects/vit/VitDialect.h"

namespace vitc {

/// linear(x + v, W, c) -> linear(x, W, c + W v), for v [K] of weights alone: gives `linear` the bias that makes up for v, which its input has lost.
inline void carryThrough(vit::LinearOp linear, mlir::Value vector) {
  mlir::OpBuilder builder(linear);
  mlir::Location loc = linear.getLoc();
  auto weight = mlir::cast<mlir::RankedTensorType>(linear.getWeight().getType());
  mlir::RankedTensorType type = weight.clone(weight.getShape().take_front());
  mlir::Value bias = vit::MatvecOp::create(builder, loc, type, linear.getWeight(), vector);
  if (linear.getBias())
    bias = vit::AddOp::create(builder, loc, type, linear.getBias(), bias);
  linear.getBiasMutable().assign(bias);
}

} // namespace vitc

#endif // VITC_COMPILER_TRANSFORMS_CARRYTHROUGH_H
