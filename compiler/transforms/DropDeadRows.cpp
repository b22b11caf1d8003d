//===- DropDeadRows.cpp - only the tokens that the results need -------------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Two walks. Backwards, the rows of each value that anything needs are the hull of what its users need, and it is decided which
// operations will compute those rows alone. Forwards, these are built anew. An operation that the analysis does not know needs, and
// computes, all rows.
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/transforms/Passes.h"
#include "compiler/transforms/Report.h"
#include "dialects/vit/LayerName.h"
#include "dialects/vit/VitDialect.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/IRMapping.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace vitc {
#define GEN_PASS_DEF_VITDROPDEADROWS
#include "compiler/transforms/Passes.h.inc"

namespace {

/// Tokens [first, end) of every image.
struct Rows {
  int64_t first = 0, end = 0;

  int64_t count() const { return end - first; }
  bool empty() const { return first == end; }
  bool operator==(const Rows &other) const = default;
  Rows shifted(int64_t by) const { return {first + by, end + by}; }

  Rows hull(Rows other) const {
    if (empty() || other.empty())
      return empty() ? other : *this;
    return {std::min(first, other.first), std::max(end, other.end)};
  }

  Rows intersection(Rows other) const {
    int64_t from = std::max(first, other.first);
    return {from, std::max(from, std::min(end, other.end))};
  }

  /// "row0", "rows0to1": the end of a layer's name.
  std::string name() const {
    return count() == 1 ? "row" + std::to_string(first) : "rows" + std::to_string(first) + "to" + std::to_string(end - 1);
  }
};

RankedTensorType typeOf(Value value) { return cast<RankedTensorType>(value.getType()); }

/// Activations [B, T, D] have rows; weights and other shapes are taken whole.
bool hasRows(Value value) { return !typeOf(value).hasStaticShape() && typeOf(value).getRank() == 3; }

Rows allRows(Value value) { return {0, typeOf(value).getDimSize(1)}; }

RankedTensorType withRows(Value value, Rows rows) {
  RankedTensorType type = typeOf(value);
  return type.clone({type.getDimSize(0), rows.count(), type.getDimSize(2)});
}

/// Operations whose row t depends on row t of their operands alone, without caring which t it is.
bool isRowWise(Operation *op) {
  if (auto linear = dyn_cast<vit::LinearOp>(op))
    return !linear.getInput().getDefiningOp<vit::Im2colOp>(); // a product that reads windows in place
  return isa<vit::NormalizeOp, vit::ActivationOp, vit::MulOp, vit::ResidualOp, vit::HeadNormalizeOp>(op);
}

/// Why an operation with one result computes all its rows whatever is needed of them; empty if it need not.
StringRef whyAllRows(Operation *op) {
  if (auto sdpa = dyn_cast<vit::SdpaOp>(op)) {
    if (sdpa.getWindows() != 1)
      return "attention in windows is computed whole";
    return sdpa.getRowTable() ? "decomposed relative positions are computed for the whole grid" : "";
  }
  if (isRowWise(op) || isa<vit::AttentionPoolOp, vit::ConcatTokensOp, vit::SliceTokensOp>(op))
    return "";
  return "the rows of this operation depend on each other in a way that is not known";
}

/// Rows of `operand` that are read to compute rows `computed` of its owner's result.
Rows rowsRead(OpOperand &operand, Rows computed) {
  Value value = operand.get();
  Operation *op = operand.getOwner();
  return TypeSwitch<Operation *, Rows>(op)
      .Case([&](vit::PoolOp pool) {
        int64_t index = pool.getIndex();
        return pool.getKind() == vit::Pool::Token ? Rows{index, index + 1} : Rows{index, allRows(value).end};
      })
      .Case([&](vit::SliceTokensOp slice) { return computed.shifted(slice.getFirst()); })
      .Case([&](vit::ConcatTokensOp concat) {
        int64_t start = 0;
        for (Value before : concat.getInputs().take_front(operand.getOperandNumber()))
          start += allRows(before).end;
        return allRows(value).intersection(computed.shifted(-start));
      })
      .Case([&](vit::SdpaOp sdpa) { return sdpa.getQuery() && operand.getOperandNumber() == 1 ? computed : allRows(value); })
      .Case([&](vit::AttentionPoolOp pool) {
        return operand.getOperandNumber() == 0 ? computed : Rows{static_cast<int64_t>(pool.getFirst()), allRows(value).end};
      })
      .Default([&](Operation *) { return isRowWise(op) ? computed : allRows(value); });
}

class DeadRows {
public:
  /// Narrows operations of which at most `largestShare` percent of the rows are needed.
  DeadRows(Block &block, int64_t largestShare) : block(block), largestShare(largestShare) {}

