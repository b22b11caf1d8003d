//===- ReducePrecision.cpp - products of bf16, f16, tf32 and int8 ----------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/transforms/CalibratedRange.h"
#include "compiler/transforms/Passes.h"
#include "compiler/transforms/Report.h"
#include "dialects/kernel/KernelDialect.h"
#include "dialects/kernel/PixelEmbed.h"
#include "dialects/vit/LayerName.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/StringSwitch.h"

#include <limits>
#include <numeric>
#include <optional>

using namespace mlir;

namespace vitc {
#define GEN_PASS_DEF_KERNELREDUCEPRECISION
#include "compiler/transforms/Passes.h.inc"

namespace {

RankedTensorType typeOf(Value value) { return cast<RankedTensorType>(value.getType()); }

RankedTensorType withElement(RankedTensorType type, Type element) { return type.clone(element); }

/// Two numbers for each row of `rows`.
RankedTensorType scalesOf(RankedTensorType rows) {
  SmallVector<int64_t> shape(rows.getShape());
  shape.back() = 2;
  return RankedTensorType::get(shape, Float32Type::get(rows.getContext()));
}

bool isReturned(Value value) { return llvm::any_of(value.getUsers(), llvm::IsaPred<func::ReturnOp>); }

/// Elements of the input that lie side by side, and that a product therefore reads in words: all of a row, or a pixel row of a window or patch.
int64_t contiguousElements(Operation *product) {
  if (auto embed = dyn_cast<kernel::PatchEmbedOp>(product))
    return std::gcd(embed.getPatch()[1], typeOf(embed.getImages()).getShape().back());
  return typeOf(product->getOperand(0)).getShape().back();
}

/// Products of an unsigned and a signed byte that surely fit a sum of 32 bits.
constexpr int64_t deepestSum = std::numeric_limits<int32_t>::max() / (255 * 127);

/// The number type that a launch reads an operand as.
struct Wanted {
  OpOperand *operand;
  Type element;
};

class Reducer {
public:
  /// `element`: bf16, f16 or tf32, which products multiply if `multiplies`; weights alone are of it otherwise.
  Reducer(func::FuncOp function, bool int8, Type element, bool multiplies, bool storedOperands)
      : function(function), builder(function.getContext()), int8(int8), element(element), multiplies(multiplies),
        storedOperands(storedOperands) {}

  void run() {
    function.walk([&](kernel::AttentionGradOp grad) { queriesHaveGradients |= bool(grad.getQuery()); });
    // Which products change, before anything does.
    function.walk([&](Operation *op) {
      if (isa<kernel::GemmOp, kernel::PatchEmbedOp>(op))
        choose(op);
      else if (isa<kernel::PixelEmbedOp>(op))
        chooseOfPixels(op);
      else if (isa<kernel::MatmulOp, kernel::ContractRowsOp>(op))
        chooseTraining(op);
      else if (auto grad = dyn_cast<kernel::AttentionGradOp>(op); grad && isReduced(grad)) {
        wanted[grad.getQkv()].push_back({&grad.getQkvMutable(), element});
        if (grad.getQuery())
          wanted[grad.getQuery()].push_back({&*grad.getQueryMutable().begin(), element});
      } else if (auto attention = dyn_cast<kernel::AttentionOp>(op); attention && isReduced(attention)) {
        ++halves;
        for (unsigned operand = 0; operand < (attention.getQuery() ? 2 : 1); ++operand)
          wanted[op->getOperand(operand)].push_back({&op->getOpOperand(operand), element});
      }
    });
    if (storedOperands)
      function.walk([&](kernel::MatmulOp matmul) { storeDerivativeShort(matmul); });
    for (Operation *product : shortWeights)
      convertWeight(product);
    roundParameters();
    for (auto &[value, uses] : wanted)
      provide(value, uses);
  }

  int64_t bytes = 0, halves = 0, conversions = 0, grids = 0;

private:
  /// Whether the operation is one of a training program's; those return gradients.
  static bool isTraining(Operation *op) {
    auto function = op->getParentOfType<func::FuncOp>();
    for (unsigned result = 0; result < function.getNumResults(); ++result)
      if (function.getResultAttr(result, "vit.gradient"))
        return true;
    return false;
  }

  /// Whether attention, if it were differentiated, would have a `kernel.attention_grad`.
  bool hasGradient(kernel::AttentionOp attention) const {
    const bool isCovered = attention.getQuery() ? queriesHaveGradients
                                                : typeOf(attention.getValue()).getDimSize(1) == typeOf(attention.getQkv()).getDimSize(1);
    return isCovered && !attention.getBias() && !attention.getRowTable() && attention.getWindows() == 1;
  }

