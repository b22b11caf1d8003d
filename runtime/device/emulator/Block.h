//===- Block.h - a block of an emulated launch --------------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_RUNTIME_DEVICE_EMULATOR_BLOCK_H
#define VITC_RUNTIME_DEVICE_EMULATOR_BLOCK_H

#include "runtime/artifact/MappedFile.h"
#include "runtime/device/emulator/Emulator.h"
#include "runtime/device/emulator/Fiber.h"
#include "runtime/device/emulator/GlobalAccesses.h"
#include "runtime/device/emulator/Mbarriers.h"
#include "runtime/device/emulator/SharedAccesses.h"
#include "runtime/device/emulator/Warpgroups.h"

#include <array>
#include <bit>
#include <cstring>
#include <random>
#include <vector>

namespace vitrt::emulator {

inline constexpr int32_t kWarp = 32;

/// A copy that was started and has not landed.
struct PendingCopy {
  const std::byte *from;
  std::byte *to;
  int64_t bytes, live;
};

/// A GPU thread: what generated code knows of it comes first.
struct Thread : ThreadState {
  Block *owner;
  Fiber fiber;
  const char *waitsAt = nullptr;                ///< the operation in which it waits for others
  std::vector<std::vector<PendingCopy>> copies; ///< groups, the oldest first; the last one is not committed yet
  Clock known;                                  ///< its own moment too
  std::vector<uint32_t> fences;                 ///< the moments of its proxy fences, ascending
  std::vector<std::unique_ptr<Sums>> sums;

  /// Whether the thread fenced what it wrote at `moment` no later than at its moment `until`.
  bool fenced(uint32_t moment, uint32_t until) const {
    auto fence = std::ranges::lower_bound(fences, moment);
    return fence != fences.end() && *fence <= until;
  }
};

/// Threads of a warp that have come to an operation which all of them do together.
struct Meeting {
  const char *site = nullptr;
  int32_t arrived = 0;
  std::array<void *, kWarp> arguments;
};

struct Block {
  explicit Block(uint64_t seed) : random(seed) {}

  Error run(int32_t number);
  /// Stacks and shared memory for the launch.
  Error allocate();

  // Called on a thread's fiber.
  /// Goes on once another thread has put this one among the runnable.
  void wait(Thread &thread, const char *site);
  void wake(Thread &thread) { runnable.push_back(&thread); }
  /// Ends the launch with an error; does not return, nor does the caller: what its frame owns is never destroyed.
  [[noreturn]] void fault(Thread &thread, const char *site, std::string what);
  /// Whether `bytes`, a power of two, at a multiple of that may be read or written by the thread's operation.
  void check(Thread &thread, const void *address, int64_t bytes, bool write, const char *site) {
    checkAligned(thread, address, bytes, write, site);
    checkTouched(thread, address, bytes, write ? GlobalAction::Write : GlobalAction::Read, site);
  }
  void checkAligned(Thread &thread, const void *address, int64_t bytes, bool write, const char *site);
  void checkTouched(Thread &thread, const void *address, int64_t bytes, GlobalAction action, const char *site);
  /// The warp's threads meet with an argument each; `act` runs once for all of them, in the last one.
  void meet(Thread &thread, void *argument, const char *site, void (*act)(std::span<void *, kWarp>));

  /// "reads byte 4 of shared memory, which thread 1 wrote in 'store 3' with no barrier between"
  std::string describe(const Race &race, const char *verb) const;

  std::string describe(const GlobalRace &race, const void *address, const char *verb) const;

  // Actors behind the threads: the copy engine by barriers, then products by warps.
  int32_t productsOf(int32_t warp) const { return launch.threads + kMaxMbarriers + warp; }
  size_t actors() const { return size_t(productsOf(launch.threads / kWarp)); }
  /// Every thread knows what all have done; every thread of a warp what those of the warp have.
  void synchronize();
  void synchronizeWarp(int32_t warp);

  /// Where memory lies that is neither an operand's nor shared.
  std::string placeOf(const void *address) const;

  LaunchShape launch;
  std::span<const Operand> operands;
  Operand scratch() const { return {launch.scratch, launch.scratchBytes, /*written=*/true}; }
  int64_t images = 0;

  std::mt19937_64 random;
  AnonymousMemory stacks, shared;
  std::vector<std::unique_ptr<Thread>> threads;
  std::vector<Thread *> runnable;
  std::vector<Meeting> meetings; ///< by warp
  std::vector<Thread *> atBarrier;
  const char *barrierSite = nullptr;
  SharedAccesses accesses;
  GlobalAccesses globalAccesses;
  Mbarriers mbarriers;
  Warpgroups warpgroups;
  Clock common;
  Error error;
};

/// An operand of a product, 32 bytes of a row of which are its steps of the sum.
struct ProductElements {
  explicit ProductElements(Operands type) : type(type) {}
  size_t bytes() const { return type == Operands::Tf32 ? 4 : 2; }
  /// Steps of the sum in a product.
  size_t depth() const { return 32 / bytes(); }

  /// The f32 at `place`.
  float at(const void *place) const {
    if (type == Operands::Tf32) {
      float value;
      std::memcpy(&value, place, sizeof value);
      return value;
    }
    uint16_t bits;
    std::memcpy(&bits, place, sizeof bits);
    return type == Operands::Bf16 ? std::bit_cast<float>(uint32_t(bits) << 16) : float(std::bit_cast<_Float16>(bits));
  }

  /// Whether a product takes the number: the lower bits of a tf32 are zero, or the result is undefined (PTX ISA 9.7.14.5.8); NaN's say nothing.
  bool takes(float value) const { return type != Operands::Tf32 || value != value || (std::bit_cast<uint32_t>(value) & 0x1fff) == 0; }

  Operands type;
};

/// The functions that generated code calls.
extern const Calls kCalls;

} // namespace vitrt::emulator

#endif // VITC_RUNTIME_DEVICE_EMULATOR_BLOCK_H
