//===- MemoryCalls.cpp - memory of the fake GPU, and copies ----------------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "test/support/fake_cuda/Driver.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

using namespace fakecuda;

static bool isPinned(Driver &d, const void *pointer, size_t bytes) {
  auto *address = static_cast<std::byte *>(const_cast<void *>(pointer));
  auto next = d.pinned.upper_bound(address);
  return next != d.pinned.begin() && uint64_t(address - std::prev(next)->first) + bytes <= std::prev(next)->second;
}

api::Result calls::memGetInfo(size_t *free, size_t *total) {
  return inContext([&](Driver &d) {
    *total = d.settings.memory;
    *free = d.settings.memory - d.memory.taken();
    return api::Success;
  });
}

api::Result calls::memAlloc(api::DevicePointer *pointer, size_t bytes) {
  return outsideOfCapture([&](Driver &d) {
    if (bytes == 0)
      return api::InvalidValue;
    std::byte *memory = d.memory.allocate(bytes, d.settings.memory);
    *pointer = reinterpret_cast<api::DevicePointer>(memory);
    return memory ? api::Success : api::OutOfMemory;
  });
}

api::Result calls::memFree(api::DevicePointer pointer) {
  return destroy([&](Driver &d) { return d.memory.free(reinterpret_cast<std::byte *>(pointer)) ? api::Success : api::InvalidValue; });
}

api::Result calls::memHostAlloc(void **pointer, size_t bytes, unsigned) {
  return outsideOfCapture([&](Driver &d) {
    *pointer = std::malloc(bytes);
    if (!*pointer)
      return api::OutOfMemory;
    std::memset(*pointer, 0xff, bytes);
    d.pinned[static_cast<std::byte *>(*pointer)] = bytes;
    return api::Success;
  });
}

api::Result calls::memFreeHost(void *pointer) {
  return destroy([&](Driver &d) {
    if (!d.pinned.erase(static_cast<std::byte *>(pointer)))
      return api::InvalidValue;
    std::free(pointer);
    return api::Success;
  });
}

static api::Result copy(Driver &d, void *to, const void *from, const void *host, const void *onDevice, size_t bytes, api::Stream stream) {
  if (!isPinned(d, host, bytes)) {
    std::fprintf(stderr, "fake driver: %zu bytes are copied from or to memory that is not pinned\n", bytes);
    return api::InvalidValue;
  }
  if (d.memory.from(onDevice).size() < bytes)
    return api::InvalidValue;
  return enqueue(d, stream,
                 {[&d, to, from, bytes] {
                    if (d.failure != api::Success)
                      return;
                    DeviceMemory::Access access(d.memory);
                    std::memcpy(to, from, bytes);
                  },
                  nullptr, nullptr});
}

api::Result calls::memcpyHtoDAsync(api::DevicePointer to, const void *from, size_t bytes, api::Stream stream) {
  auto *onDevice = reinterpret_cast<void *>(to);
  return inContext([&](Driver &d) { return copy(d, onDevice, from, from, onDevice, bytes, stream); });
}

api::Result calls::memcpyDtoHAsync(void *to, api::DevicePointer from, size_t bytes, api::Stream stream) {
  auto *onDevice = reinterpret_cast<void *>(from);
  return inContext([&](Driver &d) { return copy(d, to, onDevice, to, onDevice, bytes, stream); });
}

api::Result calls::memsetD32Async(api::DevicePointer begin, unsigned value, size_t count, api::Stream stream) {
  return inContext([&](Driver &d) {
    auto *first = reinterpret_cast<unsigned *>(begin);
    if (begin % sizeof(unsigned) != 0 || count == 0 || d.memory.from(first).size() < count * sizeof(unsigned))
      return api::InvalidValue;
    return enqueue(d, stream,
                   {[&d, first, value, count] {
                      if (d.failure != api::Success)
                        return;
                      DeviceMemory::Access access(d.memory);
                      std::fill_n(first, count, value);
                    },
                    nullptr, nullptr});
  });
}
