//===- Elementwise.cpp - activations, their gradients and sums on a GPU -------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/codegen/cpu/Activation.h"
#include "compiler/codegen/gpu/DeviceFunction.h"
#include "compiler/codegen/gpu/GpuCodegen.h"

using namespace mlir;

namespace vitc::gpu {

static constexpr int64_t threads = 256;
/// Elements of a block, in whole rows of which there is one at least.
static constexpr int64_t elementsOfBlock = 4096;

/// result = function(operands), element by element.
static KernelInfo emitElements(ModuleOp module, Operation *op, StringRef symbol, StringRef kind,
                               function_ref<Value(ImplicitLocOpBuilder &, ArrayRef<Value>)> function) {
  Value value = op->getResult(0);
  const int64_t width = tensorOf(value).getShape().back(), lanes = vectorFor(width, tensorOf(value).getElementType());
  const int64_t rows = std::max<int64_t>(1, elementsOfBlock / width);
  DeviceFunction f(module, symbol, op->getLoc(), elementsOf(op), threads);
  ImplicitLocOpBuilder &b = f.b;
  Value firstRow = mul(b, f.block, rows), left = sub(b, mul(b, f.images, rowsOfImage(value)), firstRow);
  Value elements = mul(b, min(b, left, constant(b, rows)), width);
  SmallVector<Value> memories;
  for (unsigned i = 0; i <= op->getNumOperands(); ++i)
    memories.push_back(rowOf(b, f.operand(i), firstRow, width));
  forLoop(b, mul(b, f.thread, lanes), elements, threads * lanes, {}, [&](Value at, ValueRange) {
    SmallVector<Value> vectors, results;
    for (Value memory : ArrayRef(memories).drop_back())
      vectors.push_back(load(b, memory, at, lanes));
    for (int64_t i = 0; i < lanes; ++i)
      results.push_back(function(b, llvm::map_to_vector(vectors, [&](Value vector) { return lane(b, vector, i); })));
    store(b, vectorOf(b, results), memories.back(), at);
    return SmallVector<Value>();
  });

  KernelInfo info;
  info.symbol = symbol.str();
  info.kind = kind.str();
  info.rowsPerImage = rowsOfImage(value);
  info.rowsPerTask = rows;
  info.threads = f.threads();
  return info;
}

FailureOr<KernelInfo> emitActivation(ModuleOp module, kernel::ActivationOp op, StringRef symbol) {
  return emitElements(module, op, symbol, "activation",
                      [&](ImplicitLocOpBuilder &b, ArrayRef<Value> x) { return cpu::activate(b, op.getKind(), x[0]); });
}

FailureOr<KernelInfo> emitActivationGrad(ModuleOp module, kernel::ActivationGradOp op, StringRef symbol) {
  return emitElements(module, op, symbol, "activation_grad", [&](ImplicitLocOpBuilder &b, ArrayRef<Value> x) {
    return mulf(b, x[1], cpu::activationDerivative(b, op.getKind(), x[0]));
  });
}

FailureOr<KernelInfo> emitAdd(ModuleOp module, kernel::AddOp op, StringRef symbol) {
  return emitElements(module, op, symbol, "add", [](ImplicitLocOpBuilder &b, ArrayRef<Value> x) { return addf(b, x[0], x[1]); });
}

} // namespace vitc::gpu
