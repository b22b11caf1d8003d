//===- KernelOps.cpp - verifiers ------------------------------------------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "dialects/kernel/KernelDialect.h"

#include "mlir/Support/DebugStringHelper.h"

#include <numeric>

using namespace mlir;
using namespace vitc;
using namespace vitc::kernel;

static RankedTensorType tensorType(Value value) { return cast<RankedTensorType>(value.getType()); }

/// A vector operand (bias, gain, shift) has one element for each of `width` columns.
static LogicalResult verifyVector(Operation *op, Value vector, StringRef name, int64_t width) {
  if (vector && (tensorType(vector).getShape() != ArrayRef<int64_t>{width} || !tensorType(vector).getElementType().isF32()))
    return op->emitOpError() << "'" << name << "' must be tensor<" << width << "xf32>, one element a column, but is " << vector.getType();
  return success();
}

/// A product's weight is [outputs, depth], or packed for the schedule that the operation carries.
static LogicalResult verifyWeight(Operation *op, Value weight, int64_t outputs, int64_t depth, GemmScheduleAttr schedule) {
  SmallVector<int64_t> expected =
      schedule ? packedShape(outputs, depth, schedule, tensorType(weight).getElementType()) : SmallVector<int64_t>{outputs, depth};
  if (tensorType(weight).getShape() == ArrayRef(expected))
    return success();
  InFlightDiagnostic diagnostic = op->emitOpError() << "weight must be ";
  llvm::interleave(expected, diagnostic, "x");
  return diagnostic << (schedule ? ", packed for its schedule," : ", [outputs, inputs] without a schedule,") << " but is "
                    << weight.getType();
}

LogicalResult BindingOp::verify() {
  Block &block = getBody().front();
  if (block.getNumArguments() != getSources().size())
    return emitOpError() << "has " << getSources().size() << " sources but its region takes " << block.getNumArguments() << " arguments";
  for (Attribute source : getSources())
    if (!isa<FlatSymbolRefAttr>(source))
      return emitOpError() << "names its sources by symbols, not by " << source;
  if (block.getTerminator()->getNumOperands() != 1)
    return emitOpError() << "yields one packed weight, not " << block.getTerminator()->getNumOperands();
  return success();
}

/// A product that reads windows has one row for each and P Q C columns.
static LogicalResult verifyWindow(GemmOp op, RankedTensorType input, RankedTensorType result) {
  WindowAttr window = *op.getWindow();
  if (input.getRank() != 3 || result.getRank() != 3 || input.getDimSize(1) != window.getHeight() * window.getWidth() ||
      result.getDimSize(1) != window.windowsDown() * window.windowsAcross())
    return op.emitOpError() << "input " << input << " and result " << result << " must have a row for each pixel and each window of "
                            << window;
  return success();
}

/// `value`, if it is there, has elements of f32.
static LogicalResult verifyFloats(Operation *op, Value value, StringRef name) {
  if (value && !tensorType(value).getElementType().isF32())
    return op->emitOpError() << "'" << name << "' must be f32, but is " << value.getType();
  return success();
}

/// Which number types may meet in a product, and that they meet in whole words: `together` elements of the input lie side by side.
static LogicalResult verifyNumbers(Operation *op, Value input, Value weight, int64_t together) {
  Type from = tensorType(input).getElementType(), by = tensorType(weight).getElementType();
  if (from != by && !(from.isF32() && by.isBF16()))
    return op->emitOpError() << "an input of " << from << " cannot meet a weight of " << by
                             << "; expected the same type, or a bf16 weight with an f32 input";
  if (together % elementsPerWord(by) != 0)
    return op->emitOpError() << together << " elements of " << input.getType() << " lie together, which are not whole words of 32 bits of "
                             << by;
  return success();
}

/// A value of bytes lies on a grid, [scale, zero point], if no operand or result has scales of each row.
static LogicalResult verifyGrid(Operation *op, StringRef name, Value bytes, std::optional<ArrayRef<float>> grid, bool scaled) {
  bool wanted = tensorType(bytes).getElementType().isInteger() && !scaled;
  if (wanted != grid.has_value())
    return op->emitOpError() << "has '" << name << "' if and only if " << bytes.getType() << " is i8 without scales of each row";
  if (grid && (grid->size() != 2 || (*grid)[0] <= 0 || (*grid)[1] < 0 || (*grid)[1] > 255))
    return op->emitOpError() << "'" << name << "' must be a positive scale and a zero point from 0 to 255";
  return success();
}

