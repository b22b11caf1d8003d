//===- Attention.cpp - kernel.attention on a GPU, by multiply-adds of f32 -----------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// FlashAttention (Dao et al. 2022, arXiv:2205.14135, algorithm 1): a block has 64 queries of a head and goes through the keys 64 at a time;
// what it has summed up is scaled when a greater score comes.
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/codegen/gpu/AttentionOperands.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;

namespace vitc::gpu {

namespace {

constexpr int64_t kTile = 64; ///< queries of a block, and keys at a time
constexpr int64_t kPart = 4;  ///< of a thread, in each direction
constexpr int64_t kAcross = kTile / kPart;
constexpr int64_t kThreads = kAcross * kAcross;
constexpr int64_t kStride = kTile + 4; ///< as of Product.cpp
constexpr int64_t kUnrolled = 8;       ///< steps of a product between two branches

class AttentionEmitter {
public:
  AttentionEmitter(ModuleOp module, Location loc, const AttentionShape &shape, StringRef symbol)
      : f(module, symbol, loc, shape.operandElements(), kThreads), b(f.b), s(shape), width(s.width),
        groups(llvm::divideCeilSigned(width, kTile)), tiles(llvm::divideCeilSigned(s.queries, kTile)),
        o(f, s, div(b, f.block, s.heads * tiles), div(b, rem(b, f.block, s.heads * tiles), tiles)) {
    firstQuery = mul(b, rem(b, f.block, tiles), kTile);
    segment = std::min(kPart, s.segment());
    queryTile = f.takeShared(width * kStride, b.getF32Type());
    keyTile = f.takeShared(std::max(width * kStride, kTile * groups * kTile), b.getF32Type());
    weightTile = f.takeShared(kTile * kStride, b.getF32Type());
    if (s.height) {
      rowDistances = f.takeShared(s.height * kTile, b.getF32Type());
      columnDistances = f.takeShared(s.across * kTile, b.getF32Type());
    }
    row = mul(b, div(b, f.thread, kAcross), kPart);
    lane = mul(b, rem(b, f.thread, kAcross), kPart);
  }

  KernelInfo emit(StringRef symbol) {
    fetchTransposed(o.query, s.queryStride(), firstQuery, s.queries, queryTile);
    if (s.height) {
      barrier(b);
      scoreDistances(o.rowTable, s.height, [&](Value token) { return div(b, token, s.across); }, rowDistances);
      scoreDistances(o.columnTable, s.across, [&](Value token) { return rem(b, token, s.across); }, columnDistances);
    }
    // For each of the thread's rows its maximum so far, its sum of weights, and its part of the result.
    SmallVector<Value> carried(kPart, negativeInfinity(b));
    carried.append(kPart * (1 + groups * kPart), number(b, 0));
    SmallVector<Value> last = forLoop(b, constant(b, 0), constant(b, s.tokens), kTile, carried,
                                      [&](Value first, ValueRange before) { return addKeys(first, before); });
    write(last);

    KernelInfo info;
    info.symbol = symbol.str();
    info.kind = "attention";
    info.rowsPerImage = s.windows * s.heads * tiles;
    info.threads = kThreads;
    info.sharedBytes = f.sharedBytes();
    return info;
  }

private:
  /// to[k, r] = rows [first + r, k], the last row again beyond `count`.
  void fetchTransposed(Value from, int64_t fromStride, Value first, int64_t count, Value to) {
    Value fetched = div(b, f.thread, kThreads / kTile), quarter = rem(b, f.thread, kThreads / kTile);
    Value memory = rowOf(b, from, min(b, add(b, first, fetched), constant(b, count - 1)), fromStride);
    constexpr int64_t share = kThreads / kTile;
    for (int64_t k = 0; k < width; k += share * segment) {
      Value column = add(b, mul(b, quarter, segment), k);
      auto copy = [&] {
        Value vector = widened(b, load(b, memory, column, segment));
        for (int64_t i = 0; i < segment; ++i)
          store(b, gpu::lane(b, vector, i), to, add(b, mul(b, add(b, column, i), kStride), fetched));
      };
      if (k + share * segment <= width)
        copy();
      else
        ifThen(b, less(b, column, width), copy);
    }
  }

  /// keyTile[r, c] = values[first + r, c], zero beyond the last row and column.
  void fetchValues(Value first) {
    constexpr int64_t share = kThreads / kTile;
    const int64_t padded = groups * kTile;
    Value fetched = div(b, f.thread, share), quarter = rem(b, f.thread, share), token = add(b, first, fetched);
    Value exists = less(b, token, s.tokens), memory = rowOf(b, o.values, min(b, token, constant(b, s.tokens - 1)), s.keyStride());
    Value to = rowOf(b, keyTile, fetched, padded);
    for (int64_t c = 0; c < padded; c += share * segment) {
      Value column = add(b, mul(b, quarter, segment), c);
      Value vector = widened(b, loadIf(b, both(b, exists, less(b, column, width)), memory, column, segment));
      store(b, vector, to, column);
    }
  }

