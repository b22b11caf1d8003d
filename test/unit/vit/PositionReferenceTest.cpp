//===- PositionReferenceTest.cpp - tables of positions against their formulas -------------===//
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

TEST(PositionReference, Constant) {
  Tensor y = evaluate(R"(func.func @f() -> tensor<2x2xf32> {
    %0 = vit.constant dense<[[1.0, -2.0], [0.5, 4.0]]> : tensor<2x2xf32>
    return %0 : tensor<2x2xf32>
  })",
                      {});
  EXPECT_EQ(y.data, (std::vector<float>{1.0f, -2.0f, 0.5f, 4.0f}));
}

TEST(PositionReference, ResampleAlongEachAxis) {
  Tensor x = Tensor::random({3, 4, 5}, 1);
  for (int64_t axis : {0, 1, 2}) {
    Tensor matrix = Tensor::random({7, x.shape[axis]}, 2);
    Position shape = x.shape;
    shape[axis] = 7;
    std::string type = Tensor(shape).type();
    Tensor y = evaluate("func.func @f(%x: tensor<3x4x5xf32>, %m: " + matrix.type() + ") -> " + type +
                            " { %0 = vit.resample %x by %m {axis = " + std::to_string(axis) + " : i64} : tensor<3x4x5xf32>, " +
                            matrix.type() + " -> " + type + "\n return %0 : " + type + " }",
                        {x, matrix});
    expectFormula(y, shape, [&](Position p) {
      double sum = 0;
      int64_t row = p[axis];
      for (int64_t i = 0; i < x.shape[axis]; ++i) {
        p[axis] = i;
        sum += double(matrix.at({row, i})) * double(x.at({p[0], p[1], p[2]}));
      }
      return sum;
    });
  }
}

/// The row of a table for a grid of 2 x 3 that patches `q` and `k` read.
static int64_t distanceRow(int64_t q, int64_t k) { return (q / 3 - k / 3 + 1) * 5 + q % 3 - k % 3 + 2; }

TEST(PositionReference, RelativeBiasOfPatches) {
  Tensor table = Tensor::random({15, 4}, 1);
  for (int64_t prefix : {0, 2}) {
    int64_t tokens = 6 + prefix;
    std::string type = Tensor({4, tokens, tokens}).type();
    Tensor y = evaluate("func.func @f(%t: tensor<15x4xf32>) -> " + type +
                            " { %0 = vit.relative_bias %t {grid = array<i64: 2, 3>, prefix = " + std::to_string(prefix) +
                            " : i64} : tensor<15x4xf32> -> " + type + "\n return %0 : " + type + " }",
                        {table});
    expectFormula(y, {4, tokens, tokens}, [&](const Position &p) {
      int64_t q = p[1] - prefix, k = p[2] - prefix;
      return q < 0 || k < 0 ? 0.0 : double(table.at({distanceRow(q, k), p[0]}));
    });
  }
}

TEST(PositionReference, RelativeBiasWithEntriesForTheClassToken) {
  Tensor table = Tensor::random({18, 2}, 1);
  Tensor y = evaluate(R"(func.func @f(%t: tensor<18x2xf32>) -> tensor<2x7x7xf32> {
    %0 = vit.relative_bias %t {grid = array<i64: 2, 3>, prefix = 1 : i64} : tensor<18x2xf32> -> tensor<2x7x7xf32>
    return %0 : tensor<2x7x7xf32>
  })",
                      {table});
  expectFormula(y, {2, 7, 7}, [&](const Position &p) {
    int64_t q = p[1] - 1, k = p[2] - 1;
    int64_t row = q < 0 && k < 0 ? 17 : q < 0 ? 15 : k < 0 ? 16 : distanceRow(q, k);
    return double(table.at({row, p[0]}));
  });
}

TEST(PositionReference, RotaryTable) {
  Tensor frequencies = Tensor::random({2, 3, 4}, 1), coordinates = Tensor::random({5, 2}, 2);
  for (bool cosine : {false, true}) {
    Tensor y = evaluate("func.func @f(%f: tensor<2x3x4xf32>, %c: tensor<5x2xf32>) -> tensor<3x5x8xf32> { %0 = vit.rotary_table %f at %c" +
                            std::string(cosine ? " {cosine}" : "") +
                            " : tensor<2x3x4xf32>, tensor<5x2xf32> -> tensor<3x5x8xf32>\n return %0 : tensor<3x5x8xf32> }",
                        {frequencies, coordinates});
    expectFormula(y, {3, 5, 8}, [&](const Position &p) {
      double angle = 0;
      for (int64_t axis : {0, 1})
        angle += double(coordinates.at({p[1], axis})) * double(frequencies.at({axis, p[0], p[2] / 2}));
      return cosine ? std::cos(angle) : std::sin(angle);
    });
  }
}

TEST(PositionReference, DifferentialLambda) {
  Tensor q1 = Tensor::random({6}, 1), k1 = Tensor::random({6}, 2), q2 = Tensor::random({6}, 3), k2 = Tensor::random({6}, 4);
  Tensor y = evaluate(R"(func.func @f(%a: tensor<6xf32>, %b: tensor<6xf32>, %c: tensor<6xf32>, %d: tensor<6xf32>) -> tensor<3xf32> {
    %0 = vit.differential_lambda %a, %b, %c, %d {init = 0.25 : f32} : tensor<6xf32> -> tensor<3xf32>
    return %0 : tensor<3xf32>
  })",
                      {q1, k1, q2, k2});
  auto dot = [](const Tensor &a, const Tensor &b) {
    double sum = 0;
    for (int64_t i = 0; i < 6; ++i)
      sum += double(a.at({i})) * double(b.at({i}));
    return sum;
  };
  expectFormula(y, {3}, [&](const Position &) { return std::exp(dot(q1, k1)) - std::exp(dot(q2, k2)) + 0.25; });
}
