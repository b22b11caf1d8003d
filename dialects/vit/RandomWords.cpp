//===- RandomWords.cpp - random numbers in reference lowerings -----------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "dialects/vit/RandomWords.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"

using namespace mlir;
using namespace vitc;
using namespace vitc::vit;

/// The first word of Philox4x32-10 of the counter and key, all i32.
static Value philox(ImplicitLocOpBuilder &b, std::array<Value, 4> counter, std::array<Value, 2> key) {
  auto constant = [&](uint32_t word) { return arith::ConstantIntOp::create(b, static_cast<int32_t>(word), 32).getResult(); };
  auto exclusiveOr = [&](Value x, Value y) { return arith::XOrIOp::create(b, x, y).getResult(); };
  for (int round = 0; round < 10; ++round) {
    auto first = arith::MulUIExtendedOp::create(b, counter[0], constant(0xD2511F53)),
         second = arith::MulUIExtendedOp::create(b, counter[2], constant(0xCD9E8D57));
    counter = {exclusiveOr(exclusiveOr(second.getHigh(), counter[1]), key[0]), second.getLow(),
               exclusiveOr(exclusiveOr(first.getHigh(), counter[3]), key[1]), first.getLow()};
    key = {arith::AddIOp::create(b, key[0], constant(0x9E3779B9)), arith::AddIOp::create(b, key[1], constant(0xBB67AE85))};
  }
  return counter[0];
}

/// An f32's bits as i32.
static Value bitsOf(Scalar value) { return arith::BitcastOp::create(*value.builder, value.builder->getI32Type(), value.value); }

Value vit::drawWord(ArrayRef<Scalar> key, Value element, int64_t stream) {
  ImplicitLocOpBuilder &b = *key[0].builder;
  Value place = arith::ConstantIntOp::create(b, static_cast<int32_t>(stream), 32);
  return philox(b, {element, place, bitsOf(key[2]), bitsOf(key[0])}, {bitsOf(key[1]), bitsOf(key[3])});
}

Value vit::placeAlong(ImplicitLocOpBuilder &b, unsigned axis) {
  return arith::IndexCastOp::create(b, b.getI32Type(), linalg::IndexOp::create(b, axis));
}

void vit::readKey(ReferenceBuilder &b, Value key, SmallVector<Read> &reads) {
  for (int64_t word = 0; word < 4; ++word)
    reads.push_back({key, {b.axis(0), b.constant(word)}});
}
