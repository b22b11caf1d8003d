//===- EmulatorAbi.h - what emulated device code and its runtime agree on -----*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A kernel of the emulator is the code of one GPU thread, compiled for the host (docs/gpu.md):
//
//     void kernel(ThreadState *self, void *const *buffers, int64_t images);
//
// Behind the launch's operands `buffers` has pointers to its tensor maps.
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
struct TensorMap;
struct Product;

/// Functions that device code calls; the order is the ABI.
/// Of a product's operands; `Tf32` are f32 whose lower 13 bits are zero.
enum class Operands : int32_t { F16, Bf16, Tf32 };

struct Calls {
  /// Before `bytes` at `address` are read or written.
  void (*access)(ThreadState *, void *address, int64_t bytes, int32_t write, const char *site);
  void (*atomicAdd)(ThreadState *, float *address, float value, const char *site);
  void (*barrier)(ThreadState *, const char *site);
  uint32_t (*shuffle)(ThreadState *, uint32_t value, int32_t mask, const char *site);
  void (*copyAsync)(ThreadState *, const void *from, void *to, int64_t bytes, int32_t live, const char *site);
  void (*copyCommit)(ThreadState *);
  void (*copyWait)(ThreadState *, int32_t pending);
  /// 4 bytes for each of `matrices` to `result`.
  void (*loadMatrix)(ThreadState *, void *result, const void *row, int32_t matrices, int32_t transposed, const char *site);
  /// `a` 16, `b` 8 bytes of elements, `sums` 4 f32, added to in place.
  void (*mma)(ThreadState *, float *sums, const void *a, const void *b, Operands operands, const char *site);

  void (*mbarrierInit)(ThreadState *, void *barrier, int32_t count, const char *site);
  void (*mbarrierFence)(ThreadState *);
  /// Arrives; the phase waits for `bytes` of copies besides, where they are more than none.
  void (*mbarrierArrive)(ThreadState *, void *barrier, int64_t bytes, const char *site);
  void (*mbarrierWait)(ThreadState *, void *barrier, int32_t parity, const char *site);
  /// `coordinates` are as many as the map has directions.
  void (*tensorCopy)(ThreadState *, const TensorMap *map, const int32_t *coordinates, void *to, void *barrier, const char *site);
  void (*proxyFence)(ThreadState *);
  /// A handle to a thread's sums, which begin as `values`: columns / 2 of them.
  int32_t (*wgmmaBegin)(ThreadState *, const float *values, int32_t columns);
  /// The handle of the sums after the product; the one given is of no use any more.
  int32_t (*wgmma)(ThreadState *, int32_t sums, const Product *product, const char *site);
  void (*wgmmaCommit)(ThreadState *, const char *site);
  void (*wgmmaWait)(ThreadState *, int32_t pending, const char *site);
  void (*wgmmaTake)(ThreadState *, int32_t sums, float *values, const char *site);
  void (*setRegisters)(ThreadState *, int32_t count);

  /// By all threads of a warp; whether it is the last of `count` warps to arrive.
  int32_t (*arrive)(ThreadState *, uint32_t *counter, int32_t count, const char *site);
};

/// Places in the table.
enum class Call : int32_t {
  Access,
  AtomicAdd,
  Barrier,
  Shuffle,
  CopyAsync,
  CopyCommit,
  CopyWait,
  LoadMatrix,
  Mma,
  MbarrierInit,
  MbarrierFence,
  MbarrierArrive,
  MbarrierWait,
  TensorCopy,
  ProxyFence,
  WgmmaBegin,
  Wgmma,
  WgmmaCommit,
  WgmmaWait,
  WgmmaTake,
  SetRegisters,
  Arrive
};

/// How the copy engine sees an operand; the schema's TensorMap with addresses.
struct TensorMap {
  const std::byte *data;
  int32_t elementBytes, rank;
  int64_t sizes[5];   ///< elements, the innermost first
  int64_t strides[5]; ///< bytes; that of the innermost is elementBytes
  int32_t box[5];
  int32_t swizzle; ///< bytes
};

/// An operand of a warpgroup's product in shared memory: rows of `swizzle` bytes, along K, or, `transposed`, along M or N; then the elements
/// beyond a row's width lie `panel` bytes further on.
struct ProductLayout {
  int32_t swizzle, transposed, panel;

  bool operator==(const ProductLayout &) const = default;
};

/// A step of 16 of a warpgroup's product.
struct Product {
  const void *a; ///< in shared memory, or 8 elements of the thread's own: `fragments`
  const void *b;
  ProductLayout aLayout, bLayout;
  int32_t fragments;
  Operands operands;
  int32_t overwrite;

  bool operator==(const Product &) const = default;
};
static_assert(sizeof(Product) == 56 && offsetof(Product, aLayout) == 16 && offsetof(Product, fragments) == 40);

/// What generated code reads of a thread.
struct ThreadState {
  const Calls *calls;
  std::byte *shared;  ///< the block's shared memory, aligned to 1024
  int32_t thread;     ///< in the block
  int32_t block;      ///< in the launch
  std::byte *scratch; ///< of the block, aligned to 64
  int32_t blocks;     ///< of the launch
};
static_assert(offsetof(ThreadState, shared) == 8 && offsetof(ThreadState, thread) == 16 && offsetof(ThreadState, block) == 20 &&
              offsetof(ThreadState, scratch) == 24 && offsetof(ThreadState, blocks) == 32);

using Kernel = void (*)(ThreadState *, void *const *buffers, int64_t images);

} // namespace vitrt::emulator

#endif // VITC_RUNTIME_DEVICE_EMULATOR_EMULATORABI_H
