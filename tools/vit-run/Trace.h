//===- Trace.h - launches as a Chrome/Perfetto trace -----------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_TOOLS_VITRUN_TRACE_H
#define VITC_TOOLS_VITRUN_TRACE_H

#include "runtime/data/Files.h"
#include "runtime/plan/Session.h"

#include <memory>
#include <mutex>
#include <string>

namespace vitrun {

/// Writes the JSON array format of the Trace Event Format, one track a worker and one for the tool's own phases. The file gets its name
/// when it is finished: a run that fails or is interrupted leaves what had the name before.
class Trace : public vitrt::LaunchObserver {
public:
  using Clock = vitrt::LaunchEvent::Clock;

  static vitrt::Expected<std::unique_ptr<Trace>> create(const std::string &path);

  void launched(const vitrt::LaunchEvent &event) override;
  bool readsResults() const override { return false; }
  /// A phase of the tool: "load", "preprocess", "run".
  void phase(const std::string &name, Clock::time_point start, Clock::time_point end = Clock::now());
  /// Gives the file its name; an error is that of the first write that failed.
  vitrt::Error finish();

private:
  explicit Trace(vitrt::OutputFile file) : file(std::move(file)) {}
  void add(const std::string &event);
  void flush();
  double microseconds(Clock::time_point time) const;

  vitrt::OutputFile file;
  std::mutex mutex;
  std::string buffer;
  bool empty = true;
  unsigned namedWorkers = 0;
  vitrt::Error failure; ///< of the first write that failed
  Clock::time_point origin = Clock::now();
};

} // namespace vitrun

#endif // VITC_TOOLS_VITRUN_TRACE_H
