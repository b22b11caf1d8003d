//===- WarpAttention.cpp - attention by products of a warp --------------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// FlashAttention-2 (Dao 2023, arXiv:2307.08691, algorithm 1): a warp has 16 or 32 queries of a head, whose scores, weights and sums never leave its
// registers: a thread's part of the sums of two products is its part of the next product's left operand. Few keys come as one tile: then the row's
// maximum is known before the first weight, and nothing is scaled again. More come through a ring of tiles.
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/codegen/gpu/AttentionOperands.h"
#include "compiler/codegen/gpu/QuadRows.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;

namespace vitc::gpu {

namespace {

constexpr int64_t kSquare = 16;  ///< rows of a left operand, columns of two products
constexpr int64_t kColumns = 8;  ///< of a product
constexpr int64_t kRowLanes = 4; ///< threads that share a row of sums
constexpr int64_t kHalves = 2;   ///< rows of a thread's sums, 8 apart
constexpr int64_t kStages = 2;   ///< of a ring of tiles

// Of an A100's multiprocessor (NVIDIA A100 Tensor Core GPU Architecture, 2020, table 1), and what the driver takes for a block.
constexpr int64_t kSharedBytes = 164 << 10, kReservedBytes = 1 << 10, kRegisters = 65536;

struct Schedule {
  int64_t keys;     ///< of a tile
  int64_t rowTiles; ///< of 16 queries, a warp
  int64_t warps;
  bool whole;           ///< whether all keys are one tile
  int64_t resident = 1; ///< blocks that a multiprocessor is to have registers for
  RowSpread spread;     ///< of keys and values
};

Schedule scheduleFor(const AttentionShape &s) {
  Schedule schedule;
  const auto columns = static_cast<int64_t>(llvm::alignTo(s.width, kSquare)), all = static_cast<int64_t>(llvm::alignTo(s.tokens, kSquare));
  const int64_t bytes = device::bytesOf(s.element);
  // A thread has twice the registers of words for its queries; with wide heads none are left for places in rows whose chunks change theirs.
  schedule.spread = bytes == 4 ? RowSpread::Padded : RowSpread::Swizzled;
  // Of keys and values.
  auto sharedBytes = [&](int64_t keys) { return 2 * keys * pitchOf(columns, s.element, schedule.spread) * bytes; };
  // 256 keys' scores take 128 registers, beside at most 64 of the result.
  schedule.whole = s.tokens <= 256 && sharedBytes(all) <= kMostSharedBytes;
  // The widest heads of tf32 have no registers for more scores, and two blocks in a multiprocessor's shared memory.
  schedule.keys = schedule.whole ? all : bytes == 4 && columns > 96 ? 32 : 64;
  // Every operand from shared memory serves two products then; wider heads' sums do not fit, nor do twice as wide queries.
  schedule.rowTiles = !schedule.whole && s.width <= 64 && bytes == 2 ? 2 : 1;
  // Blocks of four warps where two of them have their keys and values in a multiprocessor's shared memory, of eight otherwise.
  const int64_t shared = sharedBytes(schedule.keys) * (schedule.whole ? 1 : kStages);
  const int64_t most = 2 * shared <= kMostSharedBytes ? 4 : 8;
  const int64_t warps = llvm::divideCeilSigned(s.queries, kSquare * schedule.rowTiles);
  // As equal blocks as can be. Four warps copy even if one has queries.
  schedule.warps = std::max<int64_t>(4, llvm::divideCeilSigned(warps, llvm::divideCeilSigned(warps, most)));
  // While a block that has all keys at once waits for them, others compute: as many as have room, with registers for scores, sums and the rest.
  if (schedule.whole) {
    const int64_t registers = schedule.keys / 2 + columns / 2 + (bytes == 2 ? 32 : 32 + columns / 4);
    schedule.resident =
        std::max<int64_t>(1, std::min(kSharedBytes / (shared + kReservedBytes), kRegisters / (schedule.warps * device::kWarp * registers)));
  }
  return schedule;
}

class WarpAttentionEmitter {
public:
  WarpAttentionEmitter(ModuleOp module, Location loc, const AttentionShape &shape, const Schedule &schedule, StringRef symbol)
      : f(module, symbol, loc, shape.operandElements(), schedule.warps * device::kWarp), b(f.b), s(shape), schedule(schedule),
        rowTiles(schedule.rowTiles), padded(llvm::alignTo(s.width, kSquare)), depth(depthOf(s.element)),
        tiles(llvm::divideCeilSigned(s.queries, schedule.warps * rowTiles * kSquare)),
        o(f, s, div(b, f.block, s.heads * tiles), div(b, rem(b, f.block, s.heads * tiles), tiles)), layout(f),
        keyReader(f, OperandLayout::RightNK, {}, {}, s.element), valueReader(f, OperandLayout::RightKN, {}, {}, s.element),
        keyTile(f, schedule.keys, padded, s.element, schedule.whole ? 1 : kStages, schedule.spread),
        valueTile(f, schedule.keys, padded, s.element, schedule.whole ? 1 : kStages, schedule.spread),
        unit(s.hasBias || s.scale <= 0 ? 1 : s.scale * kLog2E) {
    f.limitRegisters(schedule.resident);
    Value warp = div(b, f.thread, device::kWarp);
    firstRow =
        add(b, add(b, mul(b, rem(b, f.block, tiles), schedule.warps * rowTiles * kSquare), mul(b, warp, rowTiles * kSquare)), layout.row);
  }

