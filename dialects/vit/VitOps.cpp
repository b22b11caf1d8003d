//===- VitOps.cpp - verifiers of the vit dialect -----------------------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The labels (C1), (C2)... are those of the operations' descriptions and of test/dialects/vit/invalid.mlir.
//
//===--------------------------------------------------------------------------------------===//

#include "dialects/vit/Verify.h"
#include "dialects/vit/VitDialect.h"

#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/PatternMatch.h"

using namespace mlir;
using namespace vitc::vit;

#define GET_OP_CLASSES
#include "dialects/vit/VitOps.cpp.inc"

/// The width of one head when `what` has `width` columns (or rows), query, key and value or only `parts` of them.
static FailureOr<int64_t> headWidth(Operation *op, StringRef what, int64_t width, int64_t heads, int64_t parts = 3) {
  if (heads <= 0)
    return op->emitOpError() << "heads is " << heads << ", expected at least 1";
  if (width % (parts * heads) != 0)
    return op->emitOpError() << what << " " << width << " is not a multiple of " << parts << " * " << heads << " ("
                             << (parts == 3 ? "query, key and value of " : "key and value of ") << heads << " heads)";
  return width / (parts * heads);
}

/// (C1) of the operations on qkv [B, T, 3 h d].
static FailureOr<int64_t> verifyQkv(Operation *op, Value qkv, int64_t heads, int64_t parts = 3) {
  if (failed(expectShape(op, "qkv", qkv, {{"B"}, {"T"}, {parts == 3 ? "3 h d" : "2 h d"}})))
    return failure();
  return headWidth(op, "qkv's width", shapeOf(qkv)[2], heads, parts);
}

static LogicalResult verifyRotary(Operation *op, Value sin, Value cos, int64_t tokens, int64_t heads, int64_t prefix, int64_t width) {
  if (width % 2 != 0)
    return op->emitOpError() << "head width " << width << " is odd, but a rotation turns pairs of its elements";
  if (prefix < 0 || prefix >= tokens)
    return op->emitOpError() << "prefix is " << prefix << ", expected 0 to " << tokens - 1 << " for " << tokens << " tokens";
  Axis rows{"T - prefix", tokens - prefix}, columns{"d", width};
  if (shapeOf(sin).size() == 3)
    return failure(failed(expectShape(op, "sin", sin, {{"h", heads}, rows, columns})) ||
                   failed(expectShape(op, "cos", cos, {{"h", heads}, rows, columns})));
  return failure(failed(expectShape(op, "sin", sin, {rows, columns})) || failed(expectShape(op, "cos", cos, {rows, columns})));
}

//===--------------------------------------------------------------------------------------===//
// Weights
//===--------------------------------------------------------------------------------------===//

LogicalResult ConcatOp::verify() {
  if (getParts().empty()) // (C1)
    return emitOpError() << "has no parts, expected at least 1";
  ArrayRef<int64_t> result = shapeOf(getValue());
  int64_t rows = 0;
  for (Value part : getParts()) {
    ArrayRef<int64_t> shape = shapeOf(part);
    if (shape.drop_front() != result.drop_front()) // (C2)
      return emitOpError() << "part " << part.getType() << " and result " << getValue().getType() << " differ in more than axis 0";
    rows += shape.front();
  }
  if (rows != result.front()) // (C3)
    return emitOpError() << "result has " << result.front() << " rows, expected the parts' " << rows;
  return success();
}

LogicalResult ReshapeOp::verify() {
  int64_t from = getInput().getType().getNumElements(), to = getValue().getType().getNumElements();
  if (from != to) // (C1)
    return emitOpError() << "result has " << to << " elements, expected the input's " << from;
  return success();
}

LogicalResult ScaleOp::verify() {
  ArrayRef<int64_t> shape = shapeOf(getInput());
  int64_t axis = getAxis(), rank = shape.size();
  if (axis < 0 || axis >= rank) // (C1)
    return emitOpError() << "axis is " << axis << ", expected 0 to " << rank - 1 << " for " << getInput().getType();
  return expectShape(*this, "factor", getFactor(), {{"", shape[axis]}}); // (C2)
}

LogicalResult ScaleRowsByConstantOp::verify() {
  int64_t rows = getRows(), all = shapeOf(getInput()).front();
  if (rows < 0 || rows > all) // (C1)
    return emitOpError() << "rows is " << rows << ", expected 0 to " << all << " for " << getInput().getType();
  return success();
}

