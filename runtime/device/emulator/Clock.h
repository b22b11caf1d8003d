//===- Clock.h - what has happened before -------------------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Vector clocks (Mattern, Virtual Time and Global States of Distributed Systems, 1989). Actors are the threads of a block, the copy engine once
// for each barrier that its copies arrive at, and the products of each warp.
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_RUNTIME_DEVICE_EMULATOR_CLOCK_H
#define VITC_RUNTIME_DEVICE_EMULATOR_CLOCK_H

#include <algorithm>
#include <cstdint>
#include <vector>

namespace vitrt::emulator {

/// Of each actor the last moment that is known to be over; moments begin at 1.
class Clock {
public:
  void reset(size_t actors) { moments.assign(actors, 0); }
  uint32_t operator[](int32_t actor) const { return moments[size_t(actor)]; }
  uint32_t &operator[](int32_t actor) { return moments[size_t(actor)]; }
  size_t actors() const { return moments.size(); }
  void join(const Clock &other) {
    for (size_t i = 0; i < moments.size(); ++i)
      moments[i] = std::max(moments[i], other.moments[i]);
  }

private:
  std::vector<uint32_t> moments;
};

} // namespace vitrt::emulator

#endif // VITC_RUNTIME_DEVICE_EMULATOR_CLOCK_H