  /// Attention multiplies pairs of a head's elements, and scales its scores by a positive number after their maximum is known. What keeps it from
  /// that, if anything; of its gradient, which computes the scores again, it is the same.
  static StringRef whyNotPairs(int64_t columns, int64_t heads, const APFloat &scale) {
    if (columns / heads % 2 != 0)
      return "the width of its heads is odd";
    return scale.convertToDouble() <= 0 ? "its scale is not positive" : "";
  }

  bool isReduced(kernel::AttentionGradOp grad) {
    if (!multiplies || !whyNotPairs(typeOf(grad.getUpstream()).getDimSize(2), grad.getHeads(), grad.getScale()).empty())
      return false;
    report.done(grad, "attention's gradient of " + name());
    return true;
  }

  bool isReduced(kernel::AttentionOp attention) {
    if (!multiplies)
      return false;
    StringRef why = whyNotPairs(typeOf(attention.getValue()).getDimSize(2), attention.getHeads(), attention.getScale());
    if (attention.getRowTable())
      why = "it has tables of distances";
    else if (why.empty() && isTraining(attention) && !hasGradient(attention))
      why = "its gradient is computed in f32";
    if (!why.empty())
      return report.missed(attention, "attention stays f32: " + why), false;
    report.done(attention, "attention of " + name());
    return true;
  }

  /// "bf16"
  std::string name() const {
    std::string text;
    llvm::raw_string_ostream(text) << element;
    return text;
  }

  /// The element type of a product's input: i8, the pass's, or f32.
  void choose(Operation *product) {
    int64_t together = contiguousElements(product);
    auto gemm = dyn_cast<kernel::GemmOp>(product);
    bool toBytes = int8 && gemm && !gemm.getWindow() && together % 4 == 0 && together <= deepestSum && !isReturned(gemm.getValue());
    if (int8 && !toBytes)
      report.missed(product, "the product is not int8: " + StringRef(!gemm                               ? "its rows are parts of an image"
                                                                     : gemm.getWindow()                  ? "its rows are windows"
                                                                     : isReturned(product->getResult(0)) ? "it computes a result"
                                                                     : together > deepestSum ? "sums of so many bytes do not fit 32 bits"
                                                                                             : "its rows are no whole words"));
    if (!toBytes && together % kernel::elementsPerWord(element) != 0)
      return report.missed(product, "the product stays f32: " + Twine(together) + " elements that lie together are no whole words");
    if (!toBytes)
      shortWeights.push_back(product);
    (toBytes ? bytes : halves)++;
    report.done(product, toBytes      ? std::string("product of int8")
                         : multiplies ? "product of " + name()
                                      : "weights stored as " + name() + ", product of f32");
    if (toBytes || multiplies)
      wanted[product->getOperand(0)].push_back({&product->getOpOperand(0), toBytes ? Type(builder.getI8Type()) : element});
  }

  /// Pixels are rounded on their way into the product.
  void chooseOfPixels(Operation *product) {
    if (element.getIntOrFloatBitWidth() != 16)
      return report.missed(product, "the product stays f32: pixels are rounded to numbers of 16 bits alone");
    shortWeights.push_back(product);
    ++halves;
    report.done(product, "product of " + name());
  }

  /// Products of a training program round their operands while they copy them, and so need nothing of other launches; or, where operands are to
  /// be stored as bf16, those whose rows are no whole words.
  void chooseTraining(Operation *product) {
    if (!multiplies || !element.isBF16())
      return report.missed(product, "the product stays f32: the target does not multiply " + name());
    product->setAttr("bf16", builder.getUnitAttr());
    ++halves;
    bool stored = storedOperands && llvm::all_of(product->getOperands().take_front(2),
                                                 [](Value operand) { return typeOf(operand).getShape().back() % 2 == 0; });
    report.done(product, stored || !storedOperands ? "product of bf16" : "product of bf16 that rounds its operands itself");
    if (!stored)
      return;
    wanted[product->getOperand(0)].push_back({&product->getOpOperand(0), builder.getBF16Type()});
    OpOperand &right = product->getOpOperand(1);
    if (isa<kernel::ContractRowsOp>(product))
      wanted[right.get()].push_back({&right, builder.getBF16Type()});
    else
      parameterUses.push_back(&right);
  }