  void drop() {
    analyse();
    SmallVector<Operation *> operations = llvm::map_to_vector(block, [](Operation &op) { return &op; });
    for (Operation *op : operations)
      rewrite(op);
    for (Operation *op : llvm::reverse(operations))
      if (isOpTriviallyDead(op))
        op->erase();
  }

  int64_t done = 0, missed = 0; ///< operations

private:
  //===--- backwards ----------------------------------------------------------------------===//

  /// Turns the rows that are needed of `op`'s result into those that will be computed.
  void decide(Operation *op) {
    if (op->getNumResults() != 1 || !hasRows(op->getResult(0))) {
      for (Value result : op->getResults())
        if (hasRows(result))
          computed[result] = allRows(result);
      return;
    }
    Rows all = allRows(op->getResult(0)), &needed = computed[op->getResult(0)];
    if (needed.empty() || needed == all)
      return;
    // Reading some rows of another value is no work that could be saved.
    if (isa<vit::SliceTokensOp, vit::ConcatTokensOp>(op))
      return;
    StringRef why = whyAllRows(op);
    if (!why.empty() || needed.count() * 100 > all.count() * largestShare) {
      ++missed;
      report.missed(op, Twine(needed.count()) + " of " + Twine(all.count()) + " rows are needed, all are computed: " +
                            (why.empty() ? "too few are dead to pay for copying the others" : why));
      needed = all;
    }
  }

  void analyse() {
    for (Operation &op : llvm::reverse(block)) {
      decide(&op);
      bool dead = op.getNumResults() != 0 && op.use_empty();
      for (OpOperand &operand : op.getOpOperands())
        if (!dead && hasRows(operand.get())) {
          Rows rows = op.getNumResults() == 1 && hasRows(op.getResult(0)) ? computed[op.getResult(0)] : Rows();
          computed[operand.get()] = computed[operand.get()].hull(rowsRead(operand, rows));
        }
    }
  }

  //===--- forwards -----------------------------------------------------------------------===//

  /// The rows of the original value that exist.
  Rows existing(Value value) const { return narrowed.contains(value) ? computed.lookup(value) : allRows(value); }

  /// Rows `rows`, counted in the original value, as a tensor of their own.
  Value rowsOf(OpBuilder &builder, Value value, Rows rows) {
    int64_t start = existing(value).first;
    Location loc = value.getLoc();
    if (Value some = narrowed.lookup(value))
      value = some;
    Rows within = rows.shifted(-start);
    if (within == allRows(value))
      return value;
    Location some = childLoc(loc, rows.name());
    // A few rows computed again cost what a copy does, and leave the others to products alone, which later passes look for.
    if (Operation *op = value.getDefiningOp(); isa_and_nonnull<vit::NormalizeOp, vit::ActivationOp, vit::HeadNormalizeOp>(op))
      return narrowRowWise(builder, op, within, some);
    return vit::SliceTokensOp::create(builder, some, withRows(value, within), value, within.first);
  }

  /// [h, T, T'] -> [h, rows, T']: a bias of the scores for some queries.
  static Value biasOf(OpBuilder &builder, Location loc, Value bias, Rows rows) {
    if (!bias)
      return bias;
    ArrayRef<int64_t> shape = typeOf(bias).getShape();
    auto transpose = [&](Value value, ArrayRef<int64_t> to) -> Value {
      return vit::TransposeOp::create(builder, loc, typeOf(bias).clone(to), value, builder.getDenseI64ArrayAttr({1, 0, 2}));
    };
    Value byQuery = transpose(bias, {shape[1], shape[0], shape[2]});
    byQuery = vit::SliceRowsOp::create(builder, loc, typeOf(bias).clone({rows.count(), shape[0], shape[2]}), byQuery, rows.first);
    return transpose(byQuery, {shape[0], rows.count(), shape[2]});
  }

