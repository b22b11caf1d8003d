//===- ColumnSums.cpp - sums of all rows on a GPU -----------------------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//
//
// Nothing is computed but additions, so what counts are the bytes under way. A block has some columns of a part of the rows: each of its
// threads reads vectors of several rows, whose sums meet in a warp by shuffles, in the block in shared memory, and of all parts in global
// memory (PartialSums.h); then they are added to the result. All of that has one order.
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/codegen/gpu/ColumnSums.h"
#include "compiler/codegen/gpu/PartialSums.h"
#include "compiler/codegen/gpu/Product.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

#include "llvm/ADT/Twine.h"
#include "llvm/ADT/bit.h"

#include <iterator>
#include <limits>

using namespace mlir;

namespace vitc::gpu {

/// Of a group, for which rows are shared: one kernel sums up any number of them.
static constexpr int64_t imagesOfGroup = std::end(imageCounts)[-1];
static constexpr int64_t mostWarps = 16;
/// Whoever adds up the parts reads them one after the other.
static constexpr int64_t mostParts = 16;
/// Of a part: with fewer rows a block would wait for its own loads as often, and then for the other blocks besides.
static constexpr int64_t fewestRows = 256;
/// Bytes of a row that a warp reads: a line of the cache.
static constexpr int64_t fewestBytes = 128;
/// Columns of a thread when a block's sums meet, as PartialSums has them.
static constexpr int64_t chunk = 4;

std::string ColumnSchedule::text() const {
  return (Twine(columns()) + " columns, " + Twine(warps) + (warps == 1 ? " warp" : " warps") + " of " + Twine(device::kWarp / across) +
          " x " + Twine(together) + " rows" + (parts == 1 ? "" : ", " + Twine(parts) + " parts"))
      .str();
}

/// Threads that a block's sums are handed to: whole warps.
static int64_t joiningThreads(const ColumnSchedule &schedule) { return llvm::alignTo(schedule.columns() / chunk, device::kWarp); }

ColumnSchedule chooseColumnSums(int64_t width, int64_t rows, Type element, int64_t operands, const DeviceTarget &target) {
  ColumnSchedule best;
  int64_t most = 0;
  // Long pieces of a row are what memory is best at, but three quarters of the multiprocessors should have a block.
  for (int64_t across = device::kWarp; 4 * most < 3 * target.multiprocessors && across > 0; across /= 2) {
    ColumnSchedule schedule;
    schedule.lanes = vectorFor(width, element);
    schedule.across = across;
    if (across < device::kWarp && schedule.columns() * device::bytesOf(element) < fewestBytes)
      break;
    schedule.together = std::max<int64_t>(1, 8 / operands);
    const int64_t tiles = llvm::divideCeilSigned(width, schedule.columns());
    schedule.parts = std::clamp<int64_t>(std::min(target.multiprocessors / tiles, rows / fewestRows), 1, mostParts);
    const int64_t rounds = llvm::divideCeilSigned(rows, schedule.parts * device::kWarp / across * schedule.together);
    schedule.warps = std::clamp<int64_t>(llvm::bit_ceil<uint64_t>(rounds), joiningThreads(schedule) / device::kWarp, mostWarps);
    if (const int64_t blocks = tiles * schedule.parts; blocks > most) {
      most = blocks;
      best = schedule;
    }
  }
  return best;
}

namespace {

/// The sums of a block.
class ColumnSums {
public:
  /// What a row adds to each result at the columns of a thread: vectors, or numbers of one lane, of f32.
  using Terms = function_ref<SmallVector<Value>(Value row, Value column)>;

  ColumnSums(DeviceFunction &f, const ColumnSchedule &schedule, int64_t width, Value rows, SmallVector<Value> results, Value counters,
             Value sums)
      : f(f), b(f.b), s(schedule), width(width), rows(rows), results(std::move(results)), parts(b, s.parts, counters, sums) {}

  KernelInfo emit(Terms terms);

private:
  SmallVector<Value> sumsOfThread(Terms terms);
  void meetInBlock(ArrayRef<Value> sums, ArrayRef<Value> meetings);
  void addToResults(ArrayRef<Value> totals, Value column);
  Value firstColumn() { return mul(b, parts.tileOf(f.block), s.columns()); }

