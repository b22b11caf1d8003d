//===- WarpAttentionGrad.cpp - attention's gradient by products of a warp -----------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// FlashAttention-2's backward pass (Dao 2023, arXiv:2307.08691, algorithm 2), by one block for each head, so that every sum has one order. First the
// rows' statistics, a warp having 16 queries. Then tile by tile of keys all queries: a warp has 16 keys, and S' and dP' in its registers are left operands
// of what dV and dK gain. Queries' gradients need all warps' keys: dS' passes through shared memory, and they grow in the result.
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/codegen/gpu/AttentionGrad.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;

namespace vitc::gpu {

namespace {

constexpr int64_t kWarps = 4;
constexpr int64_t kSquare = 16;                 ///< rows and columns of a left operand
constexpr int64_t kColumns = 8;                 ///< of a product
constexpr int64_t kRowLanes = 4;                ///< threads that share a row of sums
constexpr int64_t kStages = 2;                  ///< of a ring of tiles
constexpr int64_t kTileRows = kWarps * kSquare; ///< keys of a tile, and queries whose statistics are taken at a time

/// Queries at a time, such that their scores leave registers for sums of that width, and for one more address where the result is rounded.
int64_t stepFor(const AttentionGradShape &s) { return s.width <= 64 ? 64 : s.width <= 80 && s.result.isF32() ? 32 : 16; }

class WarpAttentionGradEmitter {
public:
  WarpAttentionGradEmitter(ModuleOp module, Location loc, const AttentionGradShape &shape, StringRef symbol)
      : f(module, symbol, loc, shape.operandElements(), kWarps * device::kWarp), b(f.b), s(shape), padded(llvm::alignTo(s.width, kSquare)),
        blocks(padded / kSquare), step(stepFor(s)), o(f, s, kTileRows), layout(f),
        warpRow(mul(b, div(b, f.thread, device::kWarp), kSquare)), warpRows(f, OperandLayout::LeftMK, warpRow),
        byRows(f, OperandLayout::RightNK), byColumns(f, OperandLayout::RightKN),
        first(f, step, padded, s.element, kStages, RowSpread::Padded), second(f, step, padded, s.element, kStages, RowSpread::Padded),
        keyTile(f, kTileRows, padded, s.element, 1, RowSpread::Padded), valueTile(f, kTileRows, padded, s.element, 1, RowSpread::Padded),
        scoreGradients(f, kTileRows, step, s.element, 1, RowSpread::Padded) {
    const int64_t all = llvm::alignTo(s.tokens, kTileRows);
    for (Value *statistic : {&offsets, &reciprocals, &products})
      *statistic = f.takeShared(all, b.getF32Type());
    // A step's queries by 16, and what warps there are more share their columns.
    const int64_t down = step / kSquare;
    parts = kWarps / down;
    Value warp = div(b, f.thread, device::kWarp);
    queryRow = mul(b, rem(b, warp, down), kSquare);
    for (int64_t i = 0; i < llvm::divideCeilSigned(blocks, parts); ++i) {
      Value column = mul(b, add(b, div(b, warp, down), i * parts), kSquare);
      gradientColumns.push_back(column);
      keyReaders.emplace_back(f, OperandLayout::RightKN, Value(), min(b, column, constant(b, padded - kSquare)));
    }
  }

  KernelInfo emit(StringRef symbol) {
    forTiles([&](Value tile) { measure(tile); });
    forTiles([&](Value tile) { differentiate(tile); });
    o.finishQueries(f);
    return describeAttentionGrad(f, s.heads, o.scratchBytes(), symbol);
  }

private:
  using Sums = SmallVector<Value>;

  void forTiles(function_ref<void(Value)> body) {
    forLoop(b, constant(b, 0), constant(b, s.tokens), kTileRows, {}, [&](Value tile, ValueRange) {
      body(tile);
      return Sums();
    });
  }

  //===--- tiles ----------------------------------------------------------------------------===//

  Value existsAt(Value token, Value column) {
    Value exists = less(b, token, s.tokens);
    return padded == s.width ? exists : both(b, exists, less(b, column, s.width));
  }

  /// Rows of qkv from `from` on, zeros behind the last one and behind the head's width.
  void copy(Value rows, const SharedTile &tile, Value from) {
    copyTile(f, tile, vectorFor(s.width, s.element), [&](Value row, Value column) {
      Value token = add(b, from, row);
      return CopySource{{rows, add(b, mul(b, token, s.stride()), column)}, existsAt(token, column)};
    });
  }

