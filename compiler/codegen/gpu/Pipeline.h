//===- Pipeline.h - a ring of stages that the copy engine fills ---------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_COMPILER_CODEGEN_GPU_PIPELINE_H
#define VITC_COMPILER_CODEGEN_GPU_PIPELINE_H

#include "compiler/codegen/gpu/DeviceFunction.h"

namespace vitc::gpu {

/// Where a producer or a consumer is in the ring, both i32: the stage, and the parity of its round, 0 in the first.
struct PipelineState {
  Value stage, parity;

  static PipelineState begin(ImplicitLocOpBuilder &b) { return {constant(b, 0), constant(b, 0)}; }
  PipelineState next(ImplicitLocOpBuilder &b, int64_t stages) const;
  /// As a loop carries it.
  llvm::SmallVector<Value> values() const { return {stage, parity}; }
};

/// Two barriers for each of `stages` stages: one whose phases end when the copy engine has brought a step's bytes, one when the consumers have let
/// go of them.
class Pipeline {
public:
  /// Takes the barriers' memory; `thread` 0 makes them, and all threads of the block meet. A stage is free when `releases` threads have said so.
  Pipeline(DeviceFunction &f, int64_t stages, int64_t releases);

  /// Of the producer, one thread: the stage is free, and `bytes` will come.
  void acquire(const PipelineState &state, int64_t bytes);
  /// Starts the copy of the map's box at `coordinates`, the innermost first; to `index` of `memory`. It is of the stage's bytes.
  void copy(const PipelineState &state, Value map, ValueRange coordinates, Value memory, Value index);

  /// Of all consumers: the stage's bytes are there.
  void wait(const PipelineState &state);
  /// Of one of the threads that are counted: nothing reads the stage any more.
  void release(Value stage);

  const int64_t stages;

private:
  ImplicitLocOpBuilder &b;
  Value full, empty;
};

} // namespace vitc::gpu

#endif // VITC_COMPILER_CODEGEN_GPU_PIPELINE_H
