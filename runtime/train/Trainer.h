//===- Trainer.h - steps, epochs, evaluation and checkpoints of a run -----------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_RUNTIME_TRAIN_TRAINER_H
#define VITC_RUNTIME_TRAIN_TRAINER_H

#include "runtime/data/BatchReader.h"
#include "runtime/train/Checkpoint.h"
#include "runtime/train/ParameterGroups.h"
#include "runtime/train/Schedule.h"
#include "runtime/train/Teacher.h"
#include "runtime/train/TrainableModel.h"

#include <functional>

namespace vitrt {

struct Clipping {
  double limit;
  ClipKind kind = ClipKind::Torch;
};

struct TrainerOptions {
  uint64_t steps = 1; ///< updates in all, with those before a resumption
  size_t batch = 1;   ///< images of a step; those of an epoch's last may be fewer
  size_t parts = 1;   ///< the batch is computed in so many consecutive parts: gradient accumulation
  uint64_t seed = 0;
  UpdateScalars update{}; ///< learning rate, factor and step are set for each update
  std::optional<Clipping> clipping{};
  Teacher *teacher = nullptr;   ///< of the model's distillation token; null: the labels stand in
  bool wantsNorm = false;       ///< the norm of the gradients is reported though nothing is clipped
  std::string gradients{};      ///< file for the gradients of the first step; empty: none
  std::string folder{};         ///< of checkpoints; empty: none
  uint64_t checkpointEvery = 0; ///< steps, beside every epoch's end; 0: epochs alone
  uint64_t patience = 0;        ///< epochs without a better accuracy after which the run ends; 0: as many as there are
  RunOptions recorded{};        ///< for the checkpoint
};

/// What a step came to, before its update.
struct StepReport {
  uint64_t step; ///< from 0
  double loss, learningRate;
  std::optional<double> gradientNorm; ///< before clipping
  size_t images;
  double seconds;
};

/// Told of what happens, by the thread that trains.
class TrainingListener {
public:
  virtual ~TrainingListener() = default;
  virtual void stepped(const StepReport &report) = 0;
  virtual void epochEnded(uint64_t epoch, const EpochRecord &record) = 0;
  /// Of what does not end the run: images that cannot be read, a checkpoint that cannot be written.
  virtual void warned(const std::string &sentence) = 0;
  /// Asked between steps and between the batches of an evaluation. True: the run stops where it can be resumed.
  virtual bool stops() = 0;
};

/// Files of a folder of checkpoints.
struct CheckpointFiles {
  explicit CheckpointFiles(const std::string &folder) : folder(folder) {}
  std::string state() const { return folder + "/last.state.safetensors"; }
  std::string last() const { return folder + "/last.safetensors"; }
  /// With an average this is what was evaluated; else it is not there.
  std::string lastAverage() const { return folder + "/last.average.safetensors"; }
  std::string best() const { return folder + "/best.safetensors"; }

  std::string folder;
};

enum class TrainingEnd { Done, OutOfPatience, Stopped };

/// A run: reads batches, computes, updates, evaluates after each epoch and writes checkpoints. With the same options, data and weights it
/// comes to the same bits however often it was stopped and resumed.
class Trainer {
public:
  /// `model` and `data` outlive the trainer; `validation` is null if there is nothing to evaluate on. `rate` goes by steps from 0.
  Trainer(TrainableModel &model, BatchReader &data, BatchReader *validation, size_t validationImages, const Schedule &schedule,
          TrainerOptions options)
      : model(model), data(data), validation(validation), validationImages(validationImages), schedule(schedule),
        options(std::move(options)) {}

  /// Goes on from here instead of from the beginning; `data` delivers from its cursor on.
  void resume(TrainingPosition from) { at = std::move(from); }
  const TrainingPosition &position() const { return at; }

  /// VITRT_ERROR_ARGUMENT for a loss that is not finite: its step and the layer that made it first.
  Expected<TrainingEnd> run(TrainingListener &listener);

private:
  Expected<StepReport> step(const TrainingBatch &batch);
  std::optional<std::string> firstNonFinite(const TrainingBatch &batch, size_t first);
  /// Images of each part of a batch but perhaps the last.
  size_t partOf(const TrainingBatch &batch) const { return (batch.size + options.parts - 1) / options.parts; }
  Error computeGradients(const TrainingBatch &batch);
  /// The error of a loss of the batch that is not finite.
  Error checkLosses(const TrainingBatch &batch);
  Error finishEpoch(TrainingListener &listener);
  /// Of the averages, where there are any.
  Expected<std::optional<double>> evaluate(TrainingListener &listener);
  Expected<std::optional<double>> evaluateParameters(TrainingListener &listener);
  Error checkpoint();
  bool averages() const { return options.update.averageDecay > 0; }

  TrainableModel &model;
  BatchReader &data;
  BatchReader *validation;
  size_t validationImages;
  const Schedule &schedule;
  TrainerOptions options;
  TrainingPosition at;
  std::vector<float> losses, teacherRows;
};

} // namespace vitrt

#endif // VITC_RUNTIME_TRAIN_TRAINER_H
