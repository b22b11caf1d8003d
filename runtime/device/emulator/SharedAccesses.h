//===- SharedAccesses.h - who touched which shared memory, and when -----------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_RUNTIME_DEVICE_EMULATOR_SHAREDACCESSES_H
#define VITC_RUNTIME_DEVICE_EMULATOR_SHAREDACCESSES_H

#include "runtime/device/emulator/Clock.h"

#include <optional>

namespace vitrt::emulator {

/// Two actors that touched the same memory, one of them writing, with nothing that orders them; a copy that has not landed where it is read;
/// memory that is read before anybody wrote it; a barrier where memory is expected.
struct Race {
  enum class Did { Read, Wrote, Copies, Nothing, Barrier, Unfenced };
  int32_t other;    ///< the actor that was there before
  const char *site; ///< its operation, null if there is none
  Did did;
  uint64_t offset; ///< in shared memory
};

/// An operation that touches shared memory.
struct Accessor {
  int32_t actor;
  const Clock &known; ///< what is over before it
  const char *site;
};

/// Of each two bytes of a block's shared memory, the last accesses.
class SharedAccesses {
public:
  /// The moment of what is not over.
  static constexpr uint32_t kUnderWay = UINT32_MAX;
  /// Bytes of a swizzled row that stay together.
  static constexpr uint64_t kChunk = 16;

  void reset(uint64_t bytes);
  std::optional<Race> read(const Accessor &by, uint64_t offset, uint64_t bytes);
  std::optional<Race> write(const Accessor &by, uint64_t offset, uint64_t bytes);

  /// A copy to this memory has begun; it counts as written.
  std::optional<Race> beginCopy(const Accessor &by, uint64_t offset, uint64_t bytes);
  /// It has landed, at the `moment` of the actor that began it.
  void endCopy(uint32_t moment, uint64_t offset, uint64_t bytes);

  /// Products read 16 bytes from now on until they are waited for. `fenced(actor, moment)` says whether what that thread wrote then is there for
  /// them.
  template <typename Fenced> std::optional<Race> beginProduct(const Accessor &by, uint64_t offset, Fenced fenced);
  /// The actor's products have read, at `moment`; or, without one, others of them still do.
  void endProduct(int32_t actor, uint64_t offset, uint32_t moment = kUnderWay);

  /// Here is a barrier, which only its own operations may touch.
  void placeBarrier(uint64_t offset);

private:
  struct Access {
    uint32_t moment = 0; ///< 0 before the first one
    int32_t actor = 0;
    const char *site = nullptr;

    bool before(const Clock &known) const { return moment <= known[actor]; }
  };
  /// Two readers are enough where barriers of the whole block order them. Where they are more, and unordered, chance decides who is forgotten.
  struct Cell {
    Access written, readers[2];
    bool copying = false; ///< by the actor that wrote last
    bool barrier = false;
  };

  /// The write that the cell was last touched by, if it is not over.
  static std::optional<Race> racingWrite(const Cell &cell, const Clock &known, uint64_t offset);
  void note(Cell &cell, const Access &reader, const Clock &known);

  std::vector<Cell> cells;
  uint32_t chance = 1;
};

template <typename Fenced> std::optional<Race> SharedAccesses::beginProduct(const Accessor &by, uint64_t offset, Fenced fenced) {
  for (uint64_t i = offset / 2; i < (offset + kChunk) / 2; ++i) {
    Cell &cell = cells[i];
    if (std::optional<Race> race = racingWrite(cell, by.known, 2 * i))
      return race;
    if (cell.written.moment == 0)
      return Race{-1, nullptr, Race::Did::Nothing, 2 * i};
    if (!fenced(cell.written.actor, cell.written.moment))
      return Race{cell.written.actor, cell.written.site, Race::Did::Unfenced, 2 * i};
    note(cell, {kUnderWay, by.actor, by.site}, by.known);
  }
  return std::nullopt;
}

} // namespace vitrt::emulator

#endif // VITC_RUNTIME_DEVICE_EMULATOR_SHAREDACCESSES_H