LogicalResult AddOp::verify() {
  ArrayRef<int64_t> lhs = shapeOf(getLhs()), rhs = shapeOf(getRhs());
  if (rhs != lhs && rhs != lhs.take_back()) // (C1)
    return emitOpError() << "rhs is " << getRhs().getType() << ", expected the type of lhs or a vector of " << lhs.back() << " elements";
  if (getValue().getType() != getLhs().getType()) // (C2)
    return emitOpError() << "result is " << getValue().getType() << ", expected the type of lhs, " << getLhs().getType();
  return success();
}

LogicalResult MatvecOp::verify() {
  if (failed(expectShape(*this, "matrix", getMatrix(), {{"N"}, {"K"}}))) // (C1)
    return failure();
  ArrayRef<int64_t> matrix = shapeOf(getMatrix());
  return failure(failed(expectShape(*this, "vector", getVector(), {{"K", matrix[1]}})) || // (C1)
                 failed(expectShape(*this, "result", getValue(), {{"N", matrix[0]}})));   // (C2)
}

LogicalResult SliceRowsOp::verify() {
  ArrayRef<int64_t> input = shapeOf(getInput()), result = shapeOf(getValue());
  if (input.drop_front() != result.drop_front()) // (C1)
    return emitOpError() << "input " << getInput().getType() << " and result " << getValue().getType() << " differ in more than axis 0";
  int64_t first = getFirst(), rows = result.front();
  if (first < 0 || first > input.front() - rows) // (C2)
    return emitOpError() << rows << " rows from row " << first << " on do not lie within " << getInput().getType();
  return success();
}

LogicalResult StandardizeOp::verify() { return expectEps(*this, getEps()); } // (C1)

LogicalResult InverseDeviationOp::verify() { return expectEps(*this, getEps()); } // (C1)

LogicalResult TransposeOp::verify() {
  ArrayRef<int64_t> input = shapeOf(getInput()), permutation = getPermutation();
  SmallVector<int64_t> sorted(permutation);
  llvm::sort(sorted);
  if (!llvm::equal(sorted, llvm::seq<int64_t>(0, input.size()))) // (C1)
    return emitOpError() << "permutation must name each of the " << input.size() << " axes of " << getInput().getType() << " once";
  SmallVector<Axis> sizes;
  for (int64_t axis : permutation)
    sizes.push_back({"", input[axis]});
  return expectShape(*this, "result", getValue(), sizes); // (C2)
}

//===--------------------------------------------------------------------------------------===//
// From an image to tokens
//===--------------------------------------------------------------------------------------===//

LogicalResult PatchifyOp::verify() {
  ArrayRef<int64_t> images = shapeOf(getImages());
  if (failed(expectShape(*this, "kernel", getKernel(), {{"D"}, {"C", images[1]}, {"P"}, {"Q"}}))) // (C1)
    return failure();
  ArrayRef<int64_t> kernel = shapeOf(getKernel());
  int64_t rows = images[2] / kernel[2], columns = images[3] / kernel[3];
  if (rows == 0 || columns == 0) // (C2)
    return emitOpError() << "an image of " << images[2] << "x" << images[3] << " pixels holds no patch of " << kernel[2] << "x"
                         << kernel[3];
  Axis width{"D", kernel[0]};
  return failure(failed(expectShape(*this, "bias", getBias(), {width})) ||                                             // (C3)
                 failed(expectShape(*this, "result", getTokens(), {{"B", images[0]}, {"N", rows * columns}, width}))); // (C4)
}

LogicalResult EmbedOp::verify() {
  if (failed(expectShape(*this, "patches", getPatches(), {{"B"}, {"N"}, {"D"}}))) // (C1)
    return failure();
  ArrayRef<int64_t> patches = shapeOf(getPatches());
  Axis width{"D", patches[2]};
  int64_t tokens = patches[1];
  for (Value prefix : getPrefix()) {
    if (failed(expectShape(*this, "prefix", prefix, {{"k"}, width}))) // (C2)
      return failure();
    tokens += shapeOf(prefix)[0];
  }
  if (failed(expectShape(*this, "result", getTokens(), {{"B", patches[0]}, {"K + N", tokens}, width}))) // (C3)
    return failure();
  Axis rows = getPatchesOnly() ? Axis{"N", patches[1]} : Axis{"K + N", tokens};
  return expectShape(*this, "position", getPosition(), {rows, width}); // (C4)
}

//===--------------------------------------------------------------------------------------===//
// Blocks
//===--------------------------------------------------------------------------------------===//

