//===- Machine.h - what schedules depend on -----------------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_DIALECTS_KERNEL_MACHINE_H
#define VITC_DIALECTS_KERNEL_MACHINE_H

#include <cstdint>

namespace vitc::kernel {

/// What the default schedules depend on (docs/schedules.md).
struct Machine {
  int64_t lanes = 16;           ///< f32 lanes of a vector register
  int64_t registers = 32;       ///< vector registers
  int64_t cacheBytes = 1 << 20; ///< of a core's second-level cache
};

} // namespace vitc::kernel

#endif // VITC_DIALECTS_KERNEL_MACHINE_H
