//===- DeviceMemory.cpp - memory that only the fake GPU may touch -------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "test/support/fake_cuda/DeviceMemory.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <sys/mman.h>

using namespace fakecuda;

static constexpr uint64_t kPage = 4096;
static constexpr std::byte kCanary{0xa5}, kPoison{0xff};

std::byte *DeviceMemory::allocate(uint64_t bytes, uint64_t limit) {
  if (bytes == 0 || bytes > limit || bytesTaken > limit - bytes)
    return nullptr;
  uint64_t inside = (bytes + kPage - 1) / kPage * kPage, all = inside + 2 * kPage;
  void *mapped = mmap(nullptr, all, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED)
    return nullptr;
  auto *begin = static_cast<std::byte *>(mapped) + kPage;
  mprotect(begin, inside, PROT_READ | PROT_WRITE);
  std::memset(begin, int(kPoison), bytes);
  std::memset(begin + bytes, int(kCanary), inside - bytes);
  mprotect(begin, inside, PROT_NONE);
  allocations[begin] = {bytes, {begin, inside}, {static_cast<std::byte *>(mapped), all}};
  bytesTaken += bytes;
  return begin;
}

bool DeviceMemory::free(std::byte *pointer) {
  auto found = allocations.find(pointer);
  if (found == allocations.end())
    return false;
  const Allocation &allocation = found->second;
  mprotect(pointer, allocation.pages.size(), PROT_READ);
  std::span<std::byte> behind = allocation.pages.subspan(allocation.bytes);
  if (std::any_of(behind.begin(), behind.end(), [](std::byte b) { return b != kCanary; })) {
    std::fprintf(stderr, "fake driver: something was written behind an allocation of %llu bytes\n", (unsigned long long)allocation.bytes);
    std::abort();
  }
  munmap(allocation.mapped.data(), allocation.mapped.size());
  bytesTaken -= allocation.bytes;
  allocations.erase(found);
  return true;
}

std::span<std::byte> DeviceMemory::from(const void *pointer) const {
  auto *address = static_cast<std::byte *>(const_cast<void *>(pointer));
  auto next = allocations.upper_bound(address);
  if (next == allocations.begin())
    return {};
  auto &[begin, allocation] = *std::prev(next);
  uint64_t offset = uint64_t(address - begin);
  return offset < allocation.bytes ? std::span(address, allocation.bytes - offset) : std::span<std::byte>();
}

void DeviceMemory::protect(bool open) const {
  for (const auto &[begin, allocation] : allocations)
    mprotect(begin, allocation.pages.size(), open ? PROT_READ | PROT_WRITE : PROT_NONE);
}