LogicalResult NormalizeOp::verify() {
  Axis width{"D", shapeOf(getInput()).back()};
  int64_t groups = getGroups();
  if (groups < 1 || width.size % groups != 0) // (C3)
    return emitOpError() << "groups is " << groups << ", expected a divisor of the width " << width.size;
  return failure(failed(expectShape(*this, "gain", getGain(), {width})) ||
                 failed(expectShape(*this, "shift", getShift(), {width})) || // (C1)
                 failed(expectEps(*this, getEps())));                        // (C2)
}

LogicalResult LinearOp::verify() {
  ArrayRef<int64_t> input = shapeOf(getInput());
  if (failed(expectShape(*this, "weight", getWeight(), {{"N"}, {"K", input.back()}}))) // (C1)
    return failure();
  Axis outputs{"N", shapeOf(getWeight())[0]};
  if (failed(expectShape(*this, "bias", getBias(), {outputs})) ||                  // (C2)
      failed(expectRows(*this, "result", getValue(), input.drop_back(), outputs))) // (C3)
    return failure();
  return expectRows(*this, "residual", getResidual(), input.drop_back(), outputs); // (C4)
}

/// (C5) of `vit.sdpa` on `tokens` tokens.
static LogicalResult verifyTables(SdpaOp op, int64_t tokens, int64_t width) {
  Value rows = op.getRowTable(), columns = op.getColumnTable();
  if (!rows && !columns)
    return success();
  if (!rows || !columns)
    return op.emitOpError() << "has one of row_table and column_table, expected both or none";
  Axis d{"d", width};
  if (failed(expectShape(op, "row_table", rows, {d, {"2H - 1"}})) || failed(expectShape(op, "column_table", columns, {d, {"2W - 1"}})))
    return failure();
  int64_t height = (shapeOf(rows)[1] + 1) / 2, across = (shapeOf(columns)[1] + 1) / 2;
  if (shapeOf(rows)[1] % 2 == 0 || shapeOf(columns)[1] % 2 == 0 || height * across != tokens)
    return op.emitOpError() << "row_table and column_table have " << shapeOf(rows)[1] << " and " << shapeOf(columns)[1]
                            << " columns, expected 2H - 1 and 2W - 1 with H W = " << tokens << " tokens";
  return success();
}

LogicalResult SdpaOp::verify() {
  FailureOr<int64_t> width = verifyQkv(*this, getQkv(), getHeads(), getQuery() ? 2 : 3); // (C1)
  if (failed(width))
    return failure();
  ArrayRef<int64_t> qkv = shapeOf(getQkv()), result = shapeOf(getValue());
  int64_t heads = getHeads(), windows = getWindows(), firstQuery = getFirstQuery();
  if (windows < 1 || qkv[1] % windows != 0) // (C4)
    return emitOpError() << qkv[1] << " rows cannot be split into " << windows << " windows";
  Axis tokens{"T", qkv[1] / windows}, hd{"h d", heads * *width};
  bool needsAll = windows > 1 || getRowTable() || getColumnTable();
  Axis rows = needsAll ? Axis{windows > 1 ? "n T" : "T", qkv[1]} : Axis{"Q"};
  if (failed(expectShape(*this, "result", getValue(), {{"B", qkv[0]}, rows, hd})) ||              // (C3), (C6)
      failed(expectShape(*this, "query", getQuery(), {{"B", qkv[0]}, {"Q", result[1]}, hd})) ||   // (C3)
      failed(expectShape(*this, "bias", getBias(), {{"h", heads}, {"Q", getQueries()}, tokens}))) // (C2)
    return failure();
  if (needsAll && getQuery()) // (C6)
    return emitOpError() << "has a query of its own, but windows and tables need those of all tokens";
  if (firstQuery < 0 || (getQuery() ? firstQuery != 0 : firstQuery + getQueries() > tokens.size)) // (C7)
    return emitOpError() << getQueries() << " queries from query " << firstQuery << " on do not lie within "
                         << (getQuery() ? getQuery() : getQkv()).getType();
  return verifyTables(*this, tokens.size, *width); // (C5)
}

LogicalResult AttentionProbabilitiesOp::verify() {
  int64_t heads = getHeads();
  if (failed(verifyQkv(*this, getQkv(), heads))) // (C1)
    return failure();
  ArrayRef<int64_t> qkv = shapeOf(getQkv());
  Axis tokens{"T", qkv[1]};
  return failure(failed(expectShape(*this, "bias", getBias(), {{"h", heads}, tokens, tokens})) ||                  // (C2)
                 failed(expectShape(*this, "result", getValue(), {{"B", qkv[0]}, {"h", heads}, tokens, tokens}))); // (C3)
}

