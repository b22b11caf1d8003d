//===- Progress.h - a bar on a terminal, lines in a log ------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_TOOLS_SUPPORT_PROGRESS_H
#define VITC_TOOLS_SUPPORT_PROGRESS_H

#include <chrono>
#include <cstddef>
#include <string>
#include <utility>

namespace vitc::tool {

/// Says on stderr how far a work of `total` steps is. Work of less than a second stays silent; on a terminal a bar is redrawn ten times a
/// second, elsewhere a line appears every ten seconds.
class Progress {
public:
  Progress(std::string what, size_t total, std::string unit = "images");
  ~Progress() { finish(); }
  Progress(const Progress &) = delete;
  Progress &operator=(const Progress &) = delete;

  void advance(size_t steps = 1);
  /// What is shown behind the numbers from now on: "loss 0.31".
  void note(std::string text) { remark = std::move(text); }
  /// Wipes the bar, so that what is printed next begins on a clean line.
  void finish();

private:
  using Clock = std::chrono::steady_clock;
  void draw(double seconds);

  std::string what, unit, remark;
  size_t total, done = 0;
  Clock::time_point start = Clock::now(), next;
  bool terminal, drawn = false;
};

} // namespace vitc::tool

#endif // VITC_TOOLS_SUPPORT_PROGRESS_H