/// Bytes come with scales.
static LogicalResult verifyScales(GemmOp op) {
  RankedTensorType input = tensorType(op.getInput()), result = tensorType(op.getValue());
  bool bytes = input.getElementType().isInteger();
  if (static_cast<bool>(op.getColumnScales()) != bytes || (op.getRowScales() && !bytes))
    return op.emitOpError() << "has column_scales, and row_scales or an input_grid, if and only if its input is i8";
  if (failed(verifyGrid(op, "input_grid", op.getInput(), op.getInputGrid(), static_cast<bool>(op.getRowScales()))) ||
      failed(verifyGrid(op, "result_grid", op.getValue(), op.getResultGrid(), /*scaled=*/false)))
    return failure();
  if (!bytes)
    return success();
  if (op.getWindow())
    return op.emitOpError() << "reads windows of floating-point numbers, not of rows that have scales of their own";
  SmallVector<int64_t> rows(input.getShape().drop_back());
  rows.push_back(2);
  if (op.getRowScales() && tensorType(op.getRowScales()).getShape() != ArrayRef(rows))
    return op.emitOpError() << "row_scales " << op.getRowScales().getType() << " must hold two numbers for each row of " << input;
  if (tensorType(op.getColumnScales()).getShape() != ArrayRef<int64_t>{2, result.getShape().back()})
    return op.emitOpError() << "column_scales " << op.getColumnScales().getType() << " must be [2, " << result.getShape().back() << "]";
  return failure(failed(verifyFloats(op, op.getRowScales(), "row_scales")) ||
                 failed(verifyFloats(op, op.getColumnScales(), "column_scales")));
}

LogicalResult GemmOp::verify() {
  RankedTensorType input = tensorType(getInput()), result = tensorType(getValue());
  if (failed(verifyNumbers(*this, getInput(), getWeight(), input.getShape().back())) || failed(verifyScales(*this)))
    return failure();
  if (getWindow()) {
    if (failed(verifyWindow(*this, input, result)))
      return failure();
  } else if (input.getRank() < 2 || input.getShape().drop_back() != result.getShape().drop_back()) {
    return emitOpError() << "input " << input << " and result " << result << " must agree in all axes but the last";
  }
  int64_t outputs = result.getShape().back();
  if (failed(verifyWeight(*this, getWeight(), outputs, getDepth(), getScheduleAttr())) ||
      failed(verifyVector(*this, getBias(), "bias", outputs)))
    return failure();
  if (getResidual() && (getResidual().getType() != result || result.getElementType().isInteger()))
    return emitOpError() << "residual " << getResidual().getType() << " must have the result's type " << result << ", and that be no bytes";
  return success();
}

LogicalResult PatchEmbedOp::verify() {
  RankedTensorType images = tensorType(getImages()), result = tensorType(getValue());
  if (images.getRank() != 4 || result.getRank() != 3 || getPatch().size() != 2)
    return emitOpError() << "takes images [B, C, H, W] and a patch [P, Q] and gives tokens [B, T, D], not " << images << " and " << result;
  auto [height, width] = std::pair(getPatch()[0], getPatch()[1]);
  if (height <= 0 || width <= 0)
    return emitOpError() << "patch " << height << "x" << width << " is empty";
  if (images.getElementType().isInteger())
    return emitOpError() << "reads images of floating-point numbers, not " << images;
  if (failed(verifyNumbers(*this, getImages(), getWeight(), std::gcd(width, images.getDimSize(3)))) ||
      failed(verifyFloats(*this, getValue(), "value")) || failed(verifyFloats(*this, getPosition(), "position")) ||
      failed(verifyFloats(*this, getPrefix(), "prefix")))
    return failure();
  int64_t patches = (images.getDimSize(2) / height) * (images.getDimSize(3) / width);
  int64_t prefix = getPrefix() ? tensorType(getPrefix()).getDimSize(0) : 0, columns = result.getDimSize(2);
  if (patches == 0 || result.getDimSize(1) != prefix + patches)
    return emitOpError() << prefix << " prefix tokens and " << patches << " patches do not make " << result;
  if (getPrefix() && tensorType(getPrefix()).getShape() != ArrayRef<int64_t>{prefix, columns})
    return emitOpError() << "prefix " << getPrefix().getType() << " must have rows of width " << columns;
  if (getPosition() && tensorType(getPosition()).getShape() != ArrayRef<int64_t>{patches, columns})
    return emitOpError() << "position " << getPosition().getType() << " must be one row of width " << columns << " for each of " << patches
                         << " patches";
  return verifyWeight(*this, getWeight(), columns, images.getDimSize(1) * height * width, getScheduleAttr());
}

