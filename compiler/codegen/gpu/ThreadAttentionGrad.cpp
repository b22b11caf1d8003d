//===- ThreadAttentionGrad.cpp - attention's gradient by multiply-adds of f32 -------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// FlashAttention's backward pass (Dao et al. 2022, arXiv:2205.14135, appendix B.4) by one block for each head, so that every sum has one order:
// first the rows' statistics, then tile by tile of keys all queries, whose own gradients grow in the result.
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/codegen/gpu/AttentionGrad.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;

namespace vitc::gpu {

namespace {

constexpr int64_t kPart = 4; ///< of a thread, in each direction

/// Tiles of `tile` queries or keys: rows of shared memory, padded so that neighbouring rows begin in other banks. A thread has rows
/// down + across i and columns right + across j of a product of two tiles' rows, rows 4 down + i and columns 4 right + j of one by columns.
class ThreadAttentionGradEmitter {
public:
  ThreadAttentionGradEmitter(ModuleOp module, Location loc, const AttentionGradShape &shape, int64_t tile, StringRef symbol)
      : f(module, symbol, loc, shape.operandElements(), tile * tile / (kPart * kPart)), b(f.b), s(shape), tile(tile), across(tile / kPart),
        padded(llvm::alignTo(s.width, kPart)), pitch(padded + kPart), weightPitch(tile + kPart),
        groups(llvm::divideCeilSigned(padded, tile)), tiles(llvm::divideCeilSigned(s.tokens, tile)), o(f, s, tile),
        segment(std::min(kPart, vectorFor(s.width, s.element))) {
    for (Value *rows : {&queryTile, &gradientTile, &keyTile, &valueTile})
      *rows = f.takeShared(tile * pitch, b.getF32Type());
    for (Value *weights : {&weightTile, &scoreGradientTile})
      *weights = f.takeShared(tile * weightPitch, b.getF32Type());
    for (Value *statistic : {&greatest, &reciprocals, &products})
      *statistic = f.takeShared(tiles * tile, b.getF32Type());
    down = div(b, f.thread, across);
    right = rem(b, f.thread, across);
  }

  KernelInfo emit(StringRef symbol) {
    forTiles([&](Value first) { measure(first); });
    forTiles([&](Value first) { differentiate(first); });
    o.finishQueries(f);
    return describeAttentionGrad(f, s.heads, o.scratchBytes(), symbol);
  }

private:
  using Sums = SmallVector<Value>;

  void forTiles(function_ref<void(Value)> body) {
    forLoop(b, constant(b, 0), constant(b, s.tokens), tile, {}, [&](Value first, ValueRange) {
      body(first);
      return SmallVector<Value>();
    });
  }

  /// to[r, c] = from[first + r, c], zero beyond the last row and column.
  void fetch(Value from, int64_t stride, Value first, Value to) {
    const int64_t perRow = padded / segment;
    forLoop(b, f.thread, constant(b, tile * perRow), f.threads(), {}, [&](Value number, ValueRange) {
      Value row = div(b, number, perRow), column = mul(b, rem(b, number, perRow), segment), token = add(b, first, row);
      Value exists = both(b, less(b, token, s.tokens), less(b, column, s.width));
      Value vector = widened(b, loadIf(b, exists, from, add(b, mul(b, token, stride), column), segment));
      store(b, vector, to, add(b, mul(b, row, pitch), column));
      return SmallVector<Value>();
    });
  }

  Value rowOfThread(int64_t i) { return add(b, down, i * across); }

  /// Products of rows of two tiles: 4 x 4 of the thread's.
  Sums multiplyRows(Value left, Value right) {
    Sums zeros(kPart * kPart, number(b, 0));
    return forLoop(b, constant(b, 0), constant(b, padded), kPart, zeros, [&](Value k, ValueRange before) {
      Sums sums(before), rows, others;
      for (int64_t i = 0; i < kPart; ++i) {
        rows.push_back(load(b, left, add(b, mul(b, rowOfThread(i), pitch), k), kPart));
        others.push_back(load(b, right, add(b, mul(b, add(b, this->right, i * across), pitch), k), kPart));
      }
      for (int64_t step = 0; step < kPart; ++step)
        for (int64_t i = 0; i < kPart; ++i)
          for (int64_t j = 0; j < kPart; ++j)
            sums[kPart * i + j] = fma(b, lane(b, rows[i], step), lane(b, others[j], step), sums[kPart * i + j]);
      return sums;
    });
  }

  /// Where the thread's columns of a group begin; those beyond the last one are computed as it is.
  Value columnOf(int64_t group) { return min(b, add(b, mul(b, right, kPart), group * tile), constant(b, padded - kPart)); }

