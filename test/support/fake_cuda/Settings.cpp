//===- Settings.cpp - what the fake driver pretends ---------------------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "test/support/fake_cuda/Settings.h"

#include <cstdio>
#include <cstdlib>
#include <sstream>

using namespace fakecuda;

Settings Settings::read() {
  Settings settings;
  const char *given = std::getenv("FAKE_CUDA");
  std::istringstream pairs(given ? given : "");
  for (std::string pair; std::getline(pairs, pair, ',');) {
    std::string key = pair.substr(0, pair.find('=')), value = pair.substr(std::min(pair.size(), key.size() + 1));
    auto number = [&] { return std::strtoull(value.c_str(), nullptr, 10); };
    if (key == "code")
      settings.code = value;
    else if (key == "devices")
      settings.devices = int(number());
    else if (key == "capability")
      std::sscanf(value.c_str(), "%d.%d", &settings.major, &settings.minor);
    else if (key == "memory")
      settings.memory = number();
    else if (key == "shared")
      settings.sharedBytes = number();
    else if (key == "multiprocessors")
      settings.multiprocessors = int(number());
    else if (key == "missing")
      settings.missing = value;
    else if (key == "refuse")
      settings.refusedLaunch = value;
    else if (key == "fail")
      settings.failingLaunch = value;
    else if (key == "after")
      settings.launchesBefore = number();
    else if (pair == "launches=timed")
      settings.timedLaunches = true;
    else if (pair == "jit=fails")
      settings.jitFails = true;
    else if (pair == "init=fails")
      settings.initFails = true;
    else if (pair == "order=random")
      settings.order = Order::Random;
    else if (key == "seed")
      settings.seed = number();
    else if (pair != "order=late") {
      std::fprintf(stderr, "fake driver: FAKE_CUDA has '%s', which it does not know\n", pair.c_str());
      std::abort();
    }
  }
  return settings;
}
