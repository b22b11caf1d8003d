//===- Block.cpp - a block of an emulated launch ------------------------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/device/emulator/Block.h"

#include <algorithm>
#include <cstring>

using namespace vitrt;
using namespace vitrt::emulator;

namespace {

/// Generated code takes 64 KiB at most (docs/abi.md); the emulator's own functions run on the same stacks, with a sanitizer's frames too.
constexpr uint64_t kStackBytes = 256 << 10;
constexpr uint64_t kSharedAlignment = 1024;

} // namespace

Emulator::Emulator(uint64_t seed) : block(std::make_unique<Block>(seed)) {}
Emulator::~Emulator() = default;

Error Emulator::run(const LaunchShape &launch, std::span<const Operand> operands, int64_t images, int64_t begin, int64_t end) {
  block->launch = launch;
  block->operands = operands;
  block->images = images;
  block->globalAccesses.beginLaunch(operands, block->scratch());
  if (Error error = block->allocate())
    return error;
  for (int64_t i = begin; i < end; ++i)
    if (Error error = block->run(int32_t(i)))
      return error;
  return Error::success();
}

Error Block::allocate() {
  uint64_t stackBytes = kStackBytes * uint64_t(launch.threads);
  if (stacks.bytes().size() < stackBytes) {
    Expected<AnonymousMemory> allocated = AnonymousMemory::allocate(stackBytes, fmt::format("the stacks of {} threads", launch.threads));
    if (!allocated)
      return std::move(allocated.error());
    stacks = std::move(*allocated);
    threads.clear();
  }
  if (shared.bytes().size() < launch.sharedBytes + kSharedAlignment) {
    Expected<AnonymousMemory> allocated =
        AnonymousMemory::allocate(launch.sharedBytes + kSharedAlignment, "the shared memory of a block of threads");
    if (!allocated)
      return std::move(allocated.error());
    shared = std::move(*allocated);
  }
  while (threads.size() < size_t(launch.threads))
    threads.push_back(std::make_unique<Thread>());
  return Error::success();
}

Error Block::run(int32_t number) {
  std::memset(shared.bytes().data(), 0xff, launch.sharedBytes); // NaN in every format
  accesses.reset(launch.sharedBytes);
  mbarriers.reset();
  globalAccesses.beginBlock();
  warpgroups.reset(launch.threads);
  meetings.assign(size_t(launch.threads / kWarp), Meeting());
  atBarrier.clear();
  runnable.clear();
  error = Error::success();
  for (int32_t i = 0; i < launch.threads; ++i) {
    Thread &thread = *threads[size_t(i)];
    static_cast<ThreadState &>(thread) = {&kCalls, shared.bytes().data(), i, number, launch.scratch, launch.blocks};
    thread.owner = this;
    thread.waitsAt = nullptr;
    thread.copies.assign(1, {});
    thread.fences.clear();
    for (const auto &sums : thread.sums)
      sums->taken = true;
    thread.known.reset(actors());
    thread.known[i] = 1;
    thread.fiber.prepare(
        stacks.bytes().subspan(kStackBytes * uint64_t(i), kStackBytes),
        [](void *argument) {
          auto &self = *static_cast<Thread *>(argument);
          std::array<void *, 64> buffers;
          auto behind =
              std::ranges::transform(self.owner->operands, buffers.begin(), [](const Operand &operand) { return operand.data; }).out;
          std::ranges::transform(self.owner->launch.maps, behind, [](const TensorMap &map) { return const_cast<TensorMap *>(&map); });
          self.owner->launch.function(&self, buffers.data(), self.owner->images);
        },
        &thread);
    runnable.push_back(&thread);
  }
  int32_t alive = launch.threads;
  // What is copied lands when nothing else can happen any more.
  while (!error && (!runnable.empty() || mbarriers.land(*this))) {
    if (runnable.empty())
      continue;
    std::swap(runnable[random() % runnable.size()], runnable.back());
    Thread &next = *runnable.back();
    runnable.pop_back();
    if (!next.fiber.enter() && !error)
      --alive;
  }
  if (error)
    return std::move(error);
  if (alive == 0) {
    std::string wrong = warpgroups.leftOver();
    return wrong.empty()
               ? Error::success()
               : makeError(VITRT_ERROR_ARGUMENT, "kernel {} (layer {}), block {}: {}", launch.kernel, launch.layer, number, wrong);
  }
  auto waiting = std::ranges::find_if(threads, [](const auto &thread) { return thread->waitsAt != nullptr; });
  return makeError(
      VITRT_ERROR_ARGUMENT,
      "kernel {} (layer {}), block {}: {} of {} threads wait for ever, the first of them thread {} at '{}'; the others do not come there{}",
      launch.kernel, launch.layer, number, alive, launch.threads, (*waiting)->thread, (*waiting)->waitsAt, mbarriers.lacking());
}