  /// Goes through the keys from `first` on.
  SmallVector<Value> addKeys(Value first, ValueRange before) {
    barrier(b); // the last keys' values have been read
    fetchTransposed(o.keys, s.keyStride(), first, s.tokens, keyTile);
    barrier(b);
    SmallVector<Value> zeros(kPart * kPart, number(b, 0));
    SmallVector<Value> scores = countInSteps(width, zeros, [&](Value k, SmallVector<Value> &sums) {
      Value column = mul(b, k, kStride);
      Value q = load(b, queryTile, add(b, row, column), kPart), key = load(b, keyTile, add(b, lane, column), kPart);
      for (int64_t i = 0; i < kPart; ++i)
        for (int64_t j = 0; j < kPart; ++j)
          sums[kPart * i + j] = fma(b, gpu::lane(b, q, i), gpu::lane(b, key, j), sums[kPart * i + j]);
    });
    for (int64_t i = 0; i < kPart; ++i)
      for (int64_t j = 0; j < kPart; ++j) {
        Value &score = scores[kPart * i + j], key = add(b, add(b, first, lane), j);
        score = mulf(b, score, number(b, s.scale * kLog2E));
        Value exists = less(b, key, s.tokens);
        if (o.bias) {
          Value at = min(b, add(b, add(b, firstQuery, row), i), constant(b, s.queries - 1));
          Value term = loadIf(b, exists, o.bias, add(b, mul(b, at, s.tokens), key));
          score = fma(b, term, number(b, kLog2E), score);
        }
        if (s.height) {
          Value at = min(b, key, constant(b, s.tokens - 1)), query = add(b, row, i);
          Value down = load(b, rowDistances, add(b, mul(b, div(b, at, s.across), kTile), query));
          Value across = load(b, columnDistances, add(b, mul(b, rem(b, at, s.across), kTile), query));
          score = fma(b, addf(b, down, across), number(b, kLog2E), score);
        }
        score = select(b, exists, score, negativeInfinity(b));
      }

    SmallVector<Value> after(before.begin(), before.end());
    for (int64_t i = 0; i < kPart; ++i) {
      Value greatest = scores[kPart * i];
      for (int64_t j = 1; j < kPart; ++j)
        greatest = maximum(b, greatest, scores[kPart * i + j]);
      greatest = maximum(b, before[i], maximumOfLanes(b, greatest, kAcross));
      // A row without a key so far has a greatest score of -infinity, from which no difference can be taken.
      Value none = arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, greatest, negativeInfinity(b));
      Value base = select(b, none, number(b, 0), greatest), shrink = math::Exp2Op::create(b, subf(b, before[i], base));
      Value sum = mulf(b, before[kPart + i], shrink);
      for (int64_t j = 0; j < kPart; ++j) {
        Value &weight = scores[kPart * i + j];
        weight = math::Exp2Op::create(b, subf(b, weight, base));
        sum = addf(b, sum, weight);
      }
      after[i] = greatest;
      after[kPart + i] = sum;
      for (int64_t c = 0; c < groups * kPart; ++c) {
        Value &part = after[place(i, c)];
        part = mulf(b, part, shrink);
      }
    }
    for (int64_t j = 0; j < kPart; ++j) {
      SmallVector<Value> column;
      for (int64_t i = 0; i < kPart; ++i)
        column.push_back(scores[kPart * i + j]);
      store(b, vectorOf(b, column), weightTile, add(b, mul(b, add(b, lane, j), kStride), row));
    }
    barrier(b); // the keys have been read
    fetchValues(first);
    barrier(b);
    return countInSteps(kTile, after, [&](Value key, SmallVector<Value> &sums) {
      Value weights = load(b, weightTile, add(b, row, mul(b, key, kStride)), kPart);
      for (int64_t group = 0; group < groups; ++group) {
        Value vector = load(b, keyTile, add(b, add(b, lane, mul(b, key, groups * kTile)), group * kTile), kPart);
        for (int64_t i = 0; i < kPart; ++i)
          for (int64_t j = 0; j < kPart; ++j) {
            Value &part = sums[place(i, group * kPart + j)];
            part = fma(b, gpu::lane(b, weights, i), gpu::lane(b, vector, j), part);
          }
      }
    });
  }

