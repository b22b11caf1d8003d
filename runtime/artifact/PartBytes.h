//===- PartBytes.h - memory for sums in parts ---------------------- -*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_RUNTIME_ARTIFACT_PARTBYTES_H
#define VITC_RUNTIME_ARTIFACT_PARTBYTES_H

#include "runtime/artifact/FileFormat.h"

#include <algorithm>
#include <cstdint>

namespace vitrt {

/// What tasks of a launch leave parts of sums in, for each other, in bytes, each a multiple of kBufferAlignment. Launches use it in turn.
struct PartBytes {
  uint64_t counters = 0, sums = 0;

  uint64_t total() const { return counters + sums; }

  /// Makes room for a launch of `tasks` tasks of a kernel with `part_counters` and `part_bytes` (vitx.fbs).
  void add(uint64_t tasks, uint64_t partCounters, uint64_t partBytes) {
    counters = std::max(counters, alignTo(tasks * partCounters * sizeof(uint32_t), kBufferAlignment));
    sums = std::max(sums, alignTo(tasks * partBytes, kBufferAlignment));
  }
};

} // namespace vitrt

#endif // VITC_RUNTIME_ARTIFACT_PARTBYTES_H
