//===- ReferenceTest.cpp - kernel.reference, and other kernels against it ------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Each vit operation's reference lowering is compared with its formula in double precision, each scheduled kernel with the reference lowering.
//
//===--------------------------------------------------------------------------------------===//

#include "KernelHarness.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <numbers>

using namespace vitc::test;

namespace {

constexpr int64_t images = 2;

/// A shape, of one image where the first axis is `batch`.
using Shape = std::vector<int64_t>;
constexpr int64_t batch = -1;

size_t elements(const Shape &shape) {
  size_t count = 1;
  for (int64_t size : shape)
    count *= size == batch ? images : size;
  return count;
}

std::string tensor(const Shape &shape, const char *batchSize) {
  std::string text = "tensor<";
  for (int64_t size : shape)
    text += (size == batch ? batchSize : std::to_string(size)) + "x";
  return text + "f32>";
}

/// A kernel.reference of `op`, in which %a, %b, %c... are the operands and $a, $b... their types, $y the result's.
std::string referenceText(std::string op, const std::vector<Shape> &operands, const Shape &result) {
  std::vector<std::string> outer, inner, parameters, arguments, names;
  auto substitute = [&](const std::string &what, const std::string &with) {
    for (size_t at = 0; (at = op.find(what, at)) != std::string::npos; at += with.size())
      op.replace(at, what.size(), with);
  };
  for (size_t i = 0; i < operands.size(); ++i) {
    std::string letter(1, 'a' + i);
    outer.push_back(tensor(operands[i], "?"));
    inner.push_back(tensor(operands[i], "1"));
    parameters.push_back("%o" + letter + ": " + outer.back());
    arguments.push_back("%" + letter + ": " + inner.back());
    names.push_back("%o" + letter);
    substitute("$" + letter, inner.back());
  }
  substitute("$y", tensor(result, "1"));
  return fmt::format(
      "func.func @f({}) {{\n  %r = kernel.reference {} : ({}) -> {} {{\n  ^bb0({}):\n    {}\n    kernel.yield %y : {}\n  }}\n  return\n}}",
      fmt::join(parameters, ", "), fmt::join(names, ", "), fmt::join(outer, ", "), tensor(result, "?"), fmt::join(arguments, ", "), op,
      tensor(result, "1"));
}

std::vector<std::vector<float>> randomOperands(const std::vector<Shape> &shapes) {
  std::vector<std::vector<float>> result;
  for (const Shape &shape : shapes)
    result.push_back(randomFloats(elements(shape), 1 + result.size()));
  return result;
}

using Operands = std::vector<std::vector<float>>;
using Formula = std::function<double(const Operands &x, size_t i)>;

/// Compares `op` with a formula for element i of the result.
void expectFormula(const std::string &op, const std::vector<Shape> &shapes, const Shape &result, const Formula &formula,
                   double tolerance = 2e-6) {
  SCOPED_TRACE(op);
  Level level = runnableLevels().front();
  std::optional<Kernel> kernel = compileLaunch(referenceText(op, shapes, result), level.target);
  ASSERT_TRUE(kernel);
  EXPECT_EQ(kernel->tasks(images), images);
  Operands operands = randomOperands(shapes);
  std::vector<double> expected;
  for (size_t i = 0; i < elements(result); ++i)
    expected.push_back(formula(operands, i));
  expectKernel(*kernel, operands, expected, images, tolerance);
}

TEST(Reference, Activations) {
  auto expect = [](const char *kind, double (*function)(double)) {
    expectFormula(fmt::format("%y = vit.activation %a {{kind = #vit.activation<{}>}} : $a", kind), {{batch, 5, 7}}, {batch, 5, 7},
                  [&](const Operands &x, size_t i) { return function(x[0][i]); });
  };
  expect("none", [](double x) { return x; });
  expect("relu", [](double x) { return std::max(x, 0.0); });
  expect("gelu_erf", [](double x) { return x / 2 * std::erfc(-x / std::numbers::sqrt2); });
  expect("gelu_tanh", [](double x) { return x / 2 * (1 + std::tanh(std::sqrt(2 / std::numbers::pi) * (x + 0.044715 * x * x * x))); });
  expect("quick_gelu", [](double x) { return x / (1 + std::exp(-1.702 * x)); });
  expect("silu", [](double x) { return x / (1 + std::exp(-x)); });
  expect("tanh", [](double x) { return std::tanh(x); });
  expect("sigmoid", [](double x) { return 1 / (1 + std::exp(-x)); });
}

TEST(Reference, ElementWise) {
  expectFormula("%y = vit.mul %a, %b : $a", {{batch, 3, 5}, {batch, 3, 5}}, {batch, 3, 5},
                [](const Operands &x, size_t i) { return double(x[0][i]) * x[1][i]; });
  expectFormula("%y = vit.residual %a, %b : $a", {{batch, 3, 5}, {batch, 3, 5}}, {batch, 3, 5},
                [](const Operands &x, size_t i) { return double(x[0][i]) + x[1][i]; });
  expectFormula("%y = vit.residual %a, %b gamma(%c : $c) : $a", {{batch, 3, 5}, {batch, 3, 5}, {5}}, {batch, 3, 5},
                [](const Operands &x, size_t i) { return x[0][i] + double(x[2][i % 5]) * x[1][i]; });
}

TEST(Reference, Pool) {
  expectFormula("%y = vit.pool %a {kind = #vit.pool<token>, index = 2 : i64} : $a -> $y", {{batch, 4, 3}}, {batch, 3},
                [](const Operands &x, size_t i) { return x[0][i / 3 * 12 + 6 + i % 3]; });
  expectFormula("%y = vit.pool %a {kind = #vit.pool<avg>, index = 1 : i64} : $a -> $y", {{batch, 4, 3}}, {batch, 3},
                [](const Operands &x, size_t i) {
                  const float *image = &x[0][i / 3 * 12 + i % 3];
                  return (double(image[3]) + image[6] + image[9]) / 3;
                });
}

TEST(Reference, PatchifyDropsPixelsThatFillNoPatch) {
  // 2 channels of 7 x 5 pixels in patches of 3 x 2: a grid of 2 x 2.
  expectFormula("%y = vit.patchify %a, %b bias(%c : $c) : $a, $b -> $y", {{batch, 2, 7, 5}, {4, 2, 3, 2}, {4}}, {batch, 4, 4},
                [](const Operands &x, size_t i) {
                  size_t image = i / 16, row = i / 8 % 2, column = i / 4 % 2, output = i % 4;
                  double sum = x[2][output];
                  for (size_t c = 0; c < 2; ++c)
                    for (size_t p = 0; p < 3; ++p)
                      for (size_t q = 0; q < 2; ++q)
                        sum += double(x[0][((image * 2 + c) * 7 + row * 3 + p) * 5 + column * 2 + q]) *
                               x[1][((output * 2 + c) * 3 + p) * 2 + q];
                  return sum;
                });
}

TEST(Reference, Embed) {
  expectFormula("%y = vit.embed %a prefix(%b, %c : $b, $c) position(%d : $d) : $a -> $y", {{batch, 3, 5}, {1, 5}, {2, 5}, {6, 5}},
                {batch, 6, 5}, [](const Operands &x, size_t i) {
                  size_t image = i / 30, token = i / 5 % 6, k = i % 5;
                  float value = token == 0 ? x[1][k] : token < 3 ? x[2][(token - 1) * 5 + k] : x[0][(image * 3 + token - 3) * 5 + k];
                  return value + double(x[3][token * 5 + k]);
                });
  expectFormula("%y = vit.embed %a prefix(%b : $b) position(%c : $c) {patches_only} : $a -> $y", {{batch, 3, 5}, {1, 5}, {3, 5}},
                {batch, 4, 5}, [](const Operands &x, size_t i) {
                  size_t image = i / 20, token = i / 5 % 4, k = i % 5;
                  return token == 0 ? x[1][k] : x[0][(image * 3 + token - 1) * 5 + k] + double(x[2][(token - 1) * 5 + k]);
                });
}

TEST(Reference, RotaryTurnsPairsOfQueryAndKey) {
  for (bool interleaved : {true, false})
    expectFormula(
        fmt::format(
            "%y = vit.rotary %a sin(%b : $b) cos(%c : $c) {{heads = 2 : i64, prefix = 1 : i64, layout = #vit.rotary_layout<{}>}} : $a",
            interleaved ? "interleaved" : "halves"),
        {{batch, 3, 24}, {2, 4}, {2, 4}}, {batch, 3, 24}, [=](const Operands &x, size_t i) -> double {
          size_t token = i / 24 % 3, column = i % 24, k = column % 4;
          if (token == 0 || column >= 16)
            return x[0][i];
          size_t other = interleaved ? k ^ 1 : (k + 2) % 4;
          bool first = interleaved ? k % 2 == 0 : k < 2;
          double turned = x[0][i - k + other] * (first ? -1.0 : 1.0);
          size_t at = (token - 1) * 4 + k;
          return x[0][i] * double(x[2][at]) + turned * x[1][at];
        });
}

TEST(Reference, HeadNormalizeLeavesTheValue) {
  expectFormula(
      "%y = vit.head_normalize %a q_gain(%b : $b) k_gain(%c : $c) {heads = 2 : i64, kind = #vit.norm<rms>, eps = 1.0e-6 : f32} : $a",
      {{batch, 3, 24}, {4}, {4}}, {batch, 3, 24}, [](const Operands &x, size_t i) -> double {
        size_t column = i % 24, k = column % 4;
        if (column >= 16)
          return x[0][i];
        double squares = 0;
        for (size_t j = 0; j < 4; ++j)
          squares += double(x[0][i - k + j]) * x[0][i - k + j];
        return x[0][i] / std::sqrt(squares / 4 + 1e-6) * x[column < 8 ? 1 : 2][k];
      });
}

/// Both results grow from one zero fill, so that either could be computed in the other's destination.
TEST(Reference, ResultsOfOneTypeAreApart) {
  const int64_t rows = images * 3, width = 5;
  std::optional<Kernel> kernel = compileLaunch(
      "func.func @f(%a: tensor<?x3x5xf32>, %b: tensor<?x3x5xf32>) {\n  %r:2 = kernel.reference %a, %b : (tensor<?x3x5xf32>, "
      "tensor<?x3x5xf32>) -> (tensor<5xf32>, tensor<5xf32>) {\n  ^bb0(%x: tensor<1x3x5xf32>, %u: tensor<1x3x5xf32>):\n"
      "    %g, %s = vit.normalize_weight_grad %x, %u {kind = #vit.norm<rms>, eps = 1.0e-6 : f32} : tensor<1x3x5xf32> -> tensor<5xf32>, "
      "tensor<5xf32>\n    kernel.yield %g, %s : tensor<5xf32>, tensor<5xf32>\n  }\n  return\n}",
      runnableLevels().front().target);
  ASSERT_TRUE(kernel);
  Operands x = randomOperands({{batch, 3, 5}, {batch, 3, 5}});
  std::vector<double> gain(width), shift(width);
  for (int64_t row = 0; row < rows; ++row) {
    double squares = 0;
    for (int64_t k = 0; k < width; ++k)
      squares += double(x[0][row * width + k]) * x[0][row * width + k];
    for (int64_t k = 0; k < width; ++k) {
      gain[k] += x[1][row * width + k] * x[0][row * width + k] / std::sqrt(squares / double(width) + 1e-6);
      shift[k] += x[1][row * width + k];
    }
  }
  std::vector<float> zeros(width);
  std::vector<std::vector<float>> results = runAdding(*kernel, x, {zeros, zeros}, images);
  expectClose(results[0], gain, 1e-5);
  expectClose(results[1], shift, 1e-5);
}

/// A composite's reference lowering is that of its parts.
TEST(Reference, Mlp) {
  auto dot = [](const float *x, const std::vector<float> &w, size_t row, size_t n) {
    double sum = 0;
    for (size_t k = 0; k < n; ++k)
      sum += double(x[k]) * w[row * n + k];
    return sum;
  };
  expectFormula(
      "%y = vit.mlp %a fc1(%b : $b, %c : $c) gate(%d : $d, %e : $e) fc2(%f : $f) {activation = #vit.activation<silu>} : $a -> $y",
      {{batch, 3, 5}, {7, 5}, {7}, {7, 5}, {7}, {4, 7}}, {batch, 3, 4},
      [&](const Operands &x, size_t i) {
        const float *row = &x[0][i / 4 * 5];
        double sum = 0;
        for (size_t m = 0; m < 7; ++m) {
          double hidden = dot(row, x[1], m, 5) + x[2][m], gate = dot(row, x[3], m, 5) + x[4][m];
          sum += hidden / (1 + std::exp(-hidden)) * gate * x[5][i % 4 * 7 + m];
        }
        return sum;
      },
      1e-5);
}

//===--------------------------------------------------------------------------------------===//
// Scheduled kernels against the reference lowering
//===--------------------------------------------------------------------------------------===//

/// Runs `kernelOp` and the reference lowering of `op`, both written as in `referenceText`, on the same operands.
void expectSameAsReference(const std::string &kernelText, const std::string &op, const std::vector<Shape> &shapes, const Shape &result,
                           const Level &level, double tolerance) {
  SCOPED_TRACE(level.name + ": " + op);
  std::optional<Kernel> kernel = compileLaunch(kernelText, level.target),
                        reference = compileLaunch(referenceText(op, shapes, result), level.target);
  ASSERT_TRUE(kernel && reference);
  Operands operands = randomOperands(shapes);
  std::vector<float> expected = runGuarded(*reference, operands, elements(result), images);
  expectKernel(*kernel, operands, {expected.begin(), expected.end()}, images, tolerance);
}

TEST(KernelsAgreeWithReference, Normalize) {
  for (const Level &level : runnableLevels())
    for (const char *kind : {"layer", "rms"})
      for (int64_t width : {1, 18, 192}) {
        std::vector<Shape> shapes{{batch, 5, width}, {width}, {width}};
        std::string text = fmt::format(
            "func.func @f(%a: {0}, %b: {1}, %c: {1}) {{\n  %y = kernel.normalize %a gain(%b : {1}) shift(%c : {1}) {{kind = "
            "#vit.norm<{2}>, eps = 1.0e-6 : f32, schedule = #kernel.row_schedule<rows_per_task = 2, vector = {3}>}} : {0} -> {0}\n"
            "  return\n}}",
            tensor(shapes[0], "?"), tensor(shapes[1], "?"), kind, level.target.vectorLanes);
        std::string op =
            fmt::format("%y = vit.normalize %a gain(%b : $b) shift(%c : $c) {{kind = #vit.norm<{}>, eps = 1.0e-6 : f32}} : $a", kind);
        expectSameAsReference(text, op, shapes, shapes[0], level, 2e-6);
      }
}

TEST(KernelsAgreeWithReference, Attention) {
  for (const Level &level : runnableLevels())
    for (int64_t tokens : {1, 5, 50, 197}) {
      std::vector<Shape> shapes{{batch, tokens, 3 * 2 * 18}, {2, tokens, tokens}};
      Shape result{batch, tokens, 2 * 18};
      std::string text =
          fmt::format("func.func @f(%a: {0}, %b: {1}) {{\n  %y = kernel.attention %a bias(%b : {1}) {{heads = 2 : i64, scale = 0.25 : f32, "
                      "schedule = #kernel.attention_schedule<rows = {2}, vector = {3}>}} : {0} -> {4}\n  return\n}}",
                      tensor(shapes[0], "?"), tensor(shapes[1], "?"), level.rows, level.target.vectorLanes, tensor(result, "?"));
      expectSameAsReference(text, "%y = vit.sdpa %a bias(%b : $b) {heads = 2 : i64, scale = 0.25 : f32} : $a -> $y", shapes, result, level,
                            2e-6);
    }
}

/// kernel.gemm reads its weight packed; a depth of one k-block and one panel is packed by transposing.
TEST(KernelsAgreeWithReference, Gemm) {
  for (const Level &level : runnableLevels())
    for (const char *activation : {"none", "gelu_erf", "silu"}) {
      SCOPED_TRACE(level.name + " " + activation);
      const int64_t tokens = 17, depth = 37, outputs = level.columns;
      std::vector<Shape> shapes{{batch, tokens, depth}, {outputs, depth}, {outputs}, {batch, tokens, outputs}};
      Operands operands = randomOperands(shapes), packed = operands;
      for (int64_t n = 0; n < outputs; ++n)
        for (int64_t k = 0; k < depth; ++k)
          packed[1][k * outputs + n] = operands[1][n * depth + k];
      std::string input = tensor(shapes[0], "?"), result = tensor(shapes[3], "?"), bias = tensor(shapes[2], "?");
      std::string text =
          fmt::format("func.func @f(%a: {0}, %b: tensor<1x1x{1}x{2}xf32>, %c: {3}, %d: {4}) {{\n  %y = kernel.gemm %a, %b bias(%c : {3}) "
                      "residual(%d : {4}) {{activation = #vit.activation<{5}>, schedule = #kernel.gemm_schedule<rows = {6}, columns = {2}, "
                      "k_block = {1}, row_block = {7}, prefetch = 8, vector = {8}>}} : {0}, tensor<1x1x{1}x{2}xf32> -> {4}\n  return\n}}",
                      input, depth, outputs, bias, result, activation, level.rows, 2 * level.rows, level.target.vectorLanes);
      std::string op = fmt::format(
          "%y = vit.linear %a, %b bias(%c : $c) residual(%d : $d) {{activation = #vit.activation<{}>}} : $a, $b -> $y", activation);
      std::optional<Kernel> kernel = compileLaunch(text, level.target),
                            reference = compileLaunch(referenceText(op, shapes, shapes[3]), level.target);
      ASSERT_TRUE(kernel && reference);
      std::vector<float> expected = runGuarded(*reference, operands, elements(shapes[3]), images);
      expectKernel(*kernel, packed, {expected.begin(), expected.end()}, images, 1e-5);
    }
}

} // namespace
