//===- TrainingFlat.cpp - passes over flat memory -----------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/codegen/cpu/TrainingFlat.h"

using namespace mlir;

namespace vitc::cpu {

void forElements(ImplicitLocOpBuilder &b, Value from, Value to, int64_t lanes, function_ref<void(Value at, int64_t lanes)> body) {
  Value whole = add(b, from, mul(b, div(b, sub(b, to, from), lanes), lanes));
  forLoop(b, from, whole, lanes, [&](Value at) { body(at, lanes); });
  forLoop(b, whole, to, 1, [&](Value at) { body(at, 1); });
}

} // namespace vitc::cpu