  /// An activation's derivative is a factor of what is rounded as it is stored, and as large as that.
  void storeDerivativeShort(kernel::MatmulOp matmul) {
    Value derivative = matmul.getDerivative();
    auto isShortFactor = [](OpOperand &use) {
      auto product = dyn_cast<kernel::MatmulOp>(use.getOwner());
      return product && product.getBf16() && product.getFactor() &&
             use.getOperandNumber() == product.getFactorMutable().begin()->getOperandNumber();
    };
    if (derivative && matmul.getBf16() && typeOf(derivative).getShape().back() % 2 == 0 && !isReturned(derivative) &&
        llvm::all_of(derivative.getUses(), isShortFactor))
      derivative.setType(withElement(typeOf(derivative), builder.getBF16Type()));
  }

  /// Parameters are the master copies; one copy of each is rounded for all its products, once a step.
  void roundParameters() {
    llvm::DenseMap<Value, Value> rounded;
    for (OpOperand *use : parameterUses) {
      Value weight = use->get(), &copy = rounded[weight];
      if (!copy)
        copy = kernel::ConvertWeightOp::create(after(weight), childLoc(weight.getLoc(), "bf16"),
                                               withElement(typeOf(weight), builder.getBF16Type()), weight);
      use->set(copy);
    }
  }

  void convertWeight(Operation *product) {
    OpOperand &weight = product->getOpOperand(1);
    builder.setInsertionPoint(product);
    weight.set(kernel::ConvertWeightOp::create(builder, product->getLoc(), withElement(typeOf(weight.get()), element), weight.get()));
  }

  /// Whether the launch that computes `value` can store it as a shorter number.
  bool canStoreShort(Value value) const {
    Operation *op = value.getDefiningOp();
    if (auto gemm = dyn_cast_or_null<kernel::GemmOp>(op))
      return !gemm.getResidual();
    // On a cpu a factor's memory is worth more than the rounding.
    if (auto matmul = dyn_cast_or_null<kernel::MatmulOp>(op))
      return matmul.getValue() == value && !(storedOperands ? matmul.getResidual() : matmul.getInPlaceOperand());
    if (auto grad = dyn_cast_or_null<kernel::AttentionGradOp>(op))
      return storedOperands && typeOf(grad.getQkv()).getElementType() == element;
    return isa_and_nonnull<kernel::NormalizeOp, kernel::AttentionOp>(op);
  }

  /// Whether it can store it as bytes on a grid that is known now.
  bool canStoreBytes(Value value) const { return canStoreShort(value) && !isa<kernel::NormalizeOp>(value.getDefiningOp()); }

  void provide(Value value, ArrayRef<Wanted> uses) {
    SmallVector<OpOperand *> asBytes, asShort;
    for (const Wanted &use : uses)
      (use.element.isInteger() ? asBytes : asShort).push_back(use.operand);
    // A sum over rows reads either.
    auto takesBoth = [&](OpOperand &use) { return storedOperands && isa<kernel::SumRowsOp>(use.getOwner()); };
    bool onlyThese = asBytes.size() + asShort.size() + static_cast<size_t>(llvm::count_if(value.getUses(), takesBoth)) ==
                     static_cast<size_t>(std::distance(value.use_begin(), value.use_end()));
    if (!asBytes.empty())
      quantize(value, asBytes, onlyThese && asShort.empty());
    if (asShort.empty())
      return;
    if (onlyThese && asBytes.empty() && canStoreShort(value))
      return value.setType(withElement(typeOf(value), element));
    Value converted = roundedByLaunch(value);
    if (!converted) {
      converted = kernel::ConvertOp::create(after(value), childLoc(value.getLoc(), name()), withElement(typeOf(value), element), value,
                                            kernel::RowScheduleAttr());
      ++conversions;
    }
    for (OpOperand *use : asShort)
      use->set(converted);
  }

  /// `value` as a second result of the launch that computes it, or null if it cannot store both. Replaces that launch.
  Value roundedByLaunch(Value &value) {
    auto grad = value.getDefiningOp<kernel::NormalizeGradOp>();
    if (!storedOperands || !grad || grad.getValue() != value)
      return {};
    builder.setInsertionPoint(grad);
    auto both = kernel::NormalizeGradOp::create(builder, grad.getLoc(), value.getType(),
                                                grad.getStatistics() ? grad.getStatistics().getType() : Type(),
                                                withElement(typeOf(value), element), grad.getInput(), grad.getUpstream(), grad.getGain(),
                                                grad.getResidual(), grad.getKind(), grad.getEps(), grad.getScheduleAttr());
    both->setDiscardableAttrs(grad->getDiscardableAttrDictionary());
    value = both.getValue();
    grad.getValue().replaceAllUsesWith(value);
    if (grad.getStatistics())
      grad.getStatistics().replaceAllUsesWith(both.getStatistics());
    grad.erase();
    return both.getRounded();
  }

