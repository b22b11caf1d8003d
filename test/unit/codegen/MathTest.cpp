//===- MathTest.cpp - the error of the functions of Math.h --------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "KernelHarness.h"

#include "compiler/codegen/cpu/KernelFunction.h"
#include "compiler/codegen/cpu/Math.h"
#include "mlir/Dialect/Math/IR/Math.h"

#include <bit>
#include <cmath>
#include <gtest/gtest.h>
#include <limits>
#include <numbers>

using namespace mlir;
using namespace vitc;
using namespace vitc::test;

namespace {

/// |result - exact| in units in the last place of an f32 near the exact value. A result beyond the largest float is a unit away from that.
double ulps(float, float result, double exact) {
  constexpr float largest = std::numeric_limits<float>::max();
  if (std::isnan(exact))
    return std::isnan(result) ? 0 : std::numeric_limits<double>::infinity();
  auto clamp = [&](double x) { return std::clamp(x, -0x1p128, 0x1p128); };
  double magnitude = std::clamp(std::abs(exact), 0x1p-126, double(largest));
  double unit = std::ldexp(1.0, std::ilogb(magnitude) - 23);
  return std::isnan(result) ? std::numeric_limits<double>::infinity() : std::abs(clamp(result) - clamp(exact)) / unit;
}

/// |result - exact| in units of 1e-8 of max(|x|, 1).
double partsOfArgument(float x, float result, double exact) {
  if (std::isnan(exact) || std::isinf(exact))
    return std::bit_cast<uint32_t>(result) == std::bit_cast<uint32_t>(float(exact)) || (std::isnan(exact) && std::isnan(result)) ? 0 : 1e30;
  return std::isnan(result) ? 1e30 : std::abs(result - exact) / std::max(1.0, double(std::abs(x))) * 1e8;
}

struct Function {
  const char *name;
  double (*exact)(double);
  Value (*build)(ImplicitLocOpBuilder &, Value);
  double bound;                                           ///< of the error, as compiler/codegen/cpu/Math.h states
  float largest = std::numeric_limits<float>::infinity(); ///< argument for which it is stated
  float smallest = -largest;
  double (*error)(float x, float result, double exact) = ulps;
};

template <typename Op> Value build(ImplicitLocOpBuilder &b, Value x) { return Op::create(b, x); }

/// In parts of the bound that coarseGelu states.
double partsOfCoarseBound(float x, float y, double exact) {
  return std::isnan(x) ? (std::isnan(y) ? 0 : INFINITY) : std::abs(y - exact) / std::max(8e-5, 1e-6 * std::abs(x));
}

double gelu(double x) { return x == -std::numeric_limits<double>::infinity() ? 0 : x / 2 * std::erfc(-x / std::numbers::sqrt2); }

double geluDerivative(double x) {
  return std::isinf(x) ? double(x > 0)
                       : std::erfc(-x / std::numbers::sqrt2) / 2 + x * std::exp(-x * x / 2) / std::sqrt(2 * std::numbers::pi);
}

/// |result - exact| in units of 1e-8.
double absolute(float, float result, double exact) { return partsOfArgument(0, result, exact); }

const Function functions[] = {
    {"exp", [](double x) { return std::exp(x); }, build<math::ExpOp>, 1.25},
    {"erf", [](double x) { return std::erf(x); }, build<math::ErfOp>, 2},
    {"tanh", [](double x) { return std::tanh(x); }, build<math::TanhOp>, 1.5},
    {"sin", [](double x) { return std::sin(x); }, build<math::SinOp>, 0.6, 1e6f},
    {"cos", [](double x) { return std::cos(x); }, build<math::CosOp>, 0.6, 1e6f},
    {"exp2", [](double x) { return std::exp2(std::max(x, -126.0)); }, cpu::approximateExp2OfNegative, 2.1, 0,
     -std::numeric_limits<float>::infinity()},
    {"gelu", gelu, cpu::approximateGelu, 9, std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity(),
     partsOfArgument},
    {"gelu_derivative", geluDerivative, cpu::approximateGeluDerivative, 25, std::numeric_limits<float>::infinity(),
     -std::numeric_limits<float>::infinity(), absolute},
    {"coarse_gelu", gelu, cpu::coarseGelu, 1, 1e30f, -1e30f, partsOfCoarseBound},
};

constexpr int64_t elements = 4096;

/// buffers[1][i] = f(buffers[0][i]), 4096 elements; lanes 0: one by one.
std::unique_ptr<LoadedCode> compile(const Function &function, int64_t lanes, const cpu::CpuTarget &target) {
  std::unique_ptr<MLIRContext> context = makeContext();
  OwningOpRef<ModuleOp> module = ModuleOp::create(UnknownLoc::get(context.get()));
  cpu::KernelFunction f(*module, "map", module->getLoc());
  Value input = f.weight(0, {elements}), output = f.weight(1, {elements});
  cpu::forLoop(f.b, cpu::indexConstant(f.b, 0), cpu::indexConstant(f.b, elements), lanes ? lanes : 1, [&](Value i) {
    if (lanes)
      cpu::storeVector(f.b, function.build(f.b, cpu::loadVector(f.b, input, i, lanes)), output, i);
    else
      cpu::store(f.b, function.build(f.b, cpu::load(f.b, input, i)), output, i);
  });
  return load(*module, target);
}

class MathError : public testing::TestWithParam<Function> {};

TEST_P(MathError, StaysWithinTheStatedBound) {
  const Function &function = GetParam();
  for (const Level &level : runnableLevels())
    for (int64_t lanes : {level.target.vectorLanes, int64_t{0}}) {
      std::unique_ptr<LoadedCode> code = compile(function, lanes, level.target);
      ASSERT_TRUE(code);
      auto *map = code->find<void(void *const *, int64_t, int64_t, int64_t, void *)>("map");
      std::vector<float> input(elements), output(elements);
      void *buffers[] = {input.data(), output.data()};
      double worst = 0;
      float worstAt = 0;
      auto check = [&] {
        map(buffers, 1, 0, 1, nullptr);
        for (int64_t i = 0; i < elements; ++i)
          if (double error = input[i] > function.largest || input[i] < function.smallest
                                 ? 0
                                 : function.error(input[i], output[i], function.exact(input[i]));
              error > worst)
            worst = error, worstAt = input[i];
      };
      // Every so-many-th of the 2^32 floats, infinities and NaNs among them; the step is odd, so that all low bits occur.
      const uint32_t step = lanes ? 2003 : 40009;
      for (uint64_t bits = 0; bits < uint64_t{1} << 32;) {
        for (float &x : input)
          x = std::bit_cast<float>(static_cast<uint32_t>(bits)), bits += step;
        check();
      }
      for (int64_t i = 0; i < elements; ++i)
        input[i] = std::bit_cast<float>(uint32_t((i % 2 ? 0xff800000 : 0x7f800000) - 100 + i / 16));
      check();
      EXPECT_LE(worst, function.bound) << function.name << "(" << worstAt << ") on " << level.name << ", " << lanes << " lanes";
      RecordProperty(std::string(function.name) + "_" + parameterName(level.name) + "_" + std::to_string(lanes), std::to_string(worst));
    }
}

TEST_P(MathError, KeepsTheSignOfZero) {
  const Function &function = GetParam();
  std::unique_ptr<LoadedCode> code = compile(function, 4, runnableLevels().back().target);
  ASSERT_TRUE(code);
  std::vector<float> input(elements, -0.0f), output(elements);
  void *buffers[] = {input.data(), output.data()};
  code->find<void(void *const *, int64_t, int64_t, int64_t, void *)>("map")(buffers, 1, 0, 1, nullptr);
  EXPECT_EQ(std::signbit(output[0]), std::signbit(function.exact(-0.0)));
}

INSTANTIATE_TEST_SUITE_P(Functions, MathError, testing::ValuesIn(functions), [](const auto &info) { return std::string(info.param.name); });

} // namespace
