//===- Reference.cpp - reference lowerings of the model's operations ----------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The formulas are those of the operations' descriptions in VitOps.td, accumulated in f32.
//
//===--------------------------------------------------------------------------------------===//

#include "dialects/vit/ReferenceBuilder.h"
#include "dialects/vit/VitDialect.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"

#include <cmath>
#include <limits>
#include <numbers>

using namespace mlir;
using namespace vitc::vit;

using Lowered = FailureOr<SmallVector<Value>>;

//===--------------------------------------------------------------------------------------===//
// From an image to tokens
//===--------------------------------------------------------------------------------------===//

Lowered PatchifyOp::lowerToReference(OpBuilder &builder) {
  ReferenceBuilder b(builder, getLoc(), getImages());
  ArrayRef<int64_t> images = shapeOf(getImages()), kernel = shapeOf(getKernel());
  int64_t height = kernel[2], width = kernel[3];
  SmallVector<int64_t> grid{images[0], images[2] / height, images[3] / width, kernel[0]};
  // Loops: image, patch row, patch column, output | channel, row and column within the patch.
  AffineExpr image = b.axis(0), output = b.axis(3), channel = b.axis(4);
  AffineExpr y = b.axis(1) * height + b.axis(5), x = b.axis(2) * width + b.axis(6);
  Value products = b.reduce(grid, 3, 0.0, {{getImages(), {image, channel, y, x}}, {getKernel(), {output, channel, b.axis(5), b.axis(6)}}},
                            [](ArrayRef<Scalar> x) { return x[2] + x[0] * x[1]; });
  if (getBias())
    products = b.compute(grid, {{products, b.axes(4)}, {getBias(), {b.axis(3)}}}, [](ArrayRef<Scalar> x) { return x[0] + x[1]; });
  return SmallVector<Value>{b.reshape(products, shapeOf(getTokens()))};
}

Lowered EmbedOp::lowerToReference(OpBuilder &builder) {
  ReferenceBuilder b(builder, getLoc(), getPatches());
  ArrayRef<int64_t> tokens = shapeOf(getTokens()), patches = shapeOf(getPatches());
  Value result = b.empty(tokens);
  int64_t row = 0;
  // Writes rows [row, row + count) of every image: those of `part`, read at `at`, plus their positions from `firstPosition` on, if they
  // have any.
  auto append = [&](Value part, SmallVector<AffineExpr> at, int64_t count, std::optional<int64_t> firstPosition) {
    SmallVector<Read> reads{{part, std::move(at)}};
    if (firstPosition)
      reads.push_back({b.slice(getPosition(), {*firstPosition, 0}, {count, tokens[2]}), b.axes(2, 1)});
    Value rows = b.compute({tokens[0], count, tokens[2]}, reads, [](ArrayRef<Scalar> x) { return x.size() == 2 ? x[0] + x[1] : x[0]; });
    result = b.insert(rows, result, {0, row, 0});
    row += count;
  };
  for (Value prefix : getPrefix())
    append(prefix, b.axes(2, 1), shapeOf(prefix)[0], getPosition() && !getPatchesOnly() ? std::optional(row) : std::nullopt);
  append(getPatches(), b.axes(3), patches[1], getPosition() ? std::optional(getPatchesOnly() ? 0 : row) : std::nullopt);
  return SmallVector<Value>{result};
}

//===--------------------------------------------------------------------------------------===//
// Blocks
//===--------------------------------------------------------------------------------------===//

static Scalar sigmoid(Scalar x) { return 1.0 / (exp(-x) + 1.0); }

