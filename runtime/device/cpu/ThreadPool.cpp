//===- ThreadPool.cpp - threads that share out the tasks of a launch ----------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/device/cpu/ThreadPool.h"

#include <algorithm>
#include <chrono>
#include <climits>
#include <cstring>
#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <utility>

using namespace vitrt;

namespace {

/// About 50 us on current cores: longer than the gap between most launches.
constexpr unsigned kSpins = 2000;
/// Longer than a launch's longest task, much shorter than a person notices on a core's load. Waking a thread up takes as long as a small
/// launch, more where a hypervisor has to wake its core.
constexpr std::chrono::microseconds kYields(1000);

/// Of its own part a worker takes 7/8 at once: what is left evens out speeds that differ by an eighth.
constexpr int64_t kFirstOf8 = 7;

void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

/// Waits for a while, soon at the mercy of other threads that want the core. Returns whether it is done.
template <typename Done> bool spinUntil(Done done) {
  for (unsigned spin = 0; spin < kSpins; ++spin) {
    if (done())
      return true;
    relax();
  }
  for (auto end = std::chrono::steady_clock::now() + kYields; std::chrono::steady_clock::now() < end;) {
    if (done())
      return true;
    sched_yield();
  }
  return false;
}

static_assert(sizeof(std::atomic<uint32_t>) == sizeof(uint32_t), "a futex word is 32 bits");

void futexWait(std::atomic<uint32_t> &word, uint32_t expected) {
  syscall(SYS_futex, reinterpret_cast<uint32_t *>(&word), FUTEX_WAIT_PRIVATE, expected, nullptr, nullptr, 0);
}

void futexWake(std::atomic<uint32_t> &word, int count) {
  syscall(SYS_futex, reinterpret_cast<uint32_t *>(&word), FUTEX_WAKE_PRIVATE, count, nullptr, nullptr, 0);
}

} // namespace

std::vector<int> vitrt::availableCores() {
  // The kernel refuses a mask that is shorter than its own, so ask for room for more cores than any machine has.
  constexpr int kMaxCores = 16384;
  std::vector<int> cores;
  cpu_set_t *set = CPU_ALLOC(kMaxCores);
  size_t bytes = CPU_ALLOC_SIZE(kMaxCores);
  if (set && sched_getaffinity(0, bytes, set) == 0)
    for (int core = 0; core < kMaxCores; ++core)
      if (CPU_ISSET_S(core, bytes, set))
        cores.push_back(core);
  if (set)
    CPU_FREE(set);
  if (cores.empty())
    cores.push_back(0);
  return cores;
}

Expected<std::unique_ptr<ThreadPool>> ThreadPool::create(unsigned threads, bool pin) {
  std::vector<int> cores = availableCores();
  if (threads == 0)
    threads = std::min<unsigned>(kMaxThreads, unsigned(cores.size()));
  if (threads > kMaxThreads)
    return makeError(VITRT_ERROR_ARGUMENT, "{} threads were asked for, but a session has at most {}", threads, kMaxThreads);

  std::unique_ptr<ThreadPool> pool(new ThreadPool);
  pool->parts = std::vector<Part>(threads);
  for (unsigned i = 1; i < threads; ++i) {
    auto worker = std::make_unique<Worker>(Worker{pool.get(), i, {}});
    if (int code = pthread_create(&worker->thread, nullptr, threadMain, worker.get()))
      return makeError(VITRT_ERROR_MEMORY, "cannot start thread {} of {}: {}", i + 1, threads, std::strerror(code));
    if (pin) {
      cpu_set_t set;
      CPU_ZERO(&set);
      int core = cores[i % cores.size()];
      if (core < CPU_SETSIZE)
        CPU_SET(core, &set);
      if (int code = pthread_setaffinity_np(worker->thread, sizeof(set), &set)) {
        pool->workers.push_back(std::move(worker));
        return makeError(VITRT_ERROR_ARGUMENT, "cannot bind worker {} to core {}: {}", i, core, std::strerror(code));
      }
    }
    pool->workers.push_back(std::move(worker));
  }
  return pool;
}

ThreadPool::~ThreadPool() {
  stopping.store(true);
  jobNumber.fetch_add(1);
  futexWake(jobNumber, INT_MAX);
  for (auto &worker : workers)
    pthread_join(worker->thread, nullptr);
}

