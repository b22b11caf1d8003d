//===- QuadRows.h - rows of sums that four threads share ----------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_COMPILER_CODEGEN_GPU_QUADROWS_H
#define VITC_COMPILER_CODEGEN_GPU_QUADROWS_H

#include "compiler/codegen/gpu/DeviceFunction.h"

namespace vitc::gpu {

/// Thread p of the four that share a row of sums has columns 8 j + 2 p and the next, `pairs[j]`. Calls `put` with neighbouring columns and the first's number
/// (i32): pairs of f32 fill what the four write together; of 16-bit elements they exchange theirs, so that each has 8 columns of every 32. All threads
/// of the warp do this together.
void forQuadRow(ImplicitLocOpBuilder &b, Value thread, llvm::ArrayRef<Value> pairs,
                llvm::function_ref<void(Value columns, Value first)> put);

} // namespace vitc::gpu

#endif // VITC_COMPILER_CODEGEN_GPU_QUADROWS_H
