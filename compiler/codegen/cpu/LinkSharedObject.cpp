//===- LinkSharedObject.cpp - objects to one shared object, by lld in-process -*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/codegen/cpu/CpuCodegen.h"

#include "lld/Common/Driver.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/raw_ostream.h"
#include "mlir/IR/Diagnostics.h"

#include <mutex>
#include <sys/mman.h>
#include <unistd.h>

LLD_HAS_DRIVER(elf)

using namespace mlir;

namespace vitc::cpu {

namespace {

/// A file in memory, which lld, taking nothing but paths, reaches through /proc: linking writes nothing to disk and leaves nothing behind.
class MemoryFile {
public:
  explicit MemoryFile(const char *name) : descriptor(memfd_create(name, MFD_CLOEXEC)) {}
  ~MemoryFile() {
    if (descriptor >= 0)
      close(descriptor);
  }
  MemoryFile(MemoryFile &&other) : descriptor(std::exchange(other.descriptor, -1)) {}
  MemoryFile &operator=(MemoryFile &&) = delete;

  std::string path() const { return "/proc/self/fd/" + std::to_string(descriptor); }

  bool write(StringRef bytes) {
    while (descriptor >= 0 && !bytes.empty()) {
      ssize_t written = ::write(descriptor, bytes.data(), bytes.size());
      if (written < 0)
        return false;
      bytes = bytes.drop_front(written);
    }
    return descriptor >= 0;
  }

  bool read(std::string &bytes) const {
    off_t size = lseek(descriptor, 0, SEEK_END);
    if (size <= 0)
      return false;
    bytes.resize(size);
    for (size_t done = 0; done < bytes.size();) {
      ssize_t got = pread(descriptor, bytes.data() + done, bytes.size() - done, done);
      if (got <= 0)
        return false;
      done += got;
    }
    return true;
  }

private:
  int descriptor;
};

} // namespace

FailureOr<std::string> linkSharedObject(MLIRContext &context, ArrayRef<std::string> objects, const CpuTarget &target) {
  // lld keeps its state in globals.
  static std::mutex oneAtATime;
  std::lock_guard<std::mutex> lock(oneAtATime);
  static bool usable = true;
  Location loc = UnknownLoc::get(&context);
  if (!usable)
    return emitError(loc) << "the linker crashed earlier in this process and cannot be used again";

  SmallVector<MemoryFile> files;
  for (const std::string &object : objects) {
    files.emplace_back("vitc-object");
    if (!files.back().write(object))
      return emitError(loc) << "an object of " << object.size() << " bytes cannot be kept in memory for the linker: " << strerror(errno);
  }
  MemoryFile result("vitc-code");

  // --no-mmap-output-file: written in place, not as a temporary file beside the output. --no-undefined: generated code is complete by itself (docs/abi.md).
  std::vector<std::string> arguments = {"ld.lld",          "-shared",      "--no-undefined",          "--threads=1",  "--build-id=none",
                                        "--hash-style=gnu", "-Bsymbolic", "--no-mmap-output-file", "-o", result.path()};
  for (const MemoryFile &file : files)
    arguments.push_back(file.path());
  std::vector<const char *> pointers;
  for (const std::string &argument : arguments)
    pointers.push_back(argument.c_str());

  std::string messages;
  llvm::raw_string_ostream stream(messages);
  lld::Result status = lld::lldMain(pointers, stream, stream, {{lld::Gnu, &lld::elf::link}});
  usable = status.canRunAgain;
  std::string bytes;
  if (status.retCode != 0)
    return emitError(loc) << "generated code cannot be linked for '" << target.triple << "': " << StringRef(messages).trim();
  if (!result.read(bytes))
    return emitError(loc) << "the linker wrote no shared object for '" << target.triple << "'";
  return bytes;
}

} // namespace vitc::cpu