Scalar vitc::vit::activate(Activation kind, Scalar x) {
  switch (kind) {
  case Activation::None:
    return x;
  case Activation::Relu:
    return max(x, x.constant(0.0));
  case Activation::GeluErf:
    return x * 0.5 * (erf(x * (1.0 / std::numbers::sqrt2)) + 1.0);
  case Activation::GeluTanh:
    return x * 0.5 * (tanh((x + x * x * x * 0.044715) * std::sqrt(2.0 * std::numbers::inv_pi)) + 1.0);
  case Activation::QuickGelu:
    return x * sigmoid(x * 1.702);
  case Activation::Silu:
    return x * sigmoid(x);
  case Activation::Tanh:
    return tanh(x);
  case Activation::Sigmoid:
    return sigmoid(x);
  }
  llvm_unreachable("an activation without a formula");
}

/// qkv [B, T, 3 h d] as [B, T, 3, h, d].
static Value splitHeads(ReferenceBuilder &b, Value qkv, int64_t heads) {
  ArrayRef<int64_t> shape = shapeOf(qkv);
  return b.reshape(qkv, {shape[0], shape[1], 3, heads, shape[2] / (3 * heads)});
}

Lowered NormalizeOp::lowerToReference(OpBuilder &builder) {
  ReferenceBuilder b(builder, getLoc(), getInput());
  bool centred = getKind() == NormKind::Layer;
  double eps = getEps().convertToFloat();
  if (getGroups() == 1)
    return SmallVector<Value>{normalizeRows(b, getInput(), getGain(), getShift(), centred, eps)};
  ArrayRef<int64_t> shape = shapeOf(getInput());
  unsigned last = shape.size() - 1;
  SmallVector<int64_t> grouped(shape.drop_back());
  grouped.append({static_cast<int64_t>(getGroups()), shape.back() / static_cast<int64_t>(getGroups())});
  Value value = b.reshape(normalizeRows(b, b.reshape(getInput(), grouped), {}, {}, centred, eps), shape);
  if (!getGain() && !getShift())
    return SmallVector<Value>{value};
  SmallVector<Read> reads{{value, b.axes(last + 1)}};
  for (Value vector : {getGain(), getShift()})
    if (vector)
      reads.push_back({vector, {b.axis(last)}});
  return SmallVector<Value>{b.compute(shape, reads, [&](ArrayRef<Scalar> x) {
    Scalar scaled = getGain() ? x[0] * x[1] : x[0];
    return getShift() ? scaled + x.back() : scaled;
  })};
}

Lowered LinearOp::lowerToReference(OpBuilder &builder) {
  ReferenceBuilder b(builder, getLoc(), getInput());
  ArrayRef<int64_t> shape = shapeOf(getValue());
  unsigned rank = shape.size();
  SmallVector<AffineExpr> row = b.axes(rank - 1);
  row.push_back(b.axis(rank));
  Value products = b.reduce(shape, 1, 0.0, {{getInput(), row}, {getWeight(), {b.axis(rank - 1), b.axis(rank)}}},
                            [](ArrayRef<Scalar> x) { return x[2] + x[0] * x[1]; });
  if (!getBias() && !getResidual() && getActivation() == Activation::None)
    return SmallVector<Value>{products};
  SmallVector<Read> reads{{products, b.axes(rank)}};
  if (getBias())
    reads.push_back({getBias(), {b.axis(rank - 1)}});
  if (getResidual())
    reads.push_back({getResidual(), b.axes(rank)});
  return SmallVector<Value>{b.compute(shape, reads, [&](ArrayRef<Scalar> x) {
    Scalar value = getBias() ? x[0] + x[1] : x[0];
    if (getActivationLast())
      return activate(getActivation(), getResidual() ? x.back() + value : value);
    value = activate(getActivation(), value);
    return getResidual() ? x.back() + value : value;
  })};
}

Lowered ActivationOp::lowerToReference(OpBuilder &builder) {
  ReferenceBuilder b(builder, getLoc(), getInput());
  ArrayRef<int64_t> shape = shapeOf(getInput());
  return SmallVector<Value>{
      b.compute(shape, {{getInput(), b.axes(shape.size())}}, [&](ArrayRef<Scalar> x) { return activate(getKind(), x[0]); })};
}

