//===- Sampler.cpp - which image comes when -----------------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/data/Sampler.h"

#include "runtime/data/Philox.h"

#include <numeric>

namespace vitrt {

void shuffle(std::span<uint32_t> values, RandomStream stream) {
  for (size_t left = values.size(); left > 1; --left)
    std::swap(values[left - 1], values[stream.below(uint32_t(left))]);
}

std::vector<uint32_t> epochOrder(size_t size, bool shuffled, uint64_t seed, uint64_t epoch) {
  std::vector<uint32_t> order(size);
  std::iota(order.begin(), order.end(), 0u);
  if (shuffled)
    shuffle(order, RandomStream(seed, uint32_t(epoch), 0, Place::Order));
  return order;
}

} // namespace vitrt
