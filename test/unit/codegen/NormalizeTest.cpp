//===- NormalizeTest.cpp - kernel.normalize against double precision -----------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "KernelHarness.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>

using namespace vitc::test;

namespace {

struct Case {
  int64_t tokens, width;
  bool layer, gain, shift;
  double eps;
};

std::string normalizeText(const Case &c, const Level &level) {
  std::string tokens = fmt::format("tensor<?x{}x{}xf32>", c.tokens, c.width), vector = fmt::format("tensor<{}xf32>", c.width);
  return fmt::format("func.func @f(%x: {0}, %g: {1}, %s: {1}) -> {0} {{\n"
                     "  %y = kernel.normalize %x {2} {3} {{kind = #vit.norm<{4}>, eps = {5:e} : f32, "
                     "schedule = #kernel.row_schedule<rows_per_task = 4, vector = {6}>}} : {0} -> {0}\n  return %y : {0}\n}}",
                     tokens, vector, c.gain ? "gain(%g : " + vector + ")" : "", c.shift ? "shift(%s : " + vector + ")" : "",
                     c.layer ? "layer" : "rms", c.eps, level.target.vectorLanes);
}

std::vector<double> normalized(const Case &c, const std::vector<float> &x, const std::vector<float> &gain,
                               const std::vector<float> &shift) {
  std::vector<double> result(x.size());
  for (size_t row = 0; row < x.size(); row += c.width) {
    double mean = 0, squares = 0;
    for (int64_t i = 0; c.layer && i < c.width; ++i)
      mean += x[row + i] / double(c.width);
    for (int64_t i = 0; i < c.width; ++i)
      squares += (x[row + i] - mean) * (x[row + i] - mean);
    for (int64_t i = 0; i < c.width; ++i)
      result[row + i] =
          (x[row + i] - mean) / std::sqrt(squares / c.width + c.eps) * (gain.empty() ? 1.0 : gain[i]) + (shift.empty() ? 0.0 : shift[i]);
  }
  return result;
}

class NormalizeTest : public testing::TestWithParam<Level> {};

TEST_P(NormalizeTest, AgreesWithDoublePrecision) {
  const Case cases[] = {{5, 1, true, true, true, 1e-6},    {3, 5, true, true, true, 1e-6},      {7, 18, true, false, true, 1e-5},
                        {3, 192, true, true, false, 0},    {2, 200, true, false, false, 1e-12}, {3, 1408, true, true, true, 1e-6},
                        {6, 16, false, true, false, 1e-6}, {3, 197, false, true, true, 1e-6},   {2, 64, false, false, false, 0}};
  const int64_t images = 3;
  for (const Case &c : cases) {
    SCOPED_TRACE(fmt::format("{} tokens of width {}, {}", c.tokens, c.width, c.layer ? "layer" : "rms"));
    std::optional<Kernel> kernel = compileLaunch(normalizeText(c, GetParam()), GetParam().target);
    ASSERT_TRUE(kernel);
    // Far from zero, where a variance from the mean of squares would have lost its digits.
    std::vector<float> x = randomFloats(images * c.tokens * c.width, 1, 3.0f);
    for (float &value : x)
      value += 50.0f;
    std::vector<float> gain = c.gain ? randomFloats(c.width, 2) : std::vector<float>();
    std::vector<float> shift = c.shift ? randomFloats(c.width, 3) : std::vector<float>();
    std::vector<std::vector<float>> operands{x};
    for (const std::vector<float> &vector : {gain, shift})
      if (!vector.empty())
        operands.push_back(vector);
    expectKernel(*kernel, operands, normalized(c, x, gain, shift), images, 2e-5);
  }
}

TEST_P(NormalizeTest, IsOneLaunchOfRows) {
  std::optional<Kernel> kernel = compileLaunch(normalizeText({197, 192, true, true, true, 1e-6}, GetParam()), GetParam().target);
  ASSERT_TRUE(kernel);
  EXPECT_EQ(kernel->info.kind, "normalize");
  EXPECT_EQ(kernel->info.rowsPerImage, 197);
  EXPECT_EQ(kernel->info.rowsPerTask, 4);
  EXPECT_EQ(kernel->info.scratchBytes, 0);
  EXPECT_EQ(kernel->tasks(2), 99);
}

INSTANTIATE_TEST_SUITE_P(Levels, NormalizeTest, testing::ValuesIn(runnableLevels()),
                         [](const auto &info) { return parameterName(info.param.name); });

} // namespace