void Block::wait(Thread &thread, const char *site) {
  thread.waitsAt = site;
  thread.fiber.leave();
  thread.waitsAt = nullptr;
}

void Block::fault(Thread &thread, const char *site, std::string what) {
  error = makeError(VITRT_ERROR_ARGUMENT, "kernel {} (layer {}), block {}, thread {}, '{}': {}", launch.kernel, launch.layer, thread.block,
                    thread.thread, site, std::exchange(what, {}));
  // The launch is over; nobody enters this fiber again.
  for (;;)
    thread.fiber.leave();
}

void Block::synchronize() {
  common.reset(actors());
  for (const auto &thread : std::span(threads).first(size_t(launch.threads))) {
    common[thread->thread] = thread->known[thread->thread];
    for (int32_t actor = launch.threads; actor < int32_t(actors()); ++actor)
      common[actor] = std::max(common[actor], thread->known[actor]);
  }
  for (const auto &thread : std::span(threads).first(size_t(launch.threads))) {
    thread->known = common;
    ++thread->known[thread->thread];
  }
  globalAccesses.meet();
}

void Block::synchronizeWarp(int32_t warp) {
  const auto members = std::span(threads).subspan(size_t(warp * kWarp), kWarp);
  common.reset(actors());
  for (const auto &thread : members)
    common.join(thread->known);
  for (const auto &thread : members) {
    thread->known = common;
    ++thread->known[thread->thread];
  }
}

std::string Block::describe(const Race &race, const char *verb) const {
  std::string byte = fmt::format("{} byte {} of shared memory, which ", verb, race.offset);
  if (race.did == Race::Did::Nothing)
    return byte + "nobody has written";
  if (race.did == Race::Did::Barrier)
    return byte + "is a barrier's";
  std::string who = race.other < launch.threads                   ? fmt::format("thread {}", race.other)
                    : race.other < launch.threads + kMaxMbarriers ? "the copy engine"
                                                                  : fmt::format("warp {}'s products", race.other - productsOf(0));
  if (race.did == Race::Did::Copies)
    return byte + fmt::format("{} copies to in '{}' and has not {}", who, race.site,
                              race.other < launch.threads ? "waited for" : "been waited for");
  if (race.did == Race::Did::Unfenced)
    return byte + fmt::format("{} wrote in '{}' with no proxy fence before the barrier between", who, race.site);
  return byte + fmt::format("{} {} in '{}' with no barrier between", who, race.did == Race::Did::Wrote ? "wrote" : "read", race.site);
}

std::string Block::describe(const GlobalRace &race, const void *address, const char *verb) const {
  auto holds = [&](const Operand &operand) {
    return operand.written && reinterpret_cast<uintptr_t>(address) - reinterpret_cast<uintptr_t>(operand.data) < operand.bytes;
  };
  auto operand = std::ranges::find_if(operands, holds);
  const bool isOperand = operand != operands.end();
  std::string who = race.thread < 0 ? "several threads" : fmt::format("thread {} of block {}", race.thread, race.block);
  return fmt::format("{} byte {} of {}, which {} {} in the same launch with nothing that orders the two", verb,
                     static_cast<const std::byte *>(address) - (isOperand ? operand->data : launch.scratch),
                     isOperand ? fmt::format("operand {}", operand - operands.begin()) : "scratch memory", who,
                     race.wrote ? "wrote" : "read");
}

