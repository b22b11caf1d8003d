//===- Measure.cpp - times of something done again and again -----------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "tools/vit-run/Measure.h"

#include "tools/support/Progress.h"

#include <algorithm>
#include <chrono>
#include <ctime>
#include <fstream>
#include <utility>

namespace vitrun {
namespace {

using Clock = std::chrono::steady_clock;

/// Fewer runs than this say nothing, whatever the time allows; only --iters asks for fewer.
constexpr size_t fewestIterations = 3;

double processSeconds() {
  timespec time;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return double(time.tv_sec) + 1e-9 * double(time.tv_nsec);
}

} // namespace

long statusKilobytes(const std::string &key) {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;)
    if (long value; word == key + ":" && status >> value)
      return value;
  return 0;
}

double percentile(const std::vector<double> &sorted, double p) {
  double position = p * double(sorted.size() - 1);
  size_t below = size_t(position), above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (position - double(below)) * (sorted[above] - sorted[below]);
}

vitrt::Expected<Samples> measure(const MeasureOptions &options, const std::function<vitrt::Error()> &round) {
  for (size_t i = 0; i < options.warmup; ++i)
    if (vitrt::Error error = round())
      return error;
  Samples samples;
  vitc::tool::Progress progress("bench", options.iterations ? options.iterations : size_t(options.seconds * 10),
                                options.iterations ? "batches" : "tenths of a second");
  auto begin = Clock::now();
  double spent = 0;
  size_t reported = 0;
  size_t fewest = options.iterations ? std::min(options.iterations, fewestIterations) : fewestIterations;
  while (samples.wall.size() < fewest || (spent < options.seconds && (!options.iterations || samples.wall.size() < options.iterations))) {
    double cpu = processSeconds();
    auto start = Clock::now();
    if (vitrt::Error error = round())
      return error;
    auto end = Clock::now();
    samples.wall.push_back(std::chrono::duration<double>(end - start).count());
    samples.cpu.push_back(processSeconds() - cpu);
    spent = std::chrono::duration<double>(end - begin).count();
    size_t now = options.iterations ? samples.wall.size() : size_t(spent * 10);
    progress.advance(now - std::exchange(reported, now));
  }
  std::sort(samples.wall.begin(), samples.wall.end());
  std::sort(samples.cpu.begin(), samples.cpu.end());
  return samples;
}

} // namespace vitrun
