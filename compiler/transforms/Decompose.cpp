//===- Decompose.cpp - composite operations into their parts --------------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/transforms/Passes.h"
#include "dialects/vit/VitDialect.h"

using namespace mlir;

namespace vitc {
#define GEN_PASS_DEF_VITDECOMPOSE
#include "compiler/transforms/Passes.h.inc"

namespace {

struct DecomposePass : impl::VitDecomposeBase<DecomposePass> {
  void runOnOperation() override {
    // Parts may be composite themselves; the walk has passed them by then, so they are taken from a work list.
    SmallVector<vit::DecomposableInterface> work;
    getOperation()->walk([&](vit::DecomposableInterface op) { work.push_back(op); });
    OpBuilder builder(&getContext());
    while (!work.empty()) {
      vit::DecomposableInterface op = work.pop_back_val();
      builder.setInsertionPoint(op);
      Operation *before = op->getPrevNode();
      op->replaceAllUsesWith(op.decompose(builder));
      for (Operation *part = before ? before->getNextNode() : &op->getBlock()->front(); part != op.getOperation();
           part = part->getNextNode())
        if (auto composite = dyn_cast<vit::DecomposableInterface>(part))
          work.push_back(composite);
      op->erase();
      ++decomposed;
    }
  }
};

} // namespace
} // namespace vitc
