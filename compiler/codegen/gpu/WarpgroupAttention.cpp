//===- WarpgroupAttention.cpp - attention on a GPU of compute capability 9.0 --------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// One warpgroup has the copy engine bring queries, keys and values, the others attend, 64 queries each: scores, softmax and sums in registers
// (FlashAttention-3, Shah et al. 2024, arXiv:2407.08608, without its overlap of one tile's softmax with the next one's scores). Blocks stay for as
// many heads and queries as there are, so that the next ones come while these are worked on.
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/codegen/gpu/AttentionOperands.h"
#include "compiler/codegen/gpu/Pipeline.h"
#include "compiler/codegen/gpu/QuadRows.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

#include <limits>

using namespace mlir;

namespace vitc::gpu {

namespace {

constexpr int64_t kRows = 64;               ///< queries of a warpgroup
constexpr int64_t kInner = 16;              ///< of a product's sums
constexpr int64_t kRowLanes = 4;            ///< threads that share a row of sums
constexpr int64_t kHalves = 2;              ///< rows of a thread's sums, 8 apart
constexpr int64_t kQueryStages = 2;         ///< one in use, one to come
constexpr int64_t kAlignment = 1024;        ///< of a tile
constexpr int64_t kSharedBytes = 227 << 10; ///< of a block (CUDA C++ programming guide 13.0, table 27)
constexpr int64_t kProducerRegisters = 40, kConsumerRegisters = 232;

/// How a head's part of a row is divided: panels of as many columns as the copy engine permutes.
struct Panels {
  explicit Panels(int64_t width)
      : swizzle(width <= 16   ? 32
                : width <= 32 ? 64
                              : 128),
        columns(swizzle / 2), count(llvm::divideCeilSigned(width, columns)) {}
  /// Elements of a tile of `rows`.
  int64_t elements(int64_t rows) const { return rows * columns * count; }

  int64_t swizzle, columns, count;
};

struct Schedule {
  int64_t consumers, keys, tiles, stages; ///< keys of a tile; tiles of all keys; stages of the ring of keys and values
};

Schedule scheduleFor(const AttentionShape &s) {
  Schedule schedule;
  schedule.consumers = s.queries > kRows ? 2 : 1;
  // A thread has half a score for each key and half a result for each column; one tile has no sums to rescale.
  const int64_t most = s.tokens / 2 + s.width / 2 <= 168 ? 256 : 176;
  schedule.tiles = llvm::divideCeilSigned(s.tokens, most);
  // The last tile is apart, and a loop of one is none: ptxas mixes the code of two tiles until it spills.
  if (schedule.tiles == 2)
    schedule.tiles = 3;
  schedule.keys = llvm::alignTo(llvm::divideCeilSigned(s.tokens, schedule.tiles), kInner);
  const Panels panels(s.width);
  const int64_t queries = kQueryStages * 2 * panels.elements(schedule.consumers * kRows), tile = 2 * panels.elements(schedule.keys);
  schedule.stages = std::min<int64_t>(4, (kSharedBytes - queries - kAlignment) / tile);
  return schedule;
}

class WarpgroupAttention {
public:
  WarpgroupAttention(ModuleOp module, Location loc, const AttentionShape &shape, const Schedule &schedule, StringRef symbol)
      : f(module, symbol, loc, shape.operandElements(), device::kWarpgroup * (schedule.consumers + 1)), b(f.b), s(shape),
        schedule(schedule), panels(s.width), queryTiles(llvm::divideCeilSigned(s.queries, schedule.consumers * kRows)),
        queryMap(f.takeTensorMap(s.element, 4)), keyMap(f.takeTensorMap(s.element, 4)),
        queryTile(f.takeShared(kQueryStages * panels.elements(schedule.consumers * kRows), s.element, kAlignment)),
        keyTile(f.takeShared(schedule.stages * panels.elements(schedule.keys), s.element, kAlignment)),
        queryRing(f, kQueryStages, /*releases=*/4 * schedule.consumers), keyRing(f, schedule.stages, /*releases=*/4 * schedule.consumers),
        unit(s.hasBias || s.scale <= 0 ? 1 : s.scale * kLog2E) {
    alongK = device::LayoutAttr::get(b.getContext(), device::Major::K, panels.swizzle, /*panel=*/0);
    alongN = device::LayoutAttr::get(b.getContext(), device::Major::MN, panels.swizzle, panels.swizzle * schedule.keys);
    items = mul(b, f.images, s.windows * s.heads * queryTiles);
    blocks = device::BlockCountOp::create(b, b.getI32Type());
  }

