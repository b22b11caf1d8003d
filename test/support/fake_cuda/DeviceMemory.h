//===- DeviceMemory.h - memory that only the fake GPU may touch ----------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_TEST_SUPPORT_FAKECUDA_DEVICEMEMORY_H
#define VITC_TEST_SUPPORT_FAKECUDA_DEVICEMEMORY_H

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>

namespace fakecuda {

/// Allocations of whole pages with pages between them that nobody may touch. The host may touch none of it: it faults, as it would with a
/// GPU's address. New memory is full of NaNs, and what lies between an allocation's end and its page's is watched.
class DeviceMemory {
public:
  /// Null if more than `limit` bytes would be taken.
  std::byte *allocate(uint64_t bytes, uint64_t limit);
  /// Whether `pointer` is an allocation's begin. Ends the process if somebody wrote behind the allocation.
  bool free(std::byte *pointer);

  /// What is allocated from `pointer` on; empty if that lies in no allocation.
  std::span<std::byte> from(const void *pointer) const;
  uint64_t taken() const { return bytesTaken; }

  /// While one lives, the thread may touch the memory.
  class Access {
  public:
    explicit Access(const DeviceMemory &memory) : memory(memory) { memory.protect(/*open=*/true); }
    ~Access() { memory.protect(/*open=*/false); }
    Access(const Access &) = delete;

  private:
    const DeviceMemory &memory;
  };

private:
  struct Allocation {
    uint64_t bytes;
    std::span<std::byte> pages;  ///< that hold it
    std::span<std::byte> mapped; ///< with those beside it
  };
  void protect(bool open) const;

  std::map<std::byte *, Allocation> allocations;
  uint64_t bytesTaken = 0;
};

} // namespace fakecuda

#endif // VITC_TEST_SUPPORT_FAKECUDA_DEVICEMEMORY_H