Lowered MulOp::lowerToReference(OpBuilder &builder) {
  ReferenceBuilder b(builder, getLoc(), getLhs());
  ArrayRef<int64_t> shape = shapeOf(getLhs());
  return SmallVector<Value>{b.compute(shape, {{getLhs(), b.axes(shape.size())}, {getRhs(), b.axes(shape.size())}},
                                      [](ArrayRef<Scalar> x) { return x[0] * x[1]; })};
}

Value vitc::vit::softmaxRows(ReferenceBuilder &b, Value scores) {
  ArrayRef<int64_t> shape = shapeOf(scores), rows = shape.drop_back();
  Read all{scores, b.axes(shape.size())};
  Value maxima = b.reduce(rows, 1, -std::numeric_limits<double>::infinity(), {all}, [](ArrayRef<Scalar> x) { return max(x[1], x[0]); });
  Value powers = b.compute(shape, {all, {maxima, b.axes(rows.size())}}, [](ArrayRef<Scalar> x) { return exp(x[0] - x[1]); });
  all.tensor = powers;
  Value sums = b.reduce(rows, 1, 0.0, {all}, [](ArrayRef<Scalar> x) { return x[1] + x[0]; });
  return b.compute(shape, {all, {sums, b.axes(rows.size())}}, [](ArrayRef<Scalar> x) { return x[0] / x[1]; });
}

/// The rows that attend and those that are attended to, as tensors [B, n, tokens, parts, h, d] and the numbers of the parts.
struct AttentionOperands {
  Value query, keysAndValues;
  int64_t queryPart, keyPart, valuePart;
  int64_t firstQuery; ///< the row of `query` that attends first
};

/// scale Q K' + bias, [B, n, h, Q, T], for `queries` rows that attend; the bias may be null.
static Value attentionScores(ReferenceBuilder &b, const AttentionOperands &operands, int64_t queries, Value bias, double scale) {
  ArrayRef<int64_t> split = shapeOf(operands.keysAndValues);
  SmallVector<int64_t> square{split[0], split[1], split[4], queries, split[2]};
  // Loops of the scores: image, window, head, query, key | element.
  AffineExpr image = b.axis(0), window = b.axis(1), head = b.axis(2), query = b.axis(3), key = b.axis(4), element = b.axis(5);
  SmallVector<int64_t> asking(shapeOf(operands.query));
  asking[2] = queries;
  Value rows = b.slice(operands.query, {0, 0, operands.firstQuery, 0, 0, 0}, asking);
  Value scores = b.reduce(square, 1, 0.0,
                          {{rows, {image, window, query, b.constant(operands.queryPart), head, element}},
                           {operands.keysAndValues, {image, window, key, b.constant(operands.keyPart), head, element}}},
                          [](ArrayRef<Scalar> x) { return x[2] + x[0] * x[1]; });
  SmallVector<Read> reads{{scores, b.axes(5)}};
  if (bias)
    reads.push_back({bias, {head, query, key}});
  return b.compute(square, reads, [&](ArrayRef<Scalar> x) { return x.size() == 2 ? x[0] * scale + x[1] : x[0] * scale; });
}

/// The query's products with a table [d, 2 N - 1] of distances along one axis of a grid [H, W], for the N keys of that axis:
/// [B, n, h, H, W, N] of `qkv` [B, n, H, W, 3, h, d].
static Value distanceScores(ReferenceBuilder &b, Value qkv, Value table, bool alongRows) {
  ArrayRef<int64_t> split = shapeOf(qkv);
  int64_t size = alongRows ? split[2] : split[3];
  // Loops: image, window, head, row and column of the query, place of the key | element.
  AffineExpr own = alongRows ? b.axis(3) : b.axis(4), element = b.axis(6);
  return b.reduce({split[0], split[1], split[5], split[2], split[3], size}, 1, 0.0,
                  {{qkv, {b.axis(0), b.axis(1), b.axis(3), b.axis(4), b.constant(0), b.axis(2), element}},
                   {table, {element, b.axis(5) - own + (size - 1)}}},
                  [](ArrayRef<Scalar> x) { return x[2] + x[0] * x[1]; });
}