  KernelInfo emit(StringRef symbol) {
    Value attends = less(b, f.thread, schedule.consumers * device::kWarpgroup);
    auto branch = scf::IfOp::create(b, attends, /*withElseRegion=*/true);
    {
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPointToStart(branch.thenBlock());
      if (schedule.consumers > 1)
        device::SetRegistersOp::create(b, kConsumerRegisters, /*increase=*/true);
      consume();
      b.setInsertionPointToStart(branch.elseBlock());
      if (schedule.consumers > 1)
        device::SetRegistersOp::create(b, kProducerRegisters, /*increase=*/false);
      Value first = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, f.thread, constant(b, schedule.consumers * device::kWarpgroup));
      ifThen(b, first, [&] { produce(); });
    }
    return describe(symbol);
  }

private:
  /// What a block works on: some queries of a head.
  struct Item {
    Value window, head, firstQuery;
  };

  SmallVector<Value> forItems(ValueRange carried, function_ref<SmallVector<Value>(const Item &, ValueRange)> body) {
    auto loop = scf::ForOp::create(b, f.block, items, blocks, carried, [&](OpBuilder &builder, Location, Value item, ValueRange values) {
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPoint(builder.getInsertionBlock(), builder.getInsertionPoint());
      Value head = div(b, item, queryTiles), firstQuery = mul(b, rem(b, item, queryTiles), schedule.consumers * kRows);
      scf::YieldOp::create(b, body({div(b, head, s.heads), rem(b, head, s.heads), firstQuery}, values));
    });
    return loop.getResults();
  }

  //===------------------------------------------------------------------------------------===//
  // The producer
  //===------------------------------------------------------------------------------------===//

  /// All panels of `rows` rows of a head from (window, row) on into a stage.
  void copy(Pipeline &ring, const PipelineState &state, Value map, Value tile, int64_t rows, Value window, Value row, Value head) {
    ring.acquire(state, 2 * panels.elements(rows));
    Value stage = mul(b, state.stage, panels.elements(rows));
    for (int64_t panel = 0; panel < panels.count; ++panel)
      ring.copy(state, map, {constant(b, panel * panels.columns), head, row, window}, tile, add(b, stage, panel * rows * panels.columns));
  }

  void produce() {
    const int64_t keyPart = s.separate ? 0 : s.heads, valuePart = keyPart + s.heads;
    SmallVector<Value> initial = PipelineState::begin(b).values();
    initial.append(PipelineState::begin(b).values());
    forItems(initial, [&](const Item &item, ValueRange carried) {
      PipelineState queryState{carried[0], carried[1]};
      Value query = s.separate ? item.firstQuery : add(b, item.firstQuery, s.firstQuery);
      copy(queryRing, queryState, queryMap, queryTile, schedule.consumers * kRows, item.window, query, item.head);
      SmallVector<Value> after =
          forLoop(b, constant(b, 0), constant(b, schedule.tiles), 1, carried.drop_front(2), [&](Value tile, ValueRange values) {
            PipelineState keys{values[0], values[1]}, weighed = keys.next(b, schedule.stages);
            Value first = mul(b, tile, schedule.keys);
            copy(keyRing, keys, keyMap, keyTile, schedule.keys, item.window, first, add(b, item.head, keyPart));
            copy(keyRing, weighed, keyMap, keyTile, schedule.keys, item.window, first, add(b, item.head, valuePart));
            return weighed.next(b, schedule.stages).values();
          });
      SmallVector<Value> next = queryState.next(b, kQueryStages).values();
      llvm::append_range(next, after);
      return next;
    });
  }

  //===------------------------------------------------------------------------------------===//
  // The consumers
  //===------------------------------------------------------------------------------------===//

