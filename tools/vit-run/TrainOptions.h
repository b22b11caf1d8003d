//===- TrainOptions.h - the command line of vit-run train -----------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_TOOLS_VITRUN_TRAINOPTIONS_H
#define VITC_TOOLS_VITRUN_TRAINOPTIONS_H

#include "runtime/data/TrainingData.h"
#include "runtime/train/Trainer.h"
#include "tools/vit-run/Options.h"

#include <functional>
#include <optional>
#include <set>
#include <string>

namespace vitrun {

/// What `vit-run train` was told; an empty optional is an option that was not given.
struct TrainOptions {
  CommonOptions common;
  ImageOptions image;
  std::string file;
  std::set<std::string, std::less<>> given; ///< "--lr": the options that were given, with whatever value

  // Data
  std::string data, valList, augment = "none", shuffle = "on";
  std::optional<double> valFraction;
  double labelSmoothing = 0;
  unsigned readers = 1;
  std::string teacher, teacherModel, teacherKind = "hard";
  bool strict = false;

  // Length
  size_t batch = 64, accumulate = 1;
  std::optional<uint64_t> steps, epochs;
  uint64_t patience = 0, seed = 0;

  // Optimizer
  double lr = 1e-3, momentum = 0.9, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, ema = 0, layerDecay = 1;
  std::optional<double> weightDecay, clipNorm;
  std::string noDecay, clipKind = "torch";
  bool nesterov = false;

  // Schedule
  std::string schedule = "constant", every = "step", warmup = "delays";
  uint64_t warmupSteps = 0, stepSize = 30, cycles = 1;
  double warmupLr = 0, gamma = 0.1, cycleDecay = 1;
  std::optional<double> minLr;
  std::optional<uint64_t> tMax;

  // Files
  std::string checkpoint, fineTune, plot, save, gradients;
  uint64_t checkpointEvery = 0;
  bool resume = false, json = false;

  bool isGiven(std::string_view option) const { return given.contains(option); }
  vitrt::SplitOptions split() const;
  vitrt::DecayRule decayRule() const;
  /// Updates in all: --steps, --epochs of `stepsPerEpoch`, whatever ends first; 10 epochs if neither was given.
  uint64_t totalSteps(uint64_t stepsPerEpoch) const;
  /// Defaults that depend on the length of the run are put in.
  vitrt::Expected<vitrt::Schedule> makeSchedule(uint64_t stepsPerEpoch) const;
  /// `optimizer` is the artifact's: "sgd", "adam", "adamw", "labml-adam".
  vitrt::UpdateScalars update(std::string_view optimizer) const;
  /// What the numbers of a run depend on, for its checkpoints.
  vitrt::RunOptions recorded(std::string_view optimizer, uint64_t stepsPerEpoch) const;

private:
  vitrt::ScheduleOptions scheduleOptions(uint64_t stepsPerEpoch) const;
};

/// Declares the options of the command. What an option alone can be is checked as it is read.
void addTrainOptions(CLI::App &command, TrainOptions &options);

/// A sentence about options that do not go together, among them those that the schedule has no use for; empty if all is well.
std::string contradiction(const TrainOptions &options);
/// A sentence about a given option that the artifact's optimizer has no use for; empty if there is none.
std::string unreadOption(const TrainOptions &options, std::string_view optimizer);

} // namespace vitrun

#endif // VITC_TOOLS_VITRUN_TRAINOPTIONS_H
