//===- CodeObject.cpp - an artifact's code, mapped to be called ---------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/artifact/CodeObject.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <dlfcn.h>
#include <sys/mman.h>
#include <unistd.h>

using namespace vitrt;

namespace {

#ifndef MFD_EXEC
constexpr unsigned MFD_EXEC = 0x10;
#endif

/// A memory file that may be mapped as code; -1 and errno if the system does not allow it. The name is for /proc/self/maps alone.
int createExecutableMemoryFile(std::string label) {
  constexpr size_t mostCharacters = 249; // memfd_create(2), "EINVAL"
  label.resize(std::min(label.size(), mostCharacters));
  const char *name = label.c_str();
  // Kernels since 6.3 can be told to make memory files unexecutable unless asked; older ones do not know the flag.
  int file = memfd_create(name, MFD_CLOEXEC | MFD_EXEC);
  if (file < 0 && errno == EINVAL)
    file = memfd_create(name, MFD_CLOEXEC);
  return file;
}

bool writeAll(int file, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    ssize_t written = write(file, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR)
      continue;
    if (written <= 0)
      return false;
    bytes = bytes.subspan(size_t(written));
  }
  return true;
}

} // namespace

Expected<CodeObject> CodeObject::load(std::span<const std::byte> elf, const std::string &name) {
  CodeObject code;
  code.file = createExecutableMemoryFile(name);
  if (code.file < 0)
    return makeError(VITRT_ERROR_TARGET,
                     "this system refuses executable memory files (memfd_create: {}), which an artifact's code is mapped from",
                     std::strerror(errno));
  if (!writeAll(code.file, elf))
    return makeError(VITRT_ERROR_MEMORY, "cannot write {} bytes of code to a memory file: {}", elf.size(), std::strerror(errno));
  // The loader takes a library of the same path for the same library, so the descriptor stays open, and its number taken, until the library
  // is closed.
  std::string path = fmt::format("/proc/self/fd/{}", code.file);
  code.handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!code.handle) {
    const char *reason = dlerror();
    return makeError(VITRT_ERROR_TARGET, "this system refuses to map the artifact's code from memory (dlopen: {})",
                     reason ? reason : "no reason given");
  }
  return code;
}

CodeObject::~CodeObject() {
  if (handle)
    dlclose(handle);
  if (file >= 0)
    close(file);
}

void *CodeObject::find(const char *symbol) const { return handle ? dlsym(handle, symbol) : nullptr; }
