//===- AttentionGradTile.cpp - between the products of kernel.attention_grad --*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/codegen/cpu/AttentionGradEmitter.h"
#include "compiler/codegen/cpu/Softmax.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

namespace vitc::cpu {

/// The tile's weights exp(S - the row's maximum); returns 1 / (sum of the row's weights) for each row.
SmallVector<Value> AttentionGradEmitter::weigh(const Tile &tile) {
  Rows left{queries, tile.first, indexConstant(b, 0)};
  if (perWord > 1)
    left = {qkv, add(b, firstRow, tile.first), div(b, queryColumn, perWord)};
  multiplyColumns(left, keyColumns, scores);
  return emitSoftmax(b, {scores, weights, rows, tokens, lanes, perWord == 1 ? 1 : scale, /*bias=*/{}, tile.weightRow});
}

/// 1 / (sum of the row's weights) for each row of the tile, as emitSoftmax adds them up.
SmallVector<Value> AttentionGradEmitter::sumWeights(Value weightRow) {
  SmallVector<Value> sums = sumOverTokens([&](Value sum, int64_t r, Value t, int64_t count) {
    return addf(b, sum, loadVector(b, weights, {add(b, weightRow, r), t}, lanes, count));
  });
  return llvm::map_to_vector(sums, [&](Value sum) { return divf(b, floatConstant(b, 1), sumOfLanes(sum)); });
}

Value AttentionGradEmitter::sumOfLanes(Value vector) {
  return vector::ReductionOp::create(b, vector::CombiningKind::ADD, vector, arith::FastMathFlags::reassoc);
}

/// A vector for each row of the tile, carried from zero over the tokens.
SmallVector<Value> AttentionGradEmitter::sumOverTokens(function_ref<Value(Value, int64_t, Value, int64_t)> step) {
  return overTokens(b, {rows, tokens, lanes, splat(b, 0, lanes)}, step);
}

/// Vector j of dO / the row's sum of weights, r a row of the tile.
Value AttentionGradEmitter::gradient(const Tile &tile, int64_t r, int64_t j, Value reciprocal) {
  Value row = add(b, add(b, firstRow, tile.first), r);
  Value dO = loadVector(b, upstream, {row, add(b, queryColumn, j * lanes)}, lanes, columnsOf(j));
  return mulf(b, dO, broadcast(b, reciprocal, lanes));
}

/// The tile's rows of dO over their sums of weights; of bf16 in both of their orders, and those of Q.
void AttentionGradEmitter::copyGradients(const Tile &tile, ValueRange reciprocals) {
  if (perWord == 1) {
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t j = 0; j < columnVectors; ++j)
        storeVector(b, gradient(tile, r, j, reciprocals[r]), gradients, {add(b, tile.first, r), indexConstant(b, j * lanes)});
    return;
  }
  SmallVector<Value> isFresh;
  for (int64_t r = 0; r < rows; ++r)
    isFresh.push_back(arith::CmpIOp::create(b, arith::CmpIPredicate::sge, add(b, tile.first, r), tile.fresh));
  Value zero = splat(b, 0, lanes);
  auto ifFresh = [&](int64_t r, Value vector) -> Value { return arith::SelectOp::create(b, isFresh[r], vector, zero); };
  for (int64_t j = 0; j < columnVectors; ++j) {
    SmallVector<Value> dO(llvm::alignTo(rows, perWord), zero), q = dO;
    for (int64_t r = 0; r < rows; ++r) {
      Value row = add(b, add(b, firstRow, tile.first), r);
      Value quotient = gradient(tile, r, j, reciprocals[r]);
      storeVector(b, quotient, gradientRows.elements, {indexConstant(b, r), indexConstant(b, j * lanes)});
      dO[r] = ifFresh(r, quotient);
      q[r] = ifFresh(r, loadVector(b, elements, {row, add(b, queryColumn, j * lanes)}, lanes, columnsOf(j)));
    }
    storePairs(dO, gradients, tile.inBlock, indexConstant(b, j * lanes));
    storePairs(q, queries, tile.inBlock, indexConstant(b, j * lanes));
  }
}

/// into[word + r / 2][column + ..] = a vector of (vectors[r], vectors[r + 1]), r even.
void AttentionGradEmitter::storePairs(ArrayRef<Value> vectors, Value into, Value word, Value column) {
  for (size_t r = 0; r < vectors.size(); r += 2)
    storeVector(b, pairOfBf16(b, vectors[r], vectors[r + 1]), into, {add(b, word, r / 2), column});
}

/// s dS = P (s dP - rowsum(P s dP)) of the tile, from P's weights w = P sum and s dP / sum: w (s dP / sum - rowsum(w s dP / sum) / sum). Of bf16
/// s is not in dP, but joins here.
void AttentionGradEmitter::differentiateSoftmax(const Tile &tile, ValueRange reciprocals) {
  auto weight = [&](int64_t r, Value t, int64_t count) { return loadVector(b, weights, {add(b, tile.weightRow, r), t}, lanes, count); };
  auto gradient = [&](int64_t r, Value t) { return loadVector(b, weightGradients, {indexConstant(b, r), t}, lanes); };
  SmallVector<Value> sums =
      sumOverTokens([&](Value sum, int64_t r, Value t, int64_t count) { return fma(b, weight(r, t, count), gradient(r, t), sum); });
  SmallVector<Value> means;
  for (auto [sum, reciprocal] : llvm::zip_equal(sums, reciprocals))
    means.push_back(broadcast(b, mulf(b, sumOfLanes(sum), reciprocal), lanes));
  auto centered = [&](int64_t r, Value t) { return subf(b, gradient(r, t), means[r]); };
  if (perWord == 1) {
    sumOverTokens([&](Value carried, int64_t r, Value t, int64_t count) {
      storeVector(b, mulf(b, weight(r, t, count), centered(r, t)), scoreGradients, {add(b, tile.inBlock, r), t});
      return carried;
    });
    return;
  }
  Value zero = splat(b, 0, lanes), factor = splat(b, scale, lanes);
  overTokens(b, {wordsOfTile(), tokens, lanes, zero}, [&](Value carried, int64_t word, Value t, int64_t count) {
    SmallVector<Value> weightsOfWord(perWord, zero), gradientsOfWord = weightsOfWord;
    for (int64_t r = word * perWord, i = 0; i < perWord && r < rows; ++r, ++i) {
      weightsOfWord[i] = weight(r, t, count);
      gradientsOfWord[i] = mulf(b, mulf(b, weightsOfWord[i], factor), centered(r, t));
      storeVector(b, gradientsOfWord[i], scoreGradientRows.elements, {indexConstant(b, r), t});
    }
    storePairs(weightsOfWord, pairedWeights, add(b, tile.inBlock, word), t);
    storePairs(gradientsOfWord, scoreGradients, add(b, tile.inBlock, word), t);
    return carried;
  });
}

} // namespace vitc::cpu
