//===- TrainingMemory.h - what a training run takes ----------------- -*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_RUNTIME_ARTIFACT_TRAININGMEMORY_H
#define VITC_RUNTIME_ARTIFACT_TRAININGMEMORY_H

#include "runtime/artifact/FileFormat.h"
#include "runtime/artifact/PartBytes.h"
#include "runtime/artifact/UpdateScalars.h"

#include <algorithm>

namespace vitrt {

/// Anonymous memory of a training run in bytes, by what HostTraining and StateProgram allocate, or a GPU's memory, by what CudaTraining does.
/// The file, the data set and a moving average of the weights (as large as the parameters) are not in it. It does not depend on the batch, which runs in groups.
struct TrainingMemory {
  uint64_t state = 0;      ///< parameters, gradients, moments and derived weights
  uint64_t values = 0;     ///< activations and their gradients of a group of images
  uint64_t scratch = 0;    ///< of a thread
  uint64_t evaluation = 0; ///< inference's packed weights, and its activations on one thread, from the first evaluation on

  uint64_t peak(uint64_t threads) const { return state + values + scratch * threads; }

  void addState(OptimizerKind kind, bool bf16Momentum, uint64_t parameters, uint64_t gradients, uint64_t derived) {
    state = parameters + gradients + derived + (bf16Momentum ? alignTo(parameters / 2, kBufferAlignment) : parameters) +
            (kind == OptimizerKind::Sgd ? 0 : parameters);
  }

  /// A program over the training state: what its buffers take of a group, of which `staged` bytes are copies of inputs and outputs, and what tasks
  /// leave each other.
  void addProgram(uint64_t arenaBytes, uint64_t staged, const PartBytes &parts, uint64_t scratchBytes) {
    values += alignTo(arenaBytes, kSectionAlignment) + staged + parts.total();
    scratch += alignTo(scratchBytes, kSectionAlignment);
  }

  /// The same on a GPU, where inputs and outputs are there twice and each block of a launch has scratch memory of its own, `blocksScratch` in all.
  void addGpuProgram(uint64_t arenaBytes, uint64_t staged, const PartBytes &parts, uint64_t blocksScratch) {
    values += arenaBytes + 2 * staged + parts.total() + blocksScratch;
  }

  void addEvaluation(uint64_t weights, uint64_t arenaBytes, uint64_t scratchBytes) { evaluation = weights + arenaBytes + scratchBytes; }
};

} // namespace vitrt

#endif // VITC_RUNTIME_ARTIFACT_TRAININGMEMORY_H
