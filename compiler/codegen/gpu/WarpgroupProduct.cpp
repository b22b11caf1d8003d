//===- WarpgroupProduct.cpp - rows times a weight on a GPU of compute capability 9.0 -----------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// One warpgroup has the copy engine bring tiles of both operands, the others multiply them from shared memory (CUTLASS calls the pattern warp
// specialization, persistent cooperative): sums are in the order of K, whatever the tile; of parts of K one after the other.
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/codegen/gpu/WarpgroupProduct.h"
#include "compiler/codegen/gpu/PartialSums.h"
#include "compiler/codegen/gpu/Pipeline.h"
#include "compiler/codegen/gpu/QuadRows.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;

namespace vitc::gpu {

namespace {

/// Of a step of K, which is as wide as the copy engine permutes, and of a product's part of that.
constexpr int64_t kRowBytes = 128, kInnerBytes = 32;
/// Elements of 16 bits in a row of an operand that lies by columns, and steps of K in a panel of such rows.
constexpr int64_t kPanel = 64;
/// Rows of a warpgroup's product, and the most columns it may have.
constexpr int64_t kRows = 64, kMostColumns = 256;
/// Registers of a thread that starts copies, and of one that multiplies, where they are three warpgroups: 168 each would not do.
constexpr int64_t kProducerRegisters = 40, kConsumerRegisters = 232;
/// Columns of a thread whose residual is read before the first of them is written: reads that follow a write have to wait for it.
constexpr int64_t kTogether = 8;

class WarpgroupProduct {
public:
  WarpgroupProduct(DeviceFunction &f, const Product &product, const WarpgroupSchedule &schedule)
      : f(f), b(f.b), p(product), s(schedule), parts(b, s.parts, p.counters, p.partialSums),
        element(cast<device::MemoryType>(p.weight.getType()).getElement()), resultElement(elementOf(p.result)),
        derivativeElement(p.derivative ? elementOf(p.derivative) : Type()), inputMap(f.takeTensorMap(element, 2)),
        weightMap(f.takeTensorMap(element, 2)), left(f.takeShared(s.stages * s.rows() * s.depth(), element, kAlignment)),
        right(f.takeShared(s.stages * s.columns * s.depth(), element, kAlignment)), pipeline(f, s.stages, /*releases=*/4 * s.consumers),
        columnTiles(llvm::divideCeilSigned(p.outputs, s.columns)) {
    tasks = mul(b, div(b, add(b, p.rows, s.rows() - 1), s.rows()), columnTiles * s.parts);
    assert((!p.weightByColumns || s.columns % kPanel == 0) && "columns are whole panels");
    assert((s.bytes == 2 || !(p.inputByColumns || p.weightByColumns)) && "words lie along K");
    blocks = device::BlockCountOp::create(b, b.getI32Type());
    steps = p.depth ? constant(b, llvm::divideCeilSigned(p.depth, s.depth())) : div(b, add(b, p.steps, s.depth() - 1), s.depth());
    auto layout = [&](bool byColumns) {
      return byColumns ? device::LayoutAttr::get(b.getContext(), device::Major::MN, kRowBytes, /*panel=*/kPanel * kRowBytes)
                       : device::LayoutAttr::get(b.getContext(), device::Major::K, kRowBytes, /*panel=*/0);
    };
    leftLayout = layout(p.inputByColumns);
    rightLayout = layout(p.weightByColumns);
  }

  void emit() {
    // Each warpgroup's part is a branch of its own, so that it may have registers of its own.
    Value multiplies = less(b, f.thread, s.consumers * device::kWarpgroup);
    auto branch = scf::IfOp::create(b, multiplies, /*withElseRegion=*/true);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(branch.thenBlock());
    if (s.consumers > 1)
      device::SetRegistersOp::create(b, kConsumerRegisters, /*increase=*/true);
    consume();
    b.setInsertionPointToStart(branch.elseBlock());
    if (s.consumers > 1)
      device::SetRegistersOp::create(b, kProducerRegisters, /*increase=*/false);
    Value first = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, f.thread, constant(b, s.consumers * device::kWarpgroup));
    ifThen(b, first, [&] { produce(); });
  }

private:
  static constexpr int64_t kAlignment = 1024;