  /// The same of the upstream gradient, which is rounded.
  void copyUpstream(const SharedTile &tile, Value from) {
    const int64_t lanes = vectorFor(s.width, b.getF32Type()), perRow = padded / lanes, count = step * perRow;
    // Of 4 lanes or of 2 the threads share the tile equally.
    for (int64_t begin = 0; begin < count; begin += f.threads()) {
      Value number = add(b, f.thread, begin), row = div(b, number, perRow), column = mul(b, rem(b, number, perRow), lanes);
      Value token = add(b, from, row);
      Value at = add(b, mul(b, min(b, token, constant(b, s.tokens - 1)), s.inner()), min(b, column, constant(b, s.width - lanes)));
      Value vector = load(b, o.upstream, at, lanes);
      Value zero = arith::ConstantOp::create(b, b.getZeroAttr(vector.getType()));
      Value live = select(b, existsAt(token, column), vector, zero);
      store(b, narrowed(b, live, s.element), tile.memory, tile.index(row, column));
    }
  }

  //===--- statistics -----------------------------------------------------------------------===//

  /// left rows', [16, step], by 8 columns.
  Sums multiplyRows(function_ref<Value(int64_t)> left, const SharedTile &rows) {
    Sums sums(step / kColumns, zeroSums(b));
    for (int64_t block = 0; block < blocks; ++block) {
      Value operand = left(block);
      for (int64_t row = 0; row < step; row += kSquare) {
        Value square = byRows.read(rows, row, block * kSquare);
        for (int64_t half = 0; half < 2; ++half) {
          Value &sum = sums[row / kColumns + half];
          sum = multiply(b, operand, rightOperand(b, square, half), sum);
        }
      }
    }
    return sums;
  }

  /// Of each query from `tile` on, of which a warp has 16: minus its greatest score, as an exponent of 2; 1 / its sum of weights; its sum of
  /// probabilities times their gradients.
  void measure(Value tile) {
    Value row = add(b, add(b, tile, warpRow), layout.row);
    SmallVector<Value> rows, upstreamRows;
    for (int64_t half = 0; half < 2; ++half) {
      Value token = min(b, add(b, row, half * kColumns), constant(b, s.tokens - 1));
      rows.push_back(rowOf(b, o.query, token, s.stride()));
      upstreamRows.push_back(rowOf(b, o.upstream, token, s.inner()));
    }
    SmallVector<Value> queries = loadLeftOperands(b, layout, rows, s.width, s.element);
    SmallVector<Value> upstream = loadLeftOperands(b, layout, upstreamRows, s.width, s.element);
    barrier(b); // the last tiles' rings have been read
    Sums initial(2, negativeInfinity(b));
    initial.append(4, number(b, 0));
    auto fill = [&](Value number, Value stage) {
      copy(o.keys, first.stage(stage), mul(b, number, step));
      copy(o.values, second.stage(stage), mul(b, number, step));
    };
    auto use = [&](Value number, Value stage, ValueRange before) {
      Sums scores = multiplyRows([&](int64_t block) { return queries[block]; }, first.stage(stage));
      Sums gradients = multiplyRows([&](int64_t block) { return upstream[block]; }, second.stage(stage));
      return addWeights(scores, gradients, mul(b, number, step), before);
    };
    Sums last = forStages(f, kStages, constant(b, llvm::divideCeilSigned(s.tokens, step)), initial, fill, use);

    Value isFirst = less(b, layout.column, 2);
    for (int64_t half = 0; half < 2; ++half) {
      Value inverse = divf(b, number(b, 1), sumOfLanes(b, last[2 + half], kRowLanes));
      Value product = mulf(b, sumOfLanes(b, last[4 + half], kRowLanes), inverse), zero = number(b, 0);
      Value query = add(b, row, half * kColumns), exists = less(b, query, s.tokens);
      // Queries behind the last one are zeros later on: they must not weigh a key, nor be infinite before they are multiplied by that zero.
      ifThen(b, isFirst, [&] {
        store(b, select(b, exists, mulf(b, last[half], number(b, -unit())), zero), offsets, query);
        store(b, select(b, exists, inverse, zero), reciprocals, query);
        store(b, select(b, exists, product, zero), products, query);
      });
    }
  }

  double unit() const { return s.scale * kLog2E; }

