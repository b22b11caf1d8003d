//===- KernelTraining.cpp - verifiers and schedules of training launches ----------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "dialects/kernel/KernelDialect.h"

#include "llvm/ADT/bit.h"

#include <functional>
#include <numeric>

using namespace mlir;
using namespace vitc;
using namespace vitc::kernel;

static RankedTensorType typeOf(Value value) { return cast<RankedTensorType>(value.getType()); }
static ArrayRef<int64_t> shapeOf(Value value) { return typeOf(value).getShape(); }
static int64_t widthOf(Value value) { return shapeOf(value).back(); }

/// Rows of an image.
static int64_t rowsOf(Value value) {
  ArrayRef<int64_t> rows = shapeOf(value).drop_front().drop_back();
  return std::accumulate(rows.begin(), rows.end(), int64_t{1}, std::multiplies<>());
}

static LogicalResult expect(Operation *op, StringRef name, Value value, ArrayRef<int64_t> shape) {
  if (!value || shapeOf(value) == shape)
    return success();
  InFlightDiagnostic diagnostic = op->emitOpError() << name << " must be ";
  llvm::interleave(shape, diagnostic, [&](int64_t size) { diagnostic << (ShapedType::isDynamic(size) ? "?" : std::to_string(size)); }, "x");
  return diagnostic << ", but is " << value.getType();
}

/// `value` has the rows of `rows`, of another `width`.
static LogicalResult expectRows(Operation *op, StringRef name, Value value, Value rows, int64_t width) {
  SmallVector<int64_t> shape(shapeOf(rows));
  shape.back() = width;
  return expect(op, name, value, shape);
}

//===--------------------------------------------------------------------------------------===//
// Verifiers
//===--------------------------------------------------------------------------------------===//

/// Operands of a product, with `bf16` both of that type or both rounded to it.
static LogicalResult expectOperands(Operation *op, Value left, Value right, bool bf16) {
  Type element = typeOf(left).getElementType();
  if (element == typeOf(right).getElementType() && (element.isF32() || bf16))
    return success();
  return op->emitOpError() << "has operands " << left.getType() << " and " << right.getType()
                           << ", expected both f32, or both bf16 of a product of bf16";
}

LogicalResult MatmulOp::verify() {
  int64_t depth = widthOf(getInput()), outputs = widthOf(getValue());
  SmallVector<int64_t> weight{outputs, depth};
  if (getTransposed())
    std::swap(weight[0], weight[1]);
  if (Type element = typeOf(getValue()).getElementType(); !element.isF32() && !(element.isBF16() && getBf16() && !getResidual()))
    return emitOpError() << "has a result of " << element << ", expected f32, or bf16 of a product of bf16 that has no residual";
  for (auto [what, value] : {std::pair("factor", getFactor()), std::pair("derivative", getDerivative())})
    if (Type element = value ? typeOf(value).getElementType() : Type(); element && !element.isF32() && !(element.isBF16() && getBf16()))
      return emitOpError() << "has a " << what << " of " << element << ", expected f32, or bf16 of a product of bf16";
  return failure(failed(expectOperands(*this, getInput(), getWeight(), getBf16())) ||
                 failed(expect(*this, "weight", getWeight(), weight)) || failed(expect(*this, "bias", getBias(), {outputs})) ||
                 failed(expectRows(*this, "result", getValue(), getInput(), outputs)) ||
                 failed(expect(*this, "residual", getResidual(), shapeOf(getValue()))) ||
                 failed(expect(*this, "factor", getFactor(), shapeOf(getValue()))) ||
                 failed(expect(*this, "derivative", getDerivative(), shapeOf(getValue()))));
}

LogicalResult ContractRowsOp::verify() {
  return failure(failed(expectOperands(*this, getLhs(), getRhs(), getBf16())) ||
                 failed(expectRows(*this, "rhs", getRhs(), getLhs(), widthOf(getRhs()))) ||
                 failed(expect(*this, "result", getValue(), {widthOf(getLhs()), widthOf(getRhs())})));
}

LogicalResult SumRowsOp::verify() {
  ArrayRef<int64_t> input = shapeOf(getInput()), result = shapeOf(getValue());
  if (result.empty() || result.size() >= input.size() || input.take_back(result.size()) != result)
    return emitOpError() << "result must have the last axes of " << getInput().getType()
                         << ", one at least and not that of the images, but is " << getValue().getType();
  return success();
}