  /// Of the thread's two rows: the greatest score so far in units of 1 / `unit`, and its part of the sum of weights; its part of the results as
  /// device.sums orders them.
  struct State {
    SmallVector<Value, kHalves> greatest, sums;
    Value results;
    SmallVector<Value> values() const { return {greatest[0], greatest[1], sums[0], sums[1], results}; }
    static State of(ValueRange values) { return {{values[0], values[1]}, {values[2], values[3]}, values[4]}; }
  };

  VectorType valuesType(int64_t columns) { return VectorType::get({columns / 2}, b.getF32Type()); }
  Value zeros(int64_t columns) { return arith::ConstantOp::create(b, DenseElementsAttr::get(valuesType(columns), 0.0f)); }
  device::SumsType sumsType(int64_t columns) { return device::SumsType::get(b.getContext(), columns); }

  void consume() {
    Value thread = rem(b, f.thread, device::kWarpgroup), lane = rem(b, thread, device::kWarp);
    first = less(b, lane, 1);
    warpgroupRow = mul(b, div(b, f.thread, device::kWarpgroup), kRows);
    ownRow = add(b, mul(b, div(b, thread, device::kWarp), 16), div(b, lane, 4));
    ownColumn = mul(b, rem(b, lane, 4), 2);

    SmallVector<Value> initial = PipelineState::begin(b).values();
    initial.append(PipelineState::begin(b).values());
    forItems(initial, [&](const Item &item, ValueRange carried) {
      PipelineState queryState{carried[0], carried[1]}, keyState{carried[2], carried[3]};
      AttentionOperands o(f, s, item.window, item.head);
      Value firstRow = add(b, add(b, item.firstQuery, warpgroupRow), ownRow);
      queryRing.wait(queryState);

      SmallVector<Value> state = State{{negativeInfinity(b), negativeInfinity(b)}, {number(b, 0), number(b, 0)}, zeros(s.width)}.values();
      llvm::append_range(state, keyState.values());
      if (schedule.tiles > 1)
        state = forLoop(b, constant(b, 0), constant(b, schedule.tiles - 1), 1, state, [&](Value tile, ValueRange values) {
          return attend(o, queryState, firstRow, mul(b, tile, schedule.keys), schedule.keys, values, /*first=*/false);
        });
      const int64_t last = (schedule.tiles - 1) * schedule.keys;
      state = attend(o, queryState, firstRow, constant(b, last), s.tokens - last, state, /*first=*/schedule.tiles == 1);
      ifThen(b, first, [&] { queryRing.release(queryState.stage); });
      write(o, State::of(state), firstRow);
      SmallVector<Value> next = queryState.next(b, kQueryStages).values();
      next.append({state[5], state[6]});
      return next;
    });
  }

  /// One tile of keys, of which the first `live` exist. `values`: a State, then where the ring is.
  SmallVector<Value> attend(const AttentionOperands &o, const PipelineState &queryState, Value firstRow, Value firstKey, int64_t live,
                            ValueRange values, bool first) {
    State state = State::of(values);
    PipelineState keys{values[5], values[6]}, weighed = keys.next(b, schedule.stages);
    keyRing.wait(keys);
    SmallVector<Value> scores = score(queryState, keys);
    ifThen(b, this->first, [&] { keyRing.release(keys.stage); });
    adjust(scores, o, firstRow, firstKey, live);
    weigh(scores, state, first);
    keyRing.wait(weighed);
    addValues(scores, state, weighed);
    ifThen(b, this->first, [&] { keyRing.release(weighed.stage); });
    SmallVector<Value> result = state.values();
    llvm::append_range(result, weighed.next(b, schedule.stages).values());
    return result;
  }

