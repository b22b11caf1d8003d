//===- Checkpoint.h - a training run on disk -----------------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//
//
// Two kinds of files, each of them whole at any moment (runtime/data/Files.h):
//
//   weights   the framework's tensors by its names and nothing else: what timm, transformers or Flax code loads
//   state     all that a run goes on from: weights, moments and averages ("parameter/NAME", "first_moment/NAME", "second_moment/NAME",
//             "average/NAME"), the loss of each step ("history/loss"), and as metadata where the run is and what it was started with
//
// A state holds the weights again, so that one file alone is the truth: a kill between the writing of two would leave a pair that does not
// belong together.
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_RUNTIME_TRAIN_CHECKPOINT_H
#define VITC_RUNTIME_TRAIN_CHECKPOINT_H

#include "runtime/Error.h"
#include "runtime/data/Sampler.h"
#include "runtime/train/TrainingState.h"

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace vitrt {

/// What an epoch came to.
struct EpochRecord {
  double trainLoss = 0;
  std::optional<double> valTop1; ///< a part of 1; none without data to validate on
};

/// How far a run is.
struct TrainingPosition {
  uint64_t step = 0;   ///< updates done
  uint64_t images = 0; ///< that an epoch trains on; 0: unknown
  Cursor next;         ///< the batch to be read next
  double epochLoss = 0;
  uint64_t epochImages = 0; ///< of the epoch under way, and the sum of their losses
  std::vector<EpochRecord> epochs;
  std::vector<float> losses; ///< before each update
  double best = -1;          ///< the highest accuracy so far
  uint64_t bestEpoch = 0;
};

/// The options that a run's numbers depend on, as text: {"--lr", "0.001"}.
using RunOptions = std::map<std::string, std::string>;

/// Writes `state` and `position`. VITRT_ERROR_IO names the file and the system's reason; what was there before is then still there.
Error saveTrainingState(const std::string &path, const TrainingState &state, const TrainingPosition &position, const RunOptions &options);

/// Reads them back, element for element. VITRT_ERROR_ARGUMENT if the run was started with other options, naming the first that differs;
/// VITRT_ERROR_WEIGHTS if the file is no state, or one of another model. Nothing is written to `state` unless everything is right.
Expected<TrainingPosition> loadTrainingState(const std::string &path, TrainingState &state, const RunOptions &options);

/// Writes parameters or averages (of a tensor that is not trained: the parameter) under the framework's names: an `.npz` if the path ends
/// so, else a `.safetensors`.
Error saveWeights(const std::string &path, const TrainingState &state, TensorState which = TensorState::Parameter);

/// Writes the gradient of every trained tensor under the framework's names, in either format.
Error saveGradients(const std::string &path, const TrainingState &state);

} // namespace vitrt

#endif // VITC_RUNTIME_TRAIN_CHECKPOINT_H