  DeviceFunction &f;
  ImplicitLocOpBuilder &b;
  const ColumnSchedule s;
  const int64_t width;
  Value rows;
  SmallVector<Value> results;
  const PartialSums parts;
};

} // namespace

/// The sum by pairs, which wait for each other least.
static Value sumOfPairs(ImplicitLocOpBuilder &b, ArrayRef<Value> values) {
  if (values.size() == 1)
    return values.front();
  const size_t half = values.size() / 2;
  return addf(b, sumOfPairs(b, values.take_front(half)), sumOfPairs(b, values.drop_front(half)));
}

SmallVector<Value> ColumnSums::sumsOfThread(Terms terms) {
  Value laneOfWarp = rem(b, f.thread, device::kWarp);
  // Columns behind the last one are read as the last ones, and come to nothing.
  Value column = min(b, add(b, firstColumn(), mul(b, rem(b, laneOfWarp, s.across), s.lanes)), constant(b, width - s.lanes));
  const int64_t atOnce = s.warps * device::kWarp / s.across;
  auto [begin, end] = parts.range(f.block, rows);
  Value last = add(b, end, -1);
  Type type = s.lanes == 1 ? Type(b.getF32Type()) : VectorType::get({s.lanes}, b.getF32Type());
  Value zero = arith::ConstantOp::create(b, b.getZeroAttr(type));
  // A whole round reads row after row without a question, so that all of its loads are under way before the first addition.
  auto round = [&](Value row, ValueRange sums, function_ref<SmallVector<Value>(int64_t)> termsOf) {
    SmallVector<SmallVector<Value>> ofRows;
    for (int64_t i = 0; i < s.together; ++i)
      ofRows.push_back(termsOf(i));
    SmallVector<Value> next;
    for (auto [result, sum] : llvm::enumerate(sums))
      next.push_back(addf(b, sum, sumOfPairs(b, llvm::map_to_vector(ofRows, [&](const SmallVector<Value> &row) { return row[result]; }))));
    return next;
  };
  Value whole = sub(b, end, rem(b, sub(b, end, begin), atOnce * s.together));
  Value first = add(b, begin, div(b, f.thread, s.across));
  SmallVector<Value> zeros(results.size(), zero);
  SmallVector<Value> sums = forLoop(b, first, whole, atOnce * s.together, zeros, [&](Value row, ValueRange before) {
    return round(row, before, [&](int64_t i) { return terms(add(b, row, i * atOnce), column); });
  });
  Value rest = add(b, whole, div(b, f.thread, s.across));
  return forLoop(b, rest, end, atOnce * s.together, sums, [&](Value row, ValueRange before) {
    return round(row, before, [&](int64_t i) {
      Value mine = add(b, row, i * atOnce), isThere = less(b, mine, end);
      return llvm::map_to_vector(terms(min(b, mine, last), column), [&](Value term) { return select(b, isThere, term, zero); });
    });
  });
}

/// Leaves the sums of each warp in a row of shared memory.
void ColumnSums::meetInBlock(ArrayRef<Value> sums, ArrayRef<Value> meetings) {
  Value warp = div(b, f.thread, device::kWarp), laneOfWarp = rem(b, f.thread, device::kWarp);
  Value place = add(b, mul(b, warp, s.columns()), mul(b, laneOfWarp, s.lanes));
  for (auto [sum, meeting] : llvm::zip_equal(sums, meetings)) {
    SmallVector<Value> lanes;
    for (int64_t i = 0; i < s.lanes; ++i) {
      lanes.push_back(lane(b, sum, i));
      for (int64_t mask = device::kWarp / 2; mask >= s.across; mask /= 2)
        lanes.back() = addf(b, lanes.back(), device::ShuffleOp::create(b, b.getF32Type(), lanes.back(), static_cast<uint32_t>(mask)));
    }
    ifThen(b, less(b, laneOfWarp, s.across), [&] {
      for (int64_t i = 0; i < s.lanes; i += chunk)
        store(b, vectorOf(b, ArrayRef(lanes).slice(i, std::min(chunk, s.lanes))), meeting, add(b, place, i));
    });
  }
}

/// results[i][column, ..] += totals[i]. They may be vectors of parameters, which are aligned to one number; all are read before one is
/// written.
void ColumnSums::addToResults(ArrayRef<Value> totals, Value column) {
  const bool wholeChunks = width % chunk == 0;
  auto isThere = [&](int64_t i) { return less(b, add(b, column, i), width); };
  auto addAll = [&] {
    SmallVector<Value> after;
    for (auto [result, total] : llvm::zip_equal(results, totals))
      for (int64_t i = 0; i < chunk; ++i) {
        Value at = add(b, column, i);
        after.push_back(addf(b, wholeChunks ? load(b, result, at) : loadIf(b, isThere(i), result, at), lane(b, total, i)));
      }
    for (auto [number, sum] : llvm::enumerate(after)) {
      const int64_t i = static_cast<int64_t>(number) % chunk;
      auto write = [&] { store(b, sum, results[number / chunk], add(b, column, i)); };
      if (wholeChunks)
        write();
      else
        ifThen(b, isThere(i), write);
    }
  };
  if (wholeChunks)
    ifThen(b, isThere(0), addAll);
  else
    addAll();
}

KernelInfo ColumnSums::emit(Terms terms) {
  SmallVector<Value> sums = sumsOfThread(terms), meetings;
  for (size_t i = 0; i < results.size(); ++i)
    meetings.push_back(f.takeShared(s.warps * s.columns(), b.getF32Type()));
  meetInBlock(sums, meetings);
  barrier(b);
  ifThen(b, less(b, f.thread, joiningThreads(s)), [&] {
    // Threads beyond the last column do as the last one, but write nothing.
    Value mine = mul(b, f.thread, chunk), inBlock = min(b, mine, constant(b, s.columns() - chunk));
    SmallVector<Value> own;
    for (Value meeting : meetings) {
      own.push_back(load(b, meeting, inBlock, chunk));
      for (int64_t warp = 1; warp < s.warps; ++warp)
        own.back() = addf(b, own.back(), load(b, meeting, add(b, inBlock, warp * s.columns()), chunk));
    }
    parts.join(
        f.block, f.thread, joiningThreads(s), own,
        [&](ArrayRef<Value> totals) { ifThen(b, less(b, mine, s.columns()), [&] { addToResults(totals, add(b, firstColumn(), mine)); }); },
        /*together=*/mostParts / 2 / static_cast<int64_t>(results.size()));
  });

  KernelInfo info;
  info.schedule = s.text();
  info.rowsPerTask = std::numeric_limits<int32_t>::max();
  info.columnTasks = s.parts * llvm::divideCeilSigned(width, s.columns());
  info.threads = f.threads();
  info.sharedBytes = f.sharedBytes();
  if (s.parts > 1) {
    info.partCounters = joiningThreads(s) / device::kWarp;
    info.partBytes = PartialSums::bytes(joiningThreads(s), static_cast<int64_t>(results.size()));
  }
  return info;
}

/// Rows of an image, of `width` elements.
static int64_t rowsOfWidth(Value input, int64_t width) {
  return ShapedType::getNumElements(tensorOf(input).getShape().drop_front()) / width;
}

/// Emits the kernel of a launch that sums its rows of `width` elements up to its results.
static KernelInfo emitColumnSums(ModuleOp module, Operation *launch, StringRef symbol, int64_t width, const ColumnSchedule &schedule,
                                 function_ref<SmallVector<Value>(DeviceFunction &f, Value row, Value column)> terms) {
  assert(schedule.warps * device::kWarp >= joiningThreads(schedule) && "a block has the threads that its sums are handed to");
  DeviceFunction f(module, symbol, launch->getLoc(), withParts(elementsOf(launch), schedule.parts), schedule.warps * device::kWarp);
  unsigned operand = launch->getNumOperands();
  SmallVector<Value> results;
  for (size_t i = 0; i < launch->getNumResults(); ++i)
    results.push_back(f.operand(operand++));
  Value counters, sums;
  if (schedule.parts > 1) {
    counters = f.operand(operand);
    sums = f.operand(operand + 1);
  }
  Value rows = mul(f.b, f.images, rowsOfWidth(launch->getOperand(0), width));
  KernelInfo info =
      ColumnSums(f, schedule, width, rows, results, counters, sums).emit([&](Value row, Value column) { return terms(f, row, column); });
  info.symbol = symbol.str();
  info.kind = launch->getName().stripDialect().str();
  return info;
}

FailureOr<KernelInfo> emitSumRows(ModuleOp module, kernel::SumRowsOp op, StringRef symbol, const ColumnSchedule &schedule) {
  const int64_t width = tensorOf(op.getValue()).getNumElements();
  return emitColumnSums(module, op, symbol, width, schedule, [&](DeviceFunction &f, Value row, Value column) -> SmallVector<Value> {
    return {widened(f.b, load(f.b, rowOf(f.b, f.operand(0), row, width), column, schedule.lanes))};
  });
}

FailureOr<KernelInfo> emitSumRows(ModuleOp module, kernel::SumRowsOp op, StringRef symbol, const DeviceTarget &target) {
  const int64_t width = tensorOf(op.getValue()).getNumElements();
  return emitSumRows(module, op, symbol,
                     chooseColumnSums(width, imagesOfGroup * rowsOfWidth(op.getInput(), width), tensorOf(op.getInput()).getElementType(),
                                      /*operands=*/1, target));
}

FailureOr<KernelInfo> emitNormalizeWeightGrad(ModuleOp module, kernel::NormalizeWeightGradOp op, StringRef symbol,
                                              const ColumnSchedule &schedule) {
  const int64_t width = tensorOf(op.getInput()).getShape().back();
  return emitColumnSums(module, op, symbol, width, schedule, [&](DeviceFunction &f, Value row, Value column) -> SmallVector<Value> {
    ImplicitLocOpBuilder &b = f.b;
    Value pair = load(b, rowOf(b, f.operand(2), row, 2), constant(b, 0), 2);
    auto forColumns = [&](Value number) { return vectorOf(b, SmallVector<Value>(schedule.lanes, number)); };
    Value x = load(b, rowOf(b, f.operand(0), row, width), column, schedule.lanes);
    Value dy = load(b, rowOf(b, f.operand(1), row, width), column, schedule.lanes);
    Value centred = subf(b, x, forColumns(lane(b, pair, 0)));
    return {mulf(b, dy, mulf(b, centred, forColumns(lane(b, pair, 1)))), dy};
  });
}

FailureOr<KernelInfo> emitNormalizeWeightGrad(ModuleOp module, kernel::NormalizeWeightGradOp op, StringRef symbol,
                                              const DeviceTarget &target) {
  RankedTensorType type = tensorOf(op.getInput());
  return emitNormalizeWeightGrad(module, op, symbol,
                                 chooseColumnSums(type.getShape().back(), imagesOfGroup * rowsOfImage(op.getInput()), type.getElementType(),
                                                  /*operands=*/2, target));
}

} // namespace vitc::gpu
