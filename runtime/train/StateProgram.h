//===- StateProgram.h - a program over the training state ------------- -*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_RUNTIME_TRAIN_STATEPROGRAM_H
#define VITC_RUNTIME_TRAIN_STATEPROGRAM_H

#include "runtime/device/cpu/ThreadPool.h"
#include "runtime/plan/EmulatedTasks.h"
#include "runtime/plan/Session.h"

namespace vitrt {

/// The memories of the training state; each begins at a multiple of 64 bytes.
struct StateMemory {
  std::byte *parameters, *gradients, *derived;
};

/// A program whose launches read and write the training state beside a group's images. Each launch is split among all threads, so that sums
/// over images are added up in one order, whatever the number of threads.
class StateProgram {
public:
  /// The artifact's program for groups of up to `groupImages`. `pool` outlives it.
  static Expected<std::unique_ptr<StateProgram>> create(const Artifact &artifact, const fb::Program &program, int64_t groupImages,
                                                        const StateMemory &state, const std::byte *weights, ThreadPool &pool,
                                                        uint64_t emulatorSeed = 0);

  const Program &program() const { return plan; }

  /// Runs `images` of a group, from 1 to groupImages: inputs[i] is [images, shape...] of the program's input i, outputs[i] the same of its
  /// outputs. Of a program without images 1. Fails where an emulated kernel does something wrong.
  Error run(int64_t images, const float *const *inputs, float *const *outputs, LaunchObserver *observer = nullptr);

private:
  StateProgram(Program plan, ThreadPool &pool, std::string artifact, uint64_t emulatorSeed);
  Error allocate();
  void place(int64_t images, const float *const *inputs, float *const *outputs);

  Program plan;
  ThreadPool &pool;
  AnonymousMemory memory;
  std::vector<std::byte *> scratch; ///< by worker
  PartMemory parts;
  std::vector<std::byte *> staging; ///< by buffer; null unless an input or an output
  std::vector<void *> buffers;      ///< by buffer
  std::vector<void *> operands;     ///< of all launches, one after the other
  std::string artifact;
  std::unique_ptr<EmulatedTasks> emulated; ///< where the plan has device kernels
};

} // namespace vitrt

#endif // VITC_RUNTIME_TRAIN_STATEPROGRAM_H
