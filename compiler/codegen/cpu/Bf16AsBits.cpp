//===- Bf16AsBits.cpp - numbers of bf16 as their bits -------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/codegen/cpu/CpuPasses.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Transforms/Passes.h"
#include "mlir/IR/AttrTypeSubElements.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/Transforms/WalkPatternRewriteDriver.h"

using namespace mlir;

namespace vitc::cpu {

#define GEN_PASS_DEF_BF16ASBITS
#include "compiler/codegen/cpu/CpuPasses.h.inc"

namespace {

struct Bf16AsBits : impl::Bf16AsBitsBase<Bf16AsBits> {
  void runOnOperation() override {
    RewritePatternSet arithmetic(&getContext());
    arith::populateExpandBFloat16Patterns(arithmetic);
    walkAndApplyPatterns(getOperation(), std::move(arithmetic));

    // What is left moves numbers.
    Type bits = IntegerType::get(&getContext(), 16);
    AttrTypeReplacer replacer;
    replacer.addReplacement([&](BFloat16Type) { return bits; });
    replacer.addReplacement([&](FloatAttr value) -> std::optional<std::pair<Attribute, WalkResult>> {
      if (!value.getType().isBF16())
        return std::nullopt;
      return std::pair<Attribute, WalkResult>(IntegerAttr::get(bits, value.getValue().bitcastToAPInt()), WalkResult::skip());
    });
    replacer.addReplacement([&](DenseElementsAttr values) -> std::optional<std::pair<Attribute, WalkResult>> {
      if (!values.getElementType().isBF16())
        return std::nullopt;
      return std::pair<Attribute, WalkResult>(values.bitcast(bits), WalkResult::skip());
    });
    replacer.recursivelyReplaceElementsIn(getOperation(), /*replaceAttrs=*/true, /*replaceLocs=*/false, /*replaceTypes=*/true);
    // From bits to bits.
    getOperation()->walk([](arith::BitcastOp op) {
      if (op.getIn().getType() != op.getType())
        return;
      op.replaceAllUsesWith(op.getIn());
      op.erase();
    });
  }
};

} // namespace

} // namespace vitc::cpu
