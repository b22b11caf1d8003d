//===- ExpandMath.cpp - exp, erf and tanh of f32 as polynomials ---------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/codegen/cpu/CpuPasses.h"
#include "compiler/codegen/cpu/Math.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/TypeUtilities.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace vitc::cpu {

#define GEN_PASS_DEF_EXPANDMATH
#include "compiler/codegen/cpu/CpuPasses.h.inc"

namespace {

struct ExpandMath : impl::ExpandMathBase<ExpandMath> {
  using ExpandMathBase::ExpandMathBase;

  void runOnOperation() override {
    // Functions first: their polynomials are made of multiply-adds.
    rewriteEach([&](ImplicitLocOpBuilder &b, Operation *op) -> Value {
      if (op->getNumResults() != 1 || !getElementTypeOrSelf(op->getResult(0)).isF32())
        return {};
      Value result = llvm::TypeSwitch<Operation *, Value>(op)
                         .Case([&](math::ExpOp exp) { return approximateExp(b, exp.getOperand()); })
                         .Case([&](math::LogOp log) { return approximateLog(b, log.getOperand()); })
                         .Case([&](math::ErfOp erf) { return approximateErf(b, erf.getOperand()); })
                         .Case([&](math::SinOp sin) { return approximateSine(b, sin.getOperand(), /*cosine=*/false); })
                         .Case([&](math::CosOp cos) { return approximateSine(b, cos.getOperand(), /*cosine=*/true); })
                         .Case([&](math::TanhOp tanh) { return approximateTanh(b, tanh.getOperand()); })
                         .Default(Value());
      expanded += result ? 1 : 0;
      return result;
    });
    if (fma)
      return;
    rewriteEach([&](ImplicitLocOpBuilder &b, Operation *op) -> Value {
      if (!isa<math::FmaOp, vector::FMAOp>(op))
        return {};
      ++split;
      return arith::AddFOp::create(b, arith::MulFOp::create(b, op->getOperand(0), op->getOperand(1)), op->getOperand(2));
    });
  }

private:
  /// Replaces each operation for which `rewrite` builds a value by that value.
  void rewriteEach(function_ref<Value(ImplicitLocOpBuilder &, Operation *)> rewrite) {
    getOperation()->walk([&](Operation *op) {
      ImplicitLocOpBuilder b(op->getLoc(), op);
      if (Value value = rewrite(b, op)) {
        op->getResult(0).replaceAllUsesWith(value);
        op->erase();
      }
    });
  }
};

} // namespace

} // namespace vitc::cpu
