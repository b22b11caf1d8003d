//===- PartialSums.cpp - sums that several blocks have parts of ---------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/codegen/gpu/PartialSums.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;

namespace vitc::gpu {

static constexpr int64_t kChunk = 4;

std::pair<Value, Value> PartialSums::range(Value task, Value steps) const {
  if (parts == 1)
    return {constant(b, 0), steps};
  Value part = mul(b, rem(b, task, parts), steps);
  return {div(b, part, parts), div(b, add(b, part, steps), parts)};
}

void PartialSums::join(Value task, Value thread, int64_t threads, ArrayRef<Value> own, function_ref<void(ArrayRef<Value>)> then,
                       int64_t together) const {
  if (parts == 1)
    return then(own);
  const int64_t ofTask = kChunk * threads * static_cast<int64_t>(own.size());
  Value first = mul(b, thread, kChunk);
  auto place = [&](size_t chunk) { return add(b, first, kChunk * threads * static_cast<int64_t>(chunk)); };
  Value mine = rowOf(b, sums, task, ofTask);
  for (auto [chunk, values] : llvm::enumerate(own))
    store(b, values, mine, place(chunk));

  Value tile = tileOf(task), counter = add(b, mul(b, tile, threads / device::kWarp), div(b, thread, device::kWarp));
  Value last = device::ArriveOp::create(b, b.getI1Type(), counters, counter, static_cast<uint32_t>(parts));
  ifThen(b, last, [&] {
    Value begin = mul(b, tile, parts);
    auto added = [&](Value from, ValueRange before, int64_t count) {
      SmallVector<SmallVector<Value>> read(count);
      for (int64_t i = 0; i < count; ++i)
        for (size_t chunk = 0; chunk < own.size(); ++chunk)
          read[i].push_back(load(b, rowOf(b, sums, add(b, from, i), ofTask), place(chunk), kChunk));
      SmallVector<Value> after(before);
      for (ArrayRef<Value> theirs : read)
        for (auto [sum, part] : llvm::zip_equal(after, theirs))
          sum = addf(b, sum, part);
      return after;
    };
    Value zero = arith::ConstantOp::create(b, b.getZeroAttr(VectorType::get({kChunk}, b.getF32Type())));
    SmallVector<Value> zeros(own.size(), zero);
    const int64_t rest = parts % together;
    Value whole = add(b, begin, parts - rest);
    SmallVector<Value> totals =
        forLoop(b, begin, whole, together, zeros, [&](Value from, ValueRange before) { return added(from, before, together); });
    then(added(whole, totals, rest));
  });
}

} // namespace vitc::gpu