  /// Does `step` for 0, 1, .. count - 1, a few at a time: ptxas moves the loads of a whole tile's steps to their front where the keys are one tile
  /// and no loop is around them, and spills.
  SmallVector<Value> countInSteps(int64_t count, ValueRange carried, function_ref<void(Value, SmallVector<Value> &)> step) {
    const int64_t whole = count / kUnrolled * kUnrolled;
    SmallVector<Value> sums(carried);
    if (whole)
      sums = forLoop(b, constant(b, 0), constant(b, whole), kUnrolled, sums, [&](Value first, ValueRange before) {
        SmallVector<Value> after(before);
        for (int64_t i = 0; i < kUnrolled; ++i)
          step(add(b, first, i), after);
        return after;
      });
    for (int64_t i = whole; i < count; ++i)
      step(constant(b, i), sums);
    return sums;
  }

  /// Where the thread's element c of row i is carried.
  int64_t place(int64_t i, int64_t c) const { return 2 * kPart + i * groups * kPart + c; }

  void write(ArrayRef<Value> carried) {
    Type resultElement = cast<device::MemoryType>(o.result.getType()).getElement();
    int64_t lanes = std::min<int64_t>(kPart, vectorFor(width, resultElement));
    for (int64_t i = 0; i < kPart; ++i) {
      Value inverse = divf(b, number(b, 1), sumOfLanes(b, carried[kPart + i], kAcross));
      Value at = add(b, add(b, firstQuery, row), i), exists = less(b, at, s.queries), memory = rowOf(b, o.result, at, s.heads * width);
      for (int64_t c = 0; c < groups * kPart; c += lanes) {
        Value column = add(b, lane, c / kPart * kTile + c % kPart);
        ifThen(b, both(b, exists, less(b, column, width)), [&] {
          SmallVector<Value> parts;
          for (int64_t j = 0; j < lanes; ++j)
            parts.push_back(mulf(b, carried[place(i, c + j)], inverse));
          store(b, narrowed(b, vectorOf(b, parts), resultElement), memory, column);
        });
      }
    }
  }

  /// into[i, r] = query r . table[:, i - own + size - 1], own the place of that query's token along the axis and i that of a key's.
  void scoreDistances(Value table, int64_t size, function_ref<Value(Value)> placeOf, Value into) {
    constexpr int64_t share = kThreads / kTile;
    Value query = rem(b, f.thread, kTile), token = min(b, add(b, firstQuery, query), constant(b, s.queries - 1));
    Value offset = sub(b, constant(b, size - 1), placeOf(token));
    forLoop(b, div(b, f.thread, kTile), constant(b, size), share, {}, [&](Value place, ValueRange) {
      Value from = advance(b, table, add(b, place, offset));
      SmallVector<Value> sum = countInSteps(width, number(b, 0), [&](Value k, SmallVector<Value> &sums) {
        Value x = load(b, queryTile, add(b, query, mul(b, k, kStride)));
        sums[0] = fma(b, x, load(b, from, mul(b, k, 2 * size - 1)), sums[0]);
      });
      store(b, sum[0], into, add(b, mul(b, place, kTile), query));
      return SmallVector<Value>();
    });
  }

  DeviceFunction f;
  ImplicitLocOpBuilder &b;
  const AttentionShape s;
  const int64_t width, groups, tiles;
  const AttentionOperands o;
  int64_t segment;
  Value queryTile, keyTile, weightTile;
  Value rowDistances, columnDistances; ///< [H, queries] and [W, queries]: what a key's place along each axis adds to its score
  Value firstQuery, row, lane;         ///< the thread's first row, key and column within the tile
};

} // namespace

FailureOr<KernelInfo> emitThreadAttention(ModuleOp module, Location loc, const AttentionShape &shape, StringRef symbol) {
  KernelInfo info = AttentionEmitter(module, loc, shape, symbol).emit(symbol);
  if (info.sharedBytes > kMostSharedBytes)
    return emitError(loc) << "attention with heads of " << shape.width << " and distances on a grid of " << shape.height << " x "
                          << shape.across << " takes " << info.sharedBytes << " bytes of shared memory; a GPU has " << kMostSharedBytes
                          << " for a block";
  return info;
}

FailureOr<KernelInfo> emitAttention(ModuleOp module, kernel::AttentionOp op, StringRef symbol, const DeviceTarget &target) {
  if (op.getWeights())
    return op.emitOpError() << "keeps its weights, for which a GPU has no kernel";
  if (op.getResultGrid())
    return op.emitOpError() << "has a result of bytes, for which a GPU has no kernel";
  AttentionShape shape = AttentionShape::of(op);
  if (target.isHopper() && hasWarpgroupAttention(shape))
    return emitWarpgroupAttention(module, op.getLoc(), shape, symbol);
  if (hasWarpAttention(shape))
    return emitWarpAttention(module, op.getLoc(), shape, symbol);
  return emitThreadAttention(module, op.getLoc(), shape, symbol);
}

} // namespace vitc::gpu
