//===- TrainingElementwise.cpp - element by element, as machine code ----------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/codegen/cpu/TrainingElementwise.h"
#include "compiler/codegen/cpu/Activation.h"
#include "compiler/codegen/cpu/TrainingFlat.h"

#include <functional>
#include <numeric>

using namespace mlir;

namespace vitc::cpu {

/// Each element of the result from those of all operands, which have its shape.
template <typename Op>
static FailureOr<KernelInfo> emitElements(ModuleOp module, Op op, StringRef symbol, StringRef kind,
                                          function_ref<Value(ImplicitLocOpBuilder &b, ValueRange operands)> value) {
  kernel::RowScheduleAttr schedule = op.getScheduleAttr();
  if (!schedule)
    return op.emitOpError() << "has no schedule to generate code by";
  if (schedule.getRowsPerTask() < 1 || schedule.getVector() < 1)
    return op.emitOpError() << "needs a schedule of one row a task and one lane at least, not " << schedule;
  ArrayRef<int64_t> shape = cast<RankedTensorType>(op.getValue().getType()).getShape().drop_front();
  const int64_t width = shape.back();
  const int64_t rowsPerImage = std::accumulate(shape.begin(), shape.end() - 1, int64_t{1}, std::multiplies<>());

  KernelFunction f(module, symbol, op.getLoc());
  SmallVector<Value> memrefs;
  for (unsigned operand = 0; operand <= op->getNumOperands(); ++operand)
    memrefs.push_back(f.activation(operand, {}));
  const int64_t elements = schedule.getRowsPerTask() * width;
  Value all = mul(f.b, f.images, rowsPerImage * width);
  forElements(f.b, mul(f.b, f.begin, elements), min(f.b, mul(f.b, f.end, elements), all), schedule.getVector(),
              [&](Value at, int64_t lanes) {
                SmallVector<Value> operands;
                for (Value memref : ArrayRef(memrefs).drop_back())
                  operands.push_back(loadVector(f.b, memref, at, lanes));
                storeVector(f.b, value(f.b, operands), memrefs.back(), at);
              });

  KernelInfo info;
  info.symbol = symbol.str();
  info.kind = kind.str();
  llvm::raw_string_ostream(info.schedule) << schedule;
  info.rowsPerImage = rowsPerImage;
  info.rowsPerTask = schedule.getRowsPerTask();
  return info;
}

FailureOr<KernelInfo> emitActivation(ModuleOp module, kernel::ActivationOp op, StringRef symbol) {
  return emitElements(module, op, symbol, "activation",
                      [&](ImplicitLocOpBuilder &b, ValueRange x) { return activate(b, op.getKind(), x[0]); });
}

FailureOr<KernelInfo> emitActivationGrad(ModuleOp module, kernel::ActivationGradOp op, StringRef symbol) {
  return emitElements(module, op, symbol, "activation_grad",
                      [&](ImplicitLocOpBuilder &b, ValueRange x) { return mulf(b, x[1], activationDerivative(b, op.getKind(), x[0])); });
}

FailureOr<KernelInfo> emitAdd(ModuleOp module, kernel::AddOp op, StringRef symbol) {
  return emitElements(module, op, symbol, "add", [](ImplicitLocOpBuilder &b, ValueRange x) { return addf(b, x[0], x[1]); });
}

} // namespace vitc::cpu