  /// What a block does at a time: steps [begin, end) of K of the tile that begins at row and column.
  struct Task {
    Value number, row, column, begin, end;
  };

  /// The block's tasks. What is carried is the state of the ring.
  SmallVector<Value> forTasks(ValueRange carried, function_ref<SmallVector<Value>(const Task &, ValueRange)> body) {
    auto loop = scf::ForOp::create(b, f.block, tasks, blocks, carried, [&](OpBuilder &builder, Location, Value number, ValueRange values) {
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPoint(builder.getInsertionBlock(), builder.getInsertionPoint());
      Value tile = parts.tileOf(number);
      auto [begin, end] = parts.range(number, steps);
      Task task = {number, mul(b, div(b, tile, columnTiles), s.rows()), mul(b, rem(b, tile, columnTiles), s.columns), begin, end};
      scf::YieldOp::create(b, body(task, values));
    });
    return loop.getResults();
  }

  void produce() {
    forTasks(PipelineState::begin(b).values(), [&](const Task &task, ValueRange carried) {
      return forLoop(b, task.begin, task.end, 1, carried, [&](Value step, ValueRange values) {
        PipelineState state{values[0], values[1]};
        pipeline.acquire(state, s.stageBytes());
        Value k = mul(b, step, s.depth());
        copy(state, inputMap, left, s.rows(), p.inputByColumns, task.row, k);
        copy(state, weightMap, right, s.columns, p.weightByColumns, task.column, k);
        return state.next(b, s.stages).values();
      });
    });
  }

  /// An operand's `count` rows, or where it lies by columns as many of them in panels, from `first` on, and a step of K from k on.
  void copy(const PipelineState &state, Value map, Value memory, int64_t count, bool byColumns, Value first, Value k) {
    Value to = mul(b, state.stage, count * s.depth());
    if (!byColumns)
      return pipeline.copy(state, map, {k, first}, memory, to);
    for (int64_t panel = 0; panel < count; panel += kPanel)
      pipeline.copy(state, map, {add(b, first, panel), k}, memory, add(b, to, panel * kPanel));
  }

  void consume() {
    Value warpgroup = div(b, f.thread, device::kWarpgroup), lane = rem(b, f.thread, device::kWarp);
    Value first = less(b, lane, 1), own = mul(b, warpgroup, kRows * s.depth());
    auto sumsType = device::SumsType::get(b.getContext(), s.columns);
    auto valuesType = VectorType::get({s.columns / 2}, b.getF32Type());
    Value zeros = arith::ConstantOp::create(b, DenseElementsAttr::get(valuesType, 0.0f));

    // From a product's steps of K to the next ones: further on in the rows, or by rows.
    const int64_t leftStep = p.inputByColumns ? kPanel : 1, rightStep = p.weightByColumns ? kPanel : 1;

    forTasks(PipelineState::begin(b).values(), [&](const Task &task, ValueRange carried) {
      SmallVector<Value> initial(carried);
      // Behind the state: the stage before, and the sums.
      initial.append({constant(b, 0), device::WgmmaBeginOp::create(b, sumsType, zeros).getResult(0)});
      SmallVector<Value> after = forLoop(b, task.begin, task.end, 1, initial, [&](Value step, ValueRange values) {
        PipelineState state{values[0], values[1]};
        pipeline.wait(state);
        Value sums = device::WgmmaBeginOp::create(b, sumsType, values[3]).getResult(0);
        Value a = add(b, mul(b, state.stage, s.rows() * s.depth()), own), w = mul(b, state.stage, s.columns * s.depth());
        for (int64_t k = 0; k < s.depth(); k += kInnerBytes / s.bytes)
          sums = device::WgmmaOp::create(b, sumsType, sums, left, add(b, a, k * leftStep), leftLayout, right, add(b, w, k * rightStep),
                                         rightLayout, /*overwrite=*/false);
        device::WgmmaCommitOp::create(b);
        // One step's products stay under way while the next ones are started; those before it have read their stage.
        sums = device::WgmmaWaitOp::create(b, sumsType, /*pending=*/1, sums).getResult(0);
        ifThen(b, both(b, first, less(b, task.begin, step)), [&] { pipeline.release(values[2]); });
        SmallVector<Value> next = state.next(b, s.stages).values();
        next.append({state.stage, sums});
        return next;
      });
      Value sums = device::WgmmaWaitOp::create(b, valuesType, /*pending=*/0, after[3]).getResult(0);
      // Of few rows some parts have no step, and no last stage.
      ifThen(b, s.parts > 1 && !p.depth ? both(b, first, less(b, task.begin, task.end)) : first, [&] { pipeline.release(after[2]); });
      Value row = add(b, task.row, mul(b, warpgroup, kRows));
      if (s.parts == 1)
        write(sums, row, task.column);
      else
        parts.join(task.number, f.thread, s.consumers * device::kWarpgroup, chunksOf(sums),
                   [&](ArrayRef<Value> all) { write(concatenated(b, all), row, task.column); });
      return SmallVector<Value>{after[0], after[1]};
    });
  }

