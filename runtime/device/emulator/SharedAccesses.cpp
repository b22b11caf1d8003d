//===- SharedAccesses.cpp - who touched which shared memory -------------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/device/emulator/SharedAccesses.h"

using namespace vitrt::emulator;

void SharedAccesses::reset(uint64_t bytes) { cells.assign((bytes + 1) / 2, Cell()); }

std::optional<Race> SharedAccesses::racingWrite(const Cell &cell, const Clock &known, uint64_t offset) {
  if (cell.barrier)
    return Race{-1, nullptr, Race::Did::Barrier, offset};
  if (cell.copying)
    return Race{cell.written.actor, cell.written.site, Race::Did::Copies, offset};
  if (!cell.written.before(known))
    return Race{cell.written.actor, cell.written.site, Race::Did::Wrote, offset};
  return std::nullopt;
}

void SharedAccesses::note(Cell &cell, const Access &reader, const Clock &known) {
  // Who comes after this reader comes after those that are over before it.
  for (Access &other : cell.readers)
    if (other.actor == reader.actor || other.before(known)) {
      other = reader;
      return;
    }
  chance = chance * 1664525 + 1013904223;
  cell.readers[chance >> 31] = reader;
}

std::optional<Race> SharedAccesses::read(const Accessor &by, uint64_t offset, uint64_t bytes) {
  for (uint64_t i = offset / 2; i < (offset + bytes + 1) / 2; ++i) {
    Cell &cell = cells[i];
    if (std::optional<Race> race = racingWrite(cell, by.known, 2 * i))
      return race;
    if (cell.written.moment == 0)
      return Race{-1, nullptr, Race::Did::Nothing, 2 * i};
    note(cell, {by.known[by.actor], by.actor, by.site}, by.known);
  }
  return std::nullopt;
}

std::optional<Race> SharedAccesses::write(const Accessor &by, uint64_t offset, uint64_t bytes) {
  for (uint64_t i = offset / 2; i < (offset + bytes + 1) / 2; ++i) {
    Cell &cell = cells[i];
    if (std::optional<Race> race = racingWrite(cell, by.known, 2 * i))
      return race;
    for (const Access &reader : cell.readers)
      if (!reader.before(by.known))
        return Race{reader.actor, reader.site, Race::Did::Read, 2 * i};
    cell.written = {by.known[by.actor], by.actor, by.site};
  }
  return std::nullopt;
}

std::optional<Race> SharedAccesses::beginCopy(const Accessor &by, uint64_t offset, uint64_t bytes) {
  std::optional<Race> race = write(by, offset, bytes);
  for (uint64_t i = offset / 2; !race && i < (offset + bytes + 1) / 2; ++i)
    cells[i].copying = true;
  return race;
}

void SharedAccesses::endCopy(uint32_t moment, uint64_t offset, uint64_t bytes) {
  for (uint64_t i = offset / 2; i < (offset + bytes + 1) / 2; ++i) {
    cells[i].copying = false;
    cells[i].written.moment = moment;
  }
}

void SharedAccesses::endProduct(int32_t actor, uint64_t offset, uint32_t moment) {
  for (uint64_t i = offset / 2; i < (offset + kChunk) / 2; ++i)
    for (Access &reader : cells[i].readers)
      if (reader.actor == actor && reader.moment != 0)
        reader.moment = moment;
}

void SharedAccesses::placeBarrier(uint64_t offset) {
  for (uint64_t i = offset / 2; i < offset / 2 + 4; ++i)
    cells[i].barrier = true;
}
