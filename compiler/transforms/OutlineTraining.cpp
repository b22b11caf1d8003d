//===- OutlineTraining.cpp - once a step, and for each group of images -- -*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/transforms/Passes.h"
#include "compiler/transforms/StateLayout.h"
#include "dialects/kernel/KernelDialect.h"
#include "dialects/vit/LayerName.h"

#include "mlir/Analysis/SliceAnalysis.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/Iterators.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/StringSet.h"

using namespace mlir;

namespace vitc {
#define GEN_PASS_DEF_KERNELOUTLINETRAINING
#include "compiler/transforms/Passes.h.inc"

namespace {

RankedTensorType typeOf(Value value) { return cast<RankedTensorType>(value.getType()); }
bool isStatic(Value value) { return typeOf(value).hasStaticShape(); }
int64_t elementsIn(Value value) { return typeOf(value).getNumElements(); }

/// Whether the operation reads images of the group: a launch, not arithmetic on weights.
bool isLaunch(Operation *op) { return isa<kernel::KernelLaunchInterface>(op); }

/// Elements of f32 that the value takes in the training state.
int64_t wordsIn(Value value) { return llvm::divideCeilSigned(elementsIn(value) * typeOf(value).getElementTypeBitWidth(), 32); }

/// A weight that is rounded, as it is before that.
Value unrounded(Value weight) {
  auto convert = weight.getDefiningOp<kernel::ConvertWeightOp>();
  return convert ? convert.getWeight() : weight;
}

class TrainingOutliner {
public:
  TrainingOutliner(func::FuncOp train) : train(train), builder(train) {}

  void run() {
    // Clones and originals share their kernels.
    train.walk([](Operation *op) { op->removeAttr("vit.recomputed"); });
    collect();
    placeParameters();
    placeGradients();
    readWeights();
    emitPrepare();
    emitFinish();
    returnSums();
    auto module = train->getParentOfType<ModuleOp>();
    MLIRContext *context = train.getContext();
    SmallVector<Attribute> trained;
    for (const Gradient &gradient : results)
      trained.push_back(StringAttr::get(context, gradient.weight));
    module->setAttr("kernel.trained", ArrayAttr::get(context, trained));
    module->setAttr("kernel.parameters", parameters.toAttribute(context));
    module->setAttr("kernel.gradients", gradients.toAttribute(context));
    module->setAttr("kernel.derived", derived.toAttribute(context));
  }

  size_t prepared = 0, finished = 0;

private:
  /// One of the function's results: the gradient of a weight.
  struct Gradient {
    std::string weight;
    Value value;
    ElementsOf elements;
  };

  Block &body() { return train.getBody().front(); }

  void collect() {
    for (Operation &op : body()) {
      if (auto weight = dyn_cast<vit::WeightOp>(op))
        sources.push_back(weight);
      if (!isLaunch(&op))
        continue;
      for (Value operand : op.getOperands())
        if (isStatic(operand) && !(operand.getDefiningOp() && isLaunch(operand.getDefiningOp())))
          weights.insert(operand);
      for (Value result : op.getResults())
        if (isStatic(result))
          sums.insert(result);
    }
    auto terminator = cast<func::ReturnOp>(body().getTerminator());
    for (auto [index, value] : llvm::enumerate(terminator.getOperands()))
      if (auto name = train.getResultAttrOfType<FlatSymbolRefAttr>(index, "vit.gradient"))
        results.push_back({name.getValue().str(), value, elementsOf(value)});
  }

  /// Weights that are only ever joined lie in that order. Vectors and biases, which are not decayed as a rule, lie behind everything else: what
  /// an update does alike lies side by side, and is a launch.
  void placeParameters() {
    for (bool vectors : {false, true}) {
      auto isNow = [&](vit::WeightOp weight) {
        return (typeOf(weight).getRank() == 1 || weight.getSource().ends_with(".bias")) == vectors;
      };
      for (Value weight : weights) {
        std::optional<SmallVector<vit::WeightOp>> joined = joinedWeights(unrounded(weight));
        if (!joined || joined->size() < 2 || !isNow(joined->front()))
          continue;
        std::vector<std::pair<std::string, int64_t>> sideBySide;
        for (vit::WeightOp part : *joined)
          sideBySide.emplace_back(part.getSource().str(), elementsIn(part));
        llvm::StringSet<> distinct;
        bool isNew =
            llvm::all_of(sideBySide, [&](const auto &part) { return !parameters.find(part.first) && distinct.insert(part.first).second; });
        if (isNew)
          parameters.placeSideBySide(sideBySide);
      }
      for (vit::WeightOp weight : sources)
        if (isNow(weight))
          (void)parameters.place(weight.getSource(), elementsIn(weight));
    }
  }