  KernelInfo emit(StringRef symbol) {
    State state = schedule.whole ? attendAtOnce() : attendByTiles();
    write(state);
    KernelInfo info;
    info.symbol = symbol.str();
    info.kind = "attention";
    info.rowsPerImage = s.windows * s.heads * tiles;
    info.threads = f.threads();
    info.sharedBytes = f.sharedBytes();
    return info;
  }

private:
  /// Of the thread's rows, by row tile and half: the greatest score so far in units of 1 / `unit`, and its part of the sum of weights. Then
  /// its part of the results that the weights make, by row tile and 8 columns.
  struct State {
    SmallVector<Value> greatest, sums, results;
    SmallVector<Value> values() const { return llvm::to_vector(llvm::concat<const Value>(greatest, sums, results)); }
  };

  State stateOf(ValueRange values) const {
    const int64_t rows = rowTiles * kHalves;
    return {values.take_front(rows), values.slice(rows, rows), values.drop_front(2 * rows)};
  }

  State initialState() {
    const int64_t rows = rowTiles * kHalves;
    return {SmallVector<Value>(rows, negativeInfinity(b)), SmallVector<Value>(rows, number(b, 0)),
            SmallVector<Value>(rowTiles * (padded / kColumns), zeroSums(b))};
  }

  State attendAtOnce() {
    copy(o.keys, keyTile, constant(b, 0));
    device::CopyCommitOp::create(b);
    copy(o.values, valueTile, constant(b, 0));
    device::CopyCommitOp::create(b);
    loadQueries();
    device::CopyWaitOp::create(b, 1);
    barrier(b);
    State state = initialState();
    SmallVector<Value> scores = score(keyTile);
    adjust(scores, constant(b, 0), s.tokens);
    weigh(scores, state, /*first=*/true);
    device::CopyWaitOp::create(b, 0);
    barrier(b);
    addValues(scores, valueTile, state);
    return state;
  }

  State attendByTiles() {
    loadQueries();
    const int64_t steps = llvm::divideCeilSigned(s.tokens, schedule.keys), last = s.tokens - (steps - 1) * schedule.keys;
    auto fill = [&](Value step, Value stage) {
      Value first = mul(b, step, schedule.keys);
      copy(o.keys, keyTile.stage(stage), first);
      copy(o.values, valueTile.stage(stage), first);
    };
    auto use = [&](Value step, Value stage, ValueRange before) {
      State state = stateOf(before);
      SmallVector<Value> scores = score(keyTile.stage(stage));
      Value first = mul(b, step, schedule.keys);
      if (last == schedule.keys)
        adjust(scores, first, schedule.keys);
      else
        scores = ifElse(
            b, less(b, step, steps - 1), ValueRange(scores).getTypes(), [&] { return adjusted(scores, first, schedule.keys); },
            [&] { return adjusted(scores, first, last); });
      weigh(scores, state, /*first=*/false);
      addValues(scores, valueTile.stage(stage), state);
      return state.values();
    };
    return stateOf(forStages(f, kStages, constant(b, steps), initialState().values(), fill, use));
  }

  /// Rows of the head from `first` on, zeros behind the last one and behind its width: no number must meet what nobody has written.
  void copy(Value from, const SharedTile &tile, Value first) {
    copyTile(f, tile, s.segment(), [&](Value row, Value column) {
      Value token = add(b, first, row), exists;
      if (s.tokens % schedule.keys != 0)
        exists = less(b, token, s.tokens);
      if (padded != s.width) {
        Value inside = less(b, column, s.width);
        exists = exists ? both(b, exists, inside) : inside;
      }
      return CopySource{{from, add(b, mul(b, token, s.keyStride()), column)}, exists};
    });
  }