std::string Block::placeOf(const void *address) const {
  // The operand or shared memory that begins last before the address is most likely what was meant.
  std::string nearest = "outside of all operands";
  uint64_t least = UINT64_MAX;
  auto consider = [&](const std::byte *data, uint64_t size, const std::string &name) {
    uint64_t distance = reinterpret_cast<uintptr_t>(address) - reinterpret_cast<uintptr_t>(data);
    if (distance < least)
      nearest = fmt::format("{} bytes from the beginning of {}, which has {}", least = distance, name, size);
  };
  consider(shared.bytes().data(), launch.sharedBytes, "shared memory");
  for (size_t i = 0; i < operands.size(); ++i)
    consider(operands[i].data, operands[i].bytes, fmt::format("operand {}", i));
  if (launch.scratchBytes > 0)
    consider(launch.scratch, launch.scratchBytes, "scratch memory");
  return nearest;
}

void Block::checkAligned(Thread &thread, const void *address, int64_t bytes, bool write, const char *site) {
  if (reinterpret_cast<uintptr_t>(address) % uint64_t(bytes) != 0)
    fault(thread, site, fmt::format("{} {} bytes at an address that is no multiple of that", write ? "writes" : "reads", bytes));
}

void Block::checkTouched(Thread &thread, const void *pointer, int64_t bytes, GlobalAction action, const char *site) {
  const bool write = action != GlobalAction::Read;
  auto address = reinterpret_cast<uintptr_t>(pointer);
  const char *verb = write ? "writes" : "reads";
  auto inside = [&](const std::byte *data, uint64_t size) {
    auto first = reinterpret_cast<uintptr_t>(data);
    return address >= first && address - first < size && uint64_t(bytes) <= size - (address - first);
  };
  if (inside(thread.shared, launch.sharedBytes)) {
    uint64_t offset = address - reinterpret_cast<uintptr_t>(thread.shared);
    std::optional<Race> race = write ? accesses.write({thread.thread, thread.known, site}, offset, uint64_t(bytes))
                                     : accesses.read({thread.thread, thread.known, site}, offset, uint64_t(bytes));
    if (!race)
      return;
    fault(thread, site, describe(*race, verb));
  }
  // A result may take the place of an operand.
  auto mayTouch = [&](const Operand &memory) { return inside(memory.data, memory.bytes) && (!write || memory.written); };
  auto holds = [&](const Operand &operand) { return inside(operand.data, operand.bytes); };
  if (std::ranges::any_of(operands, mayTouch) || mayTouch(scratch())) {
    std::optional<GlobalRace> race =
        globalAccesses.touch(static_cast<const std::byte *>(pointer), bytes, action, thread.block, thread.thread, thread.known);
    if (!race)
      return;
    fault(thread, site, describe(*race, pointer, verb));
  }
  if (auto found = std::ranges::find_if(operands, holds); found != operands.end())
    fault(thread, site, fmt::format("writes to operand {}, which the kernel only reads", found - operands.begin()));
  std::string what = fmt::format("{} {} bytes ", verb, bytes) + placeOf(pointer);
  fault(thread, site, std::move(what));
}

void Block::meet(Thread &thread, void *argument, const char *site, void (*act)(std::span<void *, kWarp>)) {
  int32_t warp = thread.thread / kWarp;
  Meeting &meeting = meetings[size_t(warp)];
  if (meeting.arrived == 0)
    meeting.site = site;
  else if (meeting.site != site)
    fault(thread, site, fmt::format("others of its warp are at '{}'; a warp does this together", meeting.site));
  meeting.arguments[size_t(thread.thread % kWarp)] = argument;
  if (++meeting.arrived < kWarp)
    return wait(thread, site);
  act(meeting.arguments);
  meeting.arrived = 0;
  for (int32_t i = warp * kWarp; i < (warp + 1) * kWarp; ++i)
    if (i != thread.thread)
      wake(*threads[size_t(i)]);
}
