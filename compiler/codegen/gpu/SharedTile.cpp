//===- SharedTile.cpp - tiles of products' operands in shared memory ----------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/codegen/gpu/SharedTile.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

#include <numeric>

using namespace mlir;

namespace vitc::gpu {

static constexpr int64_t kChunkBytes = 16;
/// Chunks that meet all banks.
static constexpr int64_t kChunksOfBanks = 8;

int64_t pitchOf(int64_t columns, Type element, RowSpread spread) {
  const int64_t chunk = kChunkBytes / device::bytesOf(element);
  return spread == RowSpread::Padded && columns / chunk % 2 == 0 ? columns + chunk : columns;
}

SharedTile::SharedTile(DeviceFunction &f, int64_t rows, int64_t columns, Type element, int64_t stages, RowSpread spread)
    : rows(rows), columns(columns), chunk(kChunkBytes / device::bytesOf(element)), pitch(pitchOf(columns, element, spread)),
      memory(f.takeShared(stages * rows * pitch, element)), b(&f.b), spread(spread) {
  assert(columns % chunk == 0);
}

SharedTile SharedTile::stage(Value number) const { return SharedTile(*this, advance(*b, memory, mul(*b, number, rows * pitch))); }

Value SharedTile::index(Value row, Value column) const {
  if (spread == RowSpread::Padded)
    return add(*b, mul(*b, row, pitch), column);
  const int64_t moved = std::gcd(columns / chunk, kChunksOfBanks);
  Value turn = mul(*b, rem(*b, div(*b, row, kChunksOfBanks / moved), moved), chunk);
  return add(*b, mul(*b, row, pitch), arith::XOrIOp::create(*b, column, turn));
}

void copyTile(DeviceFunction &f, const SharedTile &tile, int64_t together, function_ref<CopySource(Value, Value)> source) {
  ImplicitLocOpBuilder &b = f.b;
  const int64_t bytes = kChunkBytes / tile.chunk * together, across = tile.columns / together, copies = tile.rows * across;
  auto copy = [&](Value number) {
    Value row = div(b, number, across), column = mul(b, rem(b, number, across), together);
    CopySource from = source(row, column);
    Value live = from.exists ? select(b, from.exists, constant(b, bytes), constant(b, 0)) : Value();
    device::CopyAsyncOp::create(b, from.place.memory, from.place.index, tile.memory, tile.index(row, column), bytes, live);
  };
  for (int64_t first = 0; first < copies; first += f.threads()) {
    Value number = add(b, f.thread, first);
    if (first + f.threads() <= copies)
      copy(number);
    else
      ifThen(b, less(b, number, copies), [&] { copy(number); });
  }
}

SmallVector<Value> forStages(DeviceFunction &f, int64_t stages, Value steps, ValueRange carried, function_ref<void(Value, Value)> fill,
                             function_ref<SmallVector<Value>(Value, Value, ValueRange)> use) {
  assert(stages > 1 && "copies would have to land before they are started");
  ImplicitLocOpBuilder &b = f.b;
  const int64_t ahead = stages - 1;
  // A group for every step, empty ones too, so that the number of groups tells which have landed.
  auto start = [&](Value step, Value stage) {
    ifThen(b, less(b, step, steps), [&] { fill(step, stage); });
    device::CopyCommitOp::create(b);
  };
  for (int64_t step = 0; step < ahead; ++step)
    start(constant(b, step), constant(b, step));
  auto next = [&](Value stage) {
    Value after = add(b, stage, 1);
    return select(b, less(b, after, stages), after, constant(b, 0));
  };

  SmallVector<Value> values{constant(b, 0), constant(b, ahead)};
  llvm::append_range(values, carried);
  SmallVector<Value> last = forLoop(b, constant(b, 0), steps, 1, values, [&](Value step, ValueRange before) {
    Value used = before[0], filled = before[1];
    device::CopyWaitOp::create(b, ahead - 1);
    // Also, nobody reads the stage before this one any more, which is filled now.
    barrier(b);
    start(add(b, step, ahead), filled);
    SmallVector<Value> after{next(used), next(filled)};
    llvm::append_range(after, use(step, used, before.drop_front(2)));
    return after;
  });
  device::CopyWaitOp::create(b, 0);
  return SmallVector<Value>(llvm::drop_begin(last, 2));
}

} // namespace vitc::gpu