  void loadQueries() {
    for (int64_t tile = 0; tile < rowTiles; ++tile) {
      SmallVector<Value, kHalves> rows;
      for (int64_t half = 0; half < kHalves; ++half)
        rows.push_back(rowOf(b, o.query, clampedRow(tile, half), s.queryStride()));
      llvm::append_range(queries, loadLeftOperands(b, layout, rows, s.width, s.element));
    }
  }

  Value rowAt(int64_t tile, int64_t half) { return add(b, firstRow, tile * kSquare + half * kColumns); }
  Value clampedRow(int64_t tile, int64_t half) { return min(b, rowAt(tile, half), constant(b, s.queries - 1)); }

  /// Q K' by row tile and 8 keys.
  SmallVector<Value> score(const SharedTile &tile) {
    const int64_t across = schedule.keys / kColumns, blocks = llvm::divideCeilSigned(s.width, depth);
    SmallVector<Value> sums(rowTiles * across, zeroSums(b));
    for (int64_t key = 0; key < schedule.keys; key += kSquare)
      for (int64_t block = 0; block < blocks; ++block) {
        Value square = keyReader.read(tile, key, block * depth);
        for (int64_t half = 0; half < kHalves; ++half) {
          Value right = rightOperand(b, square, half);
          for (int64_t row = 0; row < rowTiles; ++row) {
            Value &sum = sums[row * across + key / kColumns + half];
            sum = multiply(b, queries[row * blocks + block], right, sum);
          }
        }
      }
    return sums;
  }

  SmallVector<Value> adjusted(SmallVector<Value> scores, Value first, int64_t live) {
    adjust(scores, first, live);
    return scores;
  }

  /// Adds the bias, and takes out the keys from `live` on.
  void adjust(MutableArrayRef<Value> scores, Value first, int64_t live) {
    const int64_t across = schedule.keys / kColumns;
    for (int64_t row = 0; row < rowTiles; ++row)
      for (int64_t j = 0; j < across; ++j) {
        const int64_t begin = j * kColumns;
        if (unit != 1 && begin + kColumns <= live)
          continue;
        SmallVector<Value> elements;
        for (int64_t i = 0; i < 2 * kHalves; ++i) {
          Value score = lane(b, scores[row * across + j], i), key = add(b, layout.column, begin + i % 2);
          if (unit == 1)
            score = mulf(b, score, number(b, s.scale * kLog2E));
          if (o.bias && begin < live) {
            Value token = min(b, add(b, first, key), constant(b, s.tokens - 1));
            Value at = add(b, mul(b, clampedRow(row, i / 2), s.tokens), token);
            score = fma(b, widened(b, load(b, o.bias, at)), number(b, kLog2E), score);
          }
          if (begin >= live)
            score = negativeInfinity(b);
          else if (begin + kColumns > live)
            score = select(b, less(b, key, live), score, negativeInfinity(b));
          elements.push_back(score);
        }
        scores[row * across + j] = vectorOf(b, elements);
      }
  }

  /// scores = 2^(unit (scores - the row's greatest)), whose sums are added to the state's.
  void weigh(MutableArrayRef<Value> scores, State &state, bool first) {
    const int64_t across = schedule.keys / kColumns;
    for (int64_t row = 0; row < rowTiles; ++row) {
      SmallVector<Value> offsets, shrinks;
      for (int64_t half = 0; half < kHalves; ++half) {
        Value &greatest = state.greatest[row * kHalves + half], &sum = state.sums[row * kHalves + half], most;
        for (int64_t j = 0; j < across; ++j)
          for (int64_t i = 0; i < 2; ++i) {
            Value score = lane(b, scores[row * across + j], 2 * half + i);
            most = most ? maximum(b, most, score) : score;
          }
        most = maximumOfLanes(b, most, kRowLanes);
        if (!first)
          most = maximum(b, most, greatest);
        // A row without a key so far has a greatest score of -infinity, from which no difference can be taken.
        Value none = arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, most, negativeInfinity(b));
        Value offset = select(b, none, number(b, 0), mulf(b, most, number(b, -unit)));
        if (!first) {
          shrinks.push_back(math::Exp2Op::create(b, fma(b, greatest, number(b, unit), offset)));
          sum = mulf(b, sum, shrinks.back());
        }
        greatest = most;
        offsets.push_back(offset);
      }
      for (int64_t j = 0; j < across; ++j) {
        SmallVector<Value> weights;
        for (int64_t i = 0; i < 2 * kHalves; ++i) {
          Value score = lane(b, scores[row * across + j], i), &sum = state.sums[row * kHalves + i / 2];
          weights.push_back(math::Exp2Op::create(b, fma(b, score, number(b, unit), offsets[i / 2])));
          sum = addf(b, sum, weights.back());
        }
        scores[row * across + j] = vectorOf(b, weights);
      }
      if (first)
        continue;
      Value factors = vectorOf(b, {shrinks[0], shrinks[0], shrinks[1], shrinks[1]});
      for (Value &part : MutableArrayRef(state.results).slice(row * (padded / kColumns), padded / kColumns))
        part = mulf(b, part, factors);
    }
  }

