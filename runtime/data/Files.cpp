//===- Files.cpp - whole files in, whole files out -----------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/data/Files.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace vitrt {
namespace {

/// Names of temporary files that exist now, for removeUncommittedFiles; more than these at once are not remembered.
std::array<std::atomic<const char *>, 16> uncommitted;
static_assert(std::atomic<const char *>::is_always_lock_free, "a signal handler reads them");

void remember(const char *name) {
  for (auto &slot : uncommitted)
    if (const char *none = nullptr; slot.compare_exchange_strong(none, name))
      return;
}

void forget(const char *name) {
  for (auto &slot : uncommitted)
    if (const char *expected = name; slot.compare_exchange_strong(expected, nullptr))
      return;
}

/// Creates a file beside `path` whose name nobody has, for writing; its name goes to `name`. -1 and errno if that fails.
int createBeside(const std::string &path, mode_t mode, std::string &name) {
  constexpr int mostAttempts = 100;
  for (int attempt = 0; attempt < mostAttempts; ++attempt) {
    uint32_t suffix;
    if (getrandom(&suffix, sizeof(suffix), 0) != ssize_t(sizeof(suffix)))
      return -1;
    name = fmt::format("{}.{:08x}", path, suffix);
    int descriptor = open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (descriptor >= 0 || errno != EEXIST)
      return descriptor;
  }
  return -1;
}

/// Until then a crash of the machine may undo the renaming. File systems that cannot sync a folder refuse, and have their own ways.
void syncFolderOf(const std::string &path) {
  size_t slash = path.find_last_of('/');
  std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  int descriptor = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0)
    return;
  fsync(descriptor);
  close(descriptor);
}

} // namespace

void removeUncommittedFiles() {
  for (auto &slot : uncommitted)
    if (const char *name = slot.load())
      unlink(name);
}

Expected<std::vector<uint8_t>> readFile(const std::string &path) {
  auto failure = [&] { return makeError(VITRT_ERROR_IO, "{}: cannot be read: {}", path, std::strerror(errno)); };
  int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0)
    return failure();
  struct stat status;
  std::vector<uint8_t> bytes;
  if (fstat(descriptor, &status) == 0 && status.st_size > 0)
    bytes.reserve(size_t(status.st_size) + 1); // one more, so that the read that finds the end needs no more room
  constexpr size_t step = 1 << 16;
  for (;;) {
    size_t size = bytes.size(), room = bytes.capacity() > size ? bytes.capacity() - size : step;
    bytes.resize(size + room);
    ssize_t n = read(descriptor, bytes.data() + size, room);
    bytes.resize(size + (n > 0 ? size_t(n) : 0));
    if (n == 0 || (n < 0 && errno != EINTR)) {
      Error error = n < 0 ? failure() : Error::success();
      close(descriptor);
      if (error)
        return error;
      return bytes;
    }
  }
}

Expected<OutputFile> OutputFile::create(const std::string &path) {
  struct stat status;
  bool exists = stat(path.c_str(), &status) == 0;
  if (exists && S_ISDIR(status.st_mode))
    return makeError(VITRT_ERROR_IO, "{}: cannot be written: it is a folder", path);
  if (exists && !S_ISREG(status.st_mode)) {
    OutputFile file(path, nullptr, open(path.c_str(), O_WRONLY | O_CLOEXEC));
    if (file.descriptor < 0)
      return file.failure("opened");
    return file;
  }
  auto temporary = std::make_unique<std::string>();
  // Readable by others only if the file it replaces is, or, for a new one, if the process's umask says so.
  int descriptor = createBeside(path, exists ? 0600 : 0666, *temporary);
  if (descriptor < 0)
    return makeError(VITRT_ERROR_IO, "{}: cannot be created: {}", path, std::strerror(errno));
  remember(temporary->c_str());
  OutputFile file(path, std::move(temporary), descriptor);
  if (exists)
    fchmod(descriptor, status.st_mode & 07777); // file systems without modes refuse, and lose nothing
  return file;
}

OutputFile::OutputFile(OutputFile &&other) noexcept
    : path(std::move(other.path)), temporary(std::move(other.temporary)), descriptor(std::exchange(other.descriptor, -1)) {}

OutputFile::~OutputFile() {
  if (descriptor >= 0)
    close(descriptor);
  if (temporary) {
    unlink(temporary->c_str());
    forget(temporary->c_str());
  }
}

Error OutputFile::failure(const char *verb) { return makeError(VITRT_ERROR_IO, "{}: cannot be {}: {}", path, verb, std::strerror(errno)); }

Error OutputFile::write(std::span<const uint8_t> bytes) {
  while (!bytes.empty()) {
    ssize_t n = ::write(descriptor, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return failure("written");
    bytes = bytes.subspan(size_t(n));
  }
  return Error::success();
}

Error OutputFile::commit() {
  bool synced = !temporary || fsync(descriptor) == 0;
  bool closed = close(std::exchange(descriptor, -1)) == 0;
  if (!synced || !closed)
    return failure("written");
  if (temporary) {
    if (rename(temporary->c_str(), path.c_str()) != 0)
      return failure("renamed into place");
    forget(temporary->c_str());
    temporary.reset();
    syncFolderOf(path);
  }
  return Error::success();
}

Error writeFile(const std::string &path, std::span<const uint8_t> bytes) {
  auto file = OutputFile::create(path);
  if (!file)
    return std::move(file.error());
  if (Error error = file->write(bytes))
    return error;
  return file->commit();
}

} // namespace vitrt
