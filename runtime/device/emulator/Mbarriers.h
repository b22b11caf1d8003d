//===- Mbarriers.h - barriers in shared memory, and the copies that arrive at them -*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_RUNTIME_DEVICE_EMULATOR_MBARRIERS_H
#define VITC_RUNTIME_DEVICE_EMULATOR_MBARRIERS_H

#include "runtime/device/emulator/Clock.h"
#include "runtime/device/emulator/EmulatorAbi.h"

#include <array>
#include <map>
#include <string>
#include <vector>

namespace vitrt::emulator {

struct Block;
struct Thread;

/// Barriers that a block may have.
inline constexpr int32_t kMaxMbarriers = 64;

struct Mbarrier {
  int32_t count = 0;   ///< arrivals of a phase
  int32_t missing = 0; ///< of this phase
  int64_t bytes = 0;   ///< that this phase still waits for; fewer than none where copies landed that nobody expects yet
  uint32_t phase = 0;
  bool fenced = false;
  const char *initializedAt = nullptr;
  int32_t initializer = 0;
  uint32_t moment = 0; ///< of its initialization
  int32_t engine = 0;  ///< the actor of copies that arrive here
  uint32_t copies = 0; ///< that were started
  Clock arriving;      ///< what is over before an arrival of this phase
  Clock over;          ///< before the end of all phases until now
  std::vector<Thread *> waiting;
};

/// A copy of the engine that has not landed.
struct TensorCopy {
  TensorMap map;
  std::array<int32_t, 5> coordinates;
  std::byte *to;
  uint64_t barrier;
  uint32_t moment;
};

/// The barriers of a block by their place in shared memory, and the copies under way.
class Mbarriers {
public:
  void reset();
  void initialize(Block &block, Thread &thread, void *barrier, int32_t count, const char *site);
  /// The thread's barriers are known to the copy engine.
  void fence(const Thread &thread);
  void arrive(Block &block, Thread &thread, void *barrier, int64_t bytes, const char *site);
  void wait(Block &block, Thread &thread, void *barrier, int32_t parity, const char *site);
  void startCopy(Block &block, Thread &thread, const TensorMap &map, const int32_t *coordinates, void *to, void *barrier, const char *site);
  /// One of the copies under way, by chance; false if there is none.
  bool land(Block &block);
  /// "; the barrier at byte 64 lacks 1 arrival and 128 bytes", for who waits for ever.
  std::string lacking() const;

private:
  Mbarrier &find(Block &block, Thread &thread, void *barrier, const char *site);
  static void endPhaseIfComplete(Block &block, Mbarrier &barrier);

  std::map<uint64_t, Mbarrier> barriers;
  std::vector<TensorCopy> underWay;
};

} // namespace vitrt::emulator

#endif // VITC_RUNTIME_DEVICE_EMULATOR_MBARRIERS_H
