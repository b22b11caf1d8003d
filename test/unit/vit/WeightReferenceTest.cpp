//===- WeightReferenceTest.cpp - arithmetic on weights against its formulas ---------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "Evaluate.h"

#include <gtest/gtest.h>

#include <cmath>

using namespace vitc::test;

using Position = std::vector<int64_t>;

TEST(WeightReference, ConcatPutsPartsBelowEachOther) {
  Tensor a = Tensor::random({2, 5}, 1), b = Tensor::random({3, 5}, 2);
  Tensor y = evaluate(R"(func.func @f(%a: tensor<2x5xf32>, %b: tensor<3x5xf32>) -> tensor<9x5xf32> {
    %k = vit.zeros : tensor<4x5xf32>
    %0 = vit.concat %a, %k, %b : (tensor<2x5xf32>, tensor<4x5xf32>, tensor<3x5xf32>) -> tensor<9x5xf32>
    return %0 : tensor<9x5xf32>
  })",
                      {a, b});
  expectFormula(y, {9, 5}, [&](const Position &p) { return p[0] < 2 ? a.at({p[0], p[1]}) : p[0] < 6 ? 0.0 : b.at({p[0] - 6, p[1]}); });
}

TEST(WeightReference, ConcatOfVectors) {
  Tensor a = Tensor::random({3}, 1);
  Tensor y = evaluate(R"(func.func @f(%a: tensor<3xf32>) -> tensor<6xf32> {
    %0 = vit.concat %a, %a : (tensor<3xf32>, tensor<3xf32>) -> tensor<6xf32>
    return %0 : tensor<6xf32>
  })",
                      {a});
  expectFormula(y, {6}, [&](const Position &p) { return a.at({p[0] % 3}); });
}

TEST(WeightReference, ReshapeKeepsRowMajorOrder) {
  for (auto [from, to] : std::vector<std::pair<Position, Position>>{
           {{2, 3, 5}, {6, 5}}, {{6, 5}, {2, 3, 5}}, {{6, 5}, {10, 3}}, {{1, 7, 1}, {7}}, {{7}, {1, 7, 1}}}) {
    Tensor a = Tensor::random(from, 1);
    std::string fromType = a.type(), toType = Tensor(to).type();
    Tensor y = evaluate("func.func @f(%a: " + fromType + ") -> " + toType + " { %0 = vit.reshape %a : " + fromType + " -> " + toType +
                            "\n return %0 : " + toType + " }",
                        {a});
    EXPECT_EQ(y.shape, to);
    EXPECT_EQ(y.data, a.data);
  }
}

TEST(WeightReference, ScaleTakesOneFactorForEachIndexOfItsAxis) {
  Tensor a = Tensor::random({2, 3, 5}, 1);
  for (int64_t axis : {0, 1, 2}) {
    Tensor factor = Tensor::random({a.shape[axis]}, 2);
    Tensor y = evaluate("func.func @f(%a: tensor<2x3x5xf32>, %b: " + factor.type() +
                            ") -> tensor<2x3x5xf32> { %0 = vit.scale %a by %b {axis = " + std::to_string(axis) +
                            " : i64} : tensor<2x3x5xf32>, " + factor.type() + "\n return %0 : tensor<2x3x5xf32> }",
                        {a, factor});
    expectFormula(y, {2, 3, 5}, [&](const Position &p) { return a.at({p[0], p[1], p[2]}) * factor.at({p[axis]}); });
  }
}

TEST(WeightReference, ScaleRowsLeavesTheRestAlone) {
  Tensor a = Tensor::random({6, 5}, 1);
  Tensor y = evaluate(R"(func.func @f(%a: tensor<6x5xf32>) -> tensor<6x5xf32> {
    %0 = vit.scale_rows %a {rows = 2 : i64, factor = 0.125 : f32} : tensor<6x5xf32>
    return %0 : tensor<6x5xf32>
  })",
                      {a});
  expectFormula(y, {6, 5}, [&](const Position &p) { return a.at({p[0], p[1]}) * (p[0] < 2 ? 0.125 : 1.0); });
}

TEST(WeightReference, AddBroadcastsAVectorToTheLastAxis) {
  Tensor a = Tensor::random({3, 5}, 1), b = Tensor::random({5}, 2), c = Tensor::random({3, 5}, 3);
  Tensor y = evaluate(R"(func.func @f(%a: tensor<3x5xf32>, %b: tensor<5xf32>, %c: tensor<3x5xf32>) -> tensor<3x5xf32> {
    %0 = vit.add %a, %b : tensor<3x5xf32>, tensor<5xf32> -> tensor<3x5xf32>
    %1 = vit.add %0, %c : tensor<3x5xf32>, tensor<3x5xf32> -> tensor<3x5xf32>
    return %1 : tensor<3x5xf32>
  })",
                      {a, b, c});
  expectFormula(y, {3, 5}, [&](const Position &p) { return a.at({p[0], p[1]}) + b.at({p[1]}) + c.at({p[0], p[1]}); });
}

TEST(WeightReference, MatvecAndSliceRows) {
  Tensor a = Tensor::random({7, 5}, 1), v = Tensor::random({5}, 2);
  Tensor y = evaluate(R"(func.func @f(%a: tensor<7x5xf32>, %v: tensor<5xf32>) -> tensor<3xf32> {
    %0 = vit.matvec %a, %v : tensor<7x5xf32>, tensor<5xf32> -> tensor<7xf32>
    %1 = vit.slice_rows %0 {first = 2 : i64} : tensor<7xf32> -> tensor<3xf32>
    return %1 : tensor<3xf32>
  })",
                      {a, v});
  expectFormula(y, {3}, [&](const Position &p) {
    double sum = 0;
    for (int64_t k = 0; k < 5; ++k)
      sum += a.at({p[0] + 2, k}) * v.at({k});
    return sum;
  });
}

TEST(WeightReference, TransposePutsAxesInTheOrderOfThePermutation) {
  Tensor a = Tensor::random({2, 3, 5}, 1);
  Tensor y = evaluate(R"(func.func @f(%a: tensor<2x3x5xf32>) -> tensor<5x2x3xf32> {
    %0 = vit.transpose %a {permutation = array<i64: 2, 0, 1>} : tensor<2x3x5xf32> -> tensor<5x2x3xf32>
    return %0 : tensor<5x2x3xf32>
  })",
                      {a});
  expectFormula(y, {5, 2, 3}, [&](const Position &p) { return a.at({p[1], p[2], p[0]}); });
}

TEST(WeightReference, InverseDeviation) {
  Tensor variance = Tensor::random({7}, 1);
  for (float &value : variance.data)
    value = std::abs(value);
  Tensor y = evaluate(R"(func.func @f(%v: tensor<7xf32>) -> tensor<7xf32> {
    %0 = vit.inverse_deviation %v {eps = 1.0e-3 : f32} : tensor<7xf32>
    return %0 : tensor<7xf32>
  })",
                      {variance});
  expectFormula(y, {7}, [&](const Position &p) { return 1.0 / std::sqrt(variance.at({p[0]}) + 1e-3); });
}