  /// vector<4xf32>s.
  SmallVector<Value> chunksOf(Value sums) {
    SmallVector<Value> chunks;
    for (int64_t first = 0; first < s.columns / 2; first += 4)
      chunks.push_back(vectorOf(b, {lane(b, sums, first), lane(b, sums, first + 1), lane(b, sums, first + 2), lane(b, sums, first + 3)}));
    return chunks;
  }

  /// A thread has pairs of columns of two rows in each 8 columns; see device.sums.
  void write(Value sums, Value firstRow, Value firstColumn) {
    Value thread = rem(b, f.thread, device::kWarpgroup), lane = rem(b, thread, device::kWarp);
    Value ownRow = add(b, mul(b, div(b, thread, device::kWarp), 16), div(b, lane, 4)), ownColumn = mul(b, rem(b, lane, 4), 2);
    for (int64_t half = 0; half < 2; ++half) {
      Value row = add(b, firstRow, add(b, ownRow, 8 * half)), rowExists = less(b, row, p.rows);
      for (int64_t group = 0; group < s.columns / 8; group += kTogether) {
        const int64_t end = std::min(group + kTogether, s.columns / 8);
        SmallVector<Value> biases, residuals, factors, pairs, derivatives;
        for (int64_t j = group; j < end; ++j) {
          Value column = add(b, firstColumn, add(b, ownColumn, 8 * j)), exists = columnExists(rowExists, column);
          // What another thread writes must not be read, even if nobody uses it.
          residuals.push_back(p.residual ? readPair(p.residual(row, column), exists) : Value());
          factors.push_back(p.factor ? readPair(p.factor(row, column), exists) : Value());
          if (p.outputs % s.columns != 0)
            column = min(b, column, constant(b, p.outputs - 2));
          biases.push_back(p.bias ? readBias(column) : Value());
        }
        for (int64_t j = group; j < end; ++j)
          pairs.push_back(finishPair(sums, 4 * j + 2 * half, biases[j - group], residuals[j - group], factors[j - group], derivatives));
        Value first = add(b, firstColumn, 8 * group);
        auto put = [&](const std::function<Place(Value, Value)> &place, ArrayRef<Value> values) {
          forQuadRow(b, lane, values, [&](Value columns, Value offset) { store(columns, place, row, rowExists, add(b, first, offset)); });
        };
        put(p.result, pairs);
        if (p.derivative)
          put(p.derivative, derivatives);
      }
    }
  }

  Type elementOf(const std::function<Place(Value, Value)> &place) {
    return cast<device::MemoryType>(place(constant(b, 0), constant(b, 0)).memory.getType()).getElement();
  }

  Value readPair(const Place &from, Value exists) { return widened(b, loadIf(b, exists, from.memory, from.index, 2)); }

  Value readBias(Value column) {
    if (p.biasSegment > 1)
      return widened(b, load(b, p.bias, column, 2));
    return widened(b, vectorOf(b, {load(b, p.bias, column), load(b, p.bias, add(b, column, 1))}));
  }

