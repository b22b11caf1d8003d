//===- CentralDifferences.cpp - gradients against what they are limits of -----------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "CentralDifferences.h"
#include "DoublePrecision.h"
#include "Jit.h"
#include "compiler/conversion/Passes.h"
#include "dialects/vit/VitDialect.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/AttrTypeSubElements.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

using namespace mlir;

namespace vitc::test {

static constexpr int64_t images = 2;
static constexpr double step = 1e-5, tolerance = 1e-6;

static std::string typeText(const Shape &shape) {
  std::string text = "tensor<";
  for (int64_t size : shape)
    text += (size == batch ? "?" : std::to_string(size)) + "x";
  return text + "f32>";
}

/// @forward, a function of the one operation.
static std::string forwardText(const Differentiated &c) {
  std::string op = c.op, parameters;
  auto substitute = [&](const std::string &what, const std::string &with) {
    for (size_t at = 0; (at = op.find(what, at)) != std::string::npos; at += with.size())
      op.replace(at, what.size(), with);
  };
  for (size_t i = 0; i < c.operands.size(); ++i) {
    std::string letter(1, static_cast<char>('a' + i)), type = typeText(c.operands[i]);
    substitute("$" + letter, type);
    parameters += (i ? ", %" : "%") + letter + ": " + type;
  }
  std::string result = typeText(c.result);
  substitute("$y", result);
  return "func.func @forward(" + parameters + ") -> " + result + " {\n  %y = " + op + "\n  return %y : " + result + "\n}";
}

namespace {

using Needed = llvm::function_ref<bool(unsigned)>;
using Rule = llvm::function_ref<FailureOr<SmallVector<Value>>(Operation *, OpBuilder &, ValueRange, Needed)>;

FailureOr<SmallVector<Value>> ownRule(Operation *op, OpBuilder &builder, ValueRange upstream, Needed needed) {
  return cast<vit::GradientInterface>(op).buildGradient(builder, upstream, needed);
}

/// What @forward computes, and functions beside it that compute its gradients.
class GradientModule {
public:
  GradientModule(const Differentiated &c, MLIRContext &context) : module(parseSourceString<ModuleOp>(forwardText(c), &context)) {
    if (!module)
      throw std::runtime_error("cannot parse:\n" + forwardText(c));
    for (size_t i = 0; i < c.operands.size(); ++i)
      if (!c.data.contains(i))
        trained.push_back(i);
  }

  /// Adds a function of the forward one's parameters and of the upstream, which returns the gradients of the trained parameters in order.
  void add(StringRef name, Rule rule) {
    func::FuncOp function = cloneForward(name);
    Block &block = function.getBody().front();
    SmallVector<Value> sums = gradientsOf(function, rule, trained);
    block.getTerminator()->setOperands(sums);
    function.setType(FunctionType::get(function.getContext(), block.getArgumentTypes(), ValueRange(sums).getTypes()));
  }

  /// The rule where one parameter alone is trained gives this one its gradient.
  void expectEachAlone() {
    for (size_t parameter : trained) {
      func::FuncOp function = cloneForward("alone");
      EXPECT_EQ(gradientsOf(function, ownRule, parameter).size(), 1u);
      EXPECT_TRUE(succeeded(verify(function)));
      function.erase();
    }
  }

  /// Gives the batch its size, as a kernel.reference does. Linalg's verifier compares static shapes alone with the loops.
  void fixBatch() {
    AttrTypeReplacer replacer;
    replacer.addReplacement([](RankedTensorType type) -> Type {
      SmallVector<int64_t> shape(type.getShape());
      std::replace(shape.begin(), shape.end(), ShapedType::kDynamic, images);
      return type.clone(shape);
    });
    replacer.recursivelyReplaceElementsIn(*module, /*replaceAttrs=*/true, /*replaceLocs=*/false, /*replaceTypes=*/true);
  }

  bool hasOwnRule() {
    bool pullsBack = false;
    module->lookupSymbol("rule")->walk([&](vit::PullbackOp) { pullsBack = true; });
    return !pullsBack;
  }

  OwningOpRef<ModuleOp> module;
  std::vector<size_t> trained;

private:
  func::FuncOp cloneForward(StringRef name) {
    auto function = module->lookupSymbol<func::FuncOp>("forward").clone();
    function.setName(name);
    module->push_back(function);
    Block &block = function.getBody().front();
    block.addArgument(function.getResultTypes().front(), function.getLoc());
    function.setType(FunctionType::get(function.getContext(), block.getArgumentTypes(), function.getResultTypes()));
    return function;
  }

