//===- KernelLaunch.cpp - schedules, roles and costs of launches ----------------------------===//
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

static RankedTensorType tensorType(Value value) { return cast<RankedTensorType>(value.getType()); }

//===--------------------------------------------------------------------------------------===//
// Schedules
//===--------------------------------------------------------------------------------------===//

namespace {
/// Measured tiles (docs/performance.md): rows x columns accumulators, the column vectors and one broadcast must fit the register file.
struct Tile {
  int64_t rows, columns;
};
} // namespace

static Tile tileFor(const Machine &machine) {
  if (machine.registers >= 32)
    return {6, 4 * machine.lanes};                                                     // 24 of 32: 6x64 with AVX-512, 6x16 with NEON
  return machine.lanes >= 8 ? Tile{6, 2 * machine.lanes} : Tile{4, 2 * machine.lanes}; // 12 or 8 of 16
}

/// Words of K that a tile's accumulators stay in registers: a panel of weights and the row block's input fill four fifths of the second-level
/// cache. Up to a third more unsplit costs less than a second pass over the result.
static int64_t blockOfK(int64_t words, Tile tile, int64_t rowBlock, int64_t cacheBytes) {
  constexpr int64_t shortest = 192, longest = 2048;
  int64_t limit = std::clamp<int64_t>(cacheBytes / 5 * 4 / (sizeof(float) * (tile.columns + rowBlock)), shortest, longest);
  return words * 3 <= limit * 4 ? words : llvm::divideCeilSigned(words, llvm::divideCeilSigned(words, limit));
}

/// Steps of k between two prefetched cache lines such that the next panel has come by when the tiles of a row block are through with this one:
/// each tile takes k_block steps, the panel has k_block * columns / 16 lines. 8 with 64 columns, 32 with 16.
static int64_t prefetchStep(Tile tile, int64_t rowBlock) {
  constexpr int64_t lineFloats = 16;
  return llvm::bit_floor<uint64_t>(rowBlock / tile.rows * lineFloats / tile.columns);
}

/// Packs the product's weight [outputs, inputs] for the machine's tile.
template <typename ProductOp> static void scheduleProduct(ProductOp op, const Machine &machine) {
  Tile tile = tileFor(machine);
  // One row of an image, a class token's: the weights come once from memory or an outer cache, and computing a full tile's rows would take longer.
  ArrayRef<int64_t> rows = tensorType(op.getValue()).getShape().drop_front().drop_back();
  tile.rows = std::min(tile.rows, std::accumulate(rows.begin(), rows.end(), int64_t{1}, std::multiplies<>()));
  RankedTensorType weight = tensorType(op.getWeight());
  int64_t outputs = weight.getDimSize(0), depth = weight.getDimSize(1);
  int64_t words = llvm::divideCeilSigned(depth, elementsPerWord(weight.getElementType()));
  // A row block of about one image of 197 tokens.
  int64_t rowBlock = llvm::divideCeilSigned(197, tile.rows) * tile.rows;
  int64_t kBlock = blockOfK(words, tile, rowBlock, machine.cacheBytes);
  auto schedule =
      GemmScheduleAttr::get(op.getContext(), tile.rows, tile.columns, kBlock, rowBlock, prefetchStep(tile, rowBlock), machine.lanes);
  OpBuilder builder(op);
  auto packed = RankedTensorType::get(packedShape(outputs, depth, schedule, weight.getElementType()), weight.getElementType());
  op.getWeightMutable().assign(PackOp::create(builder, op.getLoc(), packed, op.getWeight()));
  op.setScheduleAttr(schedule);
}

void GemmOp::chooseSchedule(const Machine &machine) { scheduleProduct(*this, machine); }

void PatchEmbedOp::chooseSchedule(const Machine &machine) { scheduleProduct(*this, machine); }

void AttentionOp::chooseSchedule(const Machine &machine) {
  setScheduleAttr(AttentionScheduleAttr::get(getContext(), tileFor(machine).rows, machine.lanes));
}

/// Row-wise passes: 16 rows are a microsecond or two, short enough to balance, long against a dispatch.
static RowScheduleAttr scheduleOfRows(MLIRContext *context, int64_t lanes) { return RowScheduleAttr::get(context, 16, lanes); }

void NormalizeOp::chooseSchedule(const Machine &machine) { setScheduleAttr(scheduleOfRows(getContext(), machine.lanes)); }

void ConvertOp::chooseSchedule(const Machine &machine) { setScheduleAttr(scheduleOfRows(getContext(), machine.lanes)); }

void QuantizeOp::chooseSchedule(const Machine &machine) { setScheduleAttr(scheduleOfRows(getContext(), machine.lanes)); }