  /// The range of weights that a joined weight is, if they lie that way.
  std::optional<StateRange> rangeOf(Value weight) {
    std::optional<SmallVector<vit::WeightOp>> joined = joinedWeights(weight);
    if (!joined)
      return std::nullopt;
    StateRange whole = *parameters.find(joined->front().getSource());
    for (vit::WeightOp part : ArrayRef(*joined).drop_front()) {
      StateRange next = *parameters.find(part.getSource());
      if (next.first != whole.end())
        return std::nullopt;
      whole.length += next.length;
    }
    return whole;
  }

  /// Gradients have the weights' places. A sum over images that consists of whole gradients is added up right there.
  void placeGradients() {
    for (auto &[name, range] : parameters.entries())
      gradients.alias(name, range);
    (void)gradients.place("all parameters", parameters.size());
    for (Value sum : sums) {
      if (std::optional<StateRange> range = directPlace(sum)) {
        sumPlaces[sum] = {layerName(sum.getLoc()).str() + "#" + std::to_string(sumPlaces.size()), *range};
        claimed.push_back(*range);
      } else {
        std::string name = "sum#" + std::to_string(sumPlaces.size());
        sumPlaces[sum] = {name, gradients.place(name, elementsIn(sum))};
      }
      gradients.alias(sumPlaces[sum].first, sumPlaces[sum].second);
    }
  }

  std::optional<StateRange> directPlace(Value sum) {
    std::optional<StateRange> range;
    int64_t covered = 0;
    for (const Gradient &gradient : results) {
      if (gradient.elements.root != sum)
        continue;
      StateRange weight = *parameters.find(gradient.weight);
      int64_t first = weight.first - gradient.elements.first;
      if (range && range->first != first)
        return std::nullopt;
      range = {first, elementsIn(sum)};
      covered += weight.length;
    }
    if (!range || covered != range->length ||
        llvm::any_of(claimed, [&](StateRange other) { return other.first < range->end() && range->first < other.end(); }))
      return std::nullopt;
    return range;
  }

  Value state(OpBuilder &b, Location loc, Type type, StringRef name, kernel::StateRegion region) {
    return kernel::StateOp::create(b, loc, type, b.getStringAttr(name), kernel::StateRegionAttr::get(b.getContext(), region));
  }

  /// Launches read weights where they lie, or what `prepare` makes of them.
  void readWeights() {
    for (Value weight : weights) {
      builder.setInsertionPointToStart(&body());
      Value read = readParameters(builder, weight);
      if (!read) {
        std::string name = layerName(weight.getLoc()).str() + "#" + std::to_string(made.size());
        (void)derived.place(name, wordsIn(weight));
        made.emplace_back(name, weight);
        read = state(builder, weight.getLoc(), weight.getType(), name, kernel::StateRegion::Derived);
      }
      weight.replaceUsesWithIf(read, [](OpOperand &use) { return isLaunch(use.getOwner()); });
    }
  }

  /// The weight where parameters lie; null where they are not that way.
  Value readParameters(OpBuilder &b, Value weight) {
    std::optional<StateRange> range = rangeOf(weight);
    if (!range)
      return {};
    SmallVector<vit::WeightOp> joined = *joinedWeights(weight);
    std::string name = joined.front().getSource().str();
    if (joined.size() > 1)
      parameters.alias(name += " .. " + joined.back().getSource().str(), *range);
    return state(b, weight.getLoc(), weight.getType(), name, kernel::StateRegion::Parameter);
  }

  /// `value` from the training state, as one launch: all arithmetic on weights that it takes.
  Value computeOnce(OpBuilder &b, Value value) {
    if (Value weight = unrounded(value); weight != value)
      if (Value read = readParameters(b, weight))
        return kernel::ConvertOp::create(b, value.getLoc(), value.getType(), read, kernel::RowScheduleAttr());
    SetVector<Operation *> slice;
    BackwardSliceOptions options;
    options.inclusive = true;
    options.filter = [](Operation *op) { return !isLaunch(op); };
    (void)getBackwardSlice(value, &slice, options);
    SmallVector<Value> leaves;
    SmallVector<Value> read;
    auto leaf = [&](Value from, StringRef name, kernel::StateRegion region) {
      leaves.push_back(from);
      read.push_back(state(b, from.getLoc(), from.getType(), name, region));
    };
    for (Operation *op : slice)
      if (auto weight = dyn_cast<vit::WeightOp>(op))
        leaf(weight, weight.getSource(), kernel::StateRegion::Parameter);
    for (auto &[sum, place] : sumPlaces)
      if (sum == value || llvm::any_of(sum.getUsers(), [&](Operation *user) { return slice.contains(user); }))
        leaf(sum, place.first, kernel::StateRegion::Gradient);
    auto launch = kernel::ReferenceOp::create(b, value.getLoc(), value.getType(), read);
    Block &block = launch.getBody().emplaceBlock();
    IRMapping map;
    for (Value from : leaves)
      map.map(from, block.addArgument(from.getType(), from.getLoc()));
    OpBuilder nested = OpBuilder::atBlockEnd(&block);
    for (Operation *op : slice)
      if (!isa<vit::WeightOp>(op))
        nested.clone(*op, map);
    kernel::YieldOp::create(nested, value.getLoc(), map.lookup(value));
    return launch.getValues().front();
  }

