//===- TrainingPanels.cpp - copies of a product's operands --------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/codegen/cpu/TrainingPanels.h"
#include "compiler/codegen/cpu/AttentionTiles.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

#include <numeric>

using namespace mlir;

namespace vitc::cpu {

static Value rounded(ImplicitLocOpBuilder &b, Value vector) {
  return arith::TruncFOp::create(b, cast<VectorType>(vector.getType()).clone(b.getBF16Type()), vector);
}

static Value asWords(ImplicitLocOpBuilder &b, Value elements) {
  int64_t words = cast<VectorType>(elements.getType()).getDimSize(0) / 2;
  return vector::BitCastOp::create(b, VectorType::get({words}, b.getI32Type()), elements);
}

Value PanelPacker::wordsOf(int64_t elements, function_ref<Value(int64_t offset, int64_t count)> load) {
  Value low = load(0, std::min(elements, lanes));
  if (perWord == 1)
    return low;
  Value high = elements > lanes ? load(lanes, elements - lanes) : splat(b, 0, lanes);
  SmallVector<int64_t> places(2 * lanes);
  std::iota(places.begin(), places.end(), 0);
  return asWords(b, vector::ShuffleOp::create(b, rounded(b, low), rounded(b, high), places));
}

void PanelPacker::copyRows(Value from, Steps steps, Value column, int64_t columns, Value into, ValueRange prefix) {
  auto word = [&](Value k, bool isWhole) {
    Value row = mul(b, add(b, steps.start, k), perWord);
    for (int64_t j = 0; j < columns; j += lanes) {
      auto load = [&](Value row) { return loadVector(b, from, {row, add(b, column, j)}, lanes, std::min(lanes, columns - j)); };
      Value first = load(row);
      SmallVector<Value> at(prefix);
      at.append({k, indexConstant(b, j)});
      storeVector(b, perWord == 1 ? first : pairOfBf16(b, first, isWhole ? load(add(b, row, 1)) : splat(b, 0, lanes)), into, at);
    }
  };
  if (perWord == 1 || (fixedDepth && fixedDepth % perWord == 0))
    return forLoop(b, indexConstant(b, 0), steps.count, 1, [&](Value k) { word(k, true); });
  Value whole = min(b, steps.count, sub(b, div(b, depth, perWord), steps.start));
  forLoop(b, indexConstant(b, 0), whole, 1, [&](Value k) { word(k, true); });
  ifThen(b, less(b, whole, steps.count), [&] { word(whole, false); });
}

void PanelPacker::transposeRows(Value from, Steps steps, Value column, int64_t columns, Value into) {
  const int64_t step = lanes * perWord, rest = fixedDepth % step;
  auto block = [&](Value firstColumn, int64_t count, Value k, int64_t elements) {
    Value at = mul(b, add(b, steps.start, k), perWord);
    SmallVector<Value> words;
    for (int64_t j = 0; j < lanes; ++j) {
      Value row = add(b, add(b, column, firstColumn), j);
      words.push_back(j < count ? wordsOf(
                                      elements, [&](int64_t offset,
                                                    int64_t valid) { return loadVector(b, from, {row, add(b, at, offset)}, lanes, valid); })
                                : wordsOf(elements, [&](int64_t, int64_t) { return splat(b, 0, lanes); }));
    }
    transposeVectors(b, words);
    for (int64_t i = 0; i < llvm::divideCeilSigned(elements, perWord); ++i)
      storeVector(b, words[i], into, {add(b, k, i), firstColumn});
  };
  // Only the last steps of all can end within a vector.
  auto columnsAt = [&](Value firstColumn, int64_t count) {
    Value whole = mul(b, div(b, steps.count, lanes), lanes);
    if (rest)
      whole = min(b, whole, sub(b, indexConstant(b, fixedDepth / step * lanes), steps.start));
    forLoop(b, indexConstant(b, 0), whole, lanes, [&](Value k) { block(firstColumn, count, k, step); });
    if (rest)
      ifThen(b, less(b, whole, steps.count), [&] { block(firstColumn, count, whole, rest); });
  };
  int64_t full = columns / lanes * lanes;
  forLoop(b, indexConstant(b, 0), indexConstant(b, full), lanes, [&](Value firstColumn) { columnsAt(firstColumn, lanes); });
  if (full < columns)
    columnsAt(indexConstant(b, full), columns - full);
}

void PanelPacker::convertRows(Value from, Value firstRow, Value rows, Value into) {
  const int64_t step = lanes * perWord, rest = fixedDepth % step;
  forLoop(b, indexConstant(b, 0), rows, 1, [&](Value r) {
    Value start = mul(b, add(b, firstRow, r), fixedDepth);
    auto vector = [&](Value k, int64_t elements) {
      Value at = add(b, start, mul(b, k, perWord));
      Value words = wordsOf(elements, [&](int64_t offset, int64_t valid) { return loadVector(b, from, add(b, at, offset), lanes, valid); });
      storeVector(b, words, into, {r, k});
    };
    forLoop(b, indexConstant(b, 0), indexConstant(b, fixedDepth / step * lanes), lanes, [&](Value k) { vector(k, step); });
    if (rest)
      vector(indexConstant(b, fixedDepth / step * lanes), rest);
  });
}

} // namespace vitc::cpu
