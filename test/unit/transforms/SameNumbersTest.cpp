//===- SameNumbersTest.cpp - rewrites that must not change what is computed --*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Each function is evaluated by its reference lowering as it is, and behind the pass; test/compiler/transforms shows what the passes do.
//
//===--------------------------------------------------------------------------------------===//

#include "../vit/Evaluate.h"
#include "compiler/transforms/Passes.h"

#include "mlir/Pass/PassManager.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

using namespace vitc;
using namespace vitc::test;

namespace {

using AddPasses = std::function<void(mlir::OpPassManager &)>;

/// The widths of all cases: 2 images, 5 tokens of width 6, 2 heads of width 4.
struct Case {
  const char *name, *parameters, *result, *body;
  std::vector<std::vector<int64_t>> shapes;
};

void expectSameNumbers(const Case &c, const AddPasses &passes, double tolerance = 2e-6) {
  SCOPED_TRACE(c.name);
  std::vector<Tensor> arguments;
  for (auto [seed, shape] : llvm::enumerate(c.shapes))
    arguments.push_back(Tensor::random(shape, seed + 1));
  std::string text =
      std::string("func.func @f(") + c.parameters + ") -> " + c.result + " {\n" + c.body + "\n  return %y : " + c.result + "\n}";
  Tensor plain = evaluate(text, arguments), rewritten = evaluate(text, arguments, passes);
  ASSERT_EQ(plain.shape, rewritten.shape);
  for (size_t i = 0; i < plain.data.size(); ++i)
    ASSERT_NEAR(plain.data[i], rewritten.data[i], tolerance * std::max(1.0f, std::abs(plain.data[i]))) << "element " << i;
}

const Case cases[] = {
    {"attention between products",
     "%x: tensor<?x5x6xf32>, %w: tensor<24x6xf32>, %b: tensor<24xf32>, %p: tensor<6x8xf32>, %c: tensor<6xf32>, %bias: tensor<2x5x5xf32>",
     "tensor<?x6xf32>",
     R"(%qkv = vit.linear %x, %w bias(%b : tensor<24xf32>) : tensor<?x5x6xf32>, tensor<24x6xf32> -> tensor<?x5x24xf32>
  %h = vit.sdpa %qkv bias(%bias : tensor<2x5x5xf32>) {heads = 2 : i64, scale = 0.7 : f32} : tensor<?x5x24xf32> -> tensor<?x5x8xf32>
  %z = vit.linear %h, %p bias(%c : tensor<6xf32>) residual(%x : tensor<?x5x6xf32>) {activation = #vit.activation<silu>}
         : tensor<?x5x8xf32>, tensor<6x8xf32> -> tensor<?x5x6xf32>
  %n = vit.normalize %z {eps = 1.0e-6 : f32} : tensor<?x5x6xf32>
  %y = vit.pool %n {kind = #vit.pool<token>, index = 1 : i64} : tensor<?x5x6xf32> -> tensor<?x6xf32>)",
     {{2, 5, 6}, {24, 6}, {24}, {6, 8}, {6}, {2, 5, 5}}},
    {"QK-norm, rotation and no bias behind",
     "%x: tensor<?x5x6xf32>, %w: tensor<24x6xf32>, %b: tensor<24xf32>, %p: tensor<6x8xf32>, %g: tensor<4xf32>, %t: tensor<4x4xf32>",
     "tensor<?x1x6xf32>",
     R"(%qkv = vit.linear %x, %w bias(%b : tensor<24xf32>) : tensor<?x5x6xf32>, tensor<24x6xf32> -> tensor<?x5x24xf32>
  %n = vit.head_normalize %qkv q_gain(%g : tensor<4xf32>) q_shift(%g : tensor<4xf32>) k_gain(%g : tensor<4xf32>)
         {heads = 2 : i64, eps = 1.0e-6 : f32} : tensor<?x5x24xf32>
  %r = vit.rotary %n sin(%t : tensor<4x4xf32>) cos(%t : tensor<4x4xf32>)
         {heads = 2 : i64, prefix = 1 : i64, layout = #vit.rotary_layout<halves>} : tensor<?x5x24xf32>
  %h = vit.sdpa %r {heads = 2 : i64, scale = 0.7 : f32} : tensor<?x5x24xf32> -> tensor<?x5x8xf32>
  %z = vit.linear %h, %p : tensor<?x5x8xf32>, tensor<6x8xf32> -> tensor<?x5x6xf32>
  %y = vit.slice_tokens %z {first = 2 : i64} : tensor<?x5x6xf32> -> tensor<?x1x6xf32>)",
     {{2, 5, 6}, {24, 6}, {24}, {6, 8}, {4}, {4, 4}}},
    {"shares",
     "%x: tensor<?x5x6xf32>, %w: tensor<24x6xf32>, %b: tensor<24xf32>",
     "tensor<?x2x5x5xf32>",
     R"(%qkv = vit.linear %x, %w bias(%b : tensor<24xf32>) : tensor<?x5x6xf32>, tensor<24x6xf32> -> tensor<?x5x24xf32>
  %y = vit.attention_probabilities %qkv {heads = 2 : i64, scale = 0.7 : f32} : tensor<?x5x24xf32> -> tensor<?x2x5x5xf32>)",
     {{2, 5, 6}, {24, 6}, {24}}},
    {"talking heads",
     "%x: tensor<?x5x6xf32>, %w: tensor<24x6xf32>, %b: tensor<24xf32>, %m: tensor<2x2xf32>, %v: tensor<2xf32>, %p: tensor<6x8xf32>",
     "tensor<?x6xf32>",
     R"(%qkv = vit.linear %x, %w bias(%b : tensor<24xf32>) : tensor<?x5x6xf32>, tensor<24x6xf32> -> tensor<?x5x24xf32>
  %h = vit.talking_heads %qkv before(%m : tensor<2x2xf32>, %v : tensor<2xf32>) after(%m : tensor<2x2xf32>, %v : tensor<2xf32>)
         {heads = 2 : i64, scale = 0.7 : f32} : tensor<?x5x24xf32> -> tensor<?x5x8xf32>
  %z = vit.linear %h, %p : tensor<?x5x8xf32>, tensor<6x8xf32> -> tensor<?x5x6xf32>
  %y = vit.pool %z {kind = #vit.pool<token>} : tensor<?x5x6xf32> -> tensor<?x6xf32>)",
     {{2, 5, 6}, {24, 6}, {24}, {2, 2}, {2}, {6, 8}}},
    {"a class token's attention",
     "%x: tensor<?x5x6xf32>, %token: tensor<?x1x6xf32>, %q: tensor<8x6xf32>, %k: tensor<16x6xf32>, %b: tensor<16xf32>, %p: tensor<6x8xf32>",
     "tensor<?x6xf32>",
     R"(%query = vit.linear %token, %q : tensor<?x1x6xf32>, tensor<8x6xf32> -> tensor<?x1x8xf32>
  %kv = vit.linear %x, %k bias(%b : tensor<16xf32>) : tensor<?x5x6xf32>, tensor<16x6xf32> -> tensor<?x5x16xf32>
  %h = vit.attention_pool %query, %kv {heads = 2 : i64, scale = 0.7 : f32} : tensor<?x1x8xf32>, tensor<?x5x16xf32> -> tensor<?x1x8xf32>
  %z = vit.linear %h, %p : tensor<?x1x8xf32>, tensor<6x8xf32> -> tensor<?x1x6xf32>
  %all = vit.concat_tokens %z, %x : (tensor<?x1x6xf32>, tensor<?x5x6xf32>) -> tensor<?x6x6xf32>
  %n = vit.normalize %all {eps = 1.0e-6 : f32} : tensor<?x6x6xf32>
  %y = vit.pool %n {kind = #vit.pool<token>} : tensor<?x6x6xf32> -> tensor<?x6xf32>)",
     {{2, 5, 6}, {2, 1, 6}, {8, 6}, {16, 6}, {16}, {6, 8}}},
    {"learned queries",
     "%x: tensor<?x5x6xf32>, %q: tensor<3x8xf32>, %k: tensor<16x6xf32>, %b: tensor<16xf32>, %p: tensor<6x8xf32>, %c: tensor<6xf32>",
     "tensor<?x6xf32>",
     R"(%kv = vit.linear %x, %k bias(%b : tensor<16xf32>) : tensor<?x5x6xf32>, tensor<16x6xf32> -> tensor<?x5x16xf32>
  %h = vit.attention_pool %q, %kv {heads = 2 : i64, scale = 0.7 : f32, first = 3 : i64} : tensor<3x8xf32>, tensor<?x5x16xf32> -> tensor<?x3x8xf32>
  %z = vit.linear %h, %p bias(%c : tensor<6xf32>) : tensor<?x3x8xf32>, tensor<6x8xf32> -> tensor<?x3x6xf32>
  %y = vit.pool %z {kind = #vit.pool<token>, index = 1 : i64} : tensor<?x3x6xf32> -> tensor<?x6xf32>)",
     {{2, 5, 6}, {3, 8}, {16, 6}, {16}, {6, 8}, {6}}},
    {"the mean of some tokens",
     "%x: tensor<?x5x6xf32>, %w: tensor<6x6xf32>",
     "tensor<?x6xf32>",
     R"(%z = vit.linear %x, %w : tensor<?x5x6xf32>, tensor<6x6xf32> -> tensor<?x5x6xf32>
  %g = vit.mul %z, %x : tensor<?x5x6xf32>
  %r = vit.residual %g, %z : tensor<?x5x6xf32>
  %y = vit.pool %r {kind = #vit.pool<avg>, index = 3 : i64} : tensor<?x5x6xf32> -> tensor<?x6xf32>)",
     {{2, 5, 6}, {6, 6}}},
};

TEST(SameNumbers, FoldScoreScale) {
  for (const Case &c : cases)
    expectSameNumbers(c, [](mlir::OpPassManager &passes) { passes.addPass(createVitFoldScoreScale()); });
}

TEST(SameNumbers, DropKeyBias) {
  for (const Case &c : cases)
    expectSameNumbers(c, [](mlir::OpPassManager &passes) { passes.addPass(createVitDropKeyBias()); });
}

TEST(SameNumbers, FoldValueBias) {
  for (const Case &c : cases)
    expectSameNumbers(c, [](mlir::OpPassManager &passes) { passes.addPass(createVitFoldValueBias()); });
}

TEST(SameNumbers, DropDeadRows) {
  for (const Case &c : cases)
    expectSameNumbers(c, [](mlir::OpPassManager &passes) { passes.addPass(createVitDropDeadRows()); });
}

TEST(SameNumbers, AllInOrder) {
  for (const Case &c : cases)
    expectSameNumbers(c, [](mlir::OpPassManager &passes) {
      passes.addPass(createVitFoldScoreScale());
      passes.addPass(createVitDropKeyBias());
      passes.addPass(createVitFoldValueBias());
      passes.addPass(createVitDropDeadRows());
    });
}

} // namespace