  /// sums + weights' rows, which are the tile's, by columns: sums[4 down + i, c] += the sum over m of weights[m, 4 down + i] rows[m, c].
  Sums addColumns(Value weights, Value rows, ValueRange carried) {
    return forLoop(b, constant(b, 0), constant(b, tile), 1, carried, [&](Value m, ValueRange before) {
      Sums sums(before);
      Value left = load(b, weights, add(b, mul(b, m, weightPitch), mul(b, down, kPart)), kPart);
      for (int64_t group = 0; group < groups; ++group) {
        Value other = load(b, rows, add(b, mul(b, m, pitch), columnOf(group)), kPart);
        for (int64_t i = 0; i < kPart; ++i)
          for (int64_t j = 0; j < kPart; ++j) {
            Value &sum = sums[(group * kPart + i) * kPart + j];
            sum = fma(b, lane(b, left, i), lane(b, other, j), sum);
          }
      }
      return sums;
    });
  }

  /// sums[4 down + i, c] = the sum over m of weights[4 down + i, m] rows[m, c], of a group's columns.
  Sums multiplyWeights(Value weights, Value rows, int64_t group) {
    Sums zeros(kPart * kPart, number(b, 0));
    return forLoop(b, constant(b, 0), constant(b, tile), kPart, zeros, [&](Value m, ValueRange before) {
      Sums sums(before), left;
      for (int64_t i = 0; i < kPart; ++i)
        left.push_back(load(b, weights, add(b, mul(b, add(b, mul(b, down, kPart), i), weightPitch), m), kPart));
      for (int64_t step = 0; step < kPart; ++step) {
        Value other = load(b, rows, add(b, mul(b, add(b, m, step), pitch), columnOf(group)), kPart);
        for (int64_t i = 0; i < kPart; ++i)
          for (int64_t j = 0; j < kPart; ++j)
            sums[kPart * i + j] = fma(b, lane(b, left[i], step), lane(b, other, j), sums[kPart * i + j]);
      }
      return sums;
    });
  }

  /// Scores of the keys from `first` on as exponents of 2, -infinity beyond the last key.
  Sums score(Value first) {
    Sums scores = multiplyRows(queryTile, keyTile);
    for (int64_t i = 0; i < kPart; ++i)
      for (int64_t j = 0; j < kPart; ++j) {
        Value &score = scores[kPart * i + j];
        Value exists = less(b, add(b, first, add(b, right, j * across)), s.tokens);
        score = select(b, exists, mulf(b, score, number(b, s.scale * kLog2E)), negativeInfinity(b));
      }
    return scores;
  }

  /// Of the queries from `first` on the greatest score, 1 / the sum of weights, and the sum of each weight times its gradient.
  void measure(Value first) {
    barrier(b); // the last queries have been read
    fetch(o.query, s.stride(), first, queryTile);
    fetch(o.upstream, s.inner(), first, gradientTile);
    Sums carried(kPart, negativeInfinity(b));
    carried.append(2 * kPart, number(b, 0));
    Sums last = forLoop(b, constant(b, 0), constant(b, s.tokens), tile, carried, [&](Value firstKey, ValueRange before) {
      barrier(b); // the last keys have been read
      fetch(o.keys, s.stride(), firstKey, keyTile);
      fetch(o.values, s.stride(), firstKey, valueTile);
      barrier(b);
      Sums scores = score(firstKey), gradients = multiplyRows(gradientTile, valueTile), after(before);
      for (int64_t i = 0; i < kPart; ++i) {
        Value most = scores[kPart * i];
        for (int64_t j = 1; j < kPart; ++j)
          most = maximum(b, most, scores[kPart * i + j]);
        most = maximum(b, before[i], maximumOfLanes(b, most, across));
        Value shrink = math::Exp2Op::create(b, subf(b, before[i], most));
        Value sum = mulf(b, before[kPart + i], shrink), product = mulf(b, before[2 * kPart + i], shrink);
        for (int64_t j = 0; j < kPart; ++j) {
          Value weight = math::Exp2Op::create(b, subf(b, scores[kPart * i + j], most));
          sum = addf(b, sum, weight);
          product = fma(b, weight, gradients[kPart * i + j], product);
        }
        after[i] = most;
        after[kPart + i] = sum;
        after[2 * kPart + i] = product;
      }
      return after;
    });
    SmallVector<Value> inverses, sums;
    for (int64_t i = 0; i < kPart; ++i) {
      inverses.push_back(divf(b, number(b, 1), sumOfLanes(b, last[kPart + i], across)));
      sums.push_back(mulf(b, sumOfLanes(b, last[2 * kPart + i], across), inverses.back()));
    }
    ifThen(b, less(b, right, 1), [&] {
      for (int64_t i = 0; i < kPart; ++i) {
        Value query = add(b, first, rowOfThread(i));
        store(b, last[i], greatest, query);
        store(b, inverses[i], reciprocals, query);
        store(b, sums[i], products, query);
      }
    });
  }

