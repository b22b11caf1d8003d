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

#include <fcntl.h>
#include <mutex>
#include <sys/mman.h>
#include <thread>
#include <unistd.h>

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

  bool write(StringRef bytes) const {
    while (number >= 0 && !bytes.empty()) {
      ssize_t written = ::write(number, bytes.data(), bytes.size());
      if (written < 0)
        return false;
      bytes = bytes.drop_front(written);
    }
    return number >= 0;
  }
  /// Everything until the end of the stream.
  std::string readAll() const {
    std::string bytes;
    char part[1 << 16];
    for (ssize_t got; (got = ::read(number, part, sizeof part)) > 0;)
      bytes.append(part, got);
    return bytes;
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
  std::thread reader([&] { bytes = readEnd.readAll(); });
  llvm::raw_string_ostream stream(messages);
  lld::Result status = lld::lldMain(pointers, stream, stream, {{lld::Gnu, &lld::elf::link}});
  writeEnd.close();
  reader.join();
  usable = status.canRunAgain;
  if (status.retCode != 0)
    return emitError(loc) << "generated code cannot be linked for '" << target.triple << "': " << StringRef(messages).trim();
  if (bytes.empty())
    return emitError(loc) << "the linker wrote no shared object for '" << target.triple << "'";
  return bytes;
}

} // namespace vitc::cpu
