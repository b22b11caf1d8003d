//===- ThreadPoolTest.cpp -----------------------------------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/device/cpu/ThreadPool.h"

#include "runtime/device/cpu/CpuFeatures.h"

#include <chrono>
#include <gtest/gtest.h>
#include <stdexcept>
#include <thread>

using namespace vitrt;

namespace {

std::unique_ptr<ThreadPool> makePool(unsigned threads, bool pin = false) {
  auto pool = ThreadPool::create(threads, pin);
  EXPECT_TRUE(pool) << (pool ? "" : pool.error().message);
  return pool ? std::move(*pool) : nullptr;
}

TEST(ThreadPool, DoesEveryTaskOnce) {
  for (unsigned threads : {1u, 2u, 3u, 7u}) {
    auto pool = makePool(threads);
    ASSERT_EQ(pool->size(), threads);
    for (int64_t tasks : {0, 1, 2, 5, 64, 1000})
      for (int64_t chunk : {0, 1, 3, 1000}) {
        std::vector<std::atomic<int>> done(size_t(tasks) + 1);
        pool->parallelFor(tasks, chunk, [&](unsigned worker, int64_t begin, int64_t end) {
          EXPECT_LT(worker, threads);
          EXPECT_LE(end - begin, std::max<int64_t>(1, chunk));
          for (int64_t i = begin; i < end; ++i)
            ++done[size_t(i)];
        });
        for (int64_t i = 0; i < tasks; ++i)
          ASSERT_EQ(done[size_t(i)], 1) << i << " of " << tasks;
      }
  }
}

TEST(ThreadPool, RangesCoverEveryTaskOnce) {
  for (unsigned threads : {1u, 2u, 3u, 7u}) {
    auto pool = makePool(threads);
    for (int64_t tasks : {0, 1, 2, 5, 64, 1000, 300000})
      for (int64_t grain : {0, 1, 3, 1000}) {
        std::vector<std::atomic<int>> done(size_t(tasks) + 1);
        std::atomic<int> calls = 0;
        pool->parallelRanges(tasks, grain, [&](unsigned worker, int64_t begin, int64_t end) {
          EXPECT_LT(worker, threads);
          EXPECT_LT(begin, end);
          ++calls;
          for (int64_t i = begin; i < end; ++i)
            ++done[size_t(i)];
        });
        for (int64_t i = 0; i < tasks; ++i)
          ASSERT_EQ(done[size_t(i)], 1) << i << " of " << tasks;
        // What is left of a part of 65535 units is halved 16 times at most.
        EXPECT_LE(calls, threads == 1 ? 1 : int(threads) * 17);
      }
  }
}

TEST(ThreadPool, AWorkerBeginsWithMostOfItsOwnPart) {
  auto pool = makePool(2);
  for (int job = 0; job < 100; ++job) {
    std::atomic<int> arrived = 0;
    int64_t first[2] = {-1, -1}, length[2] = {};
    pool->parallelRanges(64, 1, [&](unsigned worker, int64_t begin, int64_t end) {
      if (first[worker] >= 0)
        return;
      first[worker] = begin;
      length[worker] = end - begin;
      // Nobody goes on before both have taken their first range.
      ++arrived;
      while (arrived < 2)
        std::this_thread::yield();
    });
    EXPECT_EQ(first[0], 0);
    EXPECT_EQ(first[1], 32);
    // Most of a part is one range, but not all of it.
    EXPECT_EQ(length[0], 28);
    EXPECT_EQ(length[1], 28);
  }
}

TEST(ThreadPool, ManyShortJobsWhileWorkersFallAsleepAndWake) {
  auto pool = makePool(4);
  int64_t sum = 0;
  for (int job = 0; job < 20000; ++job) {
    std::atomic<int64_t> partial = 0;
    pool->parallelFor(5, 1, [&](unsigned, int64_t begin, int64_t) { partial += begin + job; });
    sum += partial;
    if (job % 1000 == 0)
      std::this_thread::sleep_for(std::chrono::milliseconds(3));
  }
  EXPECT_EQ(sum, 20000 * 10 + 5 * (int64_t(20000) * 19999 / 2));
}

TEST(ThreadPool, WorkersNeverShareAnIndexAtOneTime) {
  auto pool = makePool(3);
  std::atomic<int> inside[3] = {};
  for (int job = 0; job < 200; ++job)
    pool->parallelFor(30, 1, [&](unsigned worker, int64_t, int64_t) {
      EXPECT_EQ(inside[worker].fetch_add(1), 0);
      inside[worker].fetch_sub(1);
    });
}

TEST(ThreadPool, PinsWorkersToAvailableCores) {
  std::vector<int> cores = availableCores();
  ASSERT_FALSE(cores.empty());
  auto pool = makePool(2, /*pin=*/true);
  std::atomic<bool> waiting = true;
  std::atomic<int> core = -1;
  // Two tasks that wait for each other run on both workers.
  pool->parallelFor(2, 1, [&](unsigned worker, int64_t, int64_t) {
    if (worker == 1) {
      core = sched_getcpu();
      waiting = false;
    }
    while (waiting)
      std::this_thread::yield();
  });
  EXPECT_EQ(core, cores[1 % cores.size()]);
}

TEST(ThreadPool, WhatABodyThrowsReachesTheCaller) {
  for (unsigned threads : {1u, 3u}) {
    auto pool = makePool(threads);
    for (int repeat = 0; repeat < 100; ++repeat) {
      std::atomic<int> done = 0;
      auto throwing = [&] {
        pool->parallelFor(20, 1, [&](unsigned, int64_t begin, int64_t) {
          if (begin >= 10)
            throw std::runtime_error("thrown by a task");
          ++done;
        });
      };
      EXPECT_THROW(throwing(), std::runtime_error);
      EXPECT_EQ(done, 10);
      // The pool goes on as before.
      pool->parallelFor(20, 1, [&](unsigned, int64_t, int64_t) { ++done; });
      EXPECT_EQ(done, 30);
    }
  }
}

TEST(ThreadPool, RefusesAbsurdNumbers) {
  auto pool = ThreadPool::create(100000);
  ASSERT_FALSE(pool);
  EXPECT_EQ(pool.error().status, VITRT_ERROR_ARGUMENT);
  EXPECT_EQ(pool.error().message, "100000 threads were asked for, but a session has at most 1024");
}

TEST(CpuFeatures, UnknownNamesAreNotAvailable) {
  EXPECT_FALSE(hostHasFeature("avx1024f"));
  EXPECT_FALSE(hostHasFeature(""));
#if defined(__x86_64__)
  EXPECT_TRUE(hostHasFeature("sse2"));
  EXPECT_EQ(hostHasFeature("avx2"), bool(__builtin_cpu_supports("avx2")));
  EXPECT_EQ(hostHasFeature("fma"), bool(__builtin_cpu_supports("fma")));
  EXPECT_EQ(hostHasFeature("avx512f"), bool(__builtin_cpu_supports("avx512f")));
  EXPECT_EQ(hostHasFeature("avx512bw"), bool(__builtin_cpu_supports("avx512bw")));
  EXPECT_EQ(hostHasFeature("avx512vl"), bool(__builtin_cpu_supports("avx512vl")));
  EXPECT_EQ(hostHasFeature("avx512dq"), bool(__builtin_cpu_supports("avx512dq")));
  EXPECT_EQ(hostHasFeature("avx512vnni"), bool(__builtin_cpu_supports("avx512vnni")));
  EXPECT_EQ(hostHasFeature("avx512bf16"), bool(__builtin_cpu_supports("avx512bf16")));
#endif
}

} // namespace