  /// What keys from `from` on add to each row's greatest score, its sum of weights, and its sum of weights times their gradients.
  Sums addWeights(ArrayRef<Value> scores, ArrayRef<Value> gradients, Value from, ValueRange before) {
    Sums after(before);
    for (int64_t half = 0; half < 2; ++half) {
      Sums row;
      Value most = before[half];
      for (int64_t j = 0; j < step / kColumns; ++j)
        for (int64_t i = 0; i < 2; ++i) {
          Value score = lane(b, scores[j], 2 * half + i);
          if (s.tokens % step != 0) {
            Value key = add(b, add(b, from, layout.column), j * kColumns + i);
            score = select(b, less(b, key, s.tokens), score, negativeInfinity(b));
          }
          row.push_back(score);
        }
      Value greatest = row.front();
      for (Value score : ArrayRef(row).drop_front())
        greatest = maximum(b, greatest, score);
      greatest = maximum(b, most, maximumOfLanes(b, greatest, kRowLanes));
      Value offset = mulf(b, greatest, number(b, -unit()));
      Value shrink = math::Exp2Op::create(b, fma(b, most, number(b, unit()), offset));
      Value &sum = after[2 + half], &product = after[4 + half];
      sum = mulf(b, sum, shrink);
      product = mulf(b, product, shrink);
      for (auto [number, score] : llvm::enumerate(row)) {
        Value weight = math::Exp2Op::create(b, fma(b, score, gpu::number(b, unit()), offset));
        sum = addf(b, sum, weight);
        product = fma(b, weight, lane(b, gradients[number / 2], 2 * half + static_cast<int64_t>(number % 2)), product);
      }
      after[half] = greatest;
    }
    return after;
  }

  //===--- gradients ------------------------------------------------------------------------===//

  /// The gradients of the keys and values from `tile` on, of which a warp has 16, and what they give to those of the queries.
  void differentiate(Value tile) {
    barrier(b); // the statistics are there, and the last tiles have been read
    copy(o.keys, keyTile, tile);
    copy(o.values, valueTile, tile);
    device::CopyCommitOp::create(b);
    const int64_t count = padded / kColumns;
    auto fill = [&](Value number, Value stage) {
      copy(o.query, first.stage(stage), mul(b, number, step));
      copyUpstream(second.stage(stage), mul(b, number, step));
    };
    auto use = [&](Value number, Value stage, ValueRange before) {
      SharedTile queries = first.stage(stage), upstream = second.stage(stage);
      Value from = mul(b, number, step);
      Sums weights = multiplyRows([&](int64_t block) { return warpRows.read(keyTile, 0, block * kSquare); }, queries);
      Sums gradients = multiplyRows([&](int64_t block) { return warpRows.read(valueTile, 0, block * kSquare); }, upstream);
      weigh(weights, gradients, tile, from);
      Sums after(before);
      addColumns(MutableArrayRef(after).take_front(count), weights, upstream);
      addColumns(MutableArrayRef(after).drop_front(count), gradients, queries);
      keep(gradients);
      barrier(b);
      addToQueries(tile, from);
      return after;
    };
    Sums last = forStages(f, kStages, constant(b, llvm::divideCeilSigned(s.tokens, step)), Sums(2 * count, zeroSums(b)), fill, use);
    Value row = add(b, add(b, tile, warpRow), layout.row);
    for (int64_t j = 0; j < count; ++j) {
      Value column = add(b, layout.column, j * kColumns);
      forRows(last[j], row, column, [&](Value pair, Value token) { o.write(pair, o.valueGradient, token, column); });
      forRows(last[count + j], row, column, [&](Value pair, Value token) { o.write(pair, o.keyGradient, token, column); });
    }
  }

  /// weights: S' becomes P'; gradients: dP' becomes s dS'.
  void weigh(MutableArrayRef<Value> weights, MutableArrayRef<Value> gradients, Value tile, Value from) {
    Value key = add(b, add(b, tile, warpRow), layout.row);
    for (int64_t j = 0; j < step / kColumns; ++j) {
      Value query = add(b, add(b, from, layout.column), j * kColumns);
      Value offset = load(b, offsets, query, 2), reciprocal = load(b, reciprocals, query, 2), product = load(b, products, query, 2);
      Sums newWeights, newGradients;
      for (int64_t i = 0; i < 4; ++i) {
        Value exponent = fma(b, lane(b, weights[j], i), number(b, unit()), lane(b, offset, i % 2));
        Value weight = mulf(b, math::Exp2Op::create(b, exponent), lane(b, reciprocal, i % 2));
        // A key behind the last one is zero, and its weight may be infinite.
        if (s.tokens % kTileRows != 0)
          weight = select(b, less(b, add(b, key, i / 2 * kColumns), s.tokens), weight, number(b, 0));
        newWeights.push_back(weight);
        Value difference = subf(b, lane(b, gradients[j], i), lane(b, product, i % 2));
        newGradients.push_back(mulf(b, mulf(b, weight, number(b, s.scale)), difference));
      }
      weights[j] = vectorOf(b, newWeights);
      gradients[j] = vectorOf(b, newGradients);
    }
  }

  /// The numbers of a left operand [16 keys, 16 queries] or of a pair of products' sums, rounded.
  Value leftOperand(ArrayRef<Value> sums, int64_t square) { return narrowed(b, concatenated(b, sums.slice(2 * square, 2)), s.element); }

