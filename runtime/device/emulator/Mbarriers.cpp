//===- Mbarriers.cpp - barriers in shared memory, and the copies that arrive at them -----------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/device/emulator/Mbarriers.h"
#include "runtime/device/emulator/Block.h"

#include <cstring>

using namespace vitrt;
using namespace vitrt::emulator;

namespace {

constexpr uint64_t kBarrierBytes = 8;

uint64_t offsetOf(const Thread &thread, const void *address) {
  return reinterpret_cast<uintptr_t>(address) - reinterpret_cast<uintptr_t>(thread.shared);
}

int64_t rowsOf(const TensorMap &map) {
  int64_t rows = 1;
  for (int32_t axis = 1; axis < map.rank; ++axis)
    rows *= map.box[axis];
  return rows;
}

int64_t bytesOf(const TensorMap &map) { return rowsOf(map) * map.box[0] * map.elementBytes; }

/// The box as the engine writes it, elements outside of the tensor zero.
void land(const TensorCopy &copy) {
  const TensorMap &map = copy.map;
  const int64_t rowBytes = int64_t(map.box[0]) * map.elementBytes;
  const uint64_t mask = map.swizzle ? uint64_t(map.swizzle) / 16 - 1 : 0;
  for (int64_t row = 0; row < rowsOf(map); ++row) {
    bool exists = true;
    int64_t from = 0, rest = row;
    for (int32_t axis = 1; axis < map.rank; rest /= map.box[axis++]) {
      int64_t at = copy.coordinates[size_t(axis)] + rest % map.box[axis];
      exists &= at >= 0 && at < map.sizes[axis];
      from += at * map.strides[axis];
    }
    for (int64_t column = 0; column < map.box[0]; ++column) {
      uint64_t place = uint64_t(row * rowBytes + column * map.elementBytes);
      // Chunks of 16 bytes are numbered anew in each row of 128; destinations begin where the pattern does.
      place ^= (place >> 7 & mask) << 4;
      int64_t at = copy.coordinates[0] + column;
      if (exists && at >= 0 && at < map.sizes[0])
        std::memcpy(copy.to + place, map.data + from + at * map.elementBytes, size_t(map.elementBytes));
      else
        std::memset(copy.to + place, 0, size_t(map.elementBytes));
    }
  }
}

} // namespace

void Mbarriers::reset() {
  barriers.clear();
  underWay.clear();
}

void Mbarriers::initialize(Block &block, Thread &thread, void *address, int32_t count, const char *site) {
  block.check(thread, address, kBarrierBytes, /*write=*/true, site);
  uint64_t offset = offsetOf(thread, address);
  if (offset >= block.launch.sharedBytes)
    block.fault(thread, site, "a barrier that is not in shared memory");
  if (barriers.size() == kMaxMbarriers)
    block.fault(thread, site, fmt::format("the block has {} barriers already", kMaxMbarriers));
  Mbarrier &barrier = barriers[offset];
  barrier.count = barrier.missing = count;
  barrier.initializedAt = site;
  barrier.initializer = thread.thread;
  barrier.moment = thread.known[thread.thread];
  barrier.engine = block.launch.threads + int32_t(barriers.size()) - 1;
  barrier.arriving.reset(thread.known.actors());
  barrier.over.reset(thread.known.actors());
  block.accesses.placeBarrier(offset);
}

void Mbarriers::fence(const Thread &thread) {
  for (auto &[offset, barrier] : barriers)
    barrier.fenced |= barrier.initializer == thread.thread;
}

Mbarrier &Mbarriers::find(Block &block, Thread &thread, void *address, const char *site) {
  auto found = barriers.find(offsetOf(thread, address));
  if (found == barriers.end())
    block.fault(thread, site, fmt::format("there is no barrier at byte {} of shared memory", offsetOf(thread, address)));
  Mbarrier &barrier = found->second;
  if (barrier.moment > thread.known[barrier.initializer])
    block.fault(thread, site,
                fmt::format("the barrier was initialized by thread {} in '{}' with no barrier of the block between", barrier.initializer,
                            barrier.initializedAt));
  return barrier;
}

