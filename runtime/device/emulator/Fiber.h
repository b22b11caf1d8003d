//===- Fiber.h - a function with a stack of its own, left and entered at will -*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Boost.Context's switch of stacks, with what the sanitizers have to be told. boost::context::fiber unwinds a stack that is given up, which
// generated code is not made for; here it is simply forgotten.
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_RUNTIME_DEVICE_EMULATOR_FIBER_H
#define VITC_RUNTIME_DEVICE_EMULATOR_FIBER_H

#include <boost/context/detail/fcontext.hpp>
#include <cstddef>
#include <span>

#if defined(__SANITIZE_ADDRESS__)
#define VITRT_FIBER_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define VITRT_FIBER_ASAN 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define VITRT_FIBER_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define VITRT_FIBER_TSAN 1
#endif
#endif

namespace vitrt::emulator {

class Fiber {
public:
  using Body = void (*)(void *);

  ~Fiber() { forget(); }
  Fiber() = default;
  Fiber(const Fiber &) = delete;

  /// The next `enter` calls body(argument) on `stack`. What the fiber did before is forgotten: objects on its stack are not destroyed.
  void prepare(std::span<std::byte> stack, Body body, void *argument);

  /// Runs the fiber until it leaves; false once its body has returned.
  bool enter();

  /// Called on the fiber: goes back to where it was entered.
  void leave();

private:
  static void begin(boost::context::detail::transfer_t from);
  void forget();

  std::span<std::byte> stack;
  Body body = nullptr;
  void *argument = nullptr;
  boost::context::detail::fcontext_t inside = nullptr, outside = nullptr;
  bool done = true;
#if VITRT_FIBER_TSAN
  void *fiberHandle = nullptr, *outerHandle = nullptr;
#endif
#if VITRT_FIBER_ASAN
  void *fakeStack = nullptr;
  const void *outerBottom = nullptr;
  size_t outerSize = 0;
#endif
};

} // namespace vitrt::emulator

#endif // VITC_RUNTIME_DEVICE_EMULATOR_FIBER_H