  /// Q K', the thread's part, number by number.
  SmallVector<Value> score(const PipelineState &queryState, const PipelineState &keys) {
    const int64_t rows = schedule.consumers * kRows;
    Value queries = add(b, mul(b, queryState.stage, panels.elements(rows)), mul(b, warpgroupRow, panels.columns));
    Value tile = mul(b, keys.stage, panels.elements(schedule.keys));
    device::SumsType type = sumsType(schedule.keys);
    Value sums = device::WgmmaBeginOp::create(b, type, zeros(schedule.keys)).getResult(0);
    for (int64_t k = 0; k < s.width; k += kInner) {
      const int64_t panel = k / panels.columns, inside = k % panels.columns;
      Value left = add(b, queries, panel * rows * panels.columns + inside),
            right = add(b, tile, panel * schedule.keys * panels.columns + inside);
      sums = device::WgmmaOp::create(b, type, sums, queryTile, left, alongK, keyTile, right, alongK, /*overwrite=*/k == 0);
    }
    device::WgmmaCommitOp::create(b);
    Value done = device::WgmmaWaitOp::create(b, valuesType(schedule.keys), /*pending=*/0, sums).getResult(0);
    SmallVector<Value> scores;
    for (int64_t i = 0; i < schedule.keys / 2; ++i)
      scores.push_back(lane(b, done, i));
    return scores;
  }

  /// Adds the bias, and takes out the keys from `live` on.
  void adjust(MutableArrayRef<Value> scores, const AttentionOperands &o, Value firstRow, Value firstKey, int64_t live) {
    for (auto [i, score] : llvm::enumerate(scores)) {
      const int64_t group = static_cast<int64_t>(i) / 4 * 8, half = static_cast<int64_t>(i) / 2 % 2;
      if (group >= live) {
        score = negativeInfinity(b);
        continue;
      }
      if (unit == 1)
        score = mulf(b, score, number(b, s.scale * kLog2E));
      if (!o.bias && group + 8 <= live)
        continue;
      Value key = add(b, ownColumn, group + static_cast<int64_t>(i) % 2);
      if (o.bias) {
        Value row = min(b, add(b, firstRow, half * 8), constant(b, s.queries - 1));
        Value token = min(b, add(b, firstKey, key), constant(b, s.tokens - 1));
        score = fma(b, widened(b, load(b, o.bias, add(b, mul(b, row, s.tokens), token))), number(b, kLog2E), score);
      }
      if (group + 8 > live)
        score = select(b, less(b, key, live), score, negativeInfinity(b));
    }
  }

  /// scores = 2^(unit (scores - the row's greatest)), whose sums are added to the state's.
  void weigh(MutableArrayRef<Value> scores, State &state, bool first) {
    SmallVector<Value, kHalves> offsets, shrinks;
    for (int64_t half = 0; half < kHalves; ++half) {
      Value most;
      for (size_t i = 0; i < scores.size(); ++i)
        if (static_cast<int64_t>(i) / 2 % 2 == half)
          most = most ? maximum(b, most, scores[i]) : scores[i];
      most = maximumOfLanes(b, most, kRowLanes);
      Value &greatest = state.greatest[half];
      if (!first)
        most = maximum(b, most, greatest);
      // A row without a key so far has a greatest score of -infinity, from which no difference can be taken.
      Value none = arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, most, negativeInfinity(b));
      offsets.push_back(select(b, none, number(b, 0), mulf(b, most, number(b, -unit))));
      if (!first) {
        shrinks.push_back(math::Exp2Op::create(b, fma(b, greatest, number(b, unit), offsets.back())));
        state.sums[half] = mulf(b, state.sums[half], shrinks.back());
      }
      greatest = most;
    }
    for (auto [i, score] : llvm::enumerate(scores)) {
      const size_t half = i / 2 % 2;
      score = math::Exp2Op::create(b, fma(b, score, number(b, unit), offsets[half]));
      state.sums[half] = addf(b, state.sums[half], score);
    }
    if (first)
      return;
    SmallVector<Value> results;
    for (int64_t i = 0; i < s.width / 2; ++i)
      results.push_back(mulf(b, lane(b, state.results, i), shrinks[i / 2 % 2]));
    state.results = vectorOf(b, results);
  }

