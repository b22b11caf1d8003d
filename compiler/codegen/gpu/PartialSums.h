//===- PartialSums.h - sums that several blocks have parts of -----------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Split K: where a product has fewer tiles than the GPU has multiprocessors, several blocks have a tile, each a range of K. Each leaves its sums in
// global memory; of the warps that have the same part of the tile the last one to come adds them up in the order of K, whichever it is,
// so that the bits of a result depend on the number of parts alone. Nobody waits.
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_COMPILER_CODEGEN_GPU_PARTIALSUMS_H
#define VITC_COMPILER_CODEGEN_GPU_PARTIALSUMS_H

#include "compiler/codegen/gpu/DeviceFunction.h"

namespace vitc::gpu {

class PartialSums {
public:
  /// `parts` of each sum, which 1 turns into one that needs no memory. Counters are i32, one for each warp of a task; sums f32, `bytes` of a
  /// task. Both are null for one part.
  PartialSums(ImplicitLocOpBuilder &b, int64_t parts, Value counters, Value sums) : b(b), parts(parts), counters(counters), sums(sums) {}

  /// What `threads` threads with `chunks` vectors of four sums each leave.
  static int64_t bytes(int64_t threads, int64_t chunks) { return 16 * threads * chunks; }

  Value tileOf(Value task) const { return parts == 1 ? task : div(b, task, parts); }
  /// Where in `steps` steps of K the task begins, and where it ends.
  std::pair<Value, Value> range(Value task, Value steps) const;

  /// `own`, vectors of four f32, are the sums of thread `thread` of `threads`. `then` is called with those of all parts, in code that the
  /// last warp alone runs. It reads `together` parts before it adds the first of them.
  void join(Value task, Value thread, int64_t threads, llvm::ArrayRef<Value> own, llvm::function_ref<void(llvm::ArrayRef<Value>)> then,
            int64_t together = 1) const;

private:
  ImplicitLocOpBuilder &b;
  const int64_t parts;
  Value counters, sums;
};

} // namespace vitc::gpu

#endif // VITC_COMPILER_CODEGEN_GPU_PARTIALSUMS_H