/// Heads of fewer bits are read in pairs of elements and scaled after their products, which leaves the greatest score where it is only if the scale
/// is positive.
static LogicalResult verifyAttentionNumbers(AttentionOp op) {
  Type element = tensorType(op.getQkv()).getElementType();
  if (element.isInteger())
    return op.emitOpError() << "takes floating-point numbers, not " << op.getQkv().getType();
  if (failed(verifyGrid(op, "result_grid", op.getValue(), op.getResultGrid(), /*scaled=*/false)) ||
      failed(verifyFloats(op, op.getBias(), "bias")) || failed(verifyFloats(op, op.getRowTable(), "row_table")) ||
      failed(verifyFloats(op, op.getColumnTable(), "column_table")))
    return failure();
  if (element.isF32())
    return success();
  int64_t width = tensorType(op.getValue()).getDimSize(2) / static_cast<int64_t>(op.getHeads());
  if (width % 2 != 0 || op.getRowTable() || op.getColumnTable() || op.getScale().convertToDouble() <= 0)
    return op.emitOpError() << "of " << debugString(element) << " needs heads of even width, a positive scale and no tables, but has heads of " << width
                            << ", a scale of " << op.getScale().convertToDouble() << (op.getRowTable() ? " and tables" : "");
  return success();
}

RankedTensorType AttentionOp::weightsType(RankedTensorType qkv, int64_t heads) {
  constexpr int64_t lineFloats = 16;
  int64_t tokens = qkv.getDimSize(1);
  return RankedTensorType::get({qkv.getDimSize(0), heads, tokens, static_cast<int64_t>(llvm::alignTo(tokens, lineFloats))},
                               Float32Type::get(qkv.getContext()));
}

