//===- FloatsAsBits.cpp - numbers that a CPU has no instructions for --------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/codegen/cpu/CpuPasses.h"
#include "compiler/codegen/cpu/ShortFloats.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Transforms/Passes.h"
#include "mlir/IR/AttrTypeSubElements.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/TypeUtilities.h"
#include "mlir/Transforms/WalkPatternRewriteDriver.h"

using namespace mlir;

namespace vitc::cpu {

#define GEN_PASS_DEF_FLOATSASBITS
#include "compiler/codegen/cpu/CpuPasses.h.inc"

namespace {

template <typename Float> bool isElement(Value value) { return isa<Float>(getElementTypeOrSelf(value)); }

// truncf x : f32 to f16 -> bitcast (f16BitsOf x); to tf32 -> the rounded f32, which is one
struct RoundTo : OpRewritePattern<arith::TruncFOp> {
  RoundTo(MLIRContext *context, bool f16) : OpRewritePattern(context), f16(f16) {}
  LogicalResult matchAndRewrite(arith::TruncFOp op, PatternRewriter &rewriter) const override {
    if (!isElement<Float32Type>(op.getIn()))
      return rewriter.notifyMatchFailure(op, "what is rounded is no f32");
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    if (f16 && isElement<Float16Type>(op))
      rewriter.replaceOpWithNewOp<arith::BitcastOp>(op, op.getType(), f16BitsOf(b, op.getIn()));
    else if (isElement<FloatTF32Type>(op))
      rewriter.replaceOpWithNewOp<UnrealizedConversionCastOp>(op, op.getType(), roundToTf32(b, op.getIn()));
    else
      return rewriter.notifyMatchFailure(op, "the target has an instruction for it");
    return success();
  }
  bool f16;
};

// extf x : f16 to f32 -> fromF16Bits (bitcast x)
struct WidenF16 : OpRewritePattern<arith::ExtFOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(arith::ExtFOp op, PatternRewriter &rewriter) const override {
    if (!isElement<Float16Type>(op.getIn()) || !isElement<Float32Type>(op))
      return rewriter.notifyMatchFailure(op, "not from f16 to f32");
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    Type bits = b.getI16Type();
    if (auto vector = dyn_cast<VectorType>(op.getIn().getType()))
      bits = vector.clone(bits);
    rewriter.replaceOp(op, fromF16Bits(b, arith::BitcastOp::create(b, bits, op.getIn())));
    return success();
  }
};

struct FloatsAsBits : impl::FloatsAsBitsBase<FloatsAsBits> {
  using Base::Base;

  void runOnOperation() override {
    MLIRContext *context = &getContext();
    RewritePatternSet arithmetic(context);
    if (bf16)
      arith::populateExpandBFloat16Patterns(arithmetic);
    if (f16)
      arithmetic.add<WidenF16>(context);
    arithmetic.add<RoundTo>(context, f16);
    walkAndApplyPatterns(getOperation(), std::move(arithmetic));

    // What is left moves numbers.
    Type bits = IntegerType::get(context, 16), word = Float32Type::get(context);
    auto hasBits = [&](Type type) { return (bf16 && type.isBF16()) || (f16 && type.isF16()); };
    AttrTypeReplacer replacer;
    replacer.addReplacement([&](BFloat16Type type) -> Type { return bf16 ? bits : type; });
    replacer.addReplacement([&](Float16Type type) -> Type { return f16 ? bits : type; });
    replacer.addReplacement([&](FloatTF32Type) { return word; });
    replacer.addReplacement([&](FloatAttr value) -> std::optional<std::pair<Attribute, WalkResult>> {
      if (!hasBits(value.getType()))
        return std::nullopt;
      return std::pair<Attribute, WalkResult>(IntegerAttr::get(bits, value.getValue().bitcastToAPInt()), WalkResult::skip());
    });
    replacer.addReplacement([&](DenseElementsAttr values) -> std::optional<std::pair<Attribute, WalkResult>> {
      if (!hasBits(values.getElementType()))
        return std::nullopt;
      return std::pair<Attribute, WalkResult>(values.bitcast(bits), WalkResult::skip());
    });
    replacer.recursivelyReplaceElementsIn(getOperation(), /*replaceAttrs=*/true, /*replaceLocs=*/false, /*replaceTypes=*/true);
    // From bits to bits.
    getOperation()->walk([](Operation *op) {
      if (!isa<arith::BitcastOp, UnrealizedConversionCastOp>(op) || op->getNumOperands() != 1 || op->getNumResults() != 1 ||
          op->getOperand(0).getType() != op->getResult(0).getType())
        return;
      op->replaceAllUsesWith(op->getOperands());
      op->erase();
    });
  }
};

} // namespace

} // namespace vitc::cpu