  Value columnExists(Value rowExists, Value column) {
    return p.outputs % s.columns == 0 ? rowExists : both(b, rowExists, less(b, column, p.outputs));
  }

  /// The result's pair; the activation's derivatives go to `derivatives`.
  Value finishPair(Value sums, int64_t first, Value bias, Value residual, Value factor, SmallVectorImpl<Value> &derivatives) {
    SmallVector<Value> values, slopes(2);
    auto at = [&](Value pair, int64_t i) { return pair ? lane(b, pair, i) : Value(); };
    for (int64_t i = 0; i < 2; ++i)
      values.push_back(finishSum(b, p, lane(b, sums, first + i), at(bias, i), at(residual, i), resultElement, at(factor, i), &slopes[i]));
    if (p.derivative)
      derivatives.push_back(narrowed(b, vectorOf(b, slopes), derivativeElement));
    return narrowed(b, vectorOf(b, values), resultElement);
  }

  /// Columns of a row, as many of them as exist: pairs, as far as vectors of more would not be aligned.
  void store(Value columns, const std::function<Place(Value, Value)> &place, Value row, Value rowExists, Value first) {
    const int64_t count = cast<VectorType>(columns.getType()).getNumElements(), run = p.outputs % count == 0 ? count : 2;
    for (int64_t i = 0; i < count; i += run) {
      Value column = add(b, first, i);
      ifThen(b, columnExists(rowExists, column), [&] {
        SmallVector<Value> lanes;
        for (int64_t j = i; j < i + run; ++j)
          lanes.push_back(lane(b, columns, j));
        Place to = place(row, column);
        gpu::store(b, vectorOf(b, lanes), to.memory, to.index);
      });
    }
  }

  DeviceFunction &f;
  ImplicitLocOpBuilder &b;
  const Product &p;
  const WarpgroupSchedule s;
  const PartialSums parts;
  const Type element, resultElement, derivativeElement;
  Value inputMap, weightMap, left, right;
  Pipeline pipeline;
  const int64_t columnTiles;
  Value tasks, blocks, steps;
  device::LayoutAttr leftLayout, rightLayout;
};

//===--------------------------------------------------------------------------------------===//
// Tiles
//===--------------------------------------------------------------------------------------===//

constexpr WarpgroupSchedule tilesOfWarpgroups[] = {
    {.consumers = 2, .columns = 256, .stages = 4}, {.consumers = 2, .columns = 192, .stages = 5},
    {.consumers = 2, .columns = 128, .stages = 6}, {.consumers = 2, .columns = 64, .stages = 8},
    {.consumers = 1, .columns = 256, .stages = 5}, {.consumers = 1, .columns = 128, .stages = 8},
    {.consumers = 1, .columns = 64, .stages = 8},  {.consumers = 1, .columns = 32, .stages = 8},
};

// Of an H100's multiprocessor (NVIDIA H100 Tensor Core GPU Architecture, 2022, table 3).
constexpr double kProductsPerCycle = 2048; ///< multiply-adds of 16-bit numbers
constexpr double kSharedBytesPerCycle = 128;
constexpr double kCacheBytesPerCycle = 48; ///< of the second level, when all multiprocessors read
/// Cycles of a block's first loads, and of a tile's epilogue for each element of a thread.
constexpr double kStart = 2000, kEpilogue = 12;
constexpr double kCacheLatency = 600;

} // namespace