  /// sums [16, width] += left [16, step] rows.
  void addColumns(MutableArrayRef<Value> sums, ArrayRef<Value> left, const SharedTile &rows) {
    for (int64_t square = 0; square < step / kSquare; ++square) {
      Value operand = leftOperand(left, square);
      for (int64_t block = 0; block < blocks; ++block) {
        Value right = byColumns.read(rows, square * kSquare, block * kSquare);
        for (int64_t half = 0; half < 2; ++half)
          sums[2 * block + half] = multiply(b, operand, rightOperand(b, right, half), sums[2 * block + half]);
      }
    }
  }

  /// scoreGradients = s dS' of all warps.
  void keep(ArrayRef<Value> gradients) {
    for (int64_t j = 0; j < step / kColumns; ++j)
      for (int64_t half = 0; half < 2; ++half) {
        Value pair = vectorOf(b, {lane(b, gradients[j], 2 * half), lane(b, gradients[j], 2 * half + 1)});
        Value row = add(b, add(b, warpRow, layout.row), half * kColumns), column = add(b, layout.column, j * kColumns);
        store(b, narrowed(b, pair, s.element), scoreGradients.memory, scoreGradients.index(row, column));
      }
  }

  /// The queries' gradients from `from` on gain dS K of the tile's keys; each warp has 16 queries, and all columns or some.
  void addToQueries(Value tile, Value from) {
    FragmentReader left(f, OperandLayout::LeftKM, {}, queryRow);
    Sums sums(2 * keyReaders.size(), zeroSums(b));
    for (int64_t key = 0; key < kTileRows; key += kSquare) {
      Value operand = left.read(scoreGradients, key, 0);
      for (auto [i, reader] : llvm::enumerate(keyReaders)) {
        Value right = reader.read(keyTile, key, 0);
        for (int64_t half = 0; half < 2; ++half)
          sums[2 * i + half] = multiply(b, operand, rightOperand(b, right, half), sums[2 * i + half]);
      }
    }
    Value row = add(b, add(b, from, queryRow), layout.row);
    for (size_t j = 0; j < sums.size(); ++j) {
      Value column = add(b, add(b, gradientColumns[j / 2], layout.column), static_cast<int64_t>(j % 2) * kColumns);
      forRows(sums[j], row, column, [&](Value pair, Value token) { o.addToQueries(pair, token, column, tile); });
    }
  }

  /// body(pair, token) of sums in rows `row` and 8 below, where there are such a row and column.
  void forRows(Value sums, Value row, Value column, function_ref<void(Value, Value)> body) {
    for (int64_t half = 0; half < 2; ++half) {
      Value token = add(b, row, half * kColumns);
      ifThen(b, both(b, less(b, token, s.tokens), less(b, column, s.width)),
             [&] { body(vectorOf(b, {lane(b, sums, 2 * half), lane(b, sums, 2 * half + 1)}), token); });
    }
  }

  DeviceFunction f;
  ImplicitLocOpBuilder &b;
  const AttentionGradShape s;
  const int64_t padded, blocks, step; ///< the width rounded up to whole operands, in operands; rows of a ring's tiles
  const AttentionGradOperands o;
  const SumsLayout layout;
  const Value warpRow; ///< the first of the warp's 16 rows of a tile
  const FragmentReader warpRows, byRows, byColumns;
  const SharedTile first, second;         ///< rings: of keys and values, then of queries and upstream gradients
  const SharedTile keyTile, valueTile;    ///< whose gradients are computed
  const SharedTile scoreGradients;        ///< [keys, step]
  Value offsets, reciprocals, products;   ///< of all queries
  int64_t parts;                          ///< warps that share the columns of a step's queries
  Value queryRow;                         ///< the first of the step's queries whose gradient the warp adds to
  SmallVector<Value> gradientColumns;     ///< where its columns begin, by 16
  SmallVector<FragmentReader> keyReaders; ///< of those columns of the keys
};

} // namespace

bool hasWarpAttentionGrad(const AttentionGradShape &shape) {
  return device::bytesOf(shape.element) == 2 && shape.width % 2 == 0 && shape.width <= 128 && shape.scale > 0 &&
         llvm::isInt<32>((shape.tokens + kTileRows) * shape.stride());
}

FailureOr<KernelInfo> emitWarpAttentionGrad(ModuleOp module, Location loc, const AttentionGradShape &shape, StringRef symbol) {
  return checkedAttentionGrad(loc, shape, WarpAttentionGradEmitter(module, loc, shape, symbol).emit(symbol));
}

} // namespace vitc::gpu