LogicalResult NormalizeGradOp::verify() {
  ArrayRef<int64_t> shape = shapeOf(getInput());
  return failure(failed(expect(*this, "gain", getGain(), {shape.back()})) || failed(expect(*this, "residual", getResidual(), shape)) ||
                 failed(expect(*this, "result", getValue(), shape)) || failed(expect(*this, "rounded", getRounded(), shape)) ||
                 failed(expectRows(*this, "statistics", getStatistics(), getInput(), 2)));
}

LogicalResult NormalizeWeightGradOp::verify() {
  ArrayRef<int64_t> shape = shapeOf(getInput());
  return failure(failed(expectRows(*this, "statistics", getStatistics(), getInput(), 2)) ||
                 failed(expect(*this, "gain", getGain(), {shape.back()})) || failed(expect(*this, "shift", getShift(), {shape.back()})));
}

/// Of attention's gradient with queries of its own: theirs, and no more of them than have a kernel.
static LogicalResult verifyQuery(AttentionGradOp op) {
  if (!op.getQuery() != !op.getQueryGradient())
    return op.emitOpError() << "has a query or its gradient, expected both or none";
  if (!op.getQuery())
    return success();
  if (op.getWeights())
    return op.emitOpError() << "has a query of its own, and so takes no weights";
  if (failed(expectRows(op, "query", op.getQuery(), op.getUpstream(), widthOf(op.getUpstream()))) ||
      failed(expectRows(op, "the query's gradient", op.getQueryGradient(), op.getUpstream(), widthOf(op.getUpstream()))))
    return failure();
  Type element = typeOf(op.getQkv()).getElementType();
  if (typeOf(op.getQuery()).getElementType() != element)
    return op.emitOpError() << "has a query " << op.getQuery().getType() << " beside keys of " << element;
  const int64_t scores = rowsOf(op.getQuery()) * rowsOf(op.getQkv());
  if (scores > AttentionGradOp::mostScores)
    return op.emitOpError() << "has " << rowsOf(op.getQuery()) << " queries of " << rowsOf(op.getQkv()) << " tokens, more than "
                            << AttentionGradOp::mostScores << " scores";
  return success();
}

LogicalResult AttentionGradOp::verify() {
  int64_t heads = getHeads(), width = widthOf(getQkv()), parts = getQuery() ? 2 : 3;
  if (shapeOf(getQkv()).size() != 3 || heads <= 0 || width % (parts * heads) != 0)
    return emitOpError() << "qkv " << getQkv().getType() << " must be [B, T, " << parts << " h d] for " << heads << " heads";
  if (getWeights() && getWeights().getType() != AttentionOp::weightsType(typeOf(getQkv()), heads))
    return emitOpError() << "weights " << getWeights().getType() << " must be " << AttentionOp::weightsType(typeOf(getQkv()), heads);
  Type element = typeOf(getQkv()).getElementType();
  if (!element.isF32() && !(element.isBF16() && width / (parts * heads) % 2 == 0 && getScale().convertToDouble() > 0))
    return emitOpError() << "takes f32, or bf16 of heads of even width with a positive scale, but has " << getQkv().getType() << ", "
                         << heads << " heads and a scale of " << getScale().convertToDouble();
  for (Value gradient : getResults())
    if (Type other = typeOf(gradient).getElementType(); !other.isF32() && other != element)
      return emitOpError() << "has a gradient of " << other << ", expected f32, or bf16 of operands of bf16";
  SmallVector<int64_t> rows(shapeOf(getQkv()));
  rows.back() = width / parts;
  if (getQuery() && shapeOf(getUpstream()).size() == 3)
    rows[1] = shapeOf(getUpstream())[1];
  return failure(failed(expect(*this, "upstream", getUpstream(), rows)) || failed(verifyQuery(*this)) ||
                 failed(expect(*this, "result", getValue(), shapeOf(getQkv()))));
}

//===--------------------------------------------------------------------------------------===//
// Schedules
//===--------------------------------------------------------------------------------------===//

/// As of products with packed weights (KernelLaunch.cpp): rows x columns accumulators and the vectors they are made of fill the registers.
/// `tiles` of rows share a panel, and while they do the next one is fetched: a line each `prefetch` steps, or seldomer where there are more
/// tiles than that takes. `depth` is in words.
static GemmScheduleAttr scheduleOfProduct(MLIRContext *context, const Machine &machine, int64_t depth, int64_t tiles, int64_t rowBlock) {
  constexpr int64_t lineFloats = 16, fewestPrefetches = 16;
  int64_t rows = machine.lanes >= 8 ? 6 : 4, columns = (machine.registers >= 32 ? 4 : 2) * machine.lanes;
  // A panel in a quarter of the second-level cache, the depth in equal parts.
  int64_t longest = std::clamp<int64_t>(machine.cacheBytes / 4 / (static_cast<int64_t>(sizeof(float)) * columns), 128, 1024);
  int64_t kBlock = llvm::divideCeilSigned(depth, llvm::divideCeilSigned(depth, longest));
  int64_t prefetch = std::clamp<int64_t>(llvm::bit_floor<uint64_t>(tiles * lineFloats / columns), 1, fewestPrefetches);
  return GemmScheduleAttr::get(context, rows, columns, kBlock, rowBlock, prefetch, machine.lanes);
}

