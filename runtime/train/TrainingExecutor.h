//===- TrainingExecutor.h - what runs training programs over their state *- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_RUNTIME_TRAIN_TRAININGEXECUTOR_H
#define VITC_RUNTIME_TRAIN_TRAININGEXECUTOR_H

#include "runtime/artifact/UpdateScalars.h"
#include "runtime/plan/Executor.h"
#include "runtime/plan/Model.h"
#include "runtime/train/TrainingState.h"

namespace vitrt {

struct TrainingSessionOptions {
  unsigned threads = 0;    ///< of the host; 0: every available core
  int64_t groupImages = 0; ///< most images that go forward and backward together, up to kMaxGroup; 0: as the file says
  bool averages = false;   ///< whether keepAverages() will be asked for, whose memory counts
  size_t batch = 0;        ///< most images of one accumulate(), for which there is memory then; 0: any number
  /// Of a GPU: as in SessionOptions.
  bool dependentLaunch = false;
  uint64_t emulatorSeed = 0; ///< as in SessionOptions
};

/// Bytes of each memory of a training state, 0 of one that there is not.
struct StateSizes {
  StateSizes(const fb::Training &training, OptimizerKind kind);

  uint64_t bytes(TensorState which) const;
  /// Of one number of a memory: the first moment may rest as bf16.
  uint64_t elementBytes(TensorState which) const { return halves && which == TensorState::FirstMoment ? sizeof(uint16_t) : sizeof(float); }

  uint64_t parameters, gradients, derived, first, second;
  bool halves;
};

/// Memories that update number `index` of Training.updates works on, in the order of its kernel's operands; behind them come its numbers.
std::vector<TensorState> updatedMemories(const fb::Training &training, size_t index, const StateSizes &sizes);

/// Numbers side by side in each memory of the state.
struct StateRange {
  uint64_t first, elements;
  bool operator==(const StateRange &) const = default;
};

/// Where the training state lies, and what works on it: threads of the host, or a GPU, whose work may go on when a call has returned. What it
/// does is done in the order of the calls, and the bits of every result depend on the arguments alone.
class TrainingExecutor {
public:
  virtual ~TrainingExecutor() = default;

  virtual const Program &train() const = 0;
  virtual unsigned threads() const = 0;
  /// Tells `observer` of each launch of the programs from now on; null: nobody.
  virtual void observe(LaunchObserver *observer) = 0;

  /// Makes room for averages, and begins them with the parameters.
  virtual Error keepAverages() = 0;
  virtual bool holds(TensorState which) const = 0;
  /// Bytes of a memory of the state, from `offset` on. Several threads may read at a time.
  virtual Error read(TensorState which, uint64_t offset, std::span<std::byte> into) = 0;
  virtual Error write(TensorState which, uint64_t offset, std::span<const std::byte> from) = 0;

  /// Zeroes the gradients from the byte `offset` on: the begin of a step.
  virtual Error beginStep(uint64_t offset) = 0;
  /// Programs `train.prepare` and `train.finish`, if there are such.
  virtual Error prepare() = 0;
  virtual Error finish() = 0;
  /// Program `train` on a group: inputs[i] is [images, shape...] of its input i, `losses` [images] and there after wait().
  virtual Error run(int64_t images, const float *const *inputs, float *losses) = 0;
  /// Of the group after those that were run: its images will be these.
  virtual Error prefetch(int64_t images, const float *input) = 0;
  virtual Expected<double> sumOfSquares(std::span<const StateRange> gradients) = 0;
  /// Update number `index` of Training.updates, of each run by its numbers.
  virtual Error update(size_t index, std::span<const StateRange> runs, std::span<const UpdateArray> numbers) = 0;
  virtual Error wait() = 0;

  virtual const DeviceTimes *deviceTimes() const { return nullptr; }
};

} // namespace vitrt

#endif // VITC_RUNTIME_TRAIN_TRAININGEXECUTOR_H
