//===- Attention.cpp - kernel.attention on a GPU, by multiply-adds of f32 -----------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// FlashAttention (Dao et al. 2022, arXiv:2205.14135, algorithm 1): a block has 64 queries of a head and goes through the keys 64 at a time;
// what it has summed up is scaled when a greater score comes.
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/codegen/gpu/DeviceFunction.h"
#include "compiler/codegen/gpu/GpuCodegen.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

#include <limits>
#include <numeric>

using namespace mlir;

namespace vitc::gpu {

namespace {

constexpr int64_t kTile = 64; ///< queries of a block, and keys at a time
constexpr int64_t kPart = 4;  ///< of a thread, in each direction
constexpr int64_t kAcross = kTile / kPart;
constexpr int64_t kThreads = kAcross * kAcross;
constexpr int64_t kStride = kTile + 4; ///< as of Product.cpp

/// Names: T tokens of a window, Q those of them that attend, d the width of a head.
class AttentionEmitter {
public:
  AttentionEmitter(ModuleOp module, kernel::AttentionOp op, StringRef symbol)
      : f(module, symbol, op.getLoc(), elementsOf(op), kThreads), b(f.b), windows(op.getWindows()),
        tokens(tensorOf(op.getQkv()).getDimSize(1) / windows), queries(tensorOf(op.getValue()).getDimSize(1) / windows),
        heads(op.getHeads()), width(tensorOf(op.getValue()).getDimSize(2) / heads), groups(llvm::divideCeilSigned(width, kTile)),
        tiles(llvm::divideCeilSigned(queries, kTile)), scale(op.getScale().convertToDouble()) {
    Value head = div(b, rem(b, f.block, heads * tiles), tiles), window = div(b, f.block, heads * tiles);
    firstQuery = mul(b, rem(b, f.block, tiles), kTile);
    bool separate = static_cast<bool>(op.getQuery());
    unsigned operand = 0;
    const int64_t columns = (separate ? 2 : 3) * heads * width;
    stride = columns;
    queryStride = separate ? heads * width : columns;
    Value qkv = rowOf(b, f.operand(operand++), mul(b, window, tokens), columns), column = mul(b, head, width);
    query = separate ? advance(b, rowOf(b, f.operand(operand++), mul(b, window, queries), queryStride), column)
                     : advance(b, rowOf(b, qkv, constant(b, op.getFirstQuery()), columns), column);
    keys = advance(b, qkv, add(b, column, (separate ? 0 : 1) * heads * width));
    values = advance(b, qkv, add(b, column, (separate ? 1 : 2) * heads * width));
    if (op.getBias())
      bias = rowOf(b, f.operand(operand++), head, queries * tokens);
    result = advance(b, rowOf(b, f.operand(operand), mul(b, window, queries), heads * width), column);

    element = tensorOf(op.getQkv()).getElementType();
    segment = std::min<int64_t>(kPart, vectorFor(std::gcd(width, queryStride), element));
    queryTile = f.takeShared(width * kStride, b.getF32Type());
    keyTile = f.takeShared(std::max(width * kStride, kTile * groups * kTile), b.getF32Type());
    weightTile = f.takeShared(kTile * kStride, b.getF32Type());
    row = mul(b, div(b, f.thread, kAcross), kPart);
    lane = mul(b, rem(b, f.thread, kAcross), kPart);
  }

