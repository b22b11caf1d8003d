//===- TrainingUpdate.cpp - optimizers as machine code ------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/codegen/cpu/TrainingUpdate.h"
#include "compiler/codegen/cpu/KernelFunction.h"
#include "compiler/codegen/cpu/TrainingFlat.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using vitrt::OptimizerKind;
using vitrt::UpdateScalar;

namespace vitc::cpu {

namespace {

/// Emits one update. Everything about an element is read, computed and written before the next vector's turn: memory sets the pace.
class UpdateEmitter {
public:
  UpdateEmitter(ModuleOp module, const UpdateSpec &spec, StringRef symbol, int64_t lanes)
      : f(module, symbol, module.getLoc()), b(f.b), spec(spec), lanes(lanes) {
    unsigned operand = 0;
    auto flat = [&](bool present, Type element = {}) { return present ? f.activation(operand++, {}, element) : Value(); };
    parameters = flat(true);
    gradients = flat(true);
    first = flat(spec.hasFirst(), spec.bf16Momentum ? Type(b.getBF16Type()) : Type());
    second = flat(spec.hasSecond());
    average = flat(spec.average);
    Value scalars = f.weight(operand, {std::tuple_size_v<vitrt::UpdateArray>});
    for (int64_t i = 0; i <= static_cast<int64_t>(UpdateScalar::OneMinusAverageDecay); ++i)
      loaded.push_back(load(b, scalars, indexConstant(b, i)));
  }

  void emit() {
    constexpr auto size = static_cast<int64_t>(vitrt::updateTaskElements);
    Value from = mul(b, f.begin, size), to = min(b, mul(b, f.end, size), f.images);
    forElements(b, from, to, lanes, [&](Value at, int64_t width) { update(at, width); });
  }

private:
  void update(Value at, int64_t width) {
    auto scalar = [&](UpdateScalar place) { return broadcast(b, loaded[static_cast<size_t>(place)], width); };
    Value p = loadVector(b, parameters, at, width);
    Value g = mulf(b, loadVector(b, gradients, at, width), scalar(UpdateScalar::GradientFactor));
    if (spec.clearGradients)
      storeVector(b, splat(b, 0, width), gradients, at);
    if (spec.optimizer == OptimizerKind::AdamW)
      p = mulf(b, p, scalar(UpdateScalar::Keep));
    else
      g = fma(b, scalar(UpdateScalar::WeightDecay), p, g);

    Value step = g;
    if (spec.hasSecond()) {
      Value m = fma(b, scalar(UpdateScalar::Beta1), loadVector(b, first, at, width), mulf(b, scalar(UpdateScalar::OneMinusBeta1), g));
      Value square = mulf(b, mulf(b, scalar(UpdateScalar::OneMinusBeta2), g), g);
      Value v = fma(b, scalar(UpdateScalar::Beta2), loadVector(b, second, at, width), square);
      storeVector(b, m, first, at);
      storeVector(b, v, second, at);
      Value root = math::SqrtOp::create(b, v), epsilon = scalar(UpdateScalar::Epsilon);
      Value scale =
          spec.optimizer == OptimizerKind::LabmlAdam ? addf(b, root, epsilon) : fma(b, root, scalar(UpdateScalar::RootCorrection), epsilon);
      step = divf(b, m, scale);
    } else if (spec.hasFirst()) {
      Value momentum = scalar(UpdateScalar::Beta1);
      Value m = fma(b, momentum, loadVector(b, first, at, width), g);
      storeVector(b, m, first, at);
      step = spec.nesterov ? fma(b, momentum, m, g) : m;
    }
    Value rate = arith::NegFOp::create(b, scalar(UpdateScalar::Rate));
    p = fma(b, rate, step, p);
    storeVector(b, p, parameters, at);
    if (spec.average) {
      Value share = mulf(b, scalar(UpdateScalar::OneMinusAverageDecay), p);
      storeVector(b, fma(b, scalar(UpdateScalar::AverageDecay), loadVector(b, average, at, width), share), average, at);
    }
  }

  KernelFunction f;
  ImplicitLocOpBuilder &b;
  const UpdateSpec &spec;
  const int64_t lanes;
  Value parameters, gradients, first, second, average; ///< memref<?xf32>, or bf16; none where the update has none
  SmallVector<Value> loaded;                           ///< scalars by UpdateScalar
};

} // namespace

static KernelInfo infoOfFlat(StringRef symbol, StringRef kind) {
  KernelInfo info;
  info.symbol = symbol.str();
  info.kind = kind.str();
  info.rowsPerTask = static_cast<int64_t>(vitrt::updateTaskElements);
  return info;
}

FailureOr<KernelInfo> emitUpdate(ModuleOp module, const UpdateSpec &spec, StringRef symbol, const CpuTarget &target) {
  if (spec.optimizer != OptimizerKind::Sgd && (spec.nesterov || spec.bf16Momentum))
    return module.emitError("Nesterov's step and a moment of bf16 belong to sgd, not to an optimizer with two moments");
  if (!spec.hasFirst() && (spec.nesterov || spec.bf16Momentum))
    return module.emitError("Nesterov's step and a moment of bf16 need momentum, which this sgd has not got");
  UpdateEmitter(module, spec, symbol, target.vectorLanes).emit();
  return infoOfFlat(symbol, "update");
}

FailureOr<KernelInfo> emitSquareSum(ModuleOp module, StringRef symbol, const CpuTarget &target) {
  constexpr auto size = static_cast<int64_t>(vitrt::updateTaskElements);
  constexpr int64_t chains = 4; // hide the latency of an addition
  const int64_t lanes = target.vectorLanes;
  KernelFunction f(module, symbol, module.getLoc());
  ImplicitLocOpBuilder &b = f.b;
  Value values = f.activation(0, {}), partial = f.activation(1, {});
  forLoop(b, f.begin, f.end, 1, [&](Value task) {
    Value from = mul(b, task, size), to = min(b, add(b, from, size), f.images);
    auto squares = [&](Value at, int64_t width, Value sum) {
      Value x = loadVector(b, values, at, width);
      return fma(b, x, x, sum);
    };
    Value whole = add(b, from, mul(b, div(b, sub(b, to, from), lanes * chains), lanes * chains));
    SmallVector<Value> zeros(chains, splat(b, 0, lanes));
    SmallVector<Value> sums = forLoop(b, from, whole, lanes * chains, zeros, [&](Value at, ValueRange carried) {
      SmallVector<Value> next;
      for (int64_t chain = 0; chain < chains; ++chain)
        next.push_back(squares(add(b, at, chain * lanes), lanes, carried[chain]));
      return next;
    });
    Value total = addf(b, addf(b, sums[0], sums[1]), addf(b, sums[2], sums[3]));
    Value sum = vector::ReductionOp::create(b, vector::CombiningKind::ADD, total, arith::FastMathFlags::reassoc);
    SmallVector<Value> rest = forLoop(b, whole, to, 1, splat(b, 0, 1),
                                      [&](Value at, ValueRange carried) { return SmallVector<Value>{squares(at, 1, carried[0])}; });
    Value last = vector::ExtractOp::create(b, rest[0], ArrayRef<int64_t>{0});
    store(b, addf(b, sum, last), partial, task);
  });
  return infoOfFlat(symbol, "square_sum");
}

} // namespace vitc::cpu