void *ThreadPool::threadMain(void *argument) {
  auto *worker = static_cast<Worker *>(argument);
  ThreadPool &pool = *worker->pool;
  uint32_t seen = 0;
  for (;;) {
    if (!spinUntil([&] { return pool.jobNumber.load(std::memory_order_acquire) != seen; })) {
      // Sequentially consistent with `run`: either it sees this sleeper and wakes it, or this sees its job and does not sleep.
      pool.sleepers.fetch_add(1);
      while (pool.jobNumber.load() == seen)
        futexWait(pool.jobNumber, seen);
      pool.sleepers.fetch_sub(1);
    }
    seen = pool.jobNumber.load();
    if (pool.stopping.load())
      return nullptr;
    pool.work(seen, worker->index);
  }
}

void ThreadPool::work(uint32_t job, unsigned worker) {
  unsigned count = unsigned(parts.size());
  for (unsigned i = 0; i < count; ++i)
    while (workOn(job, (worker + i) % count, worker)) {
    }
}

/// Takes units of a part and does them: from the front if the part is the worker's own, else from the end. Returns whether there were any.
bool ThreadPool::workOn(uint32_t job, unsigned part, unsigned worker) {
  std::atomic<uint64_t> &rest = parts[part].rest;
  uint64_t state = rest.load(std::memory_order_acquire);
  for (;;) {
    int64_t first = int64_t(state >> 16 & 0xffff), last = int64_t(state & 0xffff), left = last - first;
    // A worker that is still looking around when the next job is laid out begins that one at its own part, too.
    if (left <= 0 || uint32_t(state >> 32) != job)
      return false;
    int64_t tasks = taskCount.load(std::memory_order_acquire), unit = unitSize.load(std::memory_order_acquire);
    bool own = part == worker;
    int64_t taken = 1;
    if (takesRanges.load(std::memory_order_acquire))
      taken = own && first == 0 ? std::max<int64_t>(left * kFirstOf8 / 8, 1) : (left + 1) / 2;
    Callback call = callback.load(std::memory_order_acquire);
    void *callContext = context.load(std::memory_order_acquire);
    uint64_t after = own ? state + (uint64_t(taken) << 16) : state - uint64_t(taken);
    if (!rest.compare_exchange_weak(state, after, std::memory_order_acq_rel, std::memory_order_acquire))
      continue;

    int64_t units = (tasks + unit - 1) / unit;
    int64_t begin = (units * part / int64_t(parts.size()) + (own ? first : last - taken)) * unit;
    try {
      call(callContext, worker, begin, std::min(begin + taken * unit, tasks));
    } catch (...) {
      if (!threw.exchange(true))
        exception = std::current_exception();
    }
    if (int64_t(finished.fetch_add(uint32_t(taken))) + taken == units && callerSleeps.load())
      futexWake(finished, 1);
    return true;
  }
}

void ThreadPool::awaitCompletion(uint32_t units) {
  if (spinUntil([&] { return finished.load(std::memory_order_acquire) == units; }))
    return;
  callerSleeps.store(1);
  for (uint32_t done = finished.load(); done != units; done = finished.load())
    futexWait(finished, done);
  callerSleeps.store(0);
}

void ThreadPool::run(Job job, Callback body, void *bodyContext) {
  if (job.tasks <= 0)
    return;
  // The number of a part's units has to fit into 16 bits.
  int64_t count = int64_t(parts.size());
  int64_t unit = std::max({int64_t(1), job.unit, (job.tasks + count * 0xfffe - 1) / (count * 0xfffe)});
  int64_t units = (job.tasks + unit - 1) / unit;
  if (workers.empty() || units == 1) {
    int64_t length = job.inRanges ? job.tasks : unit;
    for (int64_t begin = 0; begin < job.tasks; begin += length)
      body(bodyContext, 0, begin, std::min(begin + length, job.tasks));
    return;
  }

  callback.store(body, std::memory_order_release);
  context.store(bodyContext, std::memory_order_release);
  taskCount.store(job.tasks, std::memory_order_release);
  unitSize.store(unit, std::memory_order_release);
  takesRanges.store(job.inRanges, std::memory_order_release);
  finished.store(0, std::memory_order_relaxed);
  uint32_t number = jobNumber.load(std::memory_order_relaxed) + 1;
  for (int64_t i = 0; i < count; ++i)
    parts[size_t(i)].rest.store(uint64_t(number) << 32 | uint64_t(units * (i + 1) / count - units * i / count), std::memory_order_release);
  jobNumber.store(number);
  if (sleepers.load())
    futexWake(jobNumber, int(std::min<int64_t>(units - 1, int64_t(workers.size()))));

  work(number, 0);
  awaitCompletion(uint32_t(units));
  if (threw.exchange(false))
    std::rethrow_exception(std::exchange(exception, nullptr));
}