LogicalResult AttentionOp::verify() {
  RankedTensorType qkv = tensorType(getQkv()), result = tensorType(getValue());
  int64_t heads = getHeads(), parts = getQuery() ? 2 : 3;
  if (qkv.getRank() != 3 || result.getRank() != 3 || heads <= 0 || qkv.getDimSize(2) % (parts * heads) != 0)
    return emitOpError() << "the width of " << qkv << " must be " << parts << " * heads * head width with " << heads << " heads";
  int64_t rows = qkv.getDimSize(1), windows = getWindows();
  if (windows < 1 || rows % windows != 0)
    return emitOpError() << rows << " rows cannot be split into " << windows << " windows";
  if (result.getDimSize(2) * parts != qkv.getDimSize(2))
    return emitOpError() << "result " << result << " must be " << (getQuery() ? "half" : "a third") << " as wide as " << qkv;
  if (getQuery() &&
      (tensorType(getQuery()).getShape() != result.getShape() || tensorType(getQuery()).getElementType() != qkv.getElementType()))
    return emitOpError() << "query " << getQuery().getType() << " must have the shape of the result " << result << " and the numbers of "
                         << qkv;
  int64_t tokens = rows / windows, queries = result.getDimSize(1) / windows, firstQuery = getFirstQuery();
  bool allQueries = !getQuery() && result.getDimSize(1) == rows;
  if (!allQueries && (windows > 1 || getRowTable() || getColumnTable()))
    return emitOpError() << "result " << result << " must have all rows of " << qkv << ", as windows and tables ask for";
  if (firstQuery < 0 || (getQuery() ? firstQuery != 0 : firstQuery + queries > tokens))
    return emitOpError() << queries << " queries from query " << firstQuery << " on do not lie within " << qkv;
  if (failed(verifyAttentionNumbers(*this)))
    return failure();
  if (getWeights() && (!allQueries || windows > 1 || getWeights().getType() != weightsType(qkv, heads)))
    return emitOpError() << "weights " << getWeights().getType() << " must be " << weightsType(qkv, heads)
                         << ", and are offered for all queries without windows only";
  if (getBias() && tensorType(getBias()).getShape() != ArrayRef<int64_t>{heads, queries, tokens})
    return emitOpError() << "bias " << getBias().getType() << " must be [" << heads << ", " << queries << ", " << tokens << "]";
  if (!getRowTable() && !getColumnTable())
    return success();
  if (!getRowTable() || !getColumnTable())
    return emitOpError() << "has one of row_table and column_table, expected both or none";
  int64_t width = result.getDimSize(2) / heads;
  auto sideOf = [&](Value table) {
    ArrayRef<int64_t> shape = tensorType(table).getShape();
    return shape.size() == 2 && shape[0] == width && shape[1] % 2 == 1 ? (shape[1] + 1) / 2 : 0;
  };
  if (sideOf(getRowTable()) * sideOf(getColumnTable()) != tokens)
    return emitOpError() << "tables " << getRowTable().getType() << " and " << getColumnTable().getType() << " must be [" << width
                         << ", 2H - 1] and [" << width << ", 2W - 1] with H W = " << tokens;
  return success();
}

/// `scales` are there if and only if `rows` are bytes, with two numbers a row.
static LogicalResult verifyQuantized(Operation *op, RankedTensorType rows, Value scales) {
  if (rows.getElementType().isInteger() != static_cast<bool>(scales))
    return op->emitOpError() << "has scales if and only if its result is i8, but that is " << rows;
  if (!scales)
    return success();
  SmallVector<int64_t> expected(rows.getShape().drop_back());
  expected.push_back(2);
  if (tensorType(scales).getShape() != ArrayRef(expected) || !tensorType(scales).getElementType().isF32())
    return op->emitOpError() << "scales " << scales.getType() << " must hold two f32 for each row of " << rows;
  return success();
}

LogicalResult NormalizeOp::verify() {
  RankedTensorType input = tensorType(getInput()), result = tensorType(getValue());
  if (input.getShape() != result.getShape() || !input.getElementType().isF32())
    return emitOpError() << "input " << input << " must be f32 and have the shape of the result " << result;
  if (failed(verifyVector(*this, getGain(), "gain", input.getShape().back())) ||
      failed(verifyVector(*this, getShift(), "shift", input.getShape().back())))
    return failure();
  return verifyQuantized(*this, result, getScales());
}

LogicalResult ConvertOp::verify() {
  RankedTensorType input = tensorType(getInput()), result = tensorType(getValue());
  if (input.getShape() != result.getShape() || !input.getElementType().isF32() || !isShortFloat(result.getElementType()))
    return emitOpError() << "rounds f32 to bf16, f16 or tf32 of the same shape, not " << input << " to " << result;
  return success();
}

LogicalResult QuantizeOp::verify() {
  RankedTensorType input = tensorType(getInput()), result = tensorType(getValue());
  if (input.getShape() != result.getShape() || input.getElementType().isInteger() || !result.getElementType().isInteger(8))
    return emitOpError() << "quantizes f32 or bf16 to i8 of the same shape, not " << input << " to " << result;
  return verifyQuantized(*this, result, getScales());
}

/// `type` is a feature map [B, H W, C] of `height` x `width` pixels.
static LogicalResult verifyMap(Operation *op, StringRef name, RankedTensorType type, int64_t height, int64_t width, int64_t channels) {
  if (type.getRank() == 3 && type.getDimSize(1) == height * width && type.getDimSize(2) == channels && type.getElementType().isF32())
    return success();
  return op->emitOpError() << name << " " << type << " must be a feature map of " << height << "x" << width << " pixels and " << channels
                           << " channels of f32";
}

