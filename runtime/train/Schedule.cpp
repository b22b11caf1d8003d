//===- Schedule.cpp - the learning rate of each step ---------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/train/Schedule.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

namespace vitrt {
namespace {

constexpr std::array<std::string_view, 6> names = {"constant", "step", "exponential", "cosine", "cosine-annealing", "linear"};

/// From `top` at 0 to `bottom` at 1, and up again beyond.
double cosine(double top, double bottom, double position) {
  return bottom + (top - bottom) * (1 + std::cos(std::numbers::pi * position)) / 2;
}

} // namespace

std::span<const std::string_view> scheduleNames() { return names; }

std::optional<ScheduleKind> parseScheduleKind(std::string_view name) {
  auto it = std::find(names.begin(), names.end(), name);
  return it == names.end() ? std::nullopt : std::optional(ScheduleKind(it - names.begin()));
}

Expected<Schedule> Schedule::create(const ScheduleOptions &options) {
  struct {
    const char *what;
    double value;
  } rates[] = {{"the learning rate", options.base},
               {"the smallest learning rate", options.minimum},
               {"the first rate of the warm-up", options.warmupStart},
               {"gamma", options.gamma},
               {"the decay of cycles", options.cycleDecay}};
  for (auto [what, value] : rates)
    if (!std::isfinite(value) || value < 0)
      return makeError(VITRT_ERROR_ARGUMENT, "{} is {}, expected a finite number of at least 0", what, value);
  struct {
    const char *what;
    uint64_t value;
  } counts[] = {{"the schedule's period", options.period},
                {"the interval of the schedule", options.every},
                {"the step size", options.stepSize},
                {"the number of cycles", options.cycles}};
  for (auto [what, value] : counts)
    if (value == 0)
      return makeError(VITRT_ERROR_ARGUMENT, "{} is 0, expected at least 1", what);
  bool bounded =
      options.kind == ScheduleKind::Cosine || options.kind == ScheduleKind::CosineAnnealing || options.kind == ScheduleKind::Linear;
  if (bounded && options.warmupDelays && options.warmupSteps / options.every >= options.period)
    return makeError(VITRT_ERROR_ARGUMENT, "the warm-up takes {} steps, expected fewer than the {} of the whole schedule",
                     options.warmupSteps, options.period * options.every);
  return Schedule(options);
}

double Schedule::rate(uint64_t step) const {
  if (step < options.warmupSteps)
    return options.warmupStart + (options.base - options.warmupStart) * double(step) / double(options.warmupSteps);
  return curve(options.warmupDelays ? step - options.warmupSteps : step);
}

double Schedule::curve(uint64_t step) const {
  uint64_t tick = step / options.every;
  // A warm-up need not be whole ticks long, so neither is what it leaves of the period.
  double delay = options.warmupDelays ? double(options.warmupSteps) / double(options.every) : 0;
  double position = double(tick) / (double(options.period) - delay);
  switch (options.kind) {
  case ScheduleKind::Constant:
    return options.base;
  case ScheduleKind::Step:
    return options.base * std::pow(options.gamma, double(tick / options.stepSize));
  case ScheduleKind::Exponential:
    return options.base * std::pow(options.gamma, double(tick));
  case ScheduleKind::Cosine: {
    double cycle = std::floor(position);
    if (cycle >= double(options.cycles))
      return options.minimum;
    return cosine(options.base * std::pow(options.cycleDecay, cycle), options.minimum, position - cycle);
  }
  case ScheduleKind::CosineAnnealing:
    return cosine(options.base, options.minimum, position);
  case ScheduleKind::Linear:
    return options.minimum + (options.base - options.minimum) * (1 - std::min(position, 1.0));
  }
  return options.base;
}

} // namespace vitrt
