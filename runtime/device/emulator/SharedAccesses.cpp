//===- SharedAccesses.cpp - who touched which shared memory -------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/device/emulator/SharedAccesses.h"

using namespace vitrt::emulator;

void SharedAccesses::reset(uint64_t bytes) {
  cells.assign((bytes + 1) / 2, Cell());
  epoch = 1;
}

Race SharedAccesses::racingWrite(const Cell &cell, uint64_t offset) {
  return {cell.written.thread, cell.written.site, cell.copying ? Race::Did::Copies : Race::Did::Wrote, offset};
}

std::optional<Race> SharedAccesses::read(int32_t thread, uint64_t offset, uint64_t bytes, const char *site) {
  for (uint64_t i = offset / 2; i < (offset + bytes + 1) / 2; ++i) {
    Cell &cell = cells[i];
    if (cell.copying || (cell.written.epoch == epoch && cell.written.thread != thread))
      return racingWrite(cell, 2 * i);
    if (cell.written.epoch == 0)
      return Race{-1, nullptr, Race::Did::Nothing, 2 * i};
    bool first = cell.reader.epoch != epoch || cell.reader.thread == thread;
    (first ? cell.reader : cell.otherReader) = {epoch, thread, site};
  }
  return std::nullopt;
}

std::optional<Race> SharedAccesses::write(int32_t thread, uint64_t offset, uint64_t bytes, const char *site) {
  for (uint64_t i = offset / 2; i < (offset + bytes + 1) / 2; ++i) {
    Cell &cell = cells[i];
    if (cell.copying || (cell.written.epoch == epoch && cell.written.thread != thread))
      return racingWrite(cell, 2 * i);
    for (const Access &reader : {cell.reader, cell.otherReader})
      if (reader.epoch == epoch && reader.thread != thread)
        return Race{reader.thread, reader.site, Race::Did::Read, 2 * i};
    cell.written = {epoch, thread, site};
  }
  return std::nullopt;
}

std::optional<Race> SharedAccesses::beginCopy(int32_t thread, uint64_t offset, uint64_t bytes, const char *site) {
  std::optional<Race> race = write(thread, offset, bytes, site);
  for (uint64_t i = offset / 2; !race && i < (offset + bytes + 1) / 2; ++i)
    cells[i].copying = true;
  return race;
}

void SharedAccesses::endCopy(uint64_t offset, uint64_t bytes) {
  for (uint64_t i = offset / 2; i < (offset + bytes + 1) / 2; ++i) {
    cells[i].copying = false;
    cells[i].written.epoch = epoch;
  }
}