LogicalResult HeadNormalizeOp::verify() {
  FailureOr<int64_t> width = verifyQkv(*this, getQkv(), getHeads()); // (C1)
  if (failed(width))
    return failure();
  Axis d{"d", *width};
  return failure(failed(expectShape(*this, "q_gain", getQGain(), {d})) || failed(expectShape(*this, "q_shift", getQShift(), {d})) || // (C2)
                 failed(expectShape(*this, "k_gain", getKGain(), {d})) || failed(expectShape(*this, "k_shift", getKShift(), {d})) ||
                 failed(expectEps(*this, getEps()))); // (C3)
}

LogicalResult RotaryOp::verify() {
  int64_t heads = getHeads();
  FailureOr<int64_t> width = verifyQkv(*this, getQkv(), heads); // (C1)
  if (failed(width))
    return failure();
  return verifyRotary(*this, getSin(), getCos(), shapeOf(getQkv())[1], heads, getPrefix(), *width); // (C2), (C3), (C4)
}

LogicalResult AttentionOp::verify() {
  if (failed(expectShape(*this, "input", getInput(), {{"B"}, {"T"}, {"D"}}))) // (C1)
    return failure();
  ArrayRef<int64_t> input = shapeOf(getInput());
  if (failed(expectShape(*this, "qkv_weight", getQkvWeight(), {{"3 h d"}, {"D", input[2]}}))) // (C2)
    return failure();
  int64_t heads = getHeads(), rows = shapeOf(getQkvWeight())[0];
  FailureOr<int64_t> width = headWidth(*this, "the number of qkv_weight's rows", rows, heads); // (C2)
  if (failed(width) || failed(expectShape(*this, "qkv_bias", getQkvBias(), {{"3 h d", rows}})))
    return failure();
  Axis tokens{"T", input[1]}, d{"d", *width}, hd{"h d", heads * *width};
  if (failed(expectShape(*this, "proj_weight", getProjWeight(), {{"E"}, hd}))) // (C3)
    return failure();
  Axis outputs{"E", shapeOf(getProjWeight())[0]};
  if (failed(expectShape(*this, "proj_bias", getProjBias(), {outputs})) ||                            // (C3)
      failed(expectShape(*this, "result", getValue(), {{"B", input[0]}, tokens, outputs})) ||         // (C4)
      failed(expectShape(*this, "position_bias", getPositionBias(), {{"h", heads}, tokens, tokens}))) // (C5)
    return failure();
  if (!getRotarySin() != !getRotaryCos()) // (C6)
    return emitOpError() << "has one of rotary_sin and rotary_cos, expected both or none";
  if (getRotarySin() && failed(verifyRotary(*this, getRotarySin(), getRotaryCos(), input[1], heads, getPrefix(), *width)))
    return failure();
  if (!getQGain() != !getKGain()) // (C7)
    return emitOpError() << "has one of q_gain and k_gain, expected both or none";
  if ((getQShift() && !getQGain()) || (getKShift() && !getKGain()))
    return emitOpError() << "has a q_shift or k_shift without its gain";
  for (auto [what, vector] : {std::pair("q_gain", getQGain()), {"q_shift", getQShift()}, {"k_gain", getKGain()}, {"k_shift", getKShift()}})
    if (failed(expectShape(*this, what, vector, {d})))
      return failure();
  if (getNormShift() && !getNormGain()) // (C8)
    return emitOpError() << "has a norm_shift without a norm_gain";
  return failure(
      failed(expectShape(*this, "norm_gain", getNormGain(), {hd})) || failed(expectShape(*this, "norm_shift", getNormShift(), {hd})) ||
      failed(expectEps(*this, getNormEps())) ||                                                                              // (C9)
      failed(expectShape(*this, "the second result", getProbabilities(), {{"B", input[0]}, {"h", heads}, tokens, tokens}))); // (C10)
}

