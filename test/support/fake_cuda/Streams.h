//===- Streams.h - queues of work that nobody has waited for -------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_TEST_SUPPORT_FAKECUDA_STREAMS_H
#define VITC_TEST_SUPPORT_FAKECUDA_STREAMS_H

#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <vector>

namespace fakecuda {

struct Stream;

/// A record of an event in a stream: done once the stream got there.
struct Marker {
  Stream *stream;
  bool done = false;
  std::chrono::steady_clock::time_point time;
};

struct Event {
  std::shared_ptr<Marker> last; ///< null before the first record
};

/// One thing that a stream does: an action, a record, or waiting for a record.
struct Work {
  std::function<void()> act;
  std::shared_ptr<Marker> record, wait;
};

struct Graph {
  std::vector<Work> work;
};

struct Stream {
  std::deque<Work> queue;
  std::unique_ptr<Graph> capturing;
  bool captureBroken = false;
};

/// All streams. Work is done when somebody waits for it, and what another stream has to do first is done then and not before; `disturb` does
/// some of what may be done already.
class Streams {
public:
  Stream *create();
  /// Finishes the stream's work.
  void destroy(Stream *stream);
  bool has(const Stream *stream) const;

  void finish(Stream &stream);
  void finish(const std::shared_ptr<Marker> &marker);
  /// A few works, each at the head of a stream drawn at random, that nothing hinders.
  void disturb(std::mt19937_64 &random);
  bool capturesAny() const;
  /// From the first call on the clock goes on by what it is told to alone.
  void pretend(std::chrono::nanoseconds passed) { pretended = pretended.value_or(std::chrono::nanoseconds(0)) + passed; }

private:
  /// Does the work at the head of the queue, and what it waits for.
  void step(Stream &stream);

  std::vector<std::unique_ptr<Stream>> streams;
  std::optional<std::chrono::nanoseconds> pretended;
};

} // namespace fakecuda

#endif // VITC_TEST_SUPPORT_FAKECUDA_STREAMS_H