  /// Columns [first, first + width) of a product as a product of its own on `input`.
  static Value columnsOf(OpBuilder &builder, Location loc, vit::LinearOp linear, Value input, int64_t first, int64_t width) {
    auto part = [&](Value weight) -> Value {
      if (!weight)
        return weight;
      SmallVector<int64_t> shape(typeOf(weight).getShape());
      shape[0] = width;
      return vit::SliceRowsOp::create(builder, loc, typeOf(weight).clone(shape), weight, first);
    };
    RankedTensorType type = typeOf(input);
    return vit::LinearOp::create(builder, loc, type.clone({type.getDimSize(0), type.getDimSize(1), width}), input, part(linear.getWeight()),
                                 part(linear.getBias()), /*residual=*/Value());
  }

  /// The product that computes nothing but `sdpa`'s query, key and value, if there is one to be split.
  static vit::LinearOp splittableProduct(vit::SdpaOp sdpa) {
    auto linear = sdpa.getQkv().getDefiningOp<vit::LinearOp>();
    bool plain =
        linear && linear->hasOneUse() && linear.getActivation() == vit::Activation::None && !linear.getResidual() && isRowWise(linear);
    return plain ? linear : vit::LinearOp();
  }

  // sdpa(linear(x, W)) -> sdpa(linear(x, W_kv)) query(linear(slice_tokens(x), W_q))
  // sdpa(qkv) -> sdpa(qkv) {first_query}
  Value narrow(OpBuilder &builder, vit::SdpaOp sdpa, Rows rows, Location loc) {
    auto create = [&](Value qkv, Value query, int64_t firstQuery) {
      return vit::SdpaOp::create(builder, loc, withRows(sdpa.getValue(), rows), qkv, query, biasOf(builder, loc, sdpa.getBias(), rows),
                                 Value(), Value(), sdpa.getHeads(), sdpa.getScale(), /*windows=*/1, firstQuery);
    };
    if (sdpa.getQuery())
      return create(sdpa.getQkv(), rowsOf(builder, sdpa.getQuery(), rows), 0);
    vit::LinearOp linear = splittableProduct(sdpa);
    if (!linear) {
      report.missed(sdpa, "the query's product computes all rows: it is no plain product that nothing else reads");
      return create(sdpa.getQkv(), Value(), sdpa.getFirstQuery() + rows.first);
    }
    Location from = linear.getLoc();
    Value some = rowsOf(builder, linear.getInput(), rows.shifted(sdpa.getFirstQuery()));
    int64_t width = typeOf(sdpa.getValue()).getDimSize(2);
    Value query = columnsOf(builder, childLoc(from, "q." + rows.name()), linear, some, 0, width);
    return create(columnsOf(builder, childLoc(from, "kv"), linear, linear.getInput(), width, 2 * width), query, 0);
  }

  // attention_pool(q, kv) -> attention_pool(slice(q), kv)
  Value narrow(OpBuilder &builder, vit::AttentionPoolOp pool, Rows rows, Location loc) {
    Value query = pool.getQuery(), kv = pool.getKv();
    if (hasRows(query))
      query = rowsOf(builder, query, rows);
    else if (rows != allRows(pool.getValue()))
      query = vit::SliceRowsOp::create(builder, loc, typeOf(query).clone({rows.count(), typeOf(query).getDimSize(1)}), query, rows.first);
    Rows keys = existing(kv);
    return vit::AttentionPoolOp::create(builder, loc, withRows(pool.getValue(), rows), query, rowsOf(builder, kv, keys), pool.getHeads(),
                                        pool.getScale(), pool.getFirst() - keys.first);
  }