void MatmulOp::chooseSchedule(const Machine &machine) {
  // The rows of a group are not known here, but are many. Between k-blocks partial sums of a row block wait in the cache, in a tenth of it;
  // with bf16 its rows are copied once for all panels, and the panels are copied, for more work, once for all of its rows.
  constexpr int64_t manyTiles = 64, rowBlock = 432, rowBlockOfBf16 = 816;
  int64_t words = llvm::divideCeilSigned(widthOf(getInput()), getBf16() ? 2 : 1);
  setScheduleAttr(scheduleOfProduct(getContext(), machine, words, manyTiles, getBf16() ? rowBlockOfBf16 : rowBlock));
}

void ContractRowsOp::chooseSchedule(const Machine &machine) {
  // The depth is the rows of a group: of some three images of 197 tokens, or twice as many of bf16. All rows of the result are one block.
  constexpr int64_t words = 528, rowsOfTile = 6;
  setScheduleAttr(scheduleOfProduct(getContext(), machine, words, widthOf(getLhs()) / rowsOfTile, /*rowBlock=*/432));
}

static RowScheduleAttr scheduleOfRows(MLIRContext *context, int64_t lanes) { return RowScheduleAttr::get(context, 16, lanes); }

void SumRowsOp::chooseSchedule(const Machine &machine) { setScheduleAttr(scheduleOfRows(getContext(), machine.lanes)); }
void ActivationOp::chooseSchedule(const Machine &machine) { setScheduleAttr(scheduleOfRows(getContext(), machine.lanes)); }
void ActivationGradOp::chooseSchedule(const Machine &machine) { setScheduleAttr(scheduleOfRows(getContext(), machine.lanes)); }
void AddOp::chooseSchedule(const Machine &machine) { setScheduleAttr(scheduleOfRows(getContext(), machine.lanes)); }
void NormalizeGradOp::chooseSchedule(const Machine &machine) { setScheduleAttr(scheduleOfRows(getContext(), machine.lanes)); }
void NormalizeWeightGradOp::chooseSchedule(const Machine &machine) { setScheduleAttr(scheduleOfRows(getContext(), machine.lanes)); }

void AttentionGradOp::chooseSchedule(const Machine &machine) {
  setScheduleAttr(AttentionScheduleAttr::get(getContext(), machine.lanes >= 8 ? 6 : 4, machine.lanes));
}

//===--------------------------------------------------------------------------------------===//
// Costs and operands
//===--------------------------------------------------------------------------------------===//

int64_t MatmulOp::getFlopPerImage() { return 2 * rowsOf(getInput()) * widthOf(getInput()) * widthOf(getValue()); }
int64_t ContractRowsOp::getFlopPerImage() { return 2 * rowsOf(getLhs()) * widthOf(getLhs()) * widthOf(getRhs()); }

int64_t AttentionGradOp::getFlopPerImage() {
  // Four products of T x T x d a head, and one that computes the scores again.
  return (getWeights() ? 8 : 10) * rowsOf(getUpstream()) * rowsOf(getQkv()) * widthOf(getUpstream());
}

std::string MatmulOp::getOperandRole(unsigned operand) { return getOperand(operand) == getWeight() ? "weight" : "bias"; }
std::string NormalizeGradOp::getOperandRole(unsigned operand) { return "gain"; }

Value MatmulOp::getInPlaceOperand() {
  // What a tile's results are made of is read before any of them is written; the input is read by other tiles too. Of fewer bits than 32 a
  // device's threads write vectors of what their neighbours have read.
  for (Value operand : {getResidual(), getFactor()})
    if (operand && typeOf(operand).getElementType().isF32() && operand != getInput() && operand.getType() == getValue().getType())
      return operand;
  return {};
}

Value ActivationGradOp::getInPlaceOperand() { return getUpstream() == getInput() ? Value() : getUpstream(); }
Value AddOp::getInPlaceOperand() { return getLhs(); }

Value NormalizeGradOp::getInPlaceOperand() {
  Value residual = getResidual();
  return residual == getInput() || residual == getUpstream() ? Value() : residual;
}