void PadRowsOp::chooseSchedule(const Machine &machine) {
  // Rows of the padded grid: of 56 pixels and 64 channels each is 14 KB.
  setScheduleAttr(RowScheduleAttr::get(getContext(), 8, machine.lanes));
}

void PoolRowsOp::chooseSchedule(const Machine &machine) {
  // Rows of the result's grid.
  setScheduleAttr(RowScheduleAttr::get(getContext(), 4, machine.lanes));
}

void GroupNormOp::chooseSchedule(const Machine &machine) {
  // At least two vectors of columns, so that a cache line is a task's own and a pixel's run of columns is worth a visit.
  int64_t width = tensorType(getInput()).getShape().back() / static_cast<int64_t>(getGroups());
  int64_t groups = std::clamp<int64_t>(llvm::divideCeilSigned(32, width), 1, getGroups());
  while (getGroups() % groups != 0)
    ++groups;
  setScheduleAttr(GroupScheduleAttr::get(getContext(), groups, machine.lanes));
}

void ReferenceOp::chooseSchedule(const Machine &machine) {
  // The loops of a reference lowering are what they are.
}

//===--------------------------------------------------------------------------------------===//
// Costs
//===--------------------------------------------------------------------------------------===//

/// Operations of a product with one image's share of `result`, `depth` multiply-adds an element.
static int64_t flopOfProduct(Value result, int64_t depth) {
  ArrayRef<int64_t> image = tensorType(result).getShape().drop_front();
  return 2 * depth * std::accumulate(image.begin(), image.end(), int64_t{1}, std::multiplies<>());
}

int64_t GemmOp::getDepth() {
  int64_t width = tensorType(getInput()).getShape().back();
  return getWindow() ? getWindow()->getRows() * getWindow()->getColumns() * width : width;
}

int64_t GemmOp::getFlopPerImage() { return flopOfProduct(getValue(), getDepth()); }

int64_t PatchEmbedOp::getFlopPerImage() {
  // The prefix rows are no product.
  RankedTensorType images = tensorType(getImages()), result = tensorType(getValue());
  int64_t height = getPatch()[0], width = getPatch()[1];
  int64_t patches = (images.getDimSize(2) / height) * (images.getDimSize(3) / width);
  return 2 * patches * result.getDimSize(2) * images.getDimSize(1) * height * width;
}

int64_t AttentionOp::getFlopPerImage() {
  // Scores and weighted values: a multiply-add for each pair of tokens and column.
  int64_t depth = 2 * (tensorType(getQkv()).getDimSize(1) / static_cast<int64_t>(getWindows()));
  // The query's products with the distances of each axis.
  for (Value table : {getRowTable(), getColumnTable()})
    if (table)
      depth += (tensorType(table).getDimSize(1) + 1) / 2;
  return flopOfProduct(getValue(), depth);
}

//===--------------------------------------------------------------------------------------===//
// Operands
//===--------------------------------------------------------------------------------------===//

/// The first name whose operand is number `operand`.
static std::string roleOf(Operation *op, unsigned operand, ArrayRef<std::pair<Value, StringRef>> roles) {
  for (auto [value, role] : roles)
    if (value == op->getOperand(operand))
      return role.str();
  return "input" + std::to_string(operand);
}

std::string GemmOp::getOperandRole(unsigned operand) {
  return roleOf(*this, operand, {{getWeight(), "weight"}, {getBias(), "bias"}, {getColumnScales(), "scales"}});
}

std::string PatchEmbedOp::getOperandRole(unsigned operand) {
  return roleOf(*this, operand, {{getWeight(), "weight"}, {getPosition(), "position"}, {getPrefix(), "prefix"}});
}

std::string AttentionOp::getOperandRole(unsigned operand) {
  return roleOf(*this, operand, {{getBias(), "bias"}, {getRowTable(), "row_table"}, {getColumnTable(), "column_table"}});
}

std::string NormalizeOp::getOperandRole(unsigned operand) { return roleOf(*this, operand, {{getGain(), "gain"}, {getShift(), "shift"}}); }

std::string GroupNormOp::getOperandRole(unsigned operand) { return roleOf(*this, operand, {{getGain(), "gain"}, {getShift(), "shift"}}); }

Value GroupNormOp::getInPlaceOperand() {
  // A task owns its columns: it has read them, and the residual's element, when it writes.
  return getInput();
}

Value GemmOp::getInPlaceOperand() {
  // A tile's residuals are read before any of its results is written; the input is read by other tiles too.
  return getResidual() == getInput() ? Value() : getResidual();
}
