//===- ThreadPool.h - threads that share out the tasks of a launch ------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//
//
// A network has some hundred launches of about 100 us each, so handing out work must cost about a microsecond: workers spin for a short
// while and sleep on a futex after that, and a launch never waits for a worker that has not woken up in time to take part.
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
  /// not from within `body`.
  template <typename Body> void parallelFor(int64_t tasks, int64_t chunk, Body &&body) {
    run(
        tasks, chunk,
        [](void *context, unsigned worker, int64_t begin, int64_t end) {
          (*static_cast<std::remove_reference_t<Body> *>(context))(worker, begin, end);
        },
        const_cast<void *>(static_cast<const void *>(std::addressof(body))));
  }

private:
  using Callback = void (*)(void *context, unsigned worker, int64_t begin, int64_t end);
  struct Worker {
    ThreadPool *pool;
    unsigned index;
    pthread_t thread;
  };

  ThreadPool() = default;
  void run(int64_t tasks, int64_t chunk, Callback callback, void *context);
  void work(unsigned worker);
  void awaitCompletion(uint32_t chunks);
  static void *threadMain(void *argument);

  // A job is open while the low half of `ticket` counts the chunks handed out; the high half is the job's number, so a worker that comes
  // late cannot take a chunk of the next job with this job's callback. The job's fields change only while the ticket is closed (low half
  // all ones).
  alignas(64) std::atomic<uint64_t> ticket = kClosed;
  std::atomic<Callback> callback = nullptr;
  std::atomic<void *> context = nullptr;
  std::atomic<int64_t> taskCount = 0;
  std::atomic<int64_t> chunkSize = 1;

  alignas(64) std::atomic<uint32_t> finished = 0; ///< chunks done; a futex word
  std::atomic<uint32_t> callerSleeps = 0;
  alignas(64) std::atomic<uint32_t> jobNumber = 0; ///< a futex word
  std::atomic<uint32_t> sleepers = 0;
  std::atomic<bool> stopping = false;
  std::atomic<bool> threw = false; ///< in the open job
  std::exception_ptr exception;    ///< written by the one that set `threw`, read once all chunks are done

  std::vector<std::unique_ptr<Worker>> workers;

  static constexpr uint64_t kClosed = 0xffffffff;
};

} // namespace vitrt

#endif // VITC_RUNTIME_DEVICE_CPU_THREADPOOL_H
