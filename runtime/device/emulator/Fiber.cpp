//===- Fiber.cpp - a function with a stack of its own -------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/device/emulator/Fiber.h"

#if VITRT_FIBER_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#if VITRT_FIBER_TSAN
#include <sanitizer/tsan_interface.h>
#endif

using namespace vitrt::emulator;
using boost::context::detail::jump_fcontext;
using boost::context::detail::make_fcontext;
using boost::context::detail::transfer_t;

void Fiber::forget() {
#if VITRT_FIBER_TSAN
  if (fiberHandle)
    __tsan_destroy_fiber(fiberHandle);
  fiberHandle = nullptr;
#endif
#if VITRT_FIBER_ASAN
  // Frames that were given up left their surroundings poisoned.
  if (!stack.empty())
    __asan_unpoison_memory_region(stack.data(), stack.size());
  fakeStack = nullptr;
#endif
}

void Fiber::prepare(std::span<std::byte> memory, Body function, void *data) {
  forget();
  stack = memory;
  body = function;
  argument = data;
  inside = make_fcontext(stack.data() + stack.size(), stack.size(), &begin);
  done = false;
#if VITRT_FIBER_TSAN
  fiberHandle = __tsan_create_fiber(0);
#endif
}

void Fiber::begin(transfer_t from) {
  auto *self = static_cast<Fiber *>(from.data);
#if VITRT_FIBER_ASAN
  __sanitizer_finish_switch_fiber(nullptr, &self->outerBottom, &self->outerSize);
#endif
  self->outside = from.fctx;
  self->body(self->argument);
  self->done = true;
  self->leave();
}

bool Fiber::enter() {
#if VITRT_FIBER_TSAN
  outerHandle = __tsan_get_current_fiber();
  __tsan_switch_to_fiber(fiberHandle, 0);
#endif
#if VITRT_FIBER_ASAN
  void *outerFakeStack = nullptr;
  __sanitizer_start_switch_fiber(&outerFakeStack, stack.data(), stack.size());
#endif
  inside = jump_fcontext(inside, this).fctx;
#if VITRT_FIBER_ASAN
  __sanitizer_finish_switch_fiber(outerFakeStack, nullptr, nullptr);
#endif
  return !done;
}

void Fiber::leave() {
#if VITRT_FIBER_TSAN
  __tsan_switch_to_fiber(outerHandle, 0);
#endif
#if VITRT_FIBER_ASAN
  __sanitizer_start_switch_fiber(done ? nullptr : &fakeStack, outerBottom, outerSize);
#endif
  outside = jump_fcontext(outside, nullptr).fctx;
#if VITRT_FIBER_ASAN
  __sanitizer_finish_switch_fiber(fakeStack, &outerBottom, &outerSize);
#endif
}