Lowered SdpaOp::lowerToReference(OpBuilder &builder) {
  ReferenceBuilder b(builder, getLoc(), getQkv());
  ArrayRef<int64_t> all = shapeOf(getQkv());
  int64_t batch = all[0], windows = getWindows(), tokens = all[1] / windows, queries = getQueries(), heads = getHeads(),
          width = shapeOf(getValue())[2] / heads, firstQuery = getFirstQuery();
  Value qkv = b.reshape(getQkv(), {batch, windows, tokens, getQuery() ? 2 : 3, heads, width});
  AttentionOperands operands{qkv, qkv, 0, 1, 2, firstQuery};
  if (getQuery())
    operands = {b.reshape(getQuery(), {batch, 1, queries, 1, heads, width}), qkv, 0, 0, 1, 0};
  Value scores = attentionScores(b, operands, queries, getBias(), getScale().convertToFloat());
  if (getRowTable()) {
    int64_t height = (shapeOf(getRowTable())[1] + 1) / 2, across = (shapeOf(getColumnTable())[1] + 1) / 2;
    Value grid = b.reshape(qkv, {batch, windows, height, across, 3, heads, width});
    Value ofRows = distanceScores(b, grid, getRowTable(), true), ofColumns = distanceScores(b, grid, getColumnTable(), false);
    // Loops: image, window, head, row and column of the query, of the key.
    SmallVector<AffineExpr> rowAt = b.axes(6), columnAt = b.axes(5);
    columnAt.push_back(b.axis(6));
    SmallVector<int64_t> square(shapeOf(scores)), pairs{batch, windows, heads, height, across, height, across};
    scores = b.compute(pairs, {{b.reshape(scores, pairs), b.axes(7)}, {ofRows, rowAt}, {ofColumns, columnAt}},
                       [](ArrayRef<Scalar> x) { return x[0] + (x[1] + x[2]); });
    scores = b.reshape(scores, square);
  }
  // Loops of the result: image, window, query, head, element | key.
  AffineExpr of = b.axis(5);
  Value mixed = b.reduce({batch, windows, queries, heads, width}, 1, 0.0,
                         {{softmaxRows(b, scores), {b.axis(0), b.axis(1), b.axis(3), b.axis(2), of}},
                          {qkv, {b.axis(0), b.axis(1), of, b.constant(operands.valuePart), b.axis(3), b.axis(4)}}},
                         [](ArrayRef<Scalar> x) { return x[2] + x[0] * x[1]; });
  return SmallVector<Value>{b.reshape(mixed, shapeOf(getValue()))};
}

Lowered AttentionProbabilitiesOp::lowerToReference(OpBuilder &builder) {
  ReferenceBuilder b(builder, getLoc(), getQkv());
  ArrayRef<int64_t> all = shapeOf(getQkv());
  int64_t heads = getHeads();
  Value qkv = b.reshape(getQkv(), {all[0], 1, all[1], 3, heads, all[2] / (3 * heads)});
  Value shares = softmaxRows(b, attentionScores(b, {qkv, qkv, 0, 1, 2, 0}, all[1], getBias(), getScale().convertToFloat()));
  return SmallVector<Value>{b.reshape(shares, {all[0], heads, all[1], all[1]})};
}

Lowered HeadNormalizeOp::lowerToReference(OpBuilder &builder) {
  ReferenceBuilder b(builder, getLoc(), getQkv());
  Value qkv = splitHeads(b, getQkv(), getHeads());
  SmallVector<int64_t> part(shapeOf(qkv));
  part[2] = 1;
  double eps = getEps().convertToFloat();
  bool centred = getKind() == NormKind::Layer;
  Value query = normalizeRows(b, b.slice(qkv, {0, 0, 0, 0, 0}, part), getQGain(), getQShift(), centred, eps);
  Value key = normalizeRows(b, b.slice(qkv, {0, 0, 1, 0, 0}, part), getKGain(), getKShift(), centred, eps);
  Value result = b.insert(key, b.insert(query, qkv, {0, 0, 0, 0, 0}), {0, 0, 1, 0, 0});
  return SmallVector<Value>{b.reshape(result, shapeOf(getValue()))};
}

