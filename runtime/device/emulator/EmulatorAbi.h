//===- EmulatorAbi.h - what emulated device code and its runtime agree on -----*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A kernel of the emulator is the code of one GPU thread, compiled for the host (docs/gpu.md):
//
//     void kernel(ThreadState *self, void *const *buffers, int64_t images);
//
// Plain arithmetic is the host's. Everything that other threads can see goes through the functions of `Calls`, at the places in the table that
// `Call` names. `site` says which operation of the kernel calls: "load 12".
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_RUNTIME_DEVICE_EMULATOR_EMULATORABI_H
#define VITC_RUNTIME_DEVICE_EMULATOR_EMULATORABI_H

#include <cstddef>
#include <cstdint>

namespace vitrt::emulator {

struct ThreadState;

/// Functions that device code calls; the order is the ABI.
struct Calls {
  /// Before `bytes` at `address` are read or written.
  void (*access)(ThreadState *, void *address, int64_t bytes, int32_t write, const char *site);
  void (*atomicAdd)(ThreadState *, float *address, float value, const char *site);
  void (*barrier)(ThreadState *, const char *site);
  uint32_t (*shuffle)(ThreadState *, uint32_t value, int32_t mask, const char *site);
  void (*copyAsync)(ThreadState *, const void *from, void *to, int64_t bytes, int32_t live, const char *site);
  void (*copyCommit)(ThreadState *);
  void (*copyWait)(ThreadState *, int32_t pending);
  /// Two elements of 16 bits for each of `matrices` to `result`.
  void (*loadMatrix)(ThreadState *, void *result, const void *row, int32_t matrices, int32_t transposed, const char *site);
  /// `a` 8, `b` 4 elements of 16 bits, `sums` 4 f32, added to in place.
  void (*mma)(ThreadState *, float *sums, const void *a, const void *b, int32_t bf16, const char *site);
};

/// Places in the table.
enum class Call : int32_t { Access, AtomicAdd, Barrier, Shuffle, CopyAsync, CopyCommit, CopyWait, LoadMatrix, Mma };

/// What generated code reads of a thread.
struct ThreadState {
  const Calls *calls;
  std::byte *shared;  ///< the block's shared memory, aligned to 1024
  int32_t thread;     ///< in the block
  int32_t block;      ///< in the launch
  std::byte *scratch; ///< of the block, aligned to 64
};
static_assert(offsetof(ThreadState, shared) == 8 && offsetof(ThreadState, thread) == 16 && offsetof(ThreadState, block) == 20 &&
              offsetof(ThreadState, scratch) == 24);

using Kernel = void (*)(ThreadState *, void *const *buffers, int64_t images);

} // namespace vitrt::emulator

#endif // VITC_RUNTIME_DEVICE_EMULATOR_EMULATORABI_H