LogicalResult PadRowsOp::verify() {
  RankedTensorType input = tensorType(getInput()), result = tensorType(getValue());
  ArrayRef<int64_t> grid = getGrid(), padding = getPadding();
  if (grid.size() != 2 || padding.size() != 4 || llvm::any_of(padding, [](int64_t pixels) { return pixels < 0; }))
    return emitOpError() << "takes a grid of two sizes and a padding of four that are not negative";
  int64_t channels = input.getShape().back();
  return failure(
      failed(verifyMap(*this, "input", input, grid[0], grid[1], channels)) ||
      failed(verifyMap(*this, "result", result, grid[0] + padding[0] + padding[1], grid[1] + padding[2] + padding[3], channels)));
}

LogicalResult PoolRowsOp::verify() {
  RankedTensorType input = tensorType(getInput()), result = tensorType(getValue());
  ArrayRef<int64_t> grid = getGrid(), window = getWindow(), stride = getStride(), padding = getPadding();
  if (grid.size() != 2 || window.size() != 2 || stride.size() != 2 || padding.size() != 4)
    return emitOpError() << "takes a grid, a window and a stride of two numbers each and a padding of four";
  for (auto [side, pixels] : llvm::enumerate(padding))
    if (pixels < 0 || pixels >= window[side / 2] || stride[side / 2] <= 0)
      return emitOpError() << "needs a positive stride and a padding from 0 to less than the window's " << window[side / 2];
  int64_t height = grid[0] + padding[0] + padding[1], width = grid[1] + padding[2] + padding[3], channels = input.getShape().back();
  if (window[0] > height || window[1] > width)
    return emitOpError() << "a window of " << window[0] << "x" << window[1] << " is larger than its padded grid of " << height << "x"
                         << width;
  return failure(
      failed(verifyMap(*this, "input", input, grid[0], grid[1], channels)) ||
      failed(verifyMap(*this, "result", result, (height - window[0]) / stride[0] + 1, (width - window[1]) / stride[1] + 1, channels)));
}

LogicalResult GroupNormOp::verify() {
  RankedTensorType input = tensorType(getInput());
  if (input != getValue().getType() || (getResidual() && getResidual().getType() != input) || !input.getElementType().isF32())
    return emitOpError() << "input " << input << ", residual and result " << getValue().getType() << " must have one type of f32";
  int64_t channels = input.getShape().back(), groups = getGroups();
  if (input.getRank() != 3 || groups <= 0 || channels % groups != 0)
    return emitOpError() << "the columns of " << input << " cannot be split into " << groups << " groups";
  return failure(failed(verifyVector(*this, getGain(), "gain", channels)) || failed(verifyVector(*this, getShift(), "shift", channels)));
}

/// `outside` with a dynamic batch is [1, ...] inside a region that computes one image; a weight is the same on both sides.
static bool isOneImageOf(RankedTensorType inside, RankedTensorType outside) {
  if (outside.hasStaticShape())
    return inside == outside;
  SmallVector<int64_t> shape(outside.getShape());
  shape[0] = 1;
  return inside.getShape() == ArrayRef(shape);
}

LogicalResult ReferenceOp::verify() {
  Block &block = getBody().front();
  if (block.getNumArguments() != getInputs().size())
    return emitOpError() << "has " << getInputs().size() << " operands but its region takes " << block.getNumArguments() << " arguments";
  for (auto [argument, operand] : llvm::zip(block.getArguments(), getInputs()))
    if (!isOneImageOf(tensorType(argument), tensorType(operand)))
      return emitOpError() << "region argument " << argument.getType() << " is not one image of operand " << operand.getType();
  OperandRange yielded = block.getTerminator()->getOperands();
  if (yielded.size() != getValues().size())
    return emitOpError() << "yields " << yielded.size() << " values for " << getValues().size() << " results";
  for (auto [value, result] : llvm::zip(yielded, getValues()))
    if (!isOneImageOf(tensorType(value), tensorType(result)))
      return emitOpError() << "yields " << value.getType() << ", which is not one image of result " << result.getType();
  return success();
}

#define GET_OP_CLASSES
#include "dialects/kernel/KernelOps.cpp.inc"
