//===- SharedTile.h - tiles of products' operands in shared memory --------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_COMPILER_CODEGEN_GPU_SHAREDTILE_H
#define VITC_COMPILER_CODEGEN_GPU_SHAREDTILE_H

#include "compiler/codegen/gpu/DeviceFunction.h"

namespace vitc::gpu {

/// Elements that lie side by side in memory.
struct Place {
  Value memory, index;
};

/// How a tile's rows meet other banks than their neighbours: chunks change places, or rows lie a chunk further apart. Then an element's place is a sum
/// of constants and what depends on the thread: fewer registers, of which attention's gradient has none left.
enum class RowSpread { Swizzled, Padded };

/// Elements from a tile's row of `columns` to the next.
int64_t pitchOf(int64_t columns, Type element, RowSpread spread);

/// rows x columns of bf16, f16 or tf32, row by row, each row n whole chunks of 16 bytes. Chunks change places within their row by an exclusive or with bits
/// of its number, so that eight threads meet all 32 banks whether they touch one chunk of eight consecutive rows (ldmatrix) or eight consecutive
/// chunks of a row or of neighbouring rows (copies): with g = gcd(n, 8), row r's chunk c lies at c xor (r / (8 / g) mod g). A padded tile's rows are an
/// odd number of chunks apart instead.
class SharedTile {
public:
  /// Takes the shared memory of `stages` tiles, one behind the other.
  SharedTile(DeviceFunction &f, int64_t rows, int64_t columns, Type element, int64_t stages = 1, RowSpread spread = RowSpread::Swizzled);

  /// The tile of a stage (i32).
  SharedTile stage(Value number) const;

  /// Where element (row, column) lies, both i32; the other elements of its chunk lie beside it. Places of rows that are a multiple of 8 apart
  /// differ by that many times `pitch`.
  Value index(Value row, Value column) const;

  const int64_t rows, columns;
  const int64_t chunk; ///< elements of 16 bytes
  const int64_t pitch; ///< elements from a row to the next
  Value memory;

private:
  SharedTile(const SharedTile &of, Value memory)
      : rows(of.rows), columns(of.columns), chunk(of.chunk), pitch(of.pitch), memory(memory), b(of.b), spread(of.spread) {}
  ImplicitLocOpBuilder *b;
  RowSpread spread;
};

/// What a copy to shared memory reads.
struct CopySource {
  Place place;
  Value exists; ///< i1: zeros are written otherwise, and nothing is read; null where that cannot be
};

/// All threads of the block start their copies of the tile's elements, `together` at a time, 16, 8 or 4 bytes, which lie side by side where `source`
/// says for the first of them (i32 row and column of the tile), at a multiple of their size. They belong to the thread's next group of copies.
void copyTile(DeviceFunction &f, const SharedTile &tile, int64_t together, llvm::function_ref<CopySource(Value row, Value column)> source);

/// A ring of `stages` > 1 tiles in shared memory through which operands come by asynchronous copies, stages - 1 steps ahead of their use. For each
/// step of 0 to `steps` - 1 in order, `use` gets its stage's number and the carried values, and returns their next ones; `fill` starts the
/// copies of a step into a stage (all i32). Threads have met when `use` begins, and all copies have landed when the ring ends; what the tiles held
/// last may then still be in use by other threads.
llvm::SmallVector<Value> forStages(DeviceFunction &f, int64_t stages, Value steps, ValueRange carried,
                                   llvm::function_ref<void(Value step, Value stage)> fill,
                                   llvm::function_ref<llvm::SmallVector<Value>(Value step, Value stage, ValueRange)> use);

} // namespace vitc::gpu

#endif // VITC_COMPILER_CODEGEN_GPU_SHAREDTILE_H
