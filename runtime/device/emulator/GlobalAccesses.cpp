//===- GlobalAccesses.cpp - who touched which results of a launch -------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/device/emulator/GlobalAccesses.h"

using namespace vitrt::emulator;

void GlobalAccesses::beginLaunch(std::span<const Operand> operands, const Operand &scratch) {
  launchPeriod = ++periods;
  used = 0;
  arrivals.clear();
  auto watch = [&](const Operand &memory, bool ofBlock) {
    if (used == shadows.size())
      shadows.emplace_back();
    Shadow &shadow = shadows[used++];
    shadow.data = memory.data;
    shadow.bytes = memory.bytes;
    shadow.ofBlock = ofBlock;
  };
  for (const Operand &operand : operands)
    if (operand.written)
      watch(operand, /*ofBlock=*/false);
  if (scratch.bytes > 0)
    watch(scratch, /*ofBlock=*/true);
}

void GlobalAccesses::arrive(const void *counter, int32_t block, int32_t thread, const Clock &known) {
  for (size_t i = 0; i < arrivals.size(); ++i)
    if (arrivals[i].counter == counter && arrivals[i].block != block)
      acquired.push_back({thread, known[thread], i});
  arrivals.push_back({counter, block, known});
}

bool GlobalAccesses::before(const Access &access, int32_t block, const Clock &known) const {
  if (access.block == block && access.meetings < meetings)
    return true;
  if (access.thread < 0)
    return false;
  if (access.block == block)
    return access.moment <= known[access.thread];
  return std::ranges::any_of(acquired, [&](const Acquired &from) {
    const Arrival &arrival = arrivals[from.arrival];
    return arrival.block == access.block && from.moment <= known[from.thread] && access.moment <= arrival.known[access.thread];
  });
}

std::optional<GlobalRace> GlobalAccesses::touch(const std::byte *address, int64_t bytes, GlobalAction action, int32_t block, int32_t thread,
                                                const Clock &known) {
  for (Shadow &shadow : std::span(shadows).first(used)) {
    const uint64_t offset = reinterpret_cast<uintptr_t>(address) - reinterpret_cast<uintptr_t>(shadow.data);
    if (offset >= shadow.bytes)
      continue;
    const uint64_t end = std::min((offset + uint64_t(bytes) + 1) / 2, (shadow.bytes + 1) / 2);
    // Much memory is there that no block at hand touches.
    if (shadow.cells.size() < end)
      shadow.cells.resize((shadow.bytes + 1) / 2);
    for (uint64_t i = offset / 2; i < end; ++i) {
      Cell &cell = shadow.cells[i];
      if (uint32_t period = shadow.ofBlock ? blockPeriod : launchPeriod; cell.period != period)
        cell = {.period = period, .write = {}, .reader = {}};
      const bool bothAdd = cell.added && action == GlobalAction::Add;
      if (cell.written && !bothAdd && !before(cell.write, block, known))
        return GlobalRace{cell.write.block, cell.write.thread, true};
      if (action != GlobalAction::Read && cell.read && !before(cell.reader, block, known))
        return GlobalRace{cell.reader.block, cell.reader.thread, false};
      Access now = {block, thread, known[thread], meetings};
      if (action == GlobalAction::Read) {
        // A read that this one comes after is forgotten; of two that are in no order only that there were several is known.
        if (cell.read && !before(cell.reader, block, known)) {
          now.thread = -1;
          now.block = cell.reader.block == block ? block : -1;
        }
        cell.reader = now;
        cell.read = true;
      } else {
        cell.write = now;
        cell.written = true;
        cell.added = action == GlobalAction::Add;
      }
    }
    return std::nullopt;
  }
  return std::nullopt;
}
