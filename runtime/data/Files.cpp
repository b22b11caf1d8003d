//===- Files.cpp - whole files in, whole files out -----------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/data/Files.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace vitrt {

Expected<std::vector<uint8_t>> readFile(const std::string &path) {
  auto failure = [&] { return makeError(VITRT_ERROR_IO, "{}: cannot be read: {}", path, std::strerror(errno)); };
  int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0)
    return failure();
  struct stat status;
  std::vector<uint8_t> bytes;
  if (fstat(descriptor, &status) == 0 && status.st_size > 0)
    bytes.reserve(size_t(status.st_size) + 1);
  constexpr size_t step = 1 << 16;
  for (;;) {
    size_t size = bytes.size(), room = std::max(bytes.capacity() - size, step);
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
    OutputFile file(path, "", open(path.c_str(), O_WRONLY | O_CLOEXEC));
    if (file.descriptor < 0)
      return file.failure("opened");
    return file;
  }
  std::string temporary = path + ".XXXXXX";
  int descriptor = mkostemp(temporary.data(), O_CLOEXEC);
  OutputFile file(path, descriptor < 0 ? "" : temporary, descriptor);
  if (descriptor < 0)
    return file.failure("created");
  mode_t mask = umask(0); // mkostemp makes the file private; give it the mode that open() would
  umask(mask);
  fchmod(descriptor, exists ? status.st_mode & 07777 : 0666 & ~mask);
  return file;
}

OutputFile::OutputFile(OutputFile &&other)
    : path(std::move(other.path)), temporary(std::exchange(other.temporary, {})), descriptor(std::exchange(other.descriptor, -1)) {}

OutputFile::~OutputFile() {
  if (descriptor >= 0)
    close(descriptor);
  if (!temporary.empty())
    unlink(temporary.c_str());
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
  bool synced = temporary.empty() || fsync(descriptor) == 0;
  bool closed = close(std::exchange(descriptor, -1)) == 0;
  if (!synced || !closed)
    return failure("written");
  if (!temporary.empty() && rename(temporary.c_str(), path.c_str()) != 0)
    return failure("renamed into place");
  temporary.clear();
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
