//===- DifferentiateTest.cpp - a model's gradients against central differences ------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Each operation's rule is tested beside the dialect; this is how the pass puts them together: values with several users, weights that are
// named twice or frozen, arithmetic on weights, decisions that are made at random.
//
//===--------------------------------------------------------------------------------------===//

#include "../vit/DoublePrecision.h"
#include "../vit/Jit.h"
#include "compiler/conversion/Passes.h"
#include "compiler/transforms/Passes.h"
#include "dialects/vit/VitDialect.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <random>

using namespace mlir;
using namespace vitc;
using namespace vitc::test;

namespace {

const char *const model = R"(
func.func @f(%x: tensor<?x4x6xf32>, %targets: tensor<?x3xf32>, %key: tensor<?x4xf32>) -> tensor<?x1xf32> {
  %gain = vit.weight @norm.weight : tensor<6xf32>
  %q = vit.weight @query : tensor<6x6xf32>
  %k = vit.weight @key : tensor<6x6xf32>
  %v = vit.weight @value : tensor<6x6xf32>
  %table = vit.weight @table : tensor<9x2xf32>
  %proj = vit.weight @proj {vit.frozen} : tensor<6x6xf32>
  %head = vit.weight @head : tensor<3x6xf32>
  %again = vit.weight @norm.weight : tensor<6xf32>
  %qkv = vit.concat %q, %k, %v : (tensor<6x6xf32>, tensor<6x6xf32>, tensor<6x6xf32>) -> tensor<18x6xf32>
  %n = vit.normalize %x gain(%gain : tensor<6xf32>) {eps = 1.0e-3 : f32} : tensor<?x4x6xf32>
  %a = vit.linear %n, %qkv : tensor<?x4x6xf32>, tensor<18x6xf32> -> tensor<?x4x18xf32>
  %bias = vit.relative_bias %table {grid = array<i64: 2, 2>, prefix = 0 : i64} : tensor<9x2xf32> -> tensor<2x4x4xf32>
  %h = vit.sdpa %a bias(%bias : tensor<2x4x4xf32>) {heads = 2 : i64, scale = 0.5 : f32} : tensor<?x4x18xf32> -> tensor<?x4x6xf32>
  %d = vit.dropout %h, %key {rate = 0.3 : f32, stream = 1 : i64} : tensor<?x4x6xf32>, tensor<?x4xf32>
  %p = vit.linear %d, %proj : tensor<?x4x6xf32>, tensor<6x6xf32> -> tensor<?x4x6xf32>
  %s = vit.residual %n, %p : tensor<?x4x6xf32>
  %g = vit.activation %s {kind = #vit.activation<gelu_erf>} : tensor<?x4x6xf32>
  %m = vit.mul %g, %s : tensor<?x4x6xf32>
  %o = vit.normalize %m gain(%again : tensor<6xf32>) {eps = 1.0e-3 : f32, kind = #vit.norm<rms>} : tensor<?x4x6xf32>
  %c = vit.pool %o {kind = #vit.pool<avg>} : tensor<?x4x6xf32> -> tensor<?x6xf32>
  %w = vit.standardize %head {eps = 1.0e-3 : f32} : tensor<3x6xf32>
  %l = vit.linear %c, %w : tensor<?x6xf32>, tensor<3x6xf32> -> tensor<?x3xf32>
  %e = vit.cross_entropy %l, %targets : tensor<?x3xf32>, tensor<?x3xf32> -> tensor<?x1xf32>
  return %e : tensor<?x1xf32>
})";

constexpr int64_t images = 3;

/// Makes arguments of a function's weights, and returns them by name: the shape, and the argument's number.
std::map<std::string, std::pair<std::vector<int64_t>, unsigned>> passWeights(func::FuncOp function) {
  Block &block = function.getBody().front();
  std::map<std::string, std::pair<std::vector<int64_t>, unsigned>> result;
  for (auto weight : llvm::make_early_inc_range(block.getOps<vit::WeightOp>())) {
    auto [entry, isNew] = result.try_emplace(weight.getSource().str(), weight.getType().getShape().vec(), block.getNumArguments());
    if (isNew)
      block.addArgument(weight.getType(), weight.getLoc());
    weight.replaceAllUsesWith(block.getArgument(entry->second.second));
    weight.erase();
  }
  function.removeArgAttrsAttr();
  function.setType(FunctionType::get(function.getContext(), block.getArgumentTypes(), function.getResultTypes()));
  return result;
}

TEST(Differentiate, IsTheLimitOfDifferences) {
  MLIRContext context(makeRegistry(), MLIRContext::Threading::DISABLED);
  OwningOpRef<ModuleOp> forward = parseSourceString<ModuleOp>(model, &context), backward = parseSourceString<ModuleOp>(model, &context);
  ASSERT_TRUE(forward && backward);
  PassManager differentiate(&context), lower(&context);
  differentiate.addNestedPass<func::FuncOp>(createVitDifferentiate());
  lower.addPass(createConvertVitToLinalg());
  ASSERT_TRUE(succeeded(differentiate.run(*backward)));
  auto losses = forward->lookupSymbol<func::FuncOp>("f"), gradients = backward->lookupSymbol<func::FuncOp>("f");
  std::vector<std::string> trained;
  for (unsigned i = 1; i < gradients.getNumResults(); ++i)
    trained.push_back(gradients.getResultAttrOfType<FlatSymbolRefAttr>(i, "vit.gradient").getValue().str());
  EXPECT_EQ(trained, (std::vector<std::string>{"norm.weight", "query", "key", "value", "table", "head"}));
  auto weights = passWeights(losses);
  ASSERT_EQ(passWeights(gradients).size(), weights.size());
  for (ModuleOp module : {*forward, *backward}) {
    ASSERT_TRUE(succeeded(lower.run(module)));
    promoteToDouble(module);
  }
  Jit ofLosses(*forward), ofGradients(*backward);

  std::mt19937 random(1);
  std::uniform_real_distribution<double> numbers(-1, 1);
  std::vector<std::vector<int64_t>> shapes{{images, 4, 6}, {images, 3}, {images, 4}};
  shapes.resize(shapes.size() + weights.size());
  for (auto &[name, weight] : weights)
    shapes[weight.second] = weight.first;
  std::vector<std::vector<double>> values;
  for (const std::vector<int64_t> &shape : shapes) {
    int64_t count = 1;
    for (int64_t size : shape)
      count *= size;
    std::generate_n(std::back_inserter(values.emplace_back()), count, [&] { return numbers(random); });
  }
  std::vector<double> lossWeights{0.5, 0.3, 1.1};
  auto arrays = [&] {
    std::vector<Array> result;
    for (size_t i = 0; i < values.size(); ++i)
      result.push_back({shapes[i], values[i].data()});
    return result;
  };
  auto loss = [&] {
    double sum = 0;
    ofLosses.call("f", arrays(), [&](const Array &array) {
      for (int64_t image = 0; image < images; ++image)
        sum += lossWeights[image] * static_cast<const double *>(array.data)[image];
    });
    return sum;
  };

  // The pass puts the weights of the losses behind the inputs, before the weights.
  std::vector<Array> all = arrays();
  all.insert(all.begin() + 3, Array{{images, 1}, lossWeights.data()});
  std::vector<std::vector<double>> actual;
  ofGradients.call("f", all, [&](const Array &array) {
    int64_t count = 1;
    for (int64_t size : array.shape)
      count *= size;
    const double *elements = static_cast<const double *>(array.data);
    actual.emplace_back(elements, elements + count);
  });
  ASSERT_EQ(actual.size(), trained.size() + 1);
  for (size_t k = 0; k < trained.size(); ++k) {
    SCOPED_TRACE(trained[k]);
    std::vector<double> &weight = values[weights.at(trained[k]).second], expected;
    for (double &value : weight) {
      const double middle = value, step = 1e-5;
      value = middle + step;
      double above = loss();
      value = middle - step;
      expected.push_back((above - loss()) / (2 * step));
      value = middle;
    }
    double scale = 0;
    for (double value : expected)
      scale = std::max(scale, std::abs(value));
    EXPECT_GT(scale, 1e-3);
    ASSERT_EQ(actual[k + 1].size(), expected.size());
    for (size_t i = 0; i < expected.size(); ++i)
      ASSERT_NEAR(actual[k + 1][i], expected[i], 1e-6 * scale) << "element " << i;
  }
}

} // namespace