LogicalResult MlpOp::verify() {
  ArrayRef<int64_t> input = shapeOf(getInput());
  Axis inputs{"D", input.back()};
  if (failed(expectShape(*this, "fc1_weight", getFc1Weight(), {{"M"}, inputs}))) // (C1)
    return failure();
  Axis hidden{"M", shapeOf(getFc1Weight())[0]};
  if (failed(expectShape(*this, "fc1_bias", getFc1Bias(), {hidden})) ||               // (C1)
      failed(expectShape(*this, "gate_weight", getGateWeight(), {hidden, inputs})) || // (C2)
      failed(expectShape(*this, "gate_bias", getGateBias(), {hidden})))
    return failure();
  if (getGateBias() && !getGateWeight())
    return emitOpError() << "has a gate_bias without a gate_weight";
  if (getNormShift() && !getNormGain()) // (C3)
    return emitOpError() << "has a norm_shift without a norm_gain";
  if (failed(expectShape(*this, "norm_gain", getNormGain(), {hidden})) ||
      failed(expectShape(*this, "norm_shift", getNormShift(), {hidden})) ||
      failed(expectShape(*this, "fc2_weight", getFc2Weight(), {{"E"}, hidden}))) // (C4)
    return failure();
  Axis outputs{"E", shapeOf(getFc2Weight())[0]};
  return failure(failed(expectShape(*this, "fc2_bias", getFc2Bias(), {outputs})) ||             // (C4)
                 failed(expectRows(*this, "result", getValue(), input.drop_back(), outputs)) || // (C5)
                 failed(expectEps(*this, getNormEps())));                                       // (C6)
}

LogicalResult ResidualOp::verify() {
  return expectShape(*this, "gamma", getGamma(), {{"D", shapeOf(getSkip()).back()}}); // (C1)
}

//===--------------------------------------------------------------------------------------===//
// From tokens to an answer
//===--------------------------------------------------------------------------------------===//

LogicalResult PoolOp::verify() {
  if (failed(expectShape(*this, "input", getInput(), {{"B"}, {"T"}, {"D"}}))) // (C1)
    return failure();
  ArrayRef<int64_t> input = shapeOf(getInput());
  int64_t index = getIndex();
  if (index < 0 || index >= input[1]) // (C2)
    return emitOpError() << "index is " << index << ", expected 0 to " << input[1] - 1 << " for " << input[1] << " tokens";
  return expectShape(*this, "result", getValue(), {{"B", input[0]}, {"D", input[2]}}); // (C3)
}

LogicalResult SliceTokensOp::verify() {
  if (failed(expectShape(*this, "input", getInput(), {{"B"}, {"T"}, {"D"}}))) // (C1)
    return failure();
  ArrayRef<int64_t> input = shapeOf(getInput());
  if (failed(expectShape(*this, "result", getValue(), {{"B", input[0]}, {"n"}, {"D", input[2]}}))) // (C2)
    return failure();
  int64_t first = getFirst(), count = shapeOf(getValue())[1];
  if (first < 0 || first + count > input[1]) // (C3)
    return emitOpError() << "takes tokens " << first << " to " << first + count - 1 << " of " << input[1];
  return success();
}

LogicalResult ReshapeTokensOp::verify() {
  ArrayRef<int64_t> input = shapeOf(getInput()), result = shapeOf(getValue());
  auto perImage = [](ArrayRef<int64_t> shape) { return llvm::product_of(shape.drop_front()); };
  if (input.front() != result.front() || perImage(input) != perImage(result)) // (C1)
    return emitOpError() << "result " << getValue().getType() << " has not the elements of " << getInput().getType();
  return success();
}

LogicalResult AttentionPoolOp::verify() {
  ArrayRef<int64_t> query = shapeOf(getQuery());
  bool ofImages = query.size() == 3;
  SmallVector<Axis> axes{{"L"}, {"h d"}};
  if (ofImages)
    axes.insert(axes.begin(), Axis{"B", shapeOf(getKv()).front()});
  if (failed(expectShape(*this, "query", getQuery(), axes))) // (C1)
    return failure();
  query = query.take_back(2);
  int64_t heads = getHeads();
  if (heads <= 0 || query[1] % heads != 0)
    return emitOpError() << "the queries' width " << query[1] << " cannot be split into " << heads << " heads";
  if (failed(expectShape(*this, "kv", getKv(), {{"B"}, {"T"}, {"2 h d", 2 * query[1]}}))) // (C2)
    return failure();
  int64_t first = getFirst(), tokens = shapeOf(getKv())[1];
  if (first < 0 || first >= tokens) // (C4)
    return emitOpError() << "first is " << first << ", expected 0 to " << tokens - 1 << " for " << tokens << " tokens";
  return expectShape(*this, "result", getValue(), {{"B", shapeOf(getKv())[0]}, {"L", query[0]}, {"h d", query[1]}}); // (C3)
}