  /// A function that computes `values`, each into the state of its name.
  void emitFunction(StringRef suffix, ArrayRef<std::pair<std::string, Value>> values, StringRef region) {
    if (values.empty())
      return;
    builder.setInsertionPointAfter(train);
    auto function = func::FuncOp::create(builder, train.getLoc(), (train.getName() + suffix).str(), builder.getFunctionType({}, {}));
    OpBuilder b = OpBuilder::atBlockEnd(function.addEntryBlock());
    SmallVector<Value> computed;
    for (auto &[name, value] : values)
      computed.push_back(computeOnce(b, value));
    func::ReturnOp::create(b, train.getLoc(), computed);
    function.setType(b.getFunctionType({}, ValueRange(computed).getTypes()));
    for (auto [index, entry] : llvm::enumerate(values)) {
      function.setResultAttr(index, "kernel.state", b.getStringAttr(entry.first));
      function.setResultAttr(index, "kernel.region", b.getStringAttr(region));
    }
  }

  void emitPrepare() {
    emitFunction(".prepare", made, "derived");
    prepared = made.size();
  }

  void emitFinish() {
    std::vector<std::pair<std::string, Value>> values;
    for (const Gradient &gradient : results) {
      auto place = sumPlaces.find(gradient.elements.root);
      StateRange weight = *parameters.find(gradient.weight);
      bool isThere = place != sumPlaces.end() && place->second.second.first + gradient.elements.first == weight.first;
      if (!isThere)
        values.emplace_back(gradient.weight, gradient.value);
    }
    emitFunction(".finish", values, "gradient");
    finished = values.size();
  }

  /// What remains: the losses, and the sums over images.
  void returnSums() {
    auto terminator = cast<func::ReturnOp>(body().getTerminator());
    SmallVector<Value> returned;
    for (Value value : terminator.getOperands())
      if (!isStatic(value))
        returned.push_back(value);
    size_t losses = returned.size();
    for (unsigned index = 0; index < train.getNumResults(); ++index)
      train.removeResultAttr(index, StringAttr::get(train.getContext(), "vit.gradient"));
    for (auto &[sum, place] : sumPlaces)
      returned.push_back(sum);
    terminator.getOperandsMutable().assign(returned);
    train.setType(FunctionType::get(train.getContext(), body().getArgumentTypes(), ValueRange(returned).getTypes()));
    for (auto [index, entry] : llvm::enumerate(sumPlaces)) {
      train.setResultAttr(losses + index, "kernel.state", builder.getStringAttr(entry.second.first));
      train.setResultAttr(losses + index, "kernel.region", builder.getStringAttr("gradient"));
    }
    train.walk<WalkOrder::PostOrder, ReverseIterator>([](Operation *op) {
      if (isOpTriviallyDead(op))
        op->erase();
    });
  }

  func::FuncOp train;
  OpBuilder builder;
  llvm::SetVector<Value> weights, sums;
  SmallVector<vit::WeightOp> sources;
  std::vector<Gradient> results;
  StateLayout parameters, gradients, derived;
  llvm::MapVector<Value, std::pair<std::string, StateRange>> sumPlaces;
  std::vector<StateRange> claimed;
  std::vector<std::pair<std::string, Value>> made;
};

struct OutlineTrainingPass : impl::KernelOutlineTrainingBase<OutlineTrainingPass> {
  void runOnOperation() override {
    SmallVector<func::FuncOp> functions;
    for (auto function : getOperation().getOps<func::FuncOp>())
      for (unsigned index = 0; index < function.getNumResults(); ++index)
        if (function.getResultAttr(index, "vit.gradient")) {
          functions.push_back(function);
          break;
        }
    for (func::FuncOp function : functions) {
      TrainingOutliner outliner(function);
      outliner.run();
      prepared += outliner.prepared;
      finished += outliner.finished;
    }
  }
};

} // namespace
} // namespace vitc