  /// The state's results plus weights V.
  void addValues(ArrayRef<Value> weights, const SharedTile &tile, State &state) {
    const int64_t across = schedule.keys / kColumns, columns = padded / kColumns;
    for (int64_t key = 0; key < schedule.keys; key += depth) {
      SmallVector<Value, 2> left;
      for (int64_t row = 0; row < rowTiles; ++row)
        left.push_back(leftOfSums(b, weights.slice(row * across + key / kColumns, depth / kColumns), s.element));
      for (int64_t block = 0; block < padded; block += kSquare) {
        Value square = valueReader.read(tile, key, block);
        for (int64_t half = 0; half < kHalves; ++half) {
          Value right = rightOperand(b, square, half);
          for (int64_t row = 0; row < rowTiles; ++row) {
            Value &sum = state.results[row * columns + block / kColumns + half];
            sum = multiply(b, left[row], right, sum);
          }
        }
      }
    }
  }

  void write(const State &state) {
    const int64_t columns = padded / kColumns;
    for (int64_t row = 0; row < rowTiles; ++row)
      for (int64_t half = 0; half < kHalves; ++half) {
        Value inverse = divf(b, number(b, 1), sumOfLanes(b, state.sums[row * kHalves + half], kRowLanes));
        Value at = rowAt(row, half), exists = less(b, at, s.queries), memory = rowOf(b, o.result, at, s.heads * s.width);
        SmallVector<Value> pairs;
        for (int64_t j = 0; j * kColumns < s.width; ++j) {
          SmallVector<Value> parts;
          for (int64_t i = 0; i < 2; ++i)
            parts.push_back(mulf(b, lane(b, state.results[row * columns + j], 2 * half + i), inverse));
          pairs.push_back(narrowed(b, vectorOf(b, parts), s.resultElement));
        }
        // Rows of whole vectors leave as such; what others have behind their last column is not written.
        if (s.width % kColumns == 0)
          forQuadRow(b, f.thread, pairs, [&](Value vector, Value column) { ifThen(b, exists, [&] { store(b, vector, memory, column); }); });
        else
          for (auto [j, pair] : llvm::enumerate(pairs)) {
            Value column = add(b, layout.column, static_cast<int64_t>(j) * kColumns);
            ifThen(b, both(b, exists, less(b, column, s.width)), [&] { store(b, pair, memory, column); });
          }
      }
  }

  DeviceFunction f;
  ImplicitLocOpBuilder &b;
  const AttentionShape s;
  const Schedule schedule;
  const int64_t rowTiles, padded, depth, tiles; ///< padded: the width rounded up to 16; depth: a product's K; tiles: blocks of a head
  const AttentionOperands o;
  const SumsLayout layout;
  const FragmentReader keyReader, valueReader;
  const SharedTile keyTile, valueTile;
  const double unit;          ///< by what scores are multiplied as they become exponents of 2; 1 where they are already
  Value firstRow;             ///< the thread's first query
  SmallVector<Value> queries; ///< left operands by row tile and `depth` columns
};

} // namespace

bool hasWarpAttention(const AttentionShape &shape) {
  // Copies move at least 4 bytes; offsets within a window are of 32 bits.
  return !shape.element.isF32() && shape.segment() * device::bytesOf(shape.element) >= 4 && shape.height == 0 && shape.width <= 128 &&
         llvm::isInt<32>((shape.tokens + 256) * shape.keyStride());
}

KernelInfo emitWarpAttention(ModuleOp module, Location loc, const AttentionShape &shape, StringRef symbol) {
  return WarpAttentionEmitter(module, loc, shape, scheduleFor(shape), symbol).emit(symbol);
}

} // namespace vitc::gpu
