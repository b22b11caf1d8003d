//===- MultiplyAdd.cpp - the innermost step of a product, by number types -----*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/codegen/cpu/MultiplyAdd.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

namespace vitc::cpu {

Type sumElement(ImplicitLocOpBuilder &b, ProductKind kind) {
  return kind == ProductKind::Int8 ? Type(b.getI32Type()) : Type(b.getF32Type());
}

/// The words of a vector as vectors of their elements.
static Value elementsOf(ImplicitLocOpBuilder &b, Type element, Value words) {
  int64_t lanes = cast<VectorType>(words.getType()).getDimSize(0);
  return vector::BitCastOp::create(b, VectorType::get({lanes * kernel::elementsPerWord(element)}, element), words);
}

WeightVector widen(ImplicitLocOpBuilder &b, ProductKind kind, Value words) {
  switch (kind) {
  case ProductKind::F32:
    return {words};
  case ProductKind::Bf16:
    return {elementsOf(b, b.getBF16Type(), words)};
  case ProductKind::Int8:
    return {elementsOf(b, b.getI8Type(), words)};
  case ProductKind::Bf16Weights: {
    auto type = cast<VectorType>(words.getType());
    auto constant = [&](uint32_t bits) -> Value {
      return arith::ConstantOp::create(b, DenseElementsAttr::get(type, b.getI32IntegerAttr(static_cast<int32_t>(bits))));
    };
    auto asFloats = [&](Value bits) -> Value { return arith::BitcastOp::create(b, f32Vector(b, type.getDimSize(0)), bits); };
    return {asFloats(arith::ShLIOp::create(b, words, constant(16))), asFloats(arith::AndIOp::create(b, words, constant(0xffff0000u)))};
  }
  }
  llvm_unreachable("all kinds are handled");
}

Value spread(ImplicitLocOpBuilder &b, ProductKind kind, Value word, int64_t lanes) {
  return widen(b, kind, broadcast(b, word, lanes)).front();
}

InputElements readInput(ImplicitLocOpBuilder &b, ProductKind kind, Value elements, Value at, int64_t lanes) {
  if (kind == ProductKind::Bf16Weights)
    return {broadcast(b, load(b, elements, at), lanes), broadcast(b, load(b, elements, add(b, at, 1)), lanes)};
  return {spread(b, kind, load(b, elements, at), lanes)};
}

/// x86's instruction for registers of the size of the sums, which come first.
static Value callIntrinsic(ImplicitLocOpBuilder &b, StringRef name, ValueRange operands) {
  auto sums = cast<VectorType>(operands[0].getType());
  std::string sized = (name + "." + Twine(sums.getDimSize(0) * 32)).str();
  return LLVM::CallIntrinsicOp::create(b, sums, b.getStringAttr(sized), operands).getResult(0);
}

Value multiplyAdd(ImplicitLocOpBuilder &b, ProductKind kind, const InputElements &input, const WeightVector &weights, Value sums) {
  switch (kind) {
  case ProductKind::F32:
    return fma(b, input[0], weights[0], sums);
  case ProductKind::Bf16:
    return callIntrinsic(b, "llvm.x86.avx512bf16.dpbf16ps", {sums, input[0], weights[0]});
  case ProductKind::Int8:
    return callIntrinsic(b, "llvm.x86.avx512.vpdpbusd", {sums, input[0], weights[0]});
  case ProductKind::Bf16Weights:
    return fma(b, input[1], weights[1], fma(b, input[0], weights[0], sums));
  }
  llvm_unreachable("all kinds are handled");
}

} // namespace vitc::cpu
