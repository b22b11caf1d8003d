//===- ScalarDerivatives.cpp - derivatives of a formula of scalars ------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "dialects/vit/ScalarDerivatives.h"
#include "dialects/vit/ReferenceBuilder.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "llvm/ADT/TypeSwitch.h"

#include <cmath>
#include <numbers>

using namespace mlir;

namespace vitc::vit {

namespace {

class ScalarDerivatives {
public:
  ScalarDerivatives(ImplicitLocOpBuilder &b, const IRMapping &map) : b(b), map(map) {}

  void add(Value value, Scalar gradient) {
    if (!active.contains(value))
      return;
    auto [sum, isFirst] = gradients.try_emplace(value, gradient.value);
    if (!isFirst)
      sum->second = (Scalar{&b, sum->second} + gradient).value;
  }

  void activate(Value value) { active.insert(value); }
  void activateResults(Operation *op) {
    if (llvm::any_of(op->getOperands(), [&](Value operand) { return active.contains(operand); }))
      active.insert_range(op->getResults());
  }
  Value of(Value value) const { return gradients.lookup(value); }

  LogicalResult reverse(Operation *op);

private:
  Scalar copyOf(Value value) { return {&b, map.lookup(value)}; }
  /// `x` where the condition holds, 0 elsewhere.
  Scalar where(Value condition, Scalar x, bool holds = true) {
    Value zero = x.constant(0).value;
    return {&b, arith::SelectOp::create(b, condition, holds ? x.value : zero, holds ? zero : x.value)};
  }

  ImplicitLocOpBuilder &b;
  const IRMapping &map;
  llvm::DenseSet<Value> active;
  llvm::DenseMap<Value, Value> gradients;
};

} // namespace

LogicalResult ScalarDerivatives::reverse(Operation *op) {
  if (op->getNumResults() != 1 || !active.contains(op->getResult(0)) || !of(op->getResult(0)))
    return success();
  Scalar d{&b, of(op->getResult(0))}, y = copyOf(op->getResult(0));
  auto x = [&] { return copyOf(op->getOperand(0)); };
  auto second = [&] { return copyOf(op->getOperand(1)); };
  auto first = [&](Scalar gradient) {
    add(op->getOperand(0), gradient);
    return success();
  };
  return llvm::TypeSwitch<Operation *, LogicalResult>(op)
      .Case([&](arith::AddFOp) {
        add(op->getOperand(1), d);
        return first(d);
      })
      .Case([&](arith::SubFOp) {
        add(op->getOperand(1), -d);
        return first(d);
      })
      .Case([&](arith::MulFOp) {
        Scalar left = x(), right = second();
        add(op->getOperand(1), d * left);
        return first(d * right);
      })
      .Case([&](arith::DivFOp) {
        Scalar quotient = d / second();
        add(op->getOperand(1), -(quotient * y));
        return first(quotient);
      })
      .Case([&](arith::NegFOp) { return first(-d); })
      .Case([&](arith::MaximumFOp) {
        // At equality the second operand, a bound, wins: relu's derivative at 0 is 0.
        Value isFirst = arith::CmpFOp::create(b, arith::CmpFPredicate::OGT, x().value, second().value);
        add(op->getOperand(1), where(isFirst, d, /*holds=*/false));
        return first(where(isFirst, d));
      })
      .Case([&](arith::SelectOp) {
        Value condition = map.lookupOrDefault(op->getOperand(0));
        add(op->getOperand(1), where(condition, d));
        add(op->getOperand(2), where(condition, d, /*holds=*/false));
        return success();
      })
      .Case([&](math::ExpOp) { return first(d * y); })
      .Case([&](math::LogOp) { return first(d / x()); })
      .Case([&](math::SqrtOp) { return first(d * 0.5 / y); })
      .Case([&](math::TanhOp) { return first(d * (y.constant(1) - y * y)); })
      .Case([&](math::ErfOp) {
        Scalar at = x();
        return first(d * (exp(-(at * at)) * (2.0 / std::sqrt(std::numbers::pi))));
      })
      .Case([&](math::SinOp) { return first(d * cos(x())); })
      .Case([&](math::CosOp) { return first(-(d * sin(x()))); })
      .Default([](Operation *op) { return op->emitError() << "'" << op->getName() << "' has no derivative"; });
}

FailureOr<Value> differentiateScalars(ImplicitLocOpBuilder &b, Block &body, const IRMapping &map, Value result, Value seed,
                                      Value argument) {
  ScalarDerivatives derivatives(b, map);
  derivatives.activate(argument);
  for (Operation &op : body.without_terminator())
    derivatives.activateResults(&op);
  derivatives.add(result, {&b, seed});
  for (Operation &op : llvm::reverse(body.without_terminator()))
    if (failed(derivatives.reverse(&op)))
      return failure();
  return derivatives.of(argument);
}

} // namespace vitc::vit
