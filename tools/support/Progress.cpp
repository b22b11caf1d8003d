//===- Progress.cpp - a bar on a terminal, lines in a log -----------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "tools/support/Progress.h"

#include <algorithm>
#include <cstdio>
#include <fmt/format.h>
#include <unistd.h>

namespace vitc::tool {

using namespace std::chrono_literals;

Progress::Progress(std::string what, size_t total, std::string unit)
    : what(std::move(what)), unit(std::move(unit)), total(total), next(start + 1s), terminal(isatty(STDERR_FILENO)) {}

void Progress::advance(size_t steps) {
  done = std::min(done + steps, total);
  Clock::time_point now = Clock::now();
  if (now < next || done == total)
    return;
  next = now + (terminal ? Clock::duration(100ms) : Clock::duration(10s));
  draw(std::chrono::duration<double>(now - start).count());
}

void Progress::draw(double seconds) {
  double fraction = total ? double(done) / double(total) : 1.0;
  double rate = double(done) / seconds, left = rate > 0 ? double(total - done) / rate : 0;
  std::string numbers =
      fmt::format("{}/{} {}, {:.0f}/s, {:.0f} s left{}{}", done, total, unit, rate, left, remark.empty() ? "" : ", ", remark);
  if (!terminal) {
    fmt::print(stderr, "{}: {}\n", what, numbers);
    return;
  }
  constexpr int width = 30;
  int full = int(fraction * width);
  fmt::print(stderr, "\r{} [{:#<{}}{:.<{}}] {}\x1b[K", what, "", full, "", width - full, numbers);
  std::fflush(stderr);
  drawn = true;
}

void Progress::finish() {
  if (!drawn)
    return;
  fmt::print(stderr, "\r\x1b[K");
  std::fflush(stderr);
  drawn = false;
}

} // namespace vitc::tool
