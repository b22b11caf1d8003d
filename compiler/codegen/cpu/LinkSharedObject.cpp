//===- LinkSharedObject.cpp - objects to one shared object, by lld in-process -*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// lld takes paths only. Objects are files in memory and the result comes out of a pipe, both reached through /proc, so linking writes
// nothing to disk and leaves nothing behind however it ends.
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/codegen/cpu/CpuCodegen.h"

#include "lld/Common/Driver.h"
#include "mlir/IR/Diagnostics.h"
#include "llvm/Support/raw_ostream.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <mutex>
#include <sys/mman.h>
#include <thread>
#include <unistd.h>
#include <utility>

LLD_HAS_DRIVER(elf)

using namespace mlir;

namespace vitc::cpu {

namespace {

/// A file descriptor that closes itself.
class Descriptor {
public:
  explicit Descriptor(int number = -1) : number(number) {}
  ~Descriptor() { close(); }
  Descriptor(Descriptor &&other) : number(std::exchange(other.number, -1)) {}
  Descriptor &operator=(Descriptor &&) = delete;

  void close() {
    if (number >= 0)
      ::close(std::exchange(number, -1));
  }
  std::string path() const { return "/proc/self/fd/" + std::to_string(number); }

  /// All of `bytes`; false with errno set if that fails.
  bool write(StringRef bytes) const {
    while (number >= 0 && !bytes.empty()) {
      ssize_t written = ::write(number, bytes.data(), bytes.size());
      if (written >= 0)
        bytes = bytes.drop_front(written);
      else if (errno != EINTR)
        return false;
    }
    return number >= 0;
  }
  /// Appends everything until the end of the stream; false with errno set if that is not reached.
  bool readAll(std::string &bytes) const {
    char part[1 << 16];
    while (true) {
      ssize_t got = ::read(number, part, sizeof part);
      if (got == 0)
        return true;
      if (got > 0)
        bytes.append(part, got);
      else if (errno != EINTR)
        return false;
    }
  }

private:
  int number;
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

  SmallVector<Descriptor> files;
  for (const std::string &object : objects) {
    files.emplace_back(memfd_create("vitc-object", MFD_CLOEXEC));
    if (!files.back().write(object))
      return emitError(loc) << "an object of " << object.size() << " bytes cannot be kept in memory for the linker: " << strerror(errno);
  }
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0)
    return emitError(loc) << "no pipe for the linker's output: " << strerror(errno);
  Descriptor readEnd(ends[0]), writeEnd(ends[1]);

  // --no-undefined: generated code is complete by itself (docs/abi.md).
  std::vector<std::string> arguments = {"ld.lld",     "-shared", "--no-undefined", "--threads=1", "--build-id=none", "--hash-style=gnu",
                                        "-Bsymbolic", "-o",      writeEnd.path()};
  for (const Descriptor &file : files)
    arguments.push_back(file.path());
  std::vector<const char *> pointers;
  for (const std::string &argument : arguments)
    pointers.push_back(argument.c_str());

  std::string bytes, messages;
  int readError = 0; // errno is each thread's own
  std::thread reader([&] { readError = readEnd.readAll(bytes) ? 0 : errno; });
  llvm::raw_string_ostream stream(messages);
  lld::Result status = lld::lldMain(pointers, stream, stream, {{lld::Gnu, &lld::elf::link}});
  writeEnd.close();
  reader.join();
  usable = status.canRunAgain;
  if (status.retCode != 0)
    return emitError(loc) << "generated code cannot be linked for '" << target.triple << "': " << StringRef(messages).trim();
  if (readError)
    return emitError(loc) << "the shared object cannot be read from the linker's pipe: " << strerror(readError);
  if (bytes.empty())
    return emitError(loc) << "the linker wrote no shared object for '" << target.triple << "'";
  return bytes;
}

} // namespace vitc::cpu
