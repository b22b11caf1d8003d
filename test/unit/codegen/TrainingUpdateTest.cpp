//===- TrainingUpdateTest.cpp - optimizers against the reference's trajectories -*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// test/data/train/optimizers.json: 16 parameters, 6 steps in double precision of torch's, labml's and Flax's optimizers, and for each the
// largest error of the same in f32.
//
//===--------------------------------------------------------------------------------------===//

#include "KernelHarness.h"
#include "Numbers.h"

#include "compiler/codegen/cpu/TrainingUpdate.h"

#include "mlir/IR/MLIRContext.h"

#include <cstring>
#include <fmt/format.h>
#include <fstream>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

using namespace vitc;
using namespace vitc::test;
using vitrt::OptimizerKind;

namespace {

/// Two tasks and a rest that ends within a vector; even, for pairs of bf16.
constexpr size_t elements = 2 * vitrt::updateTaskElements + 38;

Kernel compile(const Level &level, llvm::function_ref<mlir::FailureOr<cpu::KernelInfo>(mlir::ModuleOp)> emit) {
  std::unique_ptr<mlir::MLIRContext> context = makeContext();
  mlir::OwningOpRef<mlir::ModuleOp> module = mlir::ModuleOp::create(mlir::UnknownLoc::get(context.get()));
  mlir::FailureOr<cpu::KernelInfo> info = emit(*module);
  std::shared_ptr<LoadedCode> code = succeeded(info) ? load(*module, level.target) : nullptr;
  if (!code)
    throw std::runtime_error("no code");
  return Kernel{*info, code, code->find<void(void *const *, int64_t, int64_t, int64_t, void *)>(info->symbol)};
}

GuardedBuffer repeated(const std::vector<float> &values, size_t count = elements) {
  GuardedBuffer buffer(count);
  for (size_t i = 0; i < count; ++i)
    buffer[i] = values[i % values.size()];
  return buffer;
}

struct Case {
  cpu::UpdateSpec spec;
  vitrt::UpdateSettings settings;
};

Case parse(const nlohmann::json &json) {
  Case c;
  std::string kind = json.at("kind");
  const std::pair<const char *, OptimizerKind> kinds[] = {{"adam", OptimizerKind::Adam},
                                                          {"adamw", OptimizerKind::AdamW},
                                                          {"labml-adam", OptimizerKind::LabmlAdam},
                                                          {"sgd", OptimizerKind::Sgd},
                                                          {"flax-sgd", OptimizerKind::Sgd}};
  for (auto [name, value] : kinds)
    if (kind == name)
      c.spec.optimizer = value;
  c.settings.momentum = json.value("momentum", 0.0);
  c.settings.weightDecay = json.value("weight_decay", 0.0);
  c.settings.epsilon = json.value("eps", 1e-8);
  if (json.contains("betas")) {
    c.settings.beta1 = json["betas"][0];
    c.settings.beta2 = json["betas"][1];
  }
  c.spec.momentum = c.settings.momentum != 0;
  c.spec.nesterov = json.value("nesterov", false);
  c.spec.bf16Momentum = kind == "flax-sgd" && !json.contains("accumulator");
  if (c.spec.bf16Momentum)
    c.settings.momentum = roundedToBf16(static_cast<float>(c.settings.momentum));
  return c;
}

nlohmann::json readGoldens() {
  std::ifstream file(VITC_TEST_DATA_DIR "/train/optimizers.json");
  return nlohmann::json::parse(file);
}

class TrainingUpdate : public testing::TestWithParam<Level> {};

TEST_P(TrainingUpdate, FollowsTheReferencesTrajectories) {
  const nlohmann::json goldens = readGoldens();
  ASSERT_EQ(goldens["cases"].size(), 13u);
  for (const auto &[name, json] : goldens["cases"].items()) {
    SCOPED_TRACE(name);
    Case c = parse(json);
    c.spec.average = c.spec.clearGradients = true;
    c.settings.averageDecay = 0.75;
    Kernel kernel = compile(GetParam(), [&](mlir::ModuleOp module) { return emitUpdate(module, c.spec, name, GetParam().target); });
    GuardedBuffer parameters = repeated(goldens["start"]), average = repeated(goldens["start"]), gradients(elements), second(elements);
    GuardedBuffer first(c.spec.bf16Momentum ? elements / 2 : elements), scalars(std::tuple_size_v<vitrt::UpdateArray>);
    first.fill(0);
    second.fill(0);
    std::vector<float *> buffers{parameters.data(), gradients.data()};
    if (c.spec.hasFirst())
      buffers.push_back(first.data());
    if (c.spec.hasSecond())
      buffers.push_back(second.data());
    buffers.insert(buffers.end(), {average.data(), scalars.data()});

    std::vector<double> averages = goldens["start"];
    std::mt19937 random(1);
    for (size_t step = 0; step < goldens["gradients"].size(); ++step) {
      // Gradients twice as large, and a factor of a half: exact.
      std::vector<float> twice = goldens["gradients"][step];
      for (float &g : twice)
        g *= 2;
      llvm::copy(repeated(twice), gradients.begin());
      c.settings.gradientFactor = 0.5;
      c.settings.rate = double(json["lr"]) * double(goldens["lr_factor_of_each_step"][step]);
      llvm::copy(updateScalars(c.spec.optimizer, c.settings, double(step + 1)), scalars.begin());
      kernel.run(buffers, elements, &random);

      const std::vector<double> expected = json["after_each_step"][step];
      double bound = 3 * double(json["f32_max_abs"]);
      for (size_t i = 0; i < expected.size(); ++i) {
        EXPECT_NEAR(parameters[i], expected[i], bound) << "parameter " << i << " after step " << step + 1;
        averages[i] = 0.75 * averages[i] + 0.25 * parameters[i];
        EXPECT_NEAR(average[i], averages[i], 4e-7 * (1 + std::abs(averages[i])));
      }
      for (size_t i = expected.size(); i < elements; ++i) {
        ASSERT_EQ(parameters[i], parameters[i % expected.size()]) << "element " << i << " depends on its place";
        ASSERT_EQ(gradients[i], 0.0f);
      }
    }
  }
}

TEST_P(TrainingUpdate, KeepsGradientsUnlessAskedToClearThem) {
  cpu::UpdateSpec spec{.optimizer = OptimizerKind::Sgd, .momentum = false};
  Kernel kernel = compile(GetParam(), [&](mlir::ModuleOp module) { return emitUpdate(module, spec, "sgd", GetParam().target); });
  GuardedBuffer parameters = repeated({1.0f}, 35), gradients = repeated({2.0f}, 35), scalars(16);
  llvm::copy(vitrt::updateScalars(OptimizerKind::Sgd, {.rate = 0.25}, 1), scalars.begin());
  kernel.run({parameters.data(), gradients.data(), scalars.data()}, 35);
  for (size_t i = 0; i < 35; ++i) {
    EXPECT_EQ(parameters[i], 0.5f);
    EXPECT_EQ(gradients[i], 2.0f);
  }
}

TEST_P(TrainingUpdate, RefusesWhatContradictsItself) {
  std::unique_ptr<mlir::MLIRContext> context = makeContext();
  std::string message;
  context->getDiagEngine().registerHandler([&](mlir::Diagnostic &diagnostic) { message = diagnostic.str(); });
  mlir::OwningOpRef<mlir::ModuleOp> module = mlir::ModuleOp::create(mlir::UnknownLoc::get(context.get()));
  EXPECT_TRUE(failed(emitUpdate(*module, {.optimizer = OptimizerKind::Adam, .bf16Momentum = true}, "f", GetParam().target)));
  EXPECT_NE(message.find("belong to sgd"), std::string::npos) << message;
  EXPECT_TRUE(failed(emitUpdate(*module, {.optimizer = OptimizerKind::Sgd, .momentum = false, .nesterov = true}, "f", GetParam().target)));
  EXPECT_NE(message.find("need momentum"), std::string::npos) << message;
}

TEST_P(TrainingUpdate, SumsSquares) {
  Kernel kernel = compile(GetParam(), [&](mlir::ModuleOp module) { return emitSquareSum(module, "squares", GetParam().target); });
  for (size_t count : {1ul, 15ul, 64ul, 1000ul, vitrt::updateTaskElements, elements}) {
    SCOPED_TRACE(count);
    GuardedBuffer values = repeated(randomFloats(count, 3), count);
    size_t tasks = (count + vitrt::updateTaskElements - 1) / vitrt::updateTaskElements;
    ASSERT_EQ(kernel.tasks(int64_t(count)), int64_t(tasks));
    GuardedBuffer whole(tasks), split(tasks);
    whole.fill(NAN);
    split.fill(NAN);
    std::mt19937 random(2);
    kernel.run({values.data(), whole.data()}, int64_t(count));
    kernel.run({values.data(), split.data()}, int64_t(count), &random);
    EXPECT_EQ(std::memcmp(whole.data(), split.data(), tasks * sizeof(float)), 0);
    for (size_t task = 0; task < tasks; ++task) {
      double expected = 0;
      for (size_t i = task * vitrt::updateTaskElements; i < std::min(count, (task + 1) * vitrt::updateTaskElements); ++i)
        expected += double(values[i]) * values[i];
      EXPECT_NEAR(whole[task], expected, 1e-6 * expected);
    }
    values[count - 1] = NAN;
    kernel.run({values.data(), whole.data()}, int64_t(count));
    EXPECT_TRUE(std::isnan(whole[tasks - 1]));
  }
}

INSTANTIATE_TEST_SUITE_P(Levels, TrainingUpdate, testing::ValuesIn(runnableLevels()),
                         [](const auto &info) { return parameterName(info.param.name); });

} // namespace
