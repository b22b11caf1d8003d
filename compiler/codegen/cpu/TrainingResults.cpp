//===- TrainingResults.cpp - what becomes of a product's sums -----------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/codegen/cpu/Activation.h"
#include "compiler/codegen/cpu/TrainingProduct.h"

using namespace mlir;

namespace vitc::cpu {

int64_t TrainingProduct::scratchBytes() const {
  int64_t leftBytes = 0;
  if (bf16)
    leftBytes = wordBytes * ShapedType::getNumElements(leftShape());
  return panelBytes() + partialBytes() + stagedBytes() + leftBytes;
}

void emitResults(ImplicitLocOpBuilder &b, const TrainingProduct &product, const SumsOfRow &sums) {
  for (int64_t vector = 0; vector < sums.vectors; ++vector) {
    int64_t count = vector + 1 == sums.vectors ? sums.lastLanes : sums.lanes;
    SmallVector<Value> at{sums.row, add(b, sums.column, vector * sums.lanes)};
    auto read = [&](Value memref) { return loadVector(b, memref, at, sums.lanes, count); };
    Value value = sums.sum(vector);
    if (product.bias)
      value = addf(b, value, loadVector(b, product.bias, at.back(), sums.lanes, count));
    if (product.derivative) {
      auto [activated, derivative] = activateWithDerivative(b, product.activation, value);
      storeVector(b, derivative, product.derivative, at, count);
      value = activated;
    } else {
      value = activate(b, product.activation, value);
    }
    if (product.factor)
      value = mulf(b, value, read(product.factor));
    for (Value addend : {product.addend, product.accumulate ? product.result : Value()})
      if (addend)
        value = addf(b, value, read(addend));
    storeVector(b, value, product.result, at, count);
  }
}

} // namespace vitc::cpu
