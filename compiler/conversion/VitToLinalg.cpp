//===- VitToLinalg.cpp - the reference lowering of whole regions --------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/conversion/VitToLinalg.h"
#include "compiler/conversion/Passes.h"
#include "dialects/vit/VitDialect.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;

namespace vitc {
#define GEN_PASS_DEF_CONVERTVITTOLINALG
#include "compiler/conversion/Passes.h.inc"

FailureOr<ReferenceCounts> lowerToReference(Operation *root) {
  ReferenceCounts counts;
  SmallVector<Operation *> work;
  root->walk([&](Operation *op) {
    // A pullback lowers what it holds itself.
    if (isa<vit::DecomposableInterface, vit::ReferenceLoweringInterface>(op) && !op->getParentOfType<vit::PullbackOp>())
      work.push_back(op);
  });
  while (!work.empty()) {
    Operation *op = work.pop_back_val();
    OpBuilder builder(op);
    SmallVector<Value> values;
    if (auto composite = dyn_cast<vit::DecomposableInterface>(op)) {
      Operation *before = op->getPrevNode();
      values = composite.decompose(builder);
      ++counts.decomposed;
      // Parts, from the one after `before` to `op`, are to be lowered in turn.
      for (Operation *part = op->getPrevNode(); part != before; part = part->getPrevNode())
        if (isa<vit::DecomposableInterface, vit::ReferenceLoweringInterface>(part))
          work.push_back(part);
    } else {
      FailureOr<SmallVector<Value>> lowered = cast<vit::ReferenceLoweringInterface>(op).lowerToReference(builder);
      if (failed(lowered))
        return failure();
      values = std::move(*lowered);
      ++counts.lowered;
    }
    op->replaceAllUsesWith(values);
    op->erase();
  }
  return counts;
}

namespace {

struct ConvertVitToLinalgPass : impl::ConvertVitToLinalgBase<ConvertVitToLinalgPass> {
  void runOnOperation() override {
    FailureOr<ReferenceCounts> counts = lowerToReference(getOperation());
    if (failed(counts))
      return signalPassFailure();
    decomposed += counts->decomposed;
    lowered += counts->lowered;
  }
};

} // namespace
} // namespace vitc
