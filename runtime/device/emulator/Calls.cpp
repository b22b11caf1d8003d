//===- Calls.cpp - what device code asks of the emulator ----------------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/device/emulator/Block.h"

#include <bit>
#include <cstring>

using namespace vitrt;
using namespace vitrt::emulator;

namespace {

Thread &threadOf(ThreadState *state) { return *static_cast<Thread *>(state); }
Block &blockOf(Thread &thread) { return *thread.owner; }

void access(ThreadState *state, void *address, int64_t bytes, int32_t write, const char *site) {
  Thread &thread = threadOf(state);
  blockOf(thread).check(thread, address, bytes, write != 0, site);
}

void atomicAdd(ThreadState *state, float *address, float value, const char *site) {
  Thread &thread = threadOf(state);
  blockOf(thread).checkAligned(thread, address, sizeof(float), /*write=*/true, site);
  blockOf(thread).checkTouched(thread, address, sizeof(float), GlobalAction::Add, site);
  // Blocks of one launch may run on several host threads.
  auto *bits = reinterpret_cast<uint32_t *>(address);
  uint32_t old = __atomic_load_n(bits, __ATOMIC_RELAXED);
  while (!__atomic_compare_exchange_n(bits, &old, std::bit_cast<uint32_t>(std::bit_cast<float>(old) + value), /*weak=*/true,
                                      __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
  }
}

void barrier(ThreadState *state, const char *site) {
  Thread &thread = threadOf(state);
  Block &block = blockOf(thread);
  if (block.atBarrier.empty())
    block.barrierSite = site;
  else if (block.barrierSite != site)
    block.fault(thread, site, fmt::format("other threads of the block are at '{}'; all meet at one barrier", block.barrierSite));
  if (block.atBarrier.size() + 1 < size_t(block.launch.threads)) {
    block.atBarrier.push_back(&thread);
    return block.wait(thread, site);
  }
  block.synchronize();
  for (Thread *other : block.atBarrier)
    block.wake(*other);
  block.atBarrier.clear();
}

uint32_t shuffle(ThreadState *state, uint32_t value, int32_t mask, const char *site) {
  struct Argument {
    uint32_t value;
    int32_t mask;
    uint32_t result;
  } argument = {value, mask, 0};
  Thread &thread = threadOf(state);
  blockOf(thread).meet(thread, &argument, site, [](std::span<void *, kWarp> arguments) {
    for (int32_t lane = 0; lane < kWarp; ++lane) {
      auto &mine = *static_cast<Argument *>(arguments[size_t(lane)]);
      mine.result = static_cast<Argument *>(arguments[size_t(lane ^ mine.mask)])->value;
    }
  });
  return argument.result;
}

void copyAsync(ThreadState *state, const void *from, void *to, int64_t bytes, int32_t live, const char *site) {
  Thread &thread = threadOf(state);
  Block &block = blockOf(thread);
  auto *source = static_cast<const std::byte *>(from);
  auto *destination = static_cast<std::byte *>(to);
  if (live < 0 || live > bytes)
    block.fault(thread, site, fmt::format("copies {} bytes of {}", live, bytes));
  // The address has to be aligned even if nothing is read there.
  block.checkAligned(thread, source, bytes, /*write=*/false, site);
  if (live > 0)
    block.checkTouched(thread, source, live, GlobalAction::Read, site);
  uint64_t offset = uint64_t(destination - thread.shared);
  if (offset >= block.launch.sharedBytes)
    block.fault(thread, site, "copies to an address that is not in shared memory");
  block.check(thread, destination, bytes, /*write=*/true, site);
  (void)block.accesses.beginCopy({thread.thread, thread.known, site}, offset, uint64_t(bytes)); // the check has just passed
  std::memset(destination, 0xff, size_t(bytes));
  thread.copies.back().push_back({source, destination, bytes, live});
}

void copyCommit(ThreadState *state) { threadOf(state).copies.emplace_back(); }

void copyWait(ThreadState *state, int32_t pending) {
  Thread &thread = threadOf(state);
  // The last group is not committed, and not waited for.
  while (thread.copies.size() > size_t(pending) + 1) {
    for (const PendingCopy &copy : thread.copies.front()) {
      std::memcpy(copy.to, copy.from, size_t(copy.live));
      std::memset(copy.to + copy.live, 0, size_t(copy.bytes - copy.live));
      blockOf(thread).accesses.endCopy(thread.known[thread.thread], uint64_t(copy.to - thread.shared), uint64_t(copy.bytes));
    }
    thread.copies.erase(thread.copies.begin());
  }
}

/// Of a warp's `loadMatrix`.
struct MatrixRow {
  uint16_t *result;
  const uint16_t *row;
  int32_t matrices, transposed;
};

void loadMatrix(ThreadState *state, void *result, const void *row, int32_t matrices, int32_t transposed, const char *site) {
  Thread &thread = threadOf(state);
  if (thread.thread % kWarp < 8 * matrices)
    blockOf(thread).check(thread, row, 16, /*write=*/false, site);
  MatrixRow argument = {static_cast<uint16_t *>(result), static_cast<const uint16_t *>(row), matrices, transposed};
  blockOf(thread).meet(thread, &argument, site, [](std::span<void *, kWarp> arguments) {
    for (size_t lane = 0; lane < kWarp; ++lane) {
      auto &mine = *static_cast<MatrixRow *>(arguments[lane]);
      for (size_t matrix = 0; matrix < size_t(mine.matrices); ++matrix)
        for (size_t i = 0; i < 2; ++i) {
          size_t r = lane / 4, c = 2 * (lane % 4) + i;
          if (mine.transposed)
            std::swap(r, c);
          mine.result[2 * matrix + i] = static_cast<MatrixRow *>(arguments[8 * matrix + r])->row[c];
        }
    }
  });
}

/// Of a warp's `mma`.
struct Fragments {
  float *sums;
  const std::byte *a, *b;
  ProductElements elements;
  Thread *thread;
  const char *site;
};

void mma(ThreadState *state, float *sums, const void *a, const void *b, Operands operands, const char *site) {
  Thread &thread = threadOf(state);
  Fragments argument = {sums, static_cast<const std::byte *>(a), static_cast<const std::byte *>(b), ProductElements(operands), &thread,
                        site};
  blockOf(thread).meet(thread, &argument, site, [](std::span<void *, kWarp> arguments) {
    float left[16][16], right[16][8];
    const ProductElements elements = static_cast<Fragments *>(arguments[0])->elements;
    // Registers of 4 bytes: two steps of the sum, of tf32 one.
    const size_t bytes = elements.bytes(), each = 4 / bytes, depth = elements.depth();
    for (size_t lane = 0; lane < kWarp; ++lane) {
      auto &mine = *static_cast<Fragments *>(arguments[lane]);
      auto read = [&](const std::byte *from, size_t i) {
        const float value = elements.at(from + i * bytes);
        if (!elements.takes(value))
          blockOf(*mine.thread).fault(*mine.thread, mine.site, "multiplies a number that is no tf32: its lower 13 bits are not zero");
        return value;
      };
      const size_t group = lane / 4, first = each * (lane % 4);
      for (size_t i = 0; i < 4 * each; ++i)
        left[group + 8 * (i / each % 2)][first + i % each + depth / 2 * (i / (2 * each))] = read(mine.a, i);
      for (size_t i = 0; i < 2 * each; ++i)
        right[first + i % each + depth / 2 * (i / each)][group] = read(mine.b, i);
    }
    for (size_t lane = 0; lane < kWarp; ++lane) {
      auto &mine = *static_cast<Fragments *>(arguments[lane]);
      for (size_t i = 0; i < 4; ++i) {
        size_t row = lane / 4 + 8 * (i / 2), column = 2 * (lane % 4) + i % 2;
        float sum = mine.sums[i];
        for (size_t k = 0; k < depth; ++k)
          sum += left[row][k] * right[k][column];
        mine.sums[i] = sum;
      }
    }
  });
}

void mbarrierInit(ThreadState *state, void *barrier, int32_t count, const char *site) {
  Thread &thread = threadOf(state);
  blockOf(thread).mbarriers.initialize(blockOf(thread), thread, barrier, count, site);
}

void mbarrierFence(ThreadState *state) { blockOf(threadOf(state)).mbarriers.fence(threadOf(state)); }

void mbarrierArrive(ThreadState *state, void *barrier, int64_t bytes, const char *site) {
  Thread &thread = threadOf(state);
  blockOf(thread).mbarriers.arrive(blockOf(thread), thread, barrier, bytes, site);
}

void mbarrierWait(ThreadState *state, void *barrier, int32_t parity, const char *site) {
  Thread &thread = threadOf(state);
  blockOf(thread).mbarriers.wait(blockOf(thread), thread, barrier, parity, site);
}

void tensorCopy(ThreadState *state, const TensorMap *map, const int32_t *coordinates, void *to, void *barrier, const char *site) {
  Thread &thread = threadOf(state);
  blockOf(thread).mbarriers.startCopy(blockOf(thread), thread, *map, coordinates, to, barrier, site);
}

void proxyFence(ThreadState *state) {
  Thread &thread = threadOf(state);
  if (uint32_t now = thread.known[thread.thread]; thread.fences.empty() || thread.fences.back() != now)
    thread.fences.push_back(now);
}

int32_t wgmmaBegin(ThreadState *state, const float *values, int32_t columns) { return Warpgroups::begin(threadOf(state), values, columns); }

int32_t wgmma(ThreadState *state, int32_t sums, const Product *product, const char *site) {
  Thread &thread = threadOf(state);
  return blockOf(thread).warpgroups.start(blockOf(thread), thread, sums, *product, site);
}

void wgmmaCommit(ThreadState *state, const char *site) {
  Thread &thread = threadOf(state);
  blockOf(thread).warpgroups.commit(blockOf(thread), thread, site);
}

void wgmmaWait(ThreadState *state, int32_t pending, const char *site) {
  Thread &thread = threadOf(state);
  blockOf(thread).warpgroups.wait(blockOf(thread), thread, pending, site);
}

void wgmmaTake(ThreadState *state, int32_t sums, float *values, const char *site) {
  Thread &thread = threadOf(state);
  Warpgroups::take(blockOf(thread), thread, sums, values, site);
}

void setRegisters(ThreadState *state, int32_t count) {
  Thread &thread = threadOf(state);
  blockOf(thread).warpgroups.setRegisters(thread, count);
}

/// Of a warp's `arrive`.
struct Arrival {
  Thread *thread;
  uint32_t *counter;
  int32_t count;
  bool agree, last;
};

int32_t arrive(ThreadState *state, uint32_t *counter, int32_t count, const char *site) {
  Thread &thread = threadOf(state);
  Block &block = blockOf(thread);
  if (thread.thread % kWarp == 0) {
    block.checkAligned(thread, counter, sizeof(*counter), /*write=*/true, site);
    block.checkTouched(thread, counter, sizeof(*counter), GlobalAction::Add, site);
  }
  Arrival argument = {&thread, counter, count, false, false};
  block.meet(thread, &argument, site, [](std::span<void *, kWarp> arguments) {
    auto &first = *static_cast<Arrival *>(arguments[0]);
    Block &block = blockOf(*first.thread);
    auto same = [&](void *other) {
      return static_cast<Arrival *>(other)->counter == first.counter && static_cast<Arrival *>(other)->count == first.count;
    };
    const bool agree = std::ranges::all_of(arguments, same);
    block.synchronizeWarp(first.thread->thread / kWarp);
    if (agree)
      block.globalAccesses.arrive(first.counter, first.thread->block, first.thread->thread, first.thread->known);
    block.synchronizeWarp(first.thread->thread / kWarp);
    // Blocks of one launch may run on several host threads.
    uint32_t old = agree ? __atomic_load_n(first.counter, __ATOMIC_RELAXED) : 0;
    auto next = [&] { return old >= uint32_t(first.count - 1) ? 0 : old + 1; };
    while (agree && !__atomic_compare_exchange_n(first.counter, &old, next(), /*weak=*/true, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) {
    }
    for (void *other : arguments) {
      static_cast<Arrival *>(other)->agree = agree;
      static_cast<Arrival *>(other)->last = old == uint32_t(first.count - 1);
    }
  });
  if (!argument.agree)
    block.fault(thread, site, "others of its warp are at another counter, or count to another number");
  return argument.last;
}

} // namespace

const Calls vitrt::emulator::kCalls = {access,       atomicAdd,  barrier,      shuffle,      copyAsync,     copyCommit,
                                       copyWait,     loadMatrix, mma,          mbarrierInit, mbarrierFence, mbarrierArrive,
                                       mbarrierWait, tensorCopy, proxyFence,   wgmmaBegin,   wgmma,         wgmmaCommit,
                                       wgmmaWait,    wgmmaTake,  setRegisters, arrive};
