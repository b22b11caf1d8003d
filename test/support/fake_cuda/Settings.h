//===- Settings.h - what the fake driver pretends ------------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_TEST_SUPPORT_FAKECUDA_SETTINGS_H
#define VITC_TEST_SUPPORT_FAKECUDA_SETTINGS_H

#include <cstdint>
#include <string>

namespace fakecuda {

/// Read from the environment's FAKE_CUDA, "key=value,key=value", whenever the driver is initialized. An unknown key ends the process.
struct Settings {
  std::string code;                    ///< code: a .vitx with a target "emulator", or a shared object, whose functions are the kernels
  int devices = 1;                     ///< devices
  int major = 8, minor = 0;            ///< capability=8.0
  uint64_t memory = uint64_t(1) << 30; ///< memory, bytes
  uint64_t sharedBytes = 163 << 10;    ///< shared, bytes
  int multiprocessors = 4;             ///< multiprocessors
  std::string missing;                 ///< missing=cuX: the driver has no such function
  std::string refusedLaunch;           ///< refuse=PREFIX: a launch of such a symbol returns an error
  std::string failingLaunch;           ///< fail=PREFIX: it is launched and ends with an illegal access
  uint64_t launchesBefore = 0;         ///< after=N: so many of those end well first
  /// launches=timed: none is run; each takes a nanosecond for each thread of its grid, and nothing else takes any
  bool timedLaunches = false;
  bool jitFails = false;  ///< jit=fails
  bool initFails = false; ///< init=fails
  enum class Order {
    Late,
    Random
  } order = Order::Late; ///< order=late: work is done when somebody waits for it; order=random: at any time till then
  uint64_t seed = 0;     ///< seed, of order=random

  static Settings read();
  static bool names(const std::string &prefix, const std::string &symbol) { return !prefix.empty() && symbol.starts_with(prefix); }
};

} // namespace fakecuda

#endif // VITC_TEST_SUPPORT_FAKECUDA_SETTINGS_H
