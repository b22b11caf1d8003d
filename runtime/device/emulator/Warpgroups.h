//===- Warpgroups.h - products that 128 threads start and wait for ------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_RUNTIME_DEVICE_EMULATOR_WARPGROUPS_H
#define VITC_RUNTIME_DEVICE_EMULATOR_WARPGROUPS_H

#include "runtime/device/emulator/Clock.h"
#include "runtime/device/emulator/EmulatorAbi.h"

#include <array>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace vitrt::emulator {

struct Block;
struct Thread;

/// A thread's part of 64 x columns sums.
struct Sums {
  std::array<float, 128> values;
  int32_t columns = 0;
  uint32_t generation = 0; ///< of the handle that is good
  int32_t underWay = 0;    ///< products that have not been waited for
  bool taken = true;
};

/// The products of a warp: each computes its own 16 rows of the warpgroup's.
struct WarpProducts {
  struct Started {
    Product product;
    std::array<std::array<uint16_t, 8>, 32> fragments;
    std::array<Sums *, 32> sums;
    int32_t columns;
    const char *site;
  };
  std::vector<std::vector<Started>> groups; ///< the oldest first; the last one is not committed yet
  size_t started = 0;                       ///< in the order of the warpgroup's
  uint32_t waits = 0;
};

/// All of a block. Products are computed when a warp waits for them, from what is in shared memory then.
class Warpgroups {
public:
  void reset(int32_t threads);
  static int32_t begin(Thread &thread, const float *values, int32_t columns);
  int32_t start(Block &block, Thread &thread, int32_t sums, const Product &product, const char *site);
  void commit(Block &block, Thread &thread, const char *site);
  void wait(Block &block, Thread &thread, int32_t pending, const char *site);
  static void take(Block &block, Thread &thread, int32_t sums, float *values, const char *site);
  void setRegisters(const Thread &thread, int32_t count);
  /// What is wrong when all threads are done; empty if nothing is.
  std::string leftOver() const;

private:
  struct Sequence {
    const char *site;
    const void *a, *b;
  };

  std::vector<WarpProducts> warps;
  std::vector<std::vector<Sequence>> sequences; ///< by warpgroup
  std::vector<int32_t> registers;               ///< by warpgroup, of a thread
  int32_t pool = 0;                             ///< registers that the block began with
  bool changed = false;                         ///< whether warpgroups asked for others
};

} // namespace vitrt::emulator

#endif // VITC_RUNTIME_DEVICE_EMULATOR_WARPGROUPS_H
