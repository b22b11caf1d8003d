//===- Update.cpp - optimizers, and a gradient's norm, on a GPU ---------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//
//
// Launches that the runtime makes between programs: `images` is the number of elements, a block has vitrt::updateTaskElements of them. Runs of
// parameters begin anywhere, so that elements are read one by one.
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/codegen/gpu/DeviceFunction.h"
#include "compiler/codegen/gpu/GpuCodegen.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using vitrt::OptimizerKind;
using vitrt::UpdateScalar;

namespace vitc::gpu {

static constexpr int64_t threads = 256;
static constexpr auto elementsOfBlock = static_cast<int64_t>(vitrt::updateTaskElements);

/// body(element) for those of the block's elements that are the thread's.
static SmallVector<Value> forElements(DeviceFunction &f, ValueRange carried, function_ref<SmallVector<Value>(Value, ValueRange)> body) {
  Value left = sub(f.b, f.images, mul(f.b, f.block, elementsOfBlock));
  return forLoop(f.b, f.thread, min(f.b, left, constant(f.b, elementsOfBlock)), threads, carried, body);
}

static KernelInfo infoOf(const DeviceFunction &f, StringRef symbol, StringRef kind) {
  KernelInfo info;
  info.symbol = symbol.str();
  info.kind = kind.str();
  info.rowsPerTask = elementsOfBlock;
  info.threads = f.threads();
  info.sharedBytes = f.sharedBytes();
  return info;
}

/// The new parameter from the old one and its gradient; moments are written. See runtime/artifact/UpdateScalars.h for the formulas.
static Value stepOf(ImplicitLocOpBuilder &b, const cpu::UpdateSpec &spec, function_ref<Value(UpdateScalar)> scalar, Value p, Value g,
                    Value first, Value second, Value at) {
  if (spec.optimizer == OptimizerKind::AdamW)
    p = mulf(b, p, scalar(UpdateScalar::Keep));
  else
    g = fma(b, scalar(UpdateScalar::WeightDecay), p, g);
  Value step = g;
  if (spec.hasSecond()) {
    Value m = fma(b, scalar(UpdateScalar::Beta1), load(b, first, at), mulf(b, scalar(UpdateScalar::OneMinusBeta1), g));
    Value square = mulf(b, mulf(b, scalar(UpdateScalar::OneMinusBeta2), g), g);
    Value v = fma(b, scalar(UpdateScalar::Beta2), load(b, second, at), square);
    store(b, m, first, at);
    store(b, v, second, at);
    Value root = math::SqrtOp::create(b, v), epsilon = scalar(UpdateScalar::Epsilon);
    step = divf(b, m,
                spec.optimizer == OptimizerKind::LabmlAdam ? addf(b, root, epsilon)
                                                           : fma(b, root, scalar(UpdateScalar::RootCorrection), epsilon));
  } else if (spec.hasFirst()) {
    Value momentum = scalar(UpdateScalar::Beta1), m = fma(b, momentum, widened(b, load(b, first, at)), g);
    store(b, narrowed(b, m, cast<device::MemoryType>(first.getType()).getElement()), first, at);
    step = spec.nesterov ? fma(b, momentum, m, g) : m;
  }
  return fma(b, arith::NegFOp::create(b, scalar(UpdateScalar::Rate)), step, p);
}

FailureOr<KernelInfo> emitUpdate(ModuleOp module, const cpu::UpdateSpec &spec, StringRef symbol) {
  Builder types(module.getContext());
  SmallVector<Type> elements(2, types.getF32Type()); // parameters and gradients
  if (spec.hasFirst())
    elements.push_back(spec.bf16Momentum ? Type(types.getBF16Type()) : types.getF32Type());
  elements.append(spec.hasSecond() + spec.average + 1, types.getF32Type());
  DeviceFunction f(module, symbol, module.getLoc(), elements, threads);
  ImplicitLocOpBuilder &b = f.b;
  unsigned operand = 0;
  auto flat = [&](bool present) { return present ? rowOf(b, f.operand(operand++), f.block, elementsOfBlock) : Value(); };
  Value parameters = flat(true), gradients = flat(true), first = flat(spec.hasFirst()), second = flat(spec.hasSecond());
  Value average = flat(spec.average), scalars = f.operand(operand);
  SmallVector<Value> loaded;
  for (int64_t i = 0; i <= static_cast<int64_t>(UpdateScalar::OneMinusAverageDecay); ++i)
    loaded.push_back(load(b, scalars, constant(b, i)));
  auto scalar = [&](UpdateScalar place) { return loaded[static_cast<size_t>(place)]; };

  forElements(f, {}, [&](Value at, ValueRange) {
    Value g = mulf(b, load(b, gradients, at), scalar(UpdateScalar::GradientFactor));
    if (spec.clearGradients)
      store(b, number(b, 0), gradients, at);
    Value p = stepOf(b, spec, scalar, load(b, parameters, at), g, first, second, at);
    store(b, p, parameters, at);
    if (spec.average) {
      Value share = mulf(b, scalar(UpdateScalar::OneMinusAverageDecay), p);
      store(b, fma(b, scalar(UpdateScalar::AverageDecay), load(b, average, at), share), average, at);
    }
    return SmallVector<Value>();
  });
  return infoOf(f, symbol, "update");
}

FailureOr<KernelInfo> emitSquareSum(ModuleOp module, StringRef symbol) {
  constexpr int64_t warps = threads / device::kWarp;
  Type element = Builder(module.getContext()).getF32Type();
  DeviceFunction f(module, symbol, module.getLoc(), {element, element}, threads);
  ImplicitLocOpBuilder &b = f.b;
  Value values = rowOf(b, f.operand(0), f.block, elementsOfBlock), partial = f.operand(1);
  SmallVector<Value> sums = forElements(f, number(b, 0), [&](Value at, ValueRange carried) -> SmallVector<Value> {
    Value x = load(b, values, at);
    return {fma(b, x, x, carried[0])};
  });
  Value sum = sumOfLanes(b, sums[0], device::kWarp), meeting = f.takeShared(warps, element);
  ifThen(b, less(b, rem(b, f.thread, device::kWarp), 1), [&] { store(b, sum, meeting, div(b, f.thread, device::kWarp)); });
  barrier(b);
  ifThen(b, less(b, f.thread, 1), [&] {
    Value total = load(b, meeting, constant(b, 0));
    for (int64_t i = 1; i < warps; ++i)
      total = addf(b, total, load(b, meeting, constant(b, i)));
    store(b, total, partial, f.block);
  });
  return infoOf(f, symbol, "square_sum");
}

} // namespace vitc::gpu
