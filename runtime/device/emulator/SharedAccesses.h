//===- SharedAccesses.h - who touched which shared memory since when ----------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_RUNTIME_DEVICE_EMULATOR_SHAREDACCESSES_H
#define VITC_RUNTIME_DEVICE_EMULATOR_SHAREDACCESSES_H

#include <cstdint>
#include <optional>
#include <vector>

namespace vitrt::emulator {

/// Two threads that touched the same memory, one of them writing, with no barrier between; a copy that has not landed where it is read;
/// memory that is read before anybody wrote it.
struct Race {
  enum class Did { Read, Wrote, Copies, Nothing };
  int32_t other;    ///< the thread that was there before
  const char *site; ///< its operation, null if there is none
  Did did;
  uint64_t offset; ///< in shared memory
};

/// Of each two bytes of a block's shared memory, the last accesses since the last barrier of the whole block.
class SharedAccesses {
public:
  void reset(uint64_t bytes);
  /// All threads have met: what came before is ordered.
  void barrier() { ++epoch; }
  std::optional<Race> read(int32_t thread, uint64_t offset, uint64_t bytes, const char *site);
  std::optional<Race> write(int32_t thread, uint64_t offset, uint64_t bytes, const char *site);
  /// A copy to this memory has begun; it counts as written at once and again when it lands.
  std::optional<Race> beginCopy(int32_t thread, uint64_t offset, uint64_t bytes, const char *site);
  void endCopy(uint64_t offset, uint64_t bytes);

private:
  struct Access {
    uint32_t epoch = 0; ///< 0 before the first one
    int32_t thread = 0;
    const char *site = nullptr;
  };
  /// Two readers are enough to name another one than the thread that writes.
  struct Cell {
    Access written, reader, otherReader;
    bool copying = false; ///< by the thread that wrote last
  };
  /// The write that the cell was last touched by.
  static Race racingWrite(const Cell &cell, uint64_t offset);

  std::vector<Cell> cells;
  uint32_t epoch = 1;
};

} // namespace vitrt::emulator

#endif // VITC_RUNTIME_DEVICE_EMULATOR_SHAREDACCESSES_H
