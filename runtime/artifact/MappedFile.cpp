//===- MappedFile.cpp - memory from the operating system ----------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/artifact/MappedFile.h"

#include "runtime/artifact/FileFormat.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace vitrt;

Expected<MappedFile> MappedFile::open(const std::string &path) {
  int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0)
    return makeError(VITRT_ERROR_IO, "cannot open '{}': {}", path, std::strerror(errno));
  struct stat status;
  Error failure;
  MappedFile result;
  if (fstat(file, &status) != 0) {
    failure = makeError(VITRT_ERROR_IO, "cannot read '{}': {}", path, std::strerror(errno));
  } else if (!S_ISREG(status.st_mode)) {
    failure = makeError(VITRT_ERROR_IO, "'{}' is {}, expected a file", path, S_ISDIR(status.st_mode) ? "a folder" : "not a regular file");
  } else if (status.st_size > 0) {
    void *base = mmap(nullptr, size_t(status.st_size), PROT_READ, MAP_PRIVATE, file, 0);
    if (base == MAP_FAILED)
      failure = makeError(VITRT_ERROR_IO, "cannot map '{}' ({} bytes): {}", path, status.st_size, std::strerror(errno));
    else
      result.data = {static_cast<const std::byte *>(base), size_t(status.st_size)};
  }
  close(file);
  if (failure)
    return failure;
  return result;
}

MappedFile::~MappedFile() {
  if (!data.empty())
    munmap(const_cast<std::byte *>(data.data()), data.size());
}

void MappedFile::release(std::span<const std::byte> range) const {
  uint64_t page = uint64_t(sysconf(_SC_PAGESIZE));
  uint64_t begin = alignTo(reinterpret_cast<uintptr_t>(range.data()), page);
  uint64_t end = (reinterpret_cast<uintptr_t>(range.data()) + range.size()) / page * page;
  if (begin < end)
    madvise(reinterpret_cast<void *>(begin), end - begin, MADV_DONTNEED);
}

Expected<AnonymousMemory> AnonymousMemory::allocate(uint64_t bytes, const std::string &what) {
  AnonymousMemory result;
  if (bytes == 0)
    return result;
  void *base = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (base == MAP_FAILED)
    return makeError(VITRT_ERROR_MEMORY, "cannot allocate {} bytes for {}: {}", bytes, what, std::strerror(errno));
  result.data = {static_cast<std::byte *>(base), size_t(bytes)};
  // Launches walk over more pages than a core's tables of addresses hold. A kernel without large pages refuses, which changes no result.
  madvise(base, bytes, MADV_HUGEPAGE);
  return result;
}

AnonymousMemory::~AnonymousMemory() {
  if (!data.empty())
    munmap(data.data(), data.size());
}

void AnonymousMemory::makeReadOnly() {
  if (!data.empty())
    mprotect(data.data(), data.size(), PROT_READ);
}
