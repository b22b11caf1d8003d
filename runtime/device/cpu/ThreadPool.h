//===- ThreadPool.h - threads that share out the tasks of a launch ------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//
//
// A network has some hundred launches of about 100 us each, so handing out work must cost about a microsecond: workers spin for a
// millisecond, soon giving way to others that want the core, and sleep on a futex after that; a launch never waits for a worker that has not
// woken up in time to take part.
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_RUNTIME_DEVICE_CPU_THREADPOOL_H
#define VITC_RUNTIME_DEVICE_CPU_THREADPOOL_H

#include "runtime/Error.h"

#include <atomic>
#include <cstdint>
#include <exception>
#include <memory>
#include <pthread.h>
#include <type_traits>
#include <vector>

namespace vitrt {

/// The cores that this process may use (sched_getaffinity), in ascending order; at least one.
std::vector<int> availableCores();

class ThreadPool {
public:
  static constexpr unsigned kMaxThreads = 1024;

  /// Starts `threads` - 1 threads: the thread that calls `parallelFor` is worker 0. 0 means one worker for each available core. With `pin`,
  /// worker i > 0 is bound to the i-th available core (modulo their number); the caller's thread is the caller's to bind.
  static Expected<std::unique_ptr<ThreadPool>> create(unsigned threads = 0, bool pin = false);
  ~ThreadPool();
  ThreadPool(const ThreadPool &) = delete;
  ThreadPool &operator=(const ThreadPool &) = delete;

  /// Workers, the calling thread included.
  unsigned size() const { return unsigned(workers.size()) + 1; }

  /// Calls `body(unsigned worker, int64_t begin, int64_t end)` for disjoint ranges of at most `chunk` tasks that cover [0, tasks), in no
  /// particular order, and returns when all are done. What `body` throws first comes out of this call, after that. One call at a time, and
  /// not from within `body`. A chunk is larger only where a worker would have more than 65535 of them.
  template <typename Body> void parallelFor(int64_t tasks, int64_t chunk, Body &&body) {
    run({tasks, chunk, /*inRanges=*/false}, callbackOf<Body>(), contextOf(body));
  }

  /// The same in ranges that are as long as can be: each worker begins at its own part of [0, tasks), the same one for the same number of
  /// tasks. It takes most of it at once, for every range costs what its tasks share, and then half of what is left, `grain` tasks at least;
  /// a worker with nothing left takes half of what is left from the others' ends. So neighbouring tasks stay together, a worker finds in its
  /// caches what it wrote in the call before, and one that is late or a little slower than the others is no loss.
  template <typename Body> void parallelRanges(int64_t tasks, int64_t grain, Body &&body) {
    run({tasks, grain, /*inRanges=*/true}, callbackOf<Body>(), contextOf(body));
  }

private:
  using Callback = void (*)(void *context, unsigned worker, int64_t begin, int64_t end);
  struct Worker {
    ThreadPool *pool;
    unsigned index;
    pthread_t thread;
  };
  /// How tasks are cut: into units of `unit` tasks, which are taken one by one or in ranges.
  struct Job {
    int64_t tasks;
    int64_t unit;
    bool inRanges;
  };
  /// What is left of a worker's part of a job: the job's number (32 bits), and the first unit and one past the last, counted from the part's
  /// first (16 bits each). A state never comes back while its job is open, since units only get fewer.
  struct alignas(64) Part {
    std::atomic<uint64_t> rest = 0;
  };

  template <typename Body> static Callback callbackOf() {
    return [](void *context, unsigned worker, int64_t begin, int64_t end) {
      (*static_cast<std::remove_reference_t<Body> *>(context))(worker, begin, end);
    };
  }
  template <typename Body> static void *contextOf(Body &body) {
    return const_cast<void *>(static_cast<const void *>(std::addressof(body)));
  }

  ThreadPool() = default;
  void run(Job job, Callback callback, void *context);
  void work(uint32_t job, unsigned worker);
  bool workOn(uint32_t job, unsigned part, unsigned worker);
  void awaitCompletion(uint32_t units);
  static void *threadMain(void *argument);

  // These belong to the open job. They change only while no part has units left: whoever takes units from a part, and so knows that their
  // job is open, has read the values of that job before.
  alignas(64) std::atomic<Callback> callback = nullptr;
  std::atomic<void *> context = nullptr;
  std::atomic<int64_t> taskCount = 0;
  std::atomic<int64_t> unitSize = 1;
  std::atomic<bool> takesRanges = false;
  std::vector<Part> parts; ///< by worker

  alignas(64) std::atomic<uint32_t> finished = 0; ///< units done; a futex word
  std::atomic<uint32_t> callerSleeps = 0;
  alignas(64) std::atomic<uint32_t> jobNumber = 0; ///< a futex word
  std::atomic<uint32_t> sleepers = 0;
  std::atomic<bool> stopping = false;
  std::atomic<bool> threw = false; ///< in the open job
  std::exception_ptr exception;    ///< written by the one that set `threw`, read once all units are done

  std::vector<std::unique_ptr<Worker>> workers;
};

} // namespace vitrt

#endif // VITC_RUNTIME_DEVICE_CPU_THREADPOOL_H
