//===- ScheduleTest.cpp - learning rates against torch, timm and Flax ----------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/train/Schedule.h"
#include "test/unit/TestPaths.h"

#include <cmath>
#include <fstream>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace vitrt {
namespace {

using nlohmann::json;

/// The options that a vector of test/data/train/schedules.json was made with, which are spelled as its framework spells them.
ScheduleOptions optionsOf(const std::string &name, const json &vector) {
  ScheduleOptions options{.base = vector["base"]};
  std::string scheduler = vector.value("scheduler", "");
  if (name.starts_with("flax.")) {
    options.kind = vector["decay"] == "linear" ? ScheduleKind::Linear : ScheduleKind::Cosine;
    options.period = vector["total_steps"];
    options.warmupSteps = vector["warmup_steps"];
    options.minimum = options.kind == ScheduleKind::Linear ? vector.value("linear_end", 1e-5) : 0;
  } else if (scheduler == "CosineAnnealingLR") {
    options.kind = ScheduleKind::CosineAnnealing;
    options.period = vector["T_max"];
    options.minimum = vector.value("eta_min", 0.0);
  } else if (scheduler == "ExponentialLR") {
    options.kind = ScheduleKind::Exponential;
    options.gamma = vector["gamma"];
  } else if (scheduler == "StepLR") {
    options.kind = ScheduleKind::Step;
    options.gamma = vector["gamma"];
    options.stepSize = vector["step_size"];
  } else { // timm
    options.kind = scheduler == "StepLRScheduler" ? ScheduleKind::Step : ScheduleKind::Cosine;
    options.minimum = vector.value("lr_min", 0.0);
    options.gamma = vector.value("decay_rate", 1.0);
    options.stepSize = vector.value("decay_t", 1);
    options.cycles = vector.value("cycle_limit", 1);
    options.cycleDecay = vector.value("cycle_decay", 1.0);
    options.warmupSteps = vector.value("warmup_t", 0);
    options.warmupStart = vector.value("warmup_lr_init", 0.0);
    options.warmupDelays = vector.value("warmup_prefix", false);
    options.period = vector.value("t_initial", 1) + (options.warmupDelays ? options.warmupSteps : 0);
  }
  return options;
}

TEST(Schedule, IsThatOfTheFrameworks) {
  json vectors = json::parse(std::ifstream(vitc::test::dataPath("train/schedules.json")));
  ASSERT_EQ(vectors.size(), 13u);
  for (const auto &[name, vector] : vectors.items()) {
    SCOPED_TRACE(name);
    auto schedule = Schedule::create(optionsOf(name, vector));
    ASSERT_TRUE(bool(schedule)) << schedule.error().message;
    for (size_t i = 0; i < vector["lr"].size(); ++i) {
      uint64_t step = vector.contains("steps") ? vector["steps"][i].get<uint64_t>() : i;
      double expected = vector["lr"][i];
      if (name.starts_with("flax.")) // Flax rounds the rate to f32
        EXPECT_EQ(double(float(schedule->rate(step))), expected) << "step " << step;
      else // torch computes a rate from the one before, and its rounding errors add up
        EXPECT_NEAR(schedule->rate(step), expected, 1e-12) << "step " << step;
    }
  }
}

TEST(Schedule, GoesByTicks) {
  auto schedule = Schedule::create({.kind = ScheduleKind::CosineAnnealing, .base = 0.01, .minimum = 1e-4, .period = 5, .every = 3});
  ASSERT_TRUE(bool(schedule));
  EXPECT_EQ(schedule->rate(0), 0.01);
  EXPECT_EQ(schedule->rate(2), 0.01);
  EXPECT_NEAR(schedule->rate(3), 0.00905463412215599, 1e-16);
  EXPECT_NEAR(schedule->rate(17), 1e-4, 1e-16);
}

TEST(Schedule, CountsAWarmUpInSteps) {
  auto schedule =
      Schedule::create({.kind = ScheduleKind::Linear, .base = 1, .period = 4, .every = 10, .warmupSteps = 5, .warmupStart = 0.5});
  ASSERT_TRUE(bool(schedule));
  EXPECT_EQ(schedule->rate(0), 0.5);
  EXPECT_EQ(schedule->rate(4), 0.9);
  EXPECT_EQ(schedule->rate(14), 1); // the first tick after the warm-up
  EXPECT_DOUBLE_EQ(schedule->rate(15), 1 - 1 / 3.5);
  EXPECT_EQ(schedule->rate(1000), 0);
}

TEST(Schedule, RefusesWhatIsNoSchedule) {
  EXPECT_EQ(Schedule::create({.base = -1}).error().message, "the learning rate is -1, expected a finite number of at least 0");
  EXPECT_EQ(Schedule::create({.base = NAN}).error().message, "the learning rate is nan, expected a finite number of at least 0");
  EXPECT_EQ(Schedule::create({.period = 0}).error().message, "the schedule's period is 0, expected at least 1");
  EXPECT_EQ(Schedule::create({.every = 0}).error().message, "the interval of the schedule is 0, expected at least 1");
  EXPECT_EQ(Schedule::create({.kind = ScheduleKind::Cosine, .period = 2, .every = 5, .warmupSteps = 10}).error().message,
            "the warm-up takes 10 steps, expected fewer than the 10 of the whole schedule");
}

TEST(Schedule, Names) {
  EXPECT_EQ(parseScheduleKind("cosine-annealing"), ScheduleKind::CosineAnnealing);
  EXPECT_EQ(parseScheduleKind("linear"), ScheduleKind::Linear);
  EXPECT_EQ(parseScheduleKind("cosin"), std::nullopt);
  EXPECT_EQ(scheduleNames().size(), 6u);
}

} // namespace
} // namespace vitrt