  /// The gradients of the keys and values from `first` on, and what they give to those of the queries.
  void differentiate(Value first) {
    barrier(b); // the statistics are there, and the last keys have been read
    fetch(o.keys, s.stride(), first, keyTile);
    fetch(o.values, s.stride(), first, valueTile);
    const int64_t count = groups * kPart * kPart;
    Sums zeros(2 * count, number(b, 0));
    Sums last = forLoop(b, constant(b, 0), constant(b, s.tokens), tile, zeros, [&](Value firstQuery, ValueRange before) {
      barrier(b); // the last queries have been read
      fetch(o.query, s.stride(), firstQuery, queryTile);
      fetch(o.upstream, s.inner(), firstQuery, gradientTile);
      barrier(b);
      weigh(first, firstQuery);
      barrier(b);
      Sums after = addColumns(weightTile, gradientTile, before.take_front(count));
      after.append(addColumns(scoreGradientTile, queryTile, before.drop_front(count)));
      addToQueries(first, firstQuery);
      return after;
    });
    for (int64_t group = 0; group < groups; ++group) {
      auto part = [&](ArrayRef<Value> sums) { return sums.slice(group * kPart * kPart, kPart * kPart); };
      auto write = [&](Value to, ArrayRef<Value> sums) {
        forParts(first, group, sums, [&](Value vector, Value row, Value column) { o.write(vector, to, row, column); });
      };
      write(o.valueGradient, part(ArrayRef(last).take_front(count)));
      write(o.keyGradient, part(ArrayRef(last).drop_front(count)));
    }
  }

  /// weightTile = P, scoreGradientTile = s P (dP - the row's sum of P dP).
  void weigh(Value first, Value firstQuery) {
    Sums scores = score(first), gradients = multiplyRows(gradientTile, valueTile);
    for (int64_t i = 0; i < kPart; ++i) {
      Value query = add(b, firstQuery, rowOfThread(i));
      Value most = load(b, greatest, query), reciprocal = load(b, reciprocals, query), product = load(b, products, query);
      for (int64_t j = 0; j < kPart; ++j) {
        Value weight = mulf(b, math::Exp2Op::create(b, subf(b, scores[kPart * i + j], most)), reciprocal);
        Value gradient = mulf(b, mulf(b, weight, number(b, s.scale)), subf(b, gradients[kPart * i + j], product));
        Value at = add(b, mul(b, rowOfThread(i), weightPitch), add(b, right, j * across));
        store(b, weight, weightTile, at);
        store(b, gradient, scoreGradientTile, at);
      }
    }
  }

  /// A group at a time: the keys' and values' sums leave few registers.
  void addToQueries(Value first, Value firstQuery) {
    for (int64_t group = 0; group < groups; ++group)
      forParts(firstQuery, group, multiplyWeights(scoreGradientTile, keyTile, group),
               [&](Value vector, Value row, Value column) { o.addToQueries(vector, row, column, first); });
  }

  /// body(vector, row, column) of the thread's part of a group's columns of the rows from `first` on.
  void forParts(Value first, int64_t group, ArrayRef<Value> sums, function_ref<void(Value, Value, Value)> body) {
    const int64_t lanes = std::min(kPart, vectorFor(s.width, b.getF32Type()));
    for (int64_t i = 0; i < kPart; ++i) {
      Value row = add(b, add(b, first, mul(b, down, kPart)), i), exists = less(b, row, s.tokens);
      for (int64_t j = 0; j < kPart; j += lanes) {
        Value column = add(b, add(b, mul(b, right, kPart), group * tile), j);
        ifThen(b, both(b, exists, less(b, column, s.width)), [&] { body(vectorOf(b, sums.slice(i * kPart + j, lanes)), row, column); });
      }
    }
  }

  DeviceFunction f;
  ImplicitLocOpBuilder &b;
  const AttentionGradShape s;
  const int64_t tile, across, padded, pitch, weightPitch, groups, tiles;
  const AttentionGradOperands o;
  const int64_t segment;
  Value queryTile, gradientTile, keyTile, valueTile; ///< [tile, padded], rows `pitch` apart
  Value weightTile, scoreGradientTile;               ///< [queries, keys] of a tile, rows `weightPitch` apart
  Value greatest, reciprocals, products;             ///< of all queries
  Value down, right;                                 ///< the thread's place
};

} // namespace

FailureOr<KernelInfo> emitThreadAttentionGrad(ModuleOp module, Location loc, const AttentionGradShape &shape, StringRef symbol) {
  // Wide heads leave no room for four tiles of 64 rows.
  // Four tiles of rows, two of weights, the statistics: wide heads and many tokens leave no room for tiles of 64.
  const int64_t floats = 64 * (4 * (shape.width + 2 * kPart) + 2 * (64 + kPart)) + 3 * (shape.tokens + 64);
  const int64_t tile = shape.width <= 88 && floats * 4 <= kMostSharedBytes ? 64 : 32;
  return checkedAttentionGrad(loc, shape, ThreadAttentionGradEmitter(module, loc, shape, tile, symbol).emit(symbol));
}

} // namespace vitc::gpu
