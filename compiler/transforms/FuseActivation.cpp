//===- FuseActivation.cpp - activations of training programs into products --------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/transforms/Passes.h"
#include "compiler/transforms/Report.h"
#include "dialects/kernel/KernelDialect.h"

using namespace mlir;

namespace vitc {
#define GEN_PASS_DEF_KERNELFUSEACTIVATION
#include "compiler/transforms/Passes.h.inc"

namespace {

struct FuseActivationPass : impl::KernelFuseActivationBase<FuseActivationPass> {
  /// The product that computes `value`, if it computes nothing else and its results are its sums.
  static kernel::MatmulOp plainProduct(Value value) {
    auto product = value.getDefiningOp<kernel::MatmulOp>();
    bool isPlain = product && product.getActivation() == vit::Activation::None && !product.getResidual() && !product.getFactor() &&
                   !product.getDerivative();
    return isPlain ? product : kernel::MatmulOp();
  }

  /// The gradient of `activation` whose upstream a product behind it computes for it alone.
  static kernel::ActivationGradOp gradientOf(kernel::ActivationOp activation, Operation *other) {
    auto gradient = dyn_cast<kernel::ActivationGradOp>(other);
    if (!gradient || gradient.getInput() != activation.getInput() || gradient.getUpstream() == activation.getInput() ||
        gradient.getKind() != activation.getKind() || !gradient.getUpstream().hasOneUse())
      return {};
    kernel::MatmulOp product = plainProduct(gradient.getUpstream());
    return product && product->getBlock() == activation->getBlock() && activation->isBeforeInBlock(product) ? gradient
                                                                                                            : kernel::ActivationGradOp();
  }

  // %z = matmul; %y = activation %z                                            -> %y = matmul {activation}
  // %z = matmul; %y = activation %z; %g = matmul'; %d = activation_grad %z, %g -> %y, %f = matmul {activation}; %d = matmul' factor(%f)
  static bool fuse(kernel::ActivationOp activation, StringRef &why) {
    kernel::MatmulOp product = plainProduct(activation.getInput());
    if (!product)
      return why = "its input is not a product's sums", false;
    SmallVector<Operation *> others;
    for (Operation *user : product.getValue().getUsers())
      if (user != activation)
        others.push_back(user);
    if (others.size() > 1)
      return why = "the product has other users", false;
    kernel::ActivationGradOp gradient = others.empty() ? kernel::ActivationGradOp() : gradientOf(activation, others.front());
    if (!others.empty() && !gradient)
      return why = "what reads the product besides is no gradient of it that a product could compute", false;

    OpBuilder builder(product);
    Type type = activation.getValue().getType();
    auto fused = kernel::MatmulOp::create(builder, activation.getLoc(), type, gradient ? type : Type(), product.getInput(),
                                          product.getWeight(), product.getBias(), /*residual=*/Value(), /*factor=*/Value(),
                                          product.getTransposed(), product.getScheduleAttr(), product.getBf16(), activation.getKind());
    activation.getValue().replaceAllUsesWith(fused.getValue());
    activation.erase();
    if (gradient) {
      auto back = gradient.getUpstream().getDefiningOp<kernel::MatmulOp>();
      back.getFactorMutable().assign(fused.getDerivative());
      back->setLoc(gradient.getLoc());
      gradient.getValue().replaceAllUsesWith(back.getValue());
      gradient.erase();
    }
    product.erase();
    return true;
  }

  void runOnOperation() override {
    SmallVector<kernel::ActivationOp> work;
    getOperation()->walk([&](kernel::ActivationOp activation) { work.push_back(activation); });
    Report report("fusion", "activation");
    for (kernel::ActivationOp activation : work) {
      Operation *product = activation.getInput().getDefiningOp();
      StringRef why;
      if (fuse(activation, why)) {
        ++fused;
        continue;
      }
      ++missed;
      report.missed(product ? product : activation, "activation is a launch of its own: " + why);
    }
  }
};

} // namespace
} // namespace vitc
