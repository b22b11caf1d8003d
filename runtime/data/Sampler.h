//===- Sampler.h - which image comes when ------------------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_RUNTIME_DATA_SAMPLER_H
#define VITC_RUNTIME_DATA_SAMPLER_H

#include "runtime/data/Philox.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace vitrt {

/// A place in an endless run of batches: batch `batch` of epoch `epoch`, both from 0.
struct Cursor {
  uint64_t epoch = 0, batch = 0;
  bool operator==(const Cursor &) const = default;
};

/// Every order equally likely (Fisher and Yates; Knuth, The Art of Computer Programming 2, 3.4.2 P).
void shuffle(std::span<uint32_t> values, RandomStream stream);

/// The order of `size` images in an epoch: as they are numbered, or shuffled by (seed, epoch).
std::vector<uint32_t> epochOrder(size_t size, bool shuffled, uint64_t seed, uint64_t epoch);

} // namespace vitrt

#endif // VITC_RUNTIME_DATA_SAMPLER_H