Lowered RotaryOp::lowerToReference(OpBuilder &builder) {
  ReferenceBuilder b(builder, getLoc(), getQkv());
  ArrayRef<int64_t> rows = shapeOf(getQkv());
  int64_t heads = getHeads(), prefix = getPrefix(), patches = rows[1] - prefix, width = rows[2] / (3 * heads);
  // The head's axis as pairs: [d/2, 2] interleaved, [2, d/2] in halves. The other of a pair is 1 - i on the axis of length 2.
  bool interleaved = getLayout() == RotaryLayout::Interleaved;
  std::array<int64_t, 2> pairs = interleaved ? std::array{width / 2, int64_t(2)} : std::array{int64_t(2), width / 2};
  unsigned pairAxis = interleaved ? 5 : 4;
  SmallVector<int64_t> split{rows[0], rows[1], 3, heads, pairs[0], pairs[1]}, shape{rows[0], patches, 2, heads, pairs[0], pairs[1]};
  Value qkv = b.reshape(getQkv(), split);
  Value turned = b.slice(qkv, {0, prefix, 0, 0, 0, 0}, shape);

  bool perHead = shapeOf(getSin()).size() == 3;
  SmallVector<int64_t> table{patches, pairs[0], pairs[1]};
  SmallVector<AffineExpr> tableAt{b.axis(1), b.axis(4), b.axis(5)};
  if (perHead) {
    table.insert(table.begin(), heads);
    tableAt.insert(tableAt.begin(), b.axis(3));
  }
  SmallVector<AffineExpr> here = b.axes(6), other = here;
  other[pairAxis] = 1 - other[pairAxis];
  Value sin = b.reshape(getSin(), table), cos = b.reshape(getCos(), table);
  turned = b.compute(shape, {{turned, here}, {turned, other}, {sin, tableAt}, {cos, tableAt}}, [&](ArrayRef<Scalar> x) {
    ImplicitLocOpBuilder &scalars = *x[0].builder;
    Value at = linalg::IndexOp::create(scalars, pairAxis);
    Value first = arith::CmpIOp::create(scalars, arith::CmpIPredicate::eq, at, arith::ConstantIndexOp::create(scalars, 0));
    Scalar turn{&scalars, arith::SelectOp::create(scalars, first, (-x[1]).value, x[1].value)};
    return x[0] * x[3] + turn * x[2];
  });
  // Beside each other, so that each element is written once.
  Value result = b.empty(split);
  auto keep = [&](ArrayRef<int64_t> at, ArrayRef<int64_t> sizes) { result = b.insert(b.slice(qkv, at, sizes), result, at); };
  if (prefix > 0)
    keep({0, 0, 0, 0, 0, 0}, {rows[0], prefix, 3, heads, pairs[0], pairs[1]});
  keep({0, prefix, 2, 0, 0, 0}, {rows[0], patches, 1, heads, pairs[0], pairs[1]});
  result = b.insert(turned, result, {0, prefix, 0, 0, 0, 0});
  return SmallVector<Value>{b.reshape(result, shapeOf(getValue()))};
}

Lowered ResidualOp::lowerToReference(OpBuilder &builder) {
  ReferenceBuilder b(builder, getLoc(), getSkip());
  ArrayRef<int64_t> shape = shapeOf(getSkip());
  unsigned rank = shape.size();
  SmallVector<Read> reads{{getSkip(), b.axes(rank)}, {getBranch(), b.axes(rank)}};
  if (getGamma())
    reads.push_back({getGamma(), {b.axis(rank - 1)}});
  return SmallVector<Value>{b.compute(shape, reads, [](ArrayRef<Scalar> x) { return x[0] + (x.size() == 3 ? x[2] * x[1] : x[1]); })};
}

