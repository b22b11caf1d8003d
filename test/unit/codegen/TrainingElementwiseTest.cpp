//===- TrainingElementwiseTest.cpp - activations and their derivatives ---------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "KernelHarness.h"

#include <cmath>
#include <cstring>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <numbers>

using namespace vitc::test;

namespace {

struct Activation {
  const char *kind;
  double (*value)(double);
  double (*derivative)(double);
};

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }
double swish(double x, double scale) { return x * sigmoid(scale * x); }
double swishDerivative(double x, double scale) {
  double s = sigmoid(scale * x);
  return s + scale * x * s * (1 - s);
}
double geluTanhSlope(double x) { return std::sqrt(2 / std::numbers::pi) * (x + 0.044715 * x * x * x); }

const Activation activations[] = {
    {"none", [](double x) { return x; }, [](double) { return 1.0; }},
    {"relu", [](double x) { return std::max(x, 0.0); }, [](double x) { return x > 0 ? 1.0 : 0.0; }},
    {"gelu_erf", [](double x) { return x / 2 * std::erfc(-x / std::numbers::sqrt2); },
     [](double x) { return std::erfc(-x / std::numbers::sqrt2) / 2 + x * std::exp(-x * x / 2) / std::sqrt(2 * std::numbers::pi); }},
    {"gelu_tanh", [](double x) { return x / 2 * (1 + std::tanh(geluTanhSlope(x))); },
     [](double x) {
       double s = sigmoid(2 * geluTanhSlope(x));
       return s + x * s * (1 - s) * 2 * std::sqrt(2 / std::numbers::pi) * (1 + 3 * 0.044715 * x * x);
     }},
    {"quick_gelu", [](double x) { return swish(x, 1.702); }, [](double x) { return swishDerivative(x, 1.702); }},
    {"silu", [](double x) { return swish(x, 1); }, [](double x) { return swishDerivative(x, 1); }},
    {"tanh", [](double x) { return std::tanh(x); }, [](double x) { return 1 - std::tanh(x) * std::tanh(x); }},
    {"sigmoid", sigmoid, [](double x) { return sigmoid(x) * (1 - sigmoid(x)); }},
};

std::string launch(const std::string &text, int64_t tokens, int64_t width, const Level &level) {
  return fmt::format(
      "func.func @f(%x: {0}, %y: {0}) {{\n  %z = kernel.{1}schedule = #kernel.row_schedule<rows_per_task = 4, vector = {2}>}}"
      " : {0}\n  return\n}}\n",
      fmt::format("tensor<?x{}x{}xf32>", tokens, width), text, level.target.vectorLanes);
}

class Elementwise : public testing::TestWithParam<Level> {};

TEST_P(Elementwise, ActivationsAndDerivativesAreThoseOfDoubles) {
  const int64_t images = 3, tokens = 7, width = 67, elements = images * tokens * width;
  // From tiny to large, in steps of a quarter of a percent, both signs; then what overflows if it is not thought of.
  std::vector<float> input(elements);
  for (int64_t i = 0; i < elements; ++i)
    input[i] = (i % 2 ? 1.0f : -1.0f) * 0.01f * std::pow(1.0077f, float(i / 2));
  input[0] = 0;
  std::vector<float> extremes{-1e30f, 1e30f, -88.0f, 88.0f, -200.0f, 200.0f, -3e38f, 3e38f};
  llvm::copy(extremes, input.begin() + 1);
  const std::vector<float> upstream = randomFloats(elements, 1);
  for (const Activation &activation : activations) {
    SCOPED_TRACE(activation.kind);
    std::vector<double> values, gradients;
    for (int64_t i = 0; i < elements; ++i) {
      double x = input[i], far = std::clamp(x, -250.0, 250.0);
      values.push_back(x > 250 && activation.value(far) == far ? x : activation.value(x < -250 ? far : x));
      gradients.push_back(upstream[i] * activation.derivative(far));
    }
    std::optional<Kernel> forward = compileLaunch(
        launch(fmt::format("activation %x {{kind = #vit.activation<{}>, ", activation.kind), tokens, width, GetParam()), GetParam().target);
    ASSERT_TRUE(forward);
    if (std::string(activation.kind) != "none")
      expectKernel(*forward, {input}, values, images, 4e-7);
    std::optional<Kernel> backward = compileLaunch(
        launch(fmt::format("activation_grad %x, %y {{kind = #vit.activation<{}>, ", activation.kind), tokens, width, GetParam()),
        GetParam().target);
    ASSERT_TRUE(backward);
    expectKernel(*backward, {input, upstream}, gradients, images, 5e-7);

    // In the upstream's memory.
    std::vector<float> apart = runGuarded(*backward, {input, upstream}, elements, images), inPlace = upstream;
    backward->run({input.data(), inPlace.data(), inPlace.data()}, images);
    EXPECT_EQ(std::memcmp(apart.data(), inPlace.data(), elements * sizeof(float)), 0);
  }
}

TEST_P(Elementwise, ReluHasNoSlopeAtZero) {
  std::optional<Kernel> kernel =
      compileLaunch(launch("activation_grad %x, %y {kind = #vit.activation<relu>, ", 1, 3, GetParam()), GetParam().target);
  ASSERT_TRUE(kernel);
  EXPECT_EQ(runGuarded(*kernel, {{0.0f, -0.0f, 1e-40f}, {2, 2, 2}}, 3, 1), (std::vector<float>{0, 0, 2}));
}

TEST_P(Elementwise, AddsInPlace) {
  const int64_t images = 2, tokens = 5, width = 33, elements = images * tokens * width;
  std::vector<float> lhs = randomFloats(elements, 1), rhs = randomFloats(elements, 2);
  std::vector<double> expected;
  for (int64_t i = 0; i < elements; ++i)
    expected.push_back(lhs[i] + rhs[i]);
  std::optional<Kernel> kernel = compileLaunch(launch("add %x, %y {", tokens, width, GetParam()), GetParam().target);
  ASSERT_TRUE(kernel);
  expectKernel(*kernel, {lhs, rhs}, expected, images, 0);
  kernel->run({lhs.data(), rhs.data(), lhs.data()}, images);
  expectClose(lhs, expected, 0);
}

INSTANTIATE_TEST_SUITE_P(Levels, Elementwise, testing::ValuesIn(runnableLevels()),
                         [](const auto &info) { return parameterName(info.param.name); });

} // namespace
