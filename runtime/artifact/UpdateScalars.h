//===- UpdateScalars.h - the numbers that an optimizer's kernel takes ---------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The last buffer of a kernel that updates parameters is f32[16], one for each run of parameters that are treated alike. It is the whole
// contract between generated code and the runtime, so that schedules, clipping and groups need no code of their own. With g the gradient
// times GradientFactor, p the parameter, m and v its moments, a its average:
//
//   sgd         g += WeightDecay p;  m = Beta1 m + g;  p -= Rate m;  nesterov: p -= Rate (g + Beta1 m)     (without momentum: p -= Rate g)
//   adam        g += WeightDecay p;  m = Beta1 m + OneMinusBeta1 g;  v = Beta2 v + OneMinusBeta2 g g;
//               p -= Rate m / (RootCorrection sqrt(v) + Epsilon)
//   adamw       p *= Keep, then as adam without WeightDecay
//   labml-adam  as adam, with RootCorrection 1
//   average     a = AverageDecay a + OneMinusAverageDecay p, after the update
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_RUNTIME_ARTIFACT_UPDATESCALARS_H
#define VITC_RUNTIME_ARTIFACT_UPDATESCALARS_H

#include <array>
#include <cmath>
#include <cstddef>

namespace vitrt {

/// Places in the array.
enum class UpdateScalar {
  GradientFactor, ///< of clipping and of loss scaling
  Rate,           ///< of adam and adamw divided by 1 - beta1^t; of labml-adam times sqrt(1 - beta2^t) besides
  WeightDecay,    ///< added to the gradient: sgd, adam, labml-adam
  Keep,           ///< adamw: 1 - rate * decay
  Beta1,          ///< sgd: the momentum
  OneMinusBeta1,
  Beta2,
  OneMinusBeta2,
  RootCorrection, ///< 1 / sqrt(1 - beta2^t)
  Epsilon,
  AverageDecay,
  OneMinusAverageDecay,
};

using UpdateArray = std::array<float, 16>;

/// Elements of parameters that a task updates, and of gradients that it squares.
inline constexpr size_t updateTaskElements = 16384;

enum class OptimizerKind { Sgd, Adam, AdamW, LabmlAdam };

/// What a user sets for a group of parameters.
struct UpdateSettings {
  double rate = 0, weightDecay = 0, momentum = 0, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;
  double averageDecay = 0, gradientFactor = 1;
};

/// The scalars of step `step`, counted from 1: computed in double, rounded once. A momentum that rests in bf16 has to be a bf16 itself, as in
/// Flax (0.8984375 for 0.9).
inline UpdateArray updateScalars(OptimizerKind kind, const UpdateSettings &settings, double step) {
  UpdateArray scalars{};
  auto set = [&](UpdateScalar place, double value) { scalars[static_cast<size_t>(place)] = static_cast<float>(value); };
  double first = 1 - std::pow(settings.beta1, step), second = 1 - std::pow(settings.beta2, step);
  double rate = settings.rate;
  if (kind != OptimizerKind::Sgd)
    rate /= first;
  if (kind == OptimizerKind::LabmlAdam)
    rate *= std::sqrt(second);
  set(UpdateScalar::GradientFactor, settings.gradientFactor);
  set(UpdateScalar::Rate, rate);
  set(UpdateScalar::WeightDecay, settings.weightDecay);
  set(UpdateScalar::Keep, 1 - settings.rate * settings.weightDecay);
  set(UpdateScalar::Beta1, kind == OptimizerKind::Sgd ? settings.momentum : settings.beta1);
  set(UpdateScalar::OneMinusBeta1, 1 - settings.beta1);
  set(UpdateScalar::Beta2, settings.beta2);
  set(UpdateScalar::OneMinusBeta2, 1 - settings.beta2);
  set(UpdateScalar::RootCorrection, 1 / std::sqrt(second));
  set(UpdateScalar::Epsilon, settings.epsilon);
  set(UpdateScalar::AverageDecay, settings.averageDecay);
  set(UpdateScalar::OneMinusAverageDecay, 1 - settings.averageDecay);
  return scalars;
}

} // namespace vitrt

#endif // VITC_RUNTIME_ARTIFACT_UPDATESCALARS_H