//===--------------------------------------------------------------------------------------===//
// From tokens to an answer
//===--------------------------------------------------------------------------------------===//

Lowered PoolOp::lowerToReference(OpBuilder &builder) {
  ReferenceBuilder b(builder, getLoc(), getInput());
  ArrayRef<int64_t> input = shapeOf(getInput()), result = shapeOf(getValue());
  int64_t index = getIndex(), count = input[1] - index;
  if (getKind() == Pool::Token)
    return SmallVector<Value>{
        b.compute(result, {{getInput(), {b.axis(0), b.constant(index), b.axis(1)}}}, [](ArrayRef<Scalar> x) { return x[0]; })};
  Value rows = b.slice(getInput(), {0, index, 0}, {input[0], count, input[2]});
  const double share = 1.0 / static_cast<double>(count);
  return SmallVector<Value>{
      b.reduce(result, 1, 0.0, {{rows, {b.axis(0), b.axis(2), b.axis(1)}}}, [&](ArrayRef<Scalar> x) { return x[1] + x[0] * share; })};
}

Lowered SliceTokensOp::lowerToReference(OpBuilder &builder) {
  ReferenceBuilder b(builder, getLoc(), getInput());
  Value rows = b.slice(getInput(), {0, static_cast<int64_t>(getFirst()), 0}, shapeOf(getValue()));
  return SmallVector<Value>{b.compute(shapeOf(getValue()), {{rows, b.axes(3)}}, [](ArrayRef<Scalar> x) { return x[0]; })};
}

Lowered ReshapeTokensOp::lowerToReference(OpBuilder &builder) {
  ReferenceBuilder b(builder, getLoc(), getInput());
  return SmallVector<Value>{b.reshape(getInput(), shapeOf(getValue()))};
}

Lowered AttentionPoolOp::lowerToReference(OpBuilder &builder) {
  ReferenceBuilder b(builder, getLoc(), getKv());
  ArrayRef<int64_t> kvShape = shapeOf(getKv()), result = shapeOf(getValue());
  int64_t first = getFirst(), batch = kvShape[0], tokens = kvShape[1] - first, queries = result[1], heads = getHeads(),
          width = result[2] / heads;
  double scale = getScale().convertToFloat();
  SmallVector<int64_t> split{queries, heads, width};
  SmallVector<AffineExpr> queryAt{b.axis(2), b.axis(1), b.axis(4)};
  if (shapeOf(getQuery()).size() == 3) {
    split.insert(split.begin(), batch);
    queryAt.insert(queryAt.begin(), b.axis(0));
  }
  Value query = b.reshape(getQuery(), split);
  Value kv = b.reshape(b.slice(getKv(), {0, first, 0}, {batch, tokens, kvShape[2]}), {batch, tokens, 2, heads, width});
  // Loops of the scores: image, head, query, key | element.
  Value scores = b.reduce({batch, heads, queries, tokens}, 1, 0.0,
                          {{query, queryAt}, {kv, {b.axis(0), b.axis(3), b.constant(0), b.axis(1), b.axis(4)}}},
                          [](ArrayRef<Scalar> x) { return x[2] + x[0] * x[1]; });
  scores = b.compute(shapeOf(scores), {{scores, b.axes(4)}}, [&](ArrayRef<Scalar> x) { return x[0] * scale; });
  // Loops of the result: image, query, head, element | key.
  AffineExpr of = b.axis(4);
  Value mixed = b.reduce(
      {batch, queries, heads, width}, 1, 0.0,
      {{softmaxRows(b, scores), {b.axis(0), b.axis(2), b.axis(1), of}}, {kv, {b.axis(0), of, b.constant(1), b.axis(2), b.axis(3)}}},
      [](ArrayRef<Scalar> x) { return x[2] + x[0] * x[1]; });
  return SmallVector<Value>{b.reshape(mixed, result)};
}
