//===- QuadRows.cpp - rows of sums that four threads share --------------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/codegen/gpu/QuadRows.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

namespace vitc::gpu {

static constexpr int64_t kQuad = 4;

static Value asWord(ImplicitLocOpBuilder &b, Value pair) {
  return lane(b, vector::BitCastOp::create(b, VectorType::get({1}, b.getI32Type()), pair), 0);
}

/// words[j] of thread p becomes words[p] of thread j: first between threads two apart, then between neighbours.
static void transpose(ImplicitLocOpBuilder &b, Value place, MutableArrayRef<Value> words) {
  for (int64_t mask : {2, 1}) {
    Value upper = arith::CmpIOp::create(b, arith::CmpIPredicate::ne, arith::AndIOp::create(b, place, constant(b, mask)), constant(b, 0));
    for (int64_t j = 0; j < kQuad; ++j) {
      if (j & mask)
        continue;
      Value &low = words[j], &high = words[j | mask];
      Value received = device::ShuffleOp::create(b, b.getI32Type(), select(b, upper, low, high), mask);
      low = select(b, upper, received, low);
      high = select(b, upper, high, received);
    }
  }
}

void forQuadRow(ImplicitLocOpBuilder &b, Value thread, ArrayRef<Value> pairs, function_ref<void(Value columns, Value first)> put) {
  Value place = rem(b, thread, kQuad);
  auto type = cast<VectorType>(pairs.front().getType());
  const auto count = static_cast<int64_t>(pairs.size());
  int64_t j = 0;
  for (; device::bytesOf(type) == 4 && j + kQuad <= count; j += kQuad) {
    SmallVector<Value> words;
    for (Value pair : pairs.slice(j, kQuad))
      words.push_back(asWord(b, pair));
    transpose(b, place, words);
    Value columns = vector::BitCastOp::create(b, VectorType::get({2 * kQuad}, type.getElementType()), vectorOf(b, words));
    put(columns, add(b, mul(b, place, 8), 8 * j));
  }
  for (; j < count; ++j)
    put(pairs[j], add(b, mul(b, place, 2), 8 * j));
}

} // namespace vitc::gpu