void Mbarriers::endPhaseIfComplete(Block &block, Mbarrier &barrier) {
  if (barrier.missing != 0 || barrier.bytes != 0)
    return;
  barrier.over.join(barrier.arriving);
  barrier.missing = barrier.count;
  ++barrier.phase;
  for (Thread *thread : barrier.waiting)
    block.wake(*thread);
  barrier.waiting.clear();
}

void Mbarriers::arrive(Block &block, Thread &thread, void *address, int64_t bytes, const char *site) {
  Mbarrier &barrier = find(block, thread, address, site);
  if (bytes > 0 && !barrier.fenced)
    block.fault(thread, site, "copies are expected at a barrier that no fence has made known to the copy engine");
  if (barrier.missing == 0)
    block.fault(thread, site, fmt::format("all {} arrivals of the phase have been", barrier.count));
  barrier.bytes += bytes;
  --barrier.missing;
  barrier.arriving.join(thread.known);
  ++thread.known[thread.thread];
  endPhaseIfComplete(block, barrier);
}

void Mbarriers::wait(Block &block, Thread &thread, void *address, int32_t parity, const char *site) {
  Mbarrier &barrier = find(block, thread, address, site);
  if (parity != 0 && parity != 1)
    block.fault(thread, site, fmt::format("a phase has parity 0 or 1, not {}", parity));
  while (int32_t(barrier.phase & 1) == parity) {
    barrier.waiting.push_back(&thread);
    block.wait(thread, site);
  }
  thread.known.join(barrier.over);
}

void Mbarriers::startCopy(Block &block, Thread &thread, const TensorMap &map, const int32_t *coordinates, void *address,
                          void *barrierAddress, const char *site) {
  Mbarrier &barrier = find(block, thread, barrierAddress, site);
  if (!barrier.fenced)
    block.fault(thread, site, "a copy arrives at a barrier that no fence has made known to the copy engine");
  uint64_t offset = offsetOf(thread, address), bytes = uint64_t(bytesOf(map));
  if (offset >= block.launch.sharedBytes || bytes > block.launch.sharedBytes - offset)
    block.fault(thread, site,
                fmt::format("copies {} bytes to byte {} of shared memory, which has {}", bytes, int64_t(offset), block.launch.sharedBytes));
  if (uint64_t alignment = map.swizzle ? 8 * uint64_t(map.swizzle) : 128; offset % alignment != 0)
    block.fault(
        thread, site,
        fmt::format("copies to byte {} of shared memory; with a swizzle of {} it is a multiple of {}", offset, map.swizzle, alignment));
  Clock known = thread.known;
  const uint32_t moment = known[barrier.engine] = ++barrier.copies;
  if (std::optional<Race> race = block.accesses.beginCopy({barrier.engine, known, site}, offset, bytes)) {
    known = Clock();
    block.fault(thread, site, block.describe(*race, "copies to"));
  }
  std::memset(address, 0xff, bytes);
  TensorCopy copy = {map, {}, static_cast<std::byte *>(address), offsetOf(thread, barrierAddress), moment};
  std::copy_n(coordinates, map.rank, copy.coordinates.begin());
  underWay.push_back(copy);
}

bool Mbarriers::land(Block &block) {
  if (underWay.empty())
    return false;
  std::swap(underWay[block.random() % underWay.size()], underWay.back());
  TensorCopy copy = underWay.back();
  underWay.pop_back();
  ::land(copy);
  const auto bytes = uint64_t(bytesOf(copy.map));
  block.accesses.endCopy(copy.moment, uint64_t(copy.to - block.shared.bytes().data()), bytes);
  Mbarrier &barrier = barriers.at(copy.barrier);
  barrier.bytes -= int64_t(bytes);
  barrier.arriving[barrier.engine] = std::max(barrier.arriving[barrier.engine], copy.moment);
  endPhaseIfComplete(block, barrier);
  return true;
}

std::string Mbarriers::lacking() const {
  std::string text;
  for (const auto &[offset, barrier] : barriers)
    if (!barrier.waiting.empty())
      text += fmt::format("; the phase of the barrier at byte {} lacks {} arrivals and {} bytes", offset, barrier.missing, barrier.bytes);
  return text;
}
