//===- Measure.h - times of something done again and again -------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_TOOLS_VITRUN_MEASURE_H
#define VITC_TOOLS_VITRUN_MEASURE_H

#include "runtime/Error.h"

#include <functional>
#include <string>
#include <vector>

namespace vitrun {

struct MeasureOptions {
  size_t warmup = 3;     ///< rounds before those that count
  size_t iterations = 0; ///< at most; 0: as many as there is time for
  double seconds = 3;    ///< at least so long, and at least three rounds unless `iterations` asks for fewer
};

/// Seconds of each round, sorted: on the clock, and of all cores together.
struct Samples {
  std::vector<double> wall, cpu;
};

/// A failing round ends the measurement.
vitrt::Expected<Samples> measure(const MeasureOptions &options, const std::function<vitrt::Error()> &round);

/// Value below which the fraction `p` of sorted samples lies, interpolated as NumPy's percentile.
double percentile(const std::vector<double> &sorted, double p);

/// A line of /proc/self/status in kB: "VmRSS", "VmHWM".
long statusKilobytes(const std::string &key);

} // namespace vitrun

#endif // VITC_TOOLS_VITRUN_MEASURE_H
