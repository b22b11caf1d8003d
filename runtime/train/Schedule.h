//===- Schedule.h - the learning rate of each step -----------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//
//
// One family of curves for what the frameworks call by many names:
//
//   torch.optim.lr_scheduler  StepLR, ExponentialLR, CosineAnnealingLR (periodic beyond T_max): Step, Exponential, CosineAnnealing
//   timm.scheduler            CosineLRScheduler (cycles, warm-up that replaces or delays the curve), StepLRScheduler: Cosine, Step
//   vision_transformer (Flax) utils.create_learning_rate_schedule: Cosine, Linear, with a warm-up that delays
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_RUNTIME_TRAIN_SCHEDULE_H
#define VITC_RUNTIME_TRAIN_SCHEDULE_H

#include "runtime/Error.h"

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace vitrt {

enum class ScheduleKind : uint8_t { Constant, Step, Exponential, Cosine, CosineAnnealing, Linear };

/// All kinds' names, in the order of the enum: "constant", ..., "cosine-annealing", "linear".
std::span<const std::string_view> scheduleNames();
std::optional<ScheduleKind> parseScheduleKind(std::string_view name);

/// The curve c(t) of a tick t, and what surrounds it. A tick is `every` optimizer steps: 1, or an epoch's.
///
///   Constant         base
///   Step             base * gamma^floor(t / stepSize)
///   Exponential      base * gamma^t
///   Cosine           minimum + (top - minimum) (1 + cos(pi u)) / 2, u the position in a cycle; top = base * cycleDecay^cycle; minimum after
///                    the last cycle (Loshchilov & Hutter 2017, equation 5)
///   CosineAnnealing  the same with one top, going up again after `period` and down, without end
///   Linear           minimum + (base - minimum) (1 - t / period); minimum beyond it
struct ScheduleOptions {
  ScheduleKind kind = ScheduleKind::Constant;
  double base = 1e-3;
  double minimum = 0;
  uint64_t period = 1; ///< ticks of a cycle; of a curve that the warm-up delays, of warm-up and first cycle together
  uint64_t every = 1;  ///< optimizer steps of a tick
  double gamma = 0.1;
  uint64_t stepSize = 1; ///< ticks
  uint64_t cycles = 1;   ///< of Cosine
  double cycleDecay = 1;
  uint64_t warmupSteps =
      0; ///< optimizer steps: the rate rises from `warmupStart` to `base` in equal parts, the first step has `warmupStart`
  double warmupStart = 0;
  bool warmupDelays = true; ///< the curve begins when the warm-up ends; false: it began with step 0, and the warm-up replaces its beginning
};

class Schedule {
public:
  /// VITRT_ERROR_ARGUMENT for a rate that is not finite or negative, a period, step size, tick or number of cycles of 0, and a warm-up that
  /// leaves nothing of the period.
  static Expected<Schedule> create(const ScheduleOptions &options);

  /// The rate of an update; the first is step 0.
  double rate(uint64_t step) const;

private:
  explicit Schedule(const ScheduleOptions &options) : options(options) {}
  double curve(uint64_t step) const;

  ScheduleOptions options;
};

} // namespace vitrt

#endif // VITC_RUNTIME_TRAIN_SCHEDULE_H
