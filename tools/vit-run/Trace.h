//===- Trace.h - launches as a Chrome/Perfetto trace -----------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_TOOLS_VITRUN_TRACE_H
#define VITC_TOOLS_VITRUN_TRACE_H

#include "runtime/plan/Session.h"

#include <memory>
#include <mutex>
#include <string>

namespace vitrun {

/// Writes the JSON array format of the Trace Event Format, one track a worker and one for the tool's own phases. The format's closing bracket is
/// optional, so a trace that is cut off by Ctrl-C or a crash opens as well; that is why it is written in place and not renamed into it.
class Trace : public vitrt::LaunchObserver {
public:
  using Clock = vitrt::LaunchEvent::Clock;

  static vitrt::Expected<std::unique_ptr<Trace>> create(const std::string &path);
  ~Trace() override;

  void launched(const vitrt::LaunchEvent &event) override;
  /// A phase of the tool: "load", "preprocess", "run".
  void phase(const std::string &name, Clock::time_point start, Clock::time_point end = Clock::now());
  vitrt::Error finish();

private:
  Trace(std::string path, int descriptor) : path(std::move(path)), descriptor(descriptor) {}
  void add(const std::string &event);
  void flush();
  double microseconds(Clock::time_point time) const;

  std::string path;
  int descriptor;
  std::mutex mutex;
  std::string buffer;
  bool empty = true;
  unsigned namedWorkers = 0;
  int failure = 0; // errno of the first write that failed
  Clock::time_point origin = Clock::now();
};

} // namespace vitrun

#endif // VITC_TOOLS_VITRUN_TRACE_H