  KernelInfo emit(StringRef symbol) {
    fetchTransposed(query, queryStride, firstQuery, queries, queryTile);
    // For each of the thread's rows its maximum so far, its sum of weights, and its part of the result.
    SmallVector<Value> carried(kPart, number(b, -std::numeric_limits<double>::infinity()));
    carried.append(kPart * (1 + groups * kPart), number(b, 0));
    SmallVector<Value> last = forLoop(b, constant(b, 0), constant(b, tokens), kTile, carried,
                                      [&](Value first, ValueRange before) { return addKeys(first, before); });
    write(last);

    KernelInfo info;
    info.symbol = symbol.str();
    info.kind = "attention";
    info.rowsPerImage = windows * heads * tiles;
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
    Value exists = less(b, token, tokens), memory = rowOf(b, values, min(b, token, constant(b, tokens - 1)), stride);
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
    fetchTransposed(keys, stride, first, tokens, keyTile);
    barrier(b);
    SmallVector<Value> scores(kPart * kPart, number(b, 0));
    for (int64_t k = 0; k < width; ++k) {
      Value q = load(b, queryTile, add(b, row, k * kStride), kPart), key = load(b, keyTile, add(b, lane, k * kStride), kPart);
      for (int64_t i = 0; i < kPart; ++i)
        for (int64_t j = 0; j < kPart; ++j)
          scores[kPart * i + j] = fma(b, gpu::lane(b, q, i), gpu::lane(b, key, j), scores[kPart * i + j]);
    }
    // Weights are powers of two: exp(x) = 2^(x log2 e).
    constexpr double log2e = 1.4426950408889634;
    for (int64_t i = 0; i < kPart; ++i)
      for (int64_t j = 0; j < kPart; ++j) {
        Value &score = scores[kPart * i + j], key = add(b, add(b, first, lane), j);
        score = mulf(b, score, number(b, scale * log2e));
        Value exists = less(b, key, tokens);
        if (bias) {
          Value at = min(b, add(b, add(b, firstQuery, row), i), constant(b, queries - 1));
          Value term = loadIf(b, exists, bias, add(b, mul(b, at, tokens), key));
          score = fma(b, term, number(b, log2e), score);
        }
        score = select(b, exists, score, number(b, -std::numeric_limits<double>::infinity()));
      }

    SmallVector<Value> after(before.begin(), before.end());
    for (int64_t i = 0; i < kPart; ++i) {
      Value greatest = scores[kPart * i];
      for (int64_t j = 1; j < kPart; ++j)
        greatest = maximum(b, greatest, scores[kPart * i + j]);
      greatest = maximum(b, before[i], maximumOfLanes(b, greatest, kAcross));
      Value shrink = math::Exp2Op::create(b, subf(b, before[i], greatest));
      Value sum = mulf(b, before[kPart + i], shrink);
      for (int64_t j = 0; j < kPart; ++j) {
        Value &weight = scores[kPart * i + j];
        weight = math::Exp2Op::create(b, subf(b, weight, greatest));
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
    for (int64_t key = 0; key < kTile; ++key) {
      Value weights = load(b, weightTile, add(b, row, key * kStride), kPart);
      for (int64_t group = 0; group < groups; ++group) {
        Value vector = load(b, keyTile, add(b, lane, key * groups * kTile + group * kTile), kPart);
        for (int64_t i = 0; i < kPart; ++i)
          for (int64_t j = 0; j < kPart; ++j) {
            Value &part = after[place(i, group * kPart + j)];
            part = fma(b, gpu::lane(b, weights, i), gpu::lane(b, vector, j), part);
          }
      }
    }
    return after;
  }

  /// Where the thread's element c of row i is carried.
  int64_t place(int64_t i, int64_t c) const { return 2 * kPart + i * groups * kPart + c; }

  void write(ArrayRef<Value> carried) {
    Type resultElement = cast<device::MemoryType>(result.getType()).getElement();
    int64_t lanes = std::min<int64_t>(kPart, vectorFor(width, resultElement));
    for (int64_t i = 0; i < kPart; ++i) {
      Value inverse = divf(b, number(b, 1), sumOfLanes(b, carried[kPart + i], kAcross));
      Value at = add(b, add(b, firstQuery, row), i), exists = less(b, at, queries), memory = rowOf(b, result, at, heads * width);
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

  DeviceFunction f;
  ImplicitLocOpBuilder &b;
  const int64_t windows, tokens, queries, heads, width, groups, tiles;
  const double scale;
  int64_t stride, queryStride, segment;
  Type element;
  Value query, keys, values, bias, result, queryTile, keyTile, weightTile;
  Value firstQuery, row, lane; ///< the thread's first row, key and column within the tile
};

} // namespace

FailureOr<KernelInfo> emitAttention(ModuleOp module, kernel::AttentionOp op, StringRef symbol) {
  if (op.getRowTable())
    return op.emitOpError() << "has tables of decomposed distances, for which a GPU has no kernel";
  if (op.getWeights())
    return op.emitOpError() << "keeps its weights, for which a GPU has no kernel";
  if (op.getResultGrid())
    return op.emitOpError() << "has a result of bytes, for which a GPU has no kernel";
  return AttentionEmitter(module, op, symbol).emit(symbol);
}

} // namespace vitc::gpu
