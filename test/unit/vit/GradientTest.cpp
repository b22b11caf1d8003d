//===- GradientTest.cpp - the operations' gradients against central differences -----------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "CentralDifferences.h"
#include "Jit.h"
#include "dialects/vit/VitDialect.h"

#include <gtest/gtest.h>

#include <bit>

using namespace vitc;
using namespace vitc::test;

namespace {

struct Group {
  const char *name;
  std::vector<Differentiated> cases;
};

std::vector<Differentiated> activations() {
  std::vector<Differentiated> cases;
  for (const char *kind : {"none", "relu", "gelu_erf", "gelu_tanh", "quick_gelu", "silu", "tanh", "sigmoid"})
    cases.push_back({std::string("vit.activation %a {kind = #vit.activation<") + kind + ">} : $a", {{batch, 3, 5}}, {batch, 3, 5}});
  return cases;
}

std::vector<Differentiated> normalizations() {
  const Shape x{batch, 3, 9}, v{9};
  std::vector<Differentiated> cases;
  for (std::string kind : {"layer", "rms"})
    for (std::string groups : {"1", "3"}) {
      std::string attributes = " {kind = #vit.norm<" + kind + ">, eps = 1.0e-3 : f32, groups = " + groups + " : i64} : $a";
      cases.push_back({"vit.normalize %a" + attributes, {x}, x});
      cases.push_back({"vit.normalize %a gain(%b : $b)" + attributes, {x, v}, x});
      cases.push_back({"vit.normalize %a shift(%b : $b)" + attributes, {x, v}, x});
      cases.push_back({"vit.normalize %a gain(%b : $b) shift(%c : $c)" + attributes, {x, v, v}, x});
    }
  cases.push_back({"vit.normalize %a gain(%b : $b) shift(%c : $c) {eps = 0.0 : f32} : $a", {{batch, 7}, {7}, {7}}, {batch, 7}});
  return cases;
}

/// The numbers that vit.dropout draws from: an image's number, the seed's lower word, the step and the seed's upper word, as bits of f32.
std::vector<double> dropoutKeys() {
  std::vector<double> keys;
  for (uint32_t image : {7u, 123456u})
    for (uint32_t word : {image, 0x3f00f00du, 12u, 1u})
      keys.push_back(std::bit_cast<float>(word));
  return keys;
}

std::vector<Group> groups() {
  const Shape x{batch, 3, 5}, qkv{batch, 5, 18}, heads{batch, 5, 6}, maps{batch, 4, 5, 7}, rows{batch, 35, 4};
  return {
      {"Activations", activations()},
      {"Normalizations", normalizations()},
      {"Products",
       {{"vit.linear %a, %b : $a, $b -> $y", {x, {7, 5}}, {batch, 3, 7}},
        {"vit.linear %a, %b bias(%c : $c) : $a, $b -> $y", {{batch, 5}, {7, 5}, {7}}, {batch, 7}},
        {"vit.linear %a, %b bias(%c : $c) residual(%d : $d) : $a, $b -> $y", {x, {7, 5}, {7}, {batch, 3, 7}}, {batch, 3, 7}},
        {"vit.linear %a, %b residual(%a : $a) : $a, $b -> $y", {x, {5, 5}}, x},
        {"vit.linear %a, %b bias(%c : $c) residual(%d : $d) {activation = #vit.activation<silu>} : $a, $b -> $y",
         {x, {7, 5}, {7}, {batch, 3, 7}},
         {batch, 3, 7}},
        {"vit.linear %a, %b bias(%c : $c) residual(%d : $d) {activation = #vit.activation<tanh>, activation_last} : $a, $b -> $y",
         {x, {7, 5}, {7}, {batch, 3, 7}},
         {batch, 3, 7}}}},
      {"ElementWise",
       {{"vit.mul %a, %b : $a", {x, x}, x},
        {"vit.mul %a, %a : $a", {x}, x},
        {"vit.residual %a, %b : $a", {x, x}, x},
        {"vit.residual %a, %a : $a", {x}, x},
        {"vit.residual %a, %b gamma(%c : $c) : $a", {x, x, {5}}, x},
        {"vit.residual %a, %a gamma(%b : $b) : $a", {x, {5}}, x}}},
      {"Attention",
       {{"vit.sdpa %a {heads = 2 : i64, scale = 0.7 : f32} : $a -> $y", {qkv}, heads},
        {"vit.sdpa %a {heads = 6 : i64, scale = 1.0 : f32} : $a -> $y", {{batch, 3, 18}}, {batch, 3, 6}},
        {"vit.sdpa %a bias(%b : $b) {heads = 2 : i64, scale = 0.7 : f32} : $a -> $y", {qkv, {2, 5, 5}}, heads},
        {"vit.sdpa %a bias(%b : $b) {heads = 2 : i64, scale = 0.7 : f32, windows = 2 : i64} : $a -> $y",
         {{batch, 6, 18}, {2, 3, 3}},
         {batch, 6, 6}},
        {"vit.sdpa %a decomposed(%b : $b, %c : $c) {heads = 2 : i64, scale = 0.7 : f32} : $a -> $y",
         {{batch, 6, 18}, {3, 3}, {3, 5}},
         {batch, 6, 6}},
        {"vit.sdpa %a decomposed(%b : $b, %c : $c) {heads = 2 : i64, scale = 0.7 : f32, windows = 2 : i64} : $a -> $y",
         {{batch, 12, 18}, {3, 3}, {3, 5}},
         {batch, 12, 6}},
        {"vit.sdpa %a {heads = 2 : i64, scale = 0.7 : f32, first_query = 1 : i64} : $a -> $y", {qkv}, {batch, 2, 6}},
        {"vit.sdpa %a bias(%b : $b) {heads = 2 : i64, scale = 0.7 : f32} : $a -> $y", {qkv, {2, 1, 5}}, {batch, 1, 6}},
        {"vit.sdpa %a query(%b : $b) {heads = 3 : i64, scale = 0.7 : f32} : $a -> $y", {{batch, 5, 12}, {batch, 2, 6}}, {batch, 2, 6}},
        {"vit.sdpa %a query(%b : $b) bias(%c : $c) {heads = 3 : i64, scale = 0.7 : f32} : $a -> $y",
         {{batch, 5, 12}, {batch, 2, 6}, {3, 2, 5}},
         {batch, 2, 6}},
        {"vit.attention_probabilities %a {heads = 2 : i64, scale = 0.7 : f32} : $a -> $y", {qkv}, {batch, 2, 5, 5}},
        {"vit.attention_probabilities %a bias(%b : $b) {heads = 2 : i64, scale = 0.7 : f32} : $a -> $y",
         {qkv, {2, 5, 5}},
         {batch, 2, 5, 5}},
        {"vit.weigh_values %a, %b : $a, $b -> $y", {{batch, 2, 5, 5}, qkv}, heads},
        {"vit.talking_heads %a before(%b : $b, %c : $c) after(%d : $d, %e : $e) {heads = 2 : i64, scale = 0.7 : f32} : $a -> $y",
         {qkv, {2, 2}, {2}, {2, 2}, {2}},
         heads,
         {},
         /*positive=*/false,
         /*indifferent=*/{2}},
        {"vit.attention_pool %a, %b {heads = 3 : i64, scale = 0.7 : f32} : $a, $b -> $y", {{2, 6}, {batch, 5, 12}}, {batch, 2, 6}},
        {"vit.attention_pool %a, %b {heads = 3 : i64, scale = 0.7 : f32, first = 2 : i64} : $a, $b -> $y",
         {{batch, 1, 6}, {batch, 5, 12}},
         {batch, 1, 6}}}},
      {"Heads",
       {{"vit.head_normalize %a {heads = 2 : i64, eps = 1.0e-3 : f32} : $a", {qkv}, qkv},
        {"vit.head_normalize %a q_gain(%b : $b) q_shift(%c : $c) k_gain(%d : $d) k_shift(%e : $e) {heads = 2 : i64, eps = 1.0e-3 : f32} "
         ": $a",
         {qkv, {3}, {3}, {3}, {3}},
         qkv},
        {"vit.head_normalize %a q_gain(%b : $b) k_gain(%c : $c) {heads = 2 : i64, kind = #vit.norm<rms>, eps = 1.0e-3 : f32} : $a",
         {qkv, {3}, {3}},
         qkv},
        {"vit.rotary %a sin(%b : $b) cos(%c : $c) {heads = 1 : i64, prefix = 1 : i64, layout = #vit.rotary_layout<halves>} : $a",
         {qkv, {4, 6}, {4, 6}},
         qkv},
        {"vit.rotary %a sin(%b : $b) cos(%c : $c) {heads = 1 : i64, prefix = 0 : i64, layout = #vit.rotary_layout<interleaved>} : $a",
         {qkv, {5, 6}, {5, 6}},
         qkv},
        {"vit.rotary %a sin(%b : $b) cos(%c : $c) {heads = 3 : i64, prefix = 2 : i64, layout = #vit.rotary_layout<halves>} : $a",
         {qkv, {3, 3, 2}, {3, 3, 2}},
         qkv},
        {"vit.rotary %a sin(%b : $b) cos(%c : $c) {heads = 3 : i64, prefix = 1 : i64, layout = #vit.rotary_layout<interleaved>} : $a",
         {qkv, {3, 4, 2}, {3, 4, 2}},
         qkv}}},
      {"Tokens",
       {{"vit.patchify %a, %b : $a, $b -> $y", {{batch, 2, 7, 5}, {4, 2, 3, 2}}, {batch, 4, 4}},
        {"vit.patchify %a, %b bias(%c : $c) : $a, $b -> $y", {{batch, 2, 7, 5}, {3, 2, 2, 2}, {3}}, {batch, 6, 3}},
        {"vit.unfold_patches %a {patch = array<i64: 3, 2>} : $a -> $y", {{batch, 2, 7, 5}}, {batch, 4, 12}},
        {"vit.embed %a prefix(%b, %c : $b, $c) position(%d : $d) : $a -> $y", {x, {1, 5}, {2, 5}, {6, 5}}, {batch, 6, 5}},
        {"vit.embed %a prefix(%b : $b) position(%c : $c) {patches_only} : $a -> $y", {x, {1, 5}, {3, 5}}, {batch, 4, 5}},
        {"vit.embed %a position(%b : $b) : $a -> $y", {x, {3, 5}}, x},
        {"vit.embed %a prefix(%b : $b) : $a -> $y", {x, {2, 5}}, {batch, 5, 5}},
        {"vit.embed %a : $a -> $y", {x}, x},
        {"vit.embed %a position(%b : $b) {patches_only} : $a -> $y", {x, {3, 5}}, x},
        {"vit.embed %a prefix(%b, %c, %b : $b, $c, $b) position(%d : $d) {patches_only} : $a -> $y",
         {x, {1, 5}, {2, 5}, {3, 5}},
         {batch, 7, 5}},
        {"vit.embed %a prefix(%b : $b) position(%b : $b) {patches_only} : $a -> $y", {x, {3, 5}}, {batch, 6, 5}},
        {"vit.pool %a {kind = #vit.pool<token>, index = 1 : i64} : $a -> $y", {x}, {batch, 5}},
        {"vit.pool %a {kind = #vit.pool<avg>, index = 1 : i64} : $a -> $y", {x}, {batch, 5}},
        {"vit.slice_tokens %a {first = 1 : i64} : $a -> $y", {{batch, 5, 3}}, {batch, 2, 3}},
        {"vit.reshape_tokens %a : $a -> $y", {{batch, 6, 5}}, {batch, 2, 3, 5}},
        {"vit.reshape_tokens %a : $a -> $y", {{batch, 2, 3, 5}}, {batch, 10, 3}},
        {"vit.concat_tokens %a, %b, %a : ($a, $b, $a) -> $y", {x, {batch, 1, 5}}, {batch, 7, 5}},
        {"vit.to_windows %a {grid = array<i64: 3, 5>, size = 2 : i64} : $a -> $y", {{batch, 15, 3}}, {batch, 24, 3}},
        {"vit.to_windows %a fill(%b : $b) {grid = array<i64: 3, 5>, size = 2 : i64} : $a -> $y", {{batch, 15, 3}, {3}}, {batch, 24, 3}},
        {"vit.from_windows %a {grid = array<i64: 3, 5>, size = 2 : i64} : $a -> $y", {{batch, 24, 3}}, {batch, 15, 3}}}},
      {"Stems",
       {{"vit.conv %a, %b {stride = array<i64: 2, 2>, padding = array<i64: 0, 0, 0, 0>} : $a, $b -> $y",
         {{batch, 2, 6, 7}, {3, 2, 3, 2}},
         {batch, 3, 2, 3}},
        {"vit.conv %a, %b bias(%c : $c) {stride = array<i64: 1, 2>, padding = array<i64: 1, 1, 0, 1>} : $a, $b -> $y",
         {{batch, 2, 4, 5}, {3, 2, 3, 3}, {3}},
         {batch, 3, 4, 2}},
        {"vit.group_norm %a {groups = 2 : i64, eps = 1.0e-3 : f32} : $a", {maps}, maps},
        {"vit.group_norm %a gain(%b : $b) shift(%c : $c) {groups = 4 : i64, eps = 1.0e-3 : f32} : $a", {maps, {4}, {4}}, maps},
        {"vit.max_pool %a {window = array<i64: 3, 2>, stride = array<i64: 2, 1>, padding = array<i64: 1, 1, 0, 1>} : $a -> $y",
         {maps},
         {batch, 4, 3, 7}},
        {"vit.avg_pool %a {window = array<i64: 3, 2>, stride = array<i64: 2, 1>, padding = array<i64: 1, 1, 0, 1>} : $a -> $y",
         {maps},
         {batch, 4, 3, 7}},
        {"vit.channels_last %a : $a -> $y", {maps}, rows},
        {"vit.channels_first %a : $a -> $y", {rows}, maps},
        {"vit.im2col %a {grid = array<i64: 5, 7>, window = array<i64: 3, 2>, stride = array<i64: 2, 3>, padding = array<i64: 1, 1, 0, 1>} "
         ": $a -> $y",
         {rows},
         {batch, 9, 24}},
        {"vit.pool_rows %a {kind = #vit.window_pool<max>, grid = array<i64: 5, 7>, window = array<i64: 3, 2>, stride = array<i64: 2, 1>, "
         "padding = array<i64: 1, 1, 0, 1>} : $a -> $y",
         {rows},
         {batch, 21, 4}},
        {"vit.pool_rows %a {kind = #vit.window_pool<avg>, grid = array<i64: 5, 7>, window = array<i64: 3, 2>, stride = array<i64: 2, 1>, "
         "padding = array<i64: 1, 1, 0, 1>} : $a -> $y",
         {rows},
         {batch, 21, 4}},
        {"vit.group_norm_rows %a {groups = 2 : i64, eps = 1.0e-3 : f32} : $a", {rows}, rows},
        {"vit.group_norm_rows %a gain(%b : $b) shift(%c : $c) residual(%d : $d) {activation = #vit.activation<silu>, groups = 2 : i64, eps "
         "= 1.0e-3 : f32} : $a",
         {rows, {4}, {4}, rows},
         rows}}},
      {"Weights",
       {{"vit.concat %a, %b, %a : ($a, $b, $a) -> $y", {{2, 5}, {1, 5}}, {5, 5}},
        {"vit.concat %a, %b : ($a, $b) -> $y", {{3}, {4}}, {7}},
        {"vit.reshape %a : $a -> $y", {{2, 3, 5}}, {6, 5}},
        {"vit.reshape %a : $a -> $y", {{6, 5}}, {10, 3}},
        {"vit.scale %a by %b {axis = 0 : i64} : $a, $b", {{2, 3, 5}, {2}}, {2, 3, 5}},
        {"vit.scale %a by %b {axis = 2 : i64} : $a, $b", {{2, 3, 5}, {5}}, {2, 3, 5}},
        {"vit.scale_rows %a {rows = 2 : i64, factor = 0.3 : f32} : $a", {{3, 5}}, {3, 5}},
        {"vit.add %a, %b : $a, $b -> $y", {{3, 5}, {5}}, {3, 5}},
        {"vit.add %a, %b : $a, $b -> $y", {{3, 5}, {3, 5}}, {3, 5}},
        {"vit.add %a, %a : $a, $a -> $y", {{3, 5}}, {3, 5}},
        {"vit.matvec %a, %b : $a, $b -> $y", {{7, 5}, {5}}, {7}},
        {"vit.slice_rows %a {first = 2 : i64} : $a -> $y", {{7, 3}}, {3, 3}},
        {"vit.slice_rows %a {first = 0 : i64} : $a -> $y", {{7}}, {3}},
        {"vit.slice_rows %a {first = 4 : i64} : $a -> $y", {{7, 2, 2}}, {3, 2, 2}},
        {"vit.transpose %a {permutation = array<i64: 2, 0, 1>} : $a -> $y", {{2, 3, 5}}, {5, 2, 3}},
        {"vit.transpose %a {permutation = array<i64: 1, 0>} : $a -> $y", {{3, 5}}, {5, 3}},
        {"vit.inverse_deviation %a {eps = 1.0e-3 : f32} : $a", {{7}}, {7}, {}, /*positive=*/true},
        {"vit.standardize %a {eps = 1.0e-5 : f32} : $a", {{4, 3, 3, 2}}, {4, 3, 3, 2}},
        {"vit.standardize %a {eps = 1.0e-2 : f32, eps_on_deviation} : $a", {{4, 3, 3, 2}}, {4, 3, 3, 2}}}},
      {"Positions",
       {{"vit.resample %a by %b {axis = 1 : i64} : $a, $b -> $y", {{3, 4, 5}, {7, 4}}, {3, 7, 5}},
        {"vit.resample %a by %b {axis = 0 : i64} : $a, $b -> $y", {{3, 4}, {2, 3}}, {2, 4}},
        {"vit.relative_bias %a {grid = array<i64: 2, 3>, prefix = 0 : i64} : $a -> $y", {{15, 2}}, {2, 6, 6}},
        {"vit.relative_bias %a {grid = array<i64: 2, 3>, prefix = 1 : i64} : $a -> $y", {{18, 2}}, {2, 7, 7}},
        {"vit.relative_bias %a {grid = array<i64: 2, 3>, prefix = 2 : i64} : $a -> $y", {{15, 2}}, {2, 8, 8}},
        {"vit.rotary_table %a at %b : $a, $b -> $y", {{2, 3, 2}, {5, 2}}, {3, 5, 4}},
        {"vit.rotary_table %a at %b {cosine} : $a, $b -> $y", {{2, 3, 2}, {5, 2}}, {3, 5, 4}},
        {"vit.differential_lambda %a, %b, %c, %d {init = 0.2 : f32} : $a -> $y", {{3}, {3}, {3}, {3}}, {5}}}},
      {"Training",
       {{"vit.cross_entropy %a, %b : $a, $b -> $y", {{batch, 3}, {batch, 3}}, {batch, 1}, {{1, {0.2, 0.7, 0.1, 0.0, 1.0, 0.0}}}},
        {"vit.cross_entropy %a, %b : $a, $b -> $y", {{batch, 2}, {batch, 2}}, {batch, 1}, {{1, {0.5, 0.1, 0.0, 0.3}}}},
        {"vit.dropout %a, %b {rate = 0.4 : f32, stream = 3 : i64} : $a, $b", {x, {batch, 4}}, x, {{1, dropoutKeys()}}},
        {"vit.dropout %a, %b {rate = 0.5 : f32, stream = 3 : i64, per_image} : $a, $b", {x, {batch, 4}}, x, {{1, dropoutKeys()}}},
        {"vit.drop_patches %a, %b {prefix = 2 : i64, stream = 3 : i64} : $a, $b -> $y",
         {{batch, 9, 3}, {batch, 4}},
         {batch, 5, 3},
         {{1, dropoutKeys()}},
         /*positive=*/false,
         /*indifferent=*/{},
         /*readsByNumbers=*/true}}},
  };
}

class GradientTest : public testing::TestWithParam<Group> {};

TEST_P(GradientTest, IsTheLimitOfDifferences) {
  for (const Differentiated &c : GetParam().cases)
    expectGradient(c);
}

INSTANTIATE_TEST_SUITE_P(Operations, GradientTest, testing::ValuesIn(groups()),
                         [](const testing::TestParamInfo<Group> &info) { return info.param.name; });

/// Whoever gives an operation a gradient gives it a case.
TEST(Gradients, AreAllTested) {
  mlir::MLIRContext context(makeRegistry(), mlir::MLIRContext::Threading::DISABLED);
  context.loadDialect<vit::VitDialect>();
  std::vector<Group> all = groups();
  for (mlir::RegisteredOperationName name : context.getRegisteredOperationsByDialect("vit")) {
    if (!name.hasInterface<vit::GradientInterface>())
      continue;
    std::string mnemonic = name.getStringRef().str() + " ";
    bool isTested = llvm::any_of(all, [&](const Group &group) {
      return llvm::any_of(group.cases, [&](const Differentiated &c) { return c.op.starts_with(mnemonic); });
    });
    EXPECT_TRUE(isTested) << mnemonic;
  }
}

} // namespace