  // concat_tokens(a, b, c) -> concat_tokens(slice_tokens(a), b)
  Value narrow(OpBuilder &builder, vit::ConcatTokensOp concat, Rows rows, Location loc) {
    SmallVector<Value> parts;
    int64_t start = 0;
    for (Value input : concat.getInputs()) {
      Rows wanted = allRows(input).intersection(rows.shifted(-start));
      if (!wanted.empty())
        parts.push_back(rowsOf(builder, input, wanted));
      start += allRows(input).end;
    }
    return parts.size() == 1 ? parts.front() : vit::ConcatTokensOp::create(builder, loc, withRows(concat.getValue(), rows), parts);
  }

  // f(a, b) -> f(slice_tokens(a), slice_tokens(b))
  Value narrowRowWise(OpBuilder &builder, Operation *op, Rows rows, Location loc) {
    IRMapping mapping;
    for (Value operand : op->getOperands())
      if (hasRows(operand))
        mapping.map(operand, rowsOf(builder, operand, rows));
    Operation *some = builder.clone(*op, mapping);
    some->getResult(0).setType(withRows(op->getResult(0), rows));
    some->setLoc(loc);
    return some->getResult(0);
  }

  /// Builds rows `rows` of the result of `op`.
  Value narrow(Operation *op, Rows rows) {
    OpBuilder builder(op);
    Location loc = childLoc(op->getLoc(), rows.name());
    if (auto slice = dyn_cast<vit::SliceTokensOp>(op))
      return rowsOf(builder, slice.getInput(), rows.shifted(slice.getFirst()));
    if (auto concat = dyn_cast<vit::ConcatTokensOp>(op))
      return narrow(builder, concat, rows, loc);
    ++done;
    report.done(op, "computes the " + Twine(rows.count()) + " of " + Twine(allRows(op->getResult(0)).count()) + " rows that are needed");
    return TypeSwitch<Operation *, Value>(op)
        .Case([&](vit::SdpaOp sdpa) { return narrow(builder, sdpa, rows, loc); })
        .Case([&](vit::AttentionPoolOp pool) { return narrow(builder, pool, rows, loc); })
        .Default([&](Operation *) { return narrowRowWise(builder, op, rows, loc); });
  }

  /// Lets an operation that reads rows from `first` on find them in an operand that has lost others. Returns where they are now.
  int64_t readNarrowed(OpOperand &operand, int64_t first) {
    Value some = narrowed.lookup(operand.get());
    if (!some)
      return first;
    int64_t start = existing(operand.get()).first;
    operand.set(some);
    return first - start;
  }

  void rewrite(Operation *op) {
    Value result = op->getNumResults() == 1 ? op->getResult(0) : Value();
    if (result && hasRows(result) && computed.lookup(result) != allRows(result)) {
      if (Rows rows = computed.lookup(result); !rows.empty())
        narrowed[result] = narrow(op, rows);
      return;
    }
    // All else that reads a part of its operand's rows; other operations have asked for all of them.
    if (auto pool = dyn_cast<vit::PoolOp>(op))
      pool.setIndex(readNarrowed(pool.getInputMutable(), pool.getIndex()));
    else if (auto pool = dyn_cast<vit::AttentionPoolOp>(op))
      pool.setFirst(readNarrowed(pool.getKvMutable(), pool.getFirst()));
    else if (auto slice = dyn_cast<vit::SliceTokensOp>(op))
      slice.setFirst(readNarrowed(slice.getInputMutable(), slice.getFirst()));
  }

  Block &block;
  int64_t largestShare;
  Report report{"rows", "dead-rows"};
  /// Rows that will be computed of each value that has rows; a value that nothing reads has none.
  llvm::DenseMap<Value, Rows> computed;
  /// What stands for those rows once its operation has been built anew: [B, computed, D].
  llvm::DenseMap<Value, Value> narrowed;
};

struct DropDeadRowsPass : impl::VitDropDeadRowsBase<DropDeadRowsPass> {
  using Base::Base;

  void runOnOperation() override {
    if (!llvm::hasSingleElement(getOperation().getBody()))
      return;
    DeadRows rows(getOperation().getBody().front(), largestShare);
    rows.drop();
    narrowed += rows.done;
    missed += rows.missed;
  }
};

} // namespace
} // namespace vitc