double timeOf(const WarpgroupSchedule &s, const ProductShape &shape, int64_t images, const DeviceTarget &target) {
  const int64_t tiles = llvm::divideCeilSigned(shape.rowsPerImage * images, s.rows()) * llvm::divideCeilSigned(shape.outputs, s.columns);
  auto columns = static_cast<double>(s.columns), rows = static_cast<double>(s.rows());
  // Of one product of all consumers: each reads its own rows and all columns.
  // Twice as wide elements are multiplied half as fast, so that a step of bytes takes as long.
  double products = rows * columns * kInnerBytes / 2 / kProductsPerCycle;
  double shared = (rows + columns * static_cast<double>(s.consumers)) * kInnerBytes / kSharedBytesPerCycle;
  double cache = (rows + columns) * kInnerBytes / kCacheBytesPerCycle;
  const int64_t steps = llvm::divideCeilSigned(llvm::divideCeilSigned(shape.depth, s.depth()), s.parts);
  double task = static_cast<double>(steps * (kRowBytes / kInnerBytes)) * std::max({products, shared, cache}) + kEpilogue * columns / 2 +
                joiningTime(s.parts, s.rows() * s.columns, kCacheBytesPerCycle, kCacheLatency);
  return kStart + static_cast<double>(llvm::divideCeilSigned(tiles * s.parts, target.multiprocessors)) * task;
}

std::string WarpgroupSchedule::text() const {
  return (Twine(rows()) + "x" + Twine(columns) + "x" + Twine(depth()) + ", " + Twine(consumers) + " consumer warpgroup" +
          (consumers == 1 ? "" : "s") + ", " + Twine(stages) + " stages" + partsText(parts))
      .str();
}

SmallVector<WarpgroupSchedule> warpgroupCandidates(const ProductShape &shape) {
  SmallVector<WarpgroupSchedule> all;
  for (WarpgroupSchedule tile : tilesOfWarpgroups) {
    tile.bytes = operandBytes(shape);
    if (shape.weightByColumns && tile.columns % kPanel != 0)
      continue;
    // Of the largest tile's columns no registers are left to add up parts beside what an operand by columns takes: ptxas spills.
    const bool isFull = shape.weightByColumns && tile.consumers > 1 && tile.columns == kMostColumns;
    for (int64_t parts : partsFor(shape, llvm::divideCeilSigned(shape.depth, tile.depth()))) {
      if (isFull && parts > 1)
        continue;
      tile.parts = parts;
      all.push_back(tile);
    }
  }
  return all;
}

std::optional<WarpgroupSchedule> chooseWarpgroupProduct(const ProductShape &shape, const DeviceTarget &target) {
  if (!target.isHopper() || !shape.inRows || shape.input != shape.weight || shape.input.isF32() ||
      shape.together * operandBytes(shape) < 16 || shape.outputs % 2 != 0)
    return std::nullopt;
  return leastWaste<WarpgroupSchedule>(warpgroupCandidates(shape), target,
                                       [&](const WarpgroupSchedule &s, int64_t images) { return timeOf(s, shape, images, target); });
}

void emitWarpgroupProduct(DeviceFunction &f, const Product &product, const WarpgroupSchedule &schedule, int64_t rowsPerImage,
                          KernelInfo &info) {
  WarpgroupProduct(f, product, schedule).emit();
  info.schedule = schedule.text();
  describeTasks(info, f, product, rowsPerImage, schedule.rows(), schedule.columns, schedule.parts, schedule.consumers * device::kWarpgroup);
  info.persistent = true;
  info.choosesByImages = !product.fixedRows;
  auto map = [&](uint32_t operand, int64_t width, int64_t rows, bool perImage, int64_t boxRows) {
    return plan::TensorMap{.operand = operand,
                           .elementBytes = schedule.bytes,
                           .sizes = {width, rows},
                           .perImage = perImage,
                           .strides = {schedule.bytes * width},
                           .box = {schedule.depth(), boxRows},
                           .swizzle = kRowBytes};
  };
  assert((schedule.depth() == kPanel || !(product.inputByColumns || product.weightByColumns)) && "a box is a step of K wide, or a panel");
  info.tensorMaps = {product.inputByColumns ? map(0, product.fixedRows, rowsPerImage, /*perImage=*/true, kPanel)
                                            : map(0, product.depth, rowsPerImage, /*perImage=*/true, schedule.rows()),
                     !product.weightByColumns ? map(1, product.depth, product.outputs, /*perImage=*/false, schedule.columns)
                     : product.depth          ? map(1, product.outputs, product.depth, /*perImage=*/false, kPanel)
                                              : map(1, product.outputs, rowsPerImage, /*perImage=*/true, kPanel)};
}

} // namespace vitc::gpu
