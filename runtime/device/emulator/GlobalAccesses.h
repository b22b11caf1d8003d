//===- GlobalAccesses.h - who touched which results of a launch ---------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_RUNTIME_DEVICE_EMULATOR_GLOBALACCESSES_H
#define VITC_RUNTIME_DEVICE_EMULATOR_GLOBALACCESSES_H

#include "runtime/device/emulator/Clock.h"
#include "runtime/device/emulator/Emulator.h"

#include <optional>

namespace vitrt::emulator {

enum class GlobalAction { Read, Write, Add };

/// Two threads, or threads of two blocks, that touched the same global memory, one of them writing, with nothing that orders them.
struct GlobalRace {
  int32_t block, thread; ///< that was there before
  bool wrote;
};

/// Of each two bytes of the operands that a launch writes, and of a block's scratch memory, the last accesses. Threads of a block are in the order of their clocks; blocks of a
/// launch in none, but for what came before one that arrived at the same counter earlier. What runs on other host threads is not seen.
class GlobalAccesses {
public:
  void beginLaunch(std::span<const Operand> operands, const Operand &scratch);
  void beginBlock() {
    acquired.clear();
    blockPeriod = ++periods;
  }
  /// All threads of the block at work have met.
  void meet() { ++meetings; }
  /// `thread` of `block` counts itself: it knows from now on what those knew that came before it.
  void arrive(const void *counter, int32_t block, int32_t thread, const Clock &known);
  /// By `thread` of `block`, who knows what `known` says. Bytes that the launch only reads are nobody's.
  std::optional<GlobalRace> touch(const std::byte *address, int64_t bytes, GlobalAction action, int32_t block, int32_t thread,
                                  const Clock &known);

private:
  struct Access {
    int32_t block;  ///< -1: several
    int32_t thread; ///< -1: several
    uint32_t moment;
    uint32_t meetings; ///< of the block's threads before it
  };
  struct Cell {
    uint32_t period = 0; ///< of the accesses; others are forgotten
    bool written = false, added = false, read = false;
    Access write, reader;
  };
  struct Shadow {
    const std::byte *data = nullptr;
    uint64_t bytes = 0;
    bool ofBlock = false; ///< each block has other memory there
    std::vector<Cell> cells;
  };
  struct Arrival {
    const void *counter;
    int32_t block;
    Clock known;
  };
  /// From `moment` of `thread` on the block at work knows of `arrivals[arrival]`.
  struct Acquired {
    int32_t thread;
    uint32_t moment;
    size_t arrival;
  };
  bool before(const Access &access, int32_t block, const Clock &known) const;

  std::vector<Arrival> arrivals;
  std::vector<Acquired> acquired;
  std::vector<Shadow> shadows;
  size_t used = 0;
  uint32_t periods = 0, launchPeriod = 0, blockPeriod = 0; ///< counted, and those of the launch and of the block at work
  uint32_t meetings = 0;
};

} // namespace vitrt::emulator

#endif // VITC_RUNTIME_DEVICE_EMULATOR_GLOBALACCESSES_H
