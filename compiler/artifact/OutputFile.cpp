//===- OutputFile.cpp - a file that appears only when it is whole -----------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/artifact/OutputFile.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Errno.h"
#include "llvm/Support/Process.h"
#include "llvm/Support/Signals.h"

#include <cerrno>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace vitc::artifact;

static llvm::Error failure(llvm::StringRef what, llvm::StringRef path, int error) {
  return llvm::createStringError(std::error_code(error, std::generic_category()),
                                 "cannot " + what + " '" + path + "': " + llvm::sys::StrError(error));
}

llvm::Expected<std::unique_ptr<OutputFile>> OutputFile::create(llvm::StringRef path, size_t size) {
  struct stat existing;
  std::string name = path.str();
  if (stat(name.c_str(), &existing) == 0 && !S_ISREG(existing.st_mode))
    return llvm::createStringError("cannot write '" + path + "': it is not a regular file");
  std::unique_ptr<OutputFile> file(new OutputFile);
  file->path = name;
  // Made with the mode that a new file gets, or that the old one has; mkostemp's would have to be widened afterwards.
  bool replaces = stat(name.c_str(), &existing) == 0;
  std::string temporary;
  do {
    temporary = name + "." + llvm::utohexstr(llvm::sys::Process::GetRandomNumber());
    file->descriptor = open(temporary.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  } while (file->descriptor < 0 && errno == EEXIST);
  if (file->descriptor < 0)
    return failure("write", path, errno);
  file->temporary = temporary;
  llvm::sys::RemoveFileOnSignal(temporary);
  if (replaces && fchmod(file->descriptor, existing.st_mode & 07777) != 0)
    return failure("write", path, errno);
  if (int error = posix_fallocate(file->descriptor, 0, size))
    return failure("reserve " + std::to_string(size) + " bytes for", path, error);
  void *memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, file->descriptor, 0);
  if (memory == MAP_FAILED)
    return failure("map", path, errno);
  file->mapped = {static_cast<std::byte *>(memory), size};
  return file;
}

OutputFile::~OutputFile() {
  if (!mapped.empty())
    munmap(mapped.data(), mapped.size());
  if (descriptor >= 0)
    close(descriptor);
  if (!temporary.empty()) {
    unlink(temporary.c_str());
    llvm::sys::DontRemoveFileOnSignal(temporary);
  }
}

llvm::Error OutputFile::commit() {
  if (msync(mapped.data(), mapped.size(), MS_SYNC) != 0 || fsync(descriptor) != 0)
    return failure("write", path, errno);
  if (rename(temporary.c_str(), path.c_str()) != 0)
    return failure("rename the finished file to", path, errno);
  llvm::sys::DontRemoveFileOnSignal(temporary);
  temporary.clear();
  return llvm::Error::success();
}