  static SmallVector<Value> gradientsOf(func::FuncOp function, Rule rule, ArrayRef<size_t> parameters) {
    Block &block = function.getBody().front();
    Operation *op = &block.front();
    OpBuilder builder(block.getTerminator());
    auto isTrained = [&](Value value) {
      auto argument = dyn_cast<BlockArgument>(value);
      return argument && llvm::is_contained(parameters, argument.getArgNumber());
    };
    FailureOr<SmallVector<Value>> gradients =
        rule(op, builder, block.getArguments().back(), [&](unsigned operand) { return isTrained(op->getOperand(operand)); });
    if (failed(gradients))
      throw std::runtime_error("the operation has no gradient");
    llvm::DenseMap<Value, Value> sums;
    for (auto [operand, gradient] : llvm::zip_equal(op->getOperands(), *gradients)) {
      if (!gradient || !isTrained(operand))
        continue;
      EXPECT_EQ(gradient.getType(), operand.getType());
      Value &sum = sums[operand];
      bool isWeight = cast<RankedTensorType>(operand.getType()).hasStaticShape();
      if (!sum)
        sum = gradient;
      else if (isWeight)
        sum = vit::AddOp::create(builder, op->getLoc(), sum.getType(), sum, gradient);
      else
        sum = vit::ResidualOp::create(builder, op->getLoc(), sum.getType(), sum, gradient, /*gamma=*/Value());
    }
    SmallVector<Value> results;
    for (size_t parameter : parameters) {
      if (!sums.contains(block.getArgument(parameter)))
        throw std::runtime_error("operand " + std::to_string(parameter) + " has no gradient");
      results.push_back(sums[block.getArgument(parameter)]);
    }
    return results;
  }
};

std::vector<double> randomNumbers(const Shape &shape, std::mt19937 &random, bool positive) {
  size_t count = 1;
  for (int64_t size : shape)
    count *= size == batch ? images : size;
  std::uniform_real_distribution<double> numbers(positive ? 0.5 : -1.0, positive ? 1.5 : 1.0);
  std::vector<double> result(count);
  std::generate(result.begin(), result.end(), [&] { return numbers(random); });
  return result;
}

/// The functions of a module on the operands of a case.
class Evaluation {
public:
  Evaluation(const Differentiated &c, ModuleOp module) : jit(module) {
    std::mt19937 random(1);
    for (size_t i = 0; i < c.operands.size(); ++i) {
      auto data = c.data.find(i);
      add(c.operands[i], data == c.data.end() ? randomNumbers(c.operands[i], random, c.positive) : data->second);
    }
    add(c.result, randomNumbers(c.result, random, /*positive=*/false));
  }

  std::vector<std::vector<double>> gradients(const std::string &function) {
    std::vector<std::vector<double>> results;
    jit.call(function, arrays(values.size()), [&](const Array &array) {
      int64_t count = 1;
      for (int64_t size : array.shape)
        count *= size;
      const double *elements = static_cast<const double *>(array.data);
      results.emplace_back(elements, elements + count);
    });
    return results;
  }

  std::vector<double> differences(size_t parameter) {
    std::vector<double> result;
    for (double &value : values[parameter]) {
      double middle = value;
      value = middle + step;
      double above = sum();
      value = middle - step;
      result.push_back((above - sum()) / (2 * step));
      value = middle;
    }
    return result;
  }

private:
  void add(Shape shape, std::vector<double> numbers) {
    std::replace(shape.begin(), shape.end(), batch, images);
    shapes.push_back(shape);
    values.push_back(std::move(numbers));
  }

  std::vector<Array> arrays(size_t count) {
    std::vector<Array> result;
    for (size_t i = 0; i < count; ++i)
      result.push_back({shapes[i], values[i].data()});
    return result;
  }

  /// Of results times upstream.
  double sum() {
    double total = 0;
    jit.call("forward", arrays(values.size() - 1), [&](const Array &array) {
      const double *elements = static_cast<const double *>(array.data);
      for (size_t i = 0; i < values.back().size(); ++i)
        total += elements[i] * values.back()[i];
    });
    return total;
  }

  Jit jit;
  std::vector<Shape> shapes;
  std::vector<std::vector<double>> values; ///< operands, then the upstream
};

} // namespace

static double largest(const std::vector<double> &values) {
  double result = 0;
  for (double value : values)
    result = std::max(result, std::abs(value));
  return result;
}

void expectGradient(const Differentiated &c) {
  SCOPED_TRACE(c.op);
  MLIRContext context(makeRegistry(), MLIRContext::Threading::DISABLED);
  GradientModule gradients(c, context);
  gradients.expectEachAlone();
  gradients.add("rule", ownRule);
  std::vector<std::string> functions{"rule"};
  if (gradients.hasOwnRule() && !c.readsByNumbers) {
    gradients.add("pullback", vit::buildPullback);
    functions.push_back("pullback");
  }
  gradients.fixBatch();
  PassManager passes(&context);
  passes.addPass(createConvertVitToLinalg());
  ASSERT_TRUE(succeeded(passes.run(*gradients.module)));
  promoteToDouble(*gradients.module);

  Evaluation evaluation(c, *gradients.module);
  std::vector<std::vector<double>> expected;
  for (size_t parameter : gradients.trained)
    expected.push_back(evaluation.differences(parameter));
  for (const std::string &function : functions) {
    std::vector<std::vector<double>> actual = evaluation.gradients(function);
    ASSERT_EQ(actual.size(), expected.size());
    for (size_t k = 0; k < expected.size(); ++k) {
      ASSERT_EQ(actual[k].size(), expected[k].size());
      double scale = largest(expected[k]);
      if (llvm::is_contained(c.indifferent, gradients.trained[k])) {
        EXPECT_LT(scale, 1e-9);
        scale = 1e-3;
      } else {
        EXPECT_GT(scale, 1e-4) << "operand " << gradients.trained[k] << " does not matter";
      }
      for (size_t i = 0; i < expected[k].size(); ++i)
        ASSERT_NEAR(actual[k][i], expected[k][i], tolerance * scale)
            << function << ", operand " << gradients.trained[k] << ", element " << i;
    }
  }
}

} // namespace vitc::test