  OpBuilder &after(Value value) {
    if (isa<BlockArgument>(value))
      builder.setInsertionPointToStart(value.getParentBlock());
    else
      builder.setInsertionPointAfterValue(value);
    return builder;
  }

  /// `onlyUses`: nothing else reads the value.
  void quantize(Value value, ArrayRef<OpOperand *> uses, bool onlyUses) {
    RankedTensorType bytesType = withElement(typeOf(value), builder.getI8Type());
    if (std::optional<std::pair<double, double>> range = calibratedRange(value); range && onlyUses && canStoreBytes(value)) {
      DenseF32ArrayAttr grid = gridOf(builder.getContext(), *range);
      value.getDefiningOp()->setAttr("result_grid", grid);
      value.setType(bytesType);
      ++grids;
      for (OpOperand *use : uses) {
        auto gemm = cast<kernel::GemmOp>(use->getOwner());
        multiplyBytes(gemm, value, Value());
        gemm.setInputGridAttr(grid);
      }
      return;
    }
    Operation *quantized;
    if (auto normalize = value.getDefiningOp<kernel::NormalizeOp>(); normalize && onlyUses) {
      builder.setInsertionPoint(normalize);
      quantized = kernel::NormalizeOp::create(builder, normalize.getLoc(), TypeRange{bytesType, scalesOf(bytesType)},
                                              normalize->getOperands(), normalize->getAttrs());
    } else {
      if (onlyUses && multiplies && canStoreShort(value))
        value.setType(withElement(typeOf(value), element));
      quantized = kernel::QuantizeOp::create(after(value), childLoc(value.getLoc(), "int8"), bytesType, scalesOf(bytesType), value,
                                             kernel::RowScheduleAttr());
      ++conversions;
    }
    for (OpOperand *use : uses)
      multiplyBytes(cast<kernel::GemmOp>(use->getOwner()), quantized->getResult(0), quantized->getResult(1));
    if (isa<kernel::NormalizeOp>(quantized))
      value.getDefiningOp()->erase();
  }

  void multiplyBytes(kernel::GemmOp gemm, Value input, Value scales) {
    builder.setInsertionPoint(gemm);
    RankedTensorType weight = typeOf(gemm.getWeight());
    auto quantized =
        kernel::QuantizeWeightOp::create(builder, gemm.getLoc(), withElement(weight, builder.getI8Type()),
                                         RankedTensorType::get({2, weight.getDimSize(0)}, builder.getF32Type()), gemm.getWeight());
    gemm.getInputMutable().set(input);
    gemm.getWeightMutable().set(quantized.getValue());
    if (scales)
      gemm.getRowScalesMutable().assign(scales);
    gemm.getColumnScalesMutable().assign(quantized.getScales());
  }

  func::FuncOp function;
  OpBuilder builder;
  bool int8;
  Type element;
  bool multiplies, storedOperands;
  bool queriesHaveGradients = false; ///< whether attention's gradients with queries of their own have a kernel
  Report report{"precision", "product"};
  SmallVector<Operation *> shortWeights;
  SmallVector<OpOperand *> parameterUses;
  llvm::MapVector<Value, SmallVector<Wanted>> wanted; ///< by value, in the program's order
};

struct ReducePrecisionPass : impl::KernelReducePrecisionBase<ReducePrecisionPass> {
  using Base::Base;

  void runOnOperation() override {
    Builder builder(&getContext());
    auto type = llvm::StringSwitch<Type>(element)
                    .Case("bf16", builder.getBF16Type())
                    .Case("f16", builder.getF16Type())
                    .Case("tf32", builder.getTF32Type())
                    .Default(Type());
    if (!type) {
      getOperation()->emitError() << "products of '" << element << "' are unknown; there are bf16, f16 and tf32";
      return signalPassFailure();
    }
    getOperation()->walk([&](func::FuncOp function) {
      Reducer reducer(function, int8, type, /*multiplies=*/bf16Products || !type.isBF16(), storedOperands);
      reducer.run();
      bytes += reducer.bytes;
      halves += reducer.halves;
      conversions += reducer.conversions;
      grids += reducer.grids;
    });
  }
};

} // namespace
} // namespace vitc