  /// The state's results plus weights V, the weights in registers: a thread has the same part of sums as of a left operand.
  void addValues(ArrayRef<Value> weights, State &state, const PipelineState &values) {
    SmallVector<Value> begun{state.results};
    for (int64_t key = 0; key < schedule.keys; key += kInner)
      begun.push_back(narrowed(b, vectorOf(b, weights.slice(key / 2, kInner / 2)), s.element));
    SmallVector<Type> types = llvm::map_to_vector(begun, [](Value value) { return value.getType(); });
    types.front() = sumsType(s.width);
    auto registers = device::WgmmaBeginOp::create(b, types, begun);
    Value sums = registers.getResult(0), tile = mul(b, values.stage, panels.elements(schedule.keys));
    for (int64_t key = 0; key < schedule.keys; key += kInner)
      sums = device::WgmmaFragmentsOp::create(b, types.front(), sums, registers.getResult(1 + key / kInner), keyTile,
                                              add(b, tile, key * panels.columns), alongN, /*overwrite=*/false);
    device::WgmmaCommitOp::create(b);
    state.results = device::WgmmaWaitOp::create(b, valuesType(s.width), /*pending=*/0, sums).getResult(0);
  }

  void write(const AttentionOperands &o, const State &state, Value firstRow) {
    for (int64_t half = 0; half < kHalves; ++half) {
      Value row = add(b, firstRow, 8 * half), inverse = divf(b, number(b, 1), sumOfLanes(b, state.sums[half], kRowLanes));
      SmallVector<Value> pairs;
      for (int64_t j = 0; j < s.width / 8; ++j) {
        Value left = lane(b, state.results, 4 * j + 2 * half), right = lane(b, state.results, 4 * j + 2 * half + 1);
        pairs.push_back(narrowed(b, vectorOf(b, {mulf(b, left, inverse), mulf(b, right, inverse)}), s.resultElement));
      }
      Value memory = rowOf(b, o.result, row, s.heads * s.width), exists = less(b, row, s.queries);
      forQuadRow(b, f.thread, pairs, [&](Value columns, Value column) { ifThen(b, exists, [&] { store(b, columns, memory, column); }); });
    }
  }

  KernelInfo describe(StringRef symbol) {
    KernelInfo info;
    info.symbol = symbol.str();
    info.kind = "attention";
    info.schedule = (Twine(schedule.consumers * kRows) + " queries, " + Twine(schedule.tiles) + "x" + Twine(schedule.keys) + " keys, " +
                     Twine(schedule.stages) + " stages")
                        .str();
    info.rowsPerImage = s.windows * s.heads * queryTiles;
    info.threads = f.threads();
    info.sharedBytes = f.sharedBytes();
    info.persistent = true;
    auto map = [&](uint32_t operand, int64_t parts, int64_t rows, int64_t boxRows) {
      const int64_t head = 2 * s.width, row = parts * head;
      return plan::TensorMap{.operand = operand,
                             .sizes = {s.width, parts, rows, s.windows},
                             .perImage = true,
                             .strides = {head, row, rows * row},
                             .box = {panels.columns, 1, boxRows, 1},
                             .swizzle = panels.swizzle};
    };
    const int64_t queries = schedule.consumers * kRows, parts = (s.separate ? 2 : 3) * s.heads;
    info.tensorMaps = {s.separate ? map(1, s.heads, s.queries, queries) : map(0, parts, s.tokens, queries),
                       map(0, parts, s.tokens, schedule.keys)};
    return info;
  }

  DeviceFunction f;
  ImplicitLocOpBuilder &b;
  const AttentionShape s;
  const Schedule schedule;
  const Panels panels;
  const int64_t queryTiles; ///< of a head
  Value queryMap, keyMap, queryTile, keyTile;
  Pipeline queryRing, keyRing;
  const double unit; ///< by what scores are multiplied as they become exponents of 2; 1 where they are already
  device::LayoutAttr alongK, alongN;
  Value items, blocks;
  Value first, warpgroupRow, ownRow, ownColumn; ///< of a consumer: whether it speaks for its warp; where its part of sums is
};

} // namespace

bool hasWarpgroupAttention(const AttentionShape &shape) {
  // Fewer queries would leave most of a warpgroup's rows without one.
  return device::bytesOf(shape.element) == 2 && shape.width % 8 == 0 && shape.width <= 128 && shape.height == 0 && shape.queries > 16;
}

KernelInfo emitWarpgroupAttention(ModuleOp module, Location loc, const AttentionShape &shape, StringRef symbol) {
  return WarpgroupAttention(module, loc, shape, scheduleFor(shape), symbol).emit(symbol);
}

} // namespace vitc::gpu
