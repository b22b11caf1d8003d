//===- Ptxas.cpp - NVIDIA's assembler, where there is one ---------------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/codegen/gpu/Ptxas.h"

#include "llvm/ADT/ScopeExit.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Process.h"
#include "llvm/Support/Program.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/Support/xxhash.h"

using namespace llvm;

namespace vitc::gpu {

std::string findPtxas() {
  if (ErrorOr<std::string> found = sys::findProgramByName("ptxas"))
    return *found;
  SmallVector<std::string> folders;
  if (std::optional<std::string> home = sys::Process::GetEnv("CUDA_HOME"))
    folders.push_back(*home + "/bin");
  folders.push_back("/usr/local/cuda/bin");
  SmallVector<StringRef> places(folders.begin(), folders.end());
  ErrorOr<std::string> found = sys::findProgramByName("ptxas", places);
  return found ? *found : "";
}

static Error writeFile(StringRef path, StringRef contents) {
  std::error_code error;
  raw_fd_ostream stream(path, error);
  if (error)
    return createStringError("'" + path + "' cannot be written: " + error.message());
  stream << contents;
  stream.close();
  if (!stream.has_error())
    return Error::success();
  error = stream.error();
  stream.clear_error();
  return createStringError("'" + path + "' cannot be written: " + error.message());
}

/// Where the machine code is kept: the name tells text, architecture and program apart, the latter by its size and age.
static std::string cachedPath(StringRef ptx, StringRef architecture, StringRef ptxas, StringRef folder) {
  sys::fs::file_status status;
  if (folder.empty() || sys::fs::status(ptxas, status))
    return "";
  std::string key;
  raw_string_ostream(key) << ptx << '\0' << architecture << '\0' << status.getSize() << '\0'
                          << status.getLastModificationTime().time_since_epoch().count();
  XXH128_hash_t hash = xxh3_128bits(arrayRefFromStringRef(key));
  SmallString<128> path(folder);
  sys::path::append(path, utohexstr(hash.high64) + utohexstr(hash.low64) + ".cubin");
  return path.str().str();
}

/// Puts a file into the cache, whole or not at all.
static void keep(const std::string &path, StringRef contents) {
  SmallString<128> temporary;
  if (sys::fs::create_directories(sys::path::parent_path(path)) || sys::fs::createUniqueFile(path + "-%%%%%%", temporary))
    return;
  if (Error error = writeFile(temporary, contents)) {
    consumeError(std::move(error));
    sys::fs::remove(temporary);
  } else if (sys::fs::rename(temporary, path)) {
    sys::fs::remove(temporary);
  }
}

Expected<std::string> assemble(StringRef ptx, StringRef architecture, StringRef ptxas, StringRef cacheFolder) {
  std::string kept = cachedPath(ptx, architecture, ptxas, cacheFolder);
  if (!kept.empty())
    if (ErrorOr<std::unique_ptr<MemoryBuffer>> file = MemoryBuffer::getFile(kept); file && (*file)->getBufferSize() > 0)
      return (*file)->getBuffer().str();

  SmallString<128> input, output, messages;
  scope_exit removeAll([&] {
    for (StringRef path : {StringRef(input), StringRef(output), StringRef(messages)})
      if (!path.empty())
        sys::fs::remove(path);
  });
  for (auto [path, suffix] : {std::pair(&input, "ptx"), {&output, "cubin"}, {&messages, "txt"}})
    if (std::error_code error = sys::fs::createTemporaryFile("vitc", suffix, *path))
      return createStringError("no temporary file can be made: " + error.message());
  if (Error error = writeFile(input, ptx))
    return error;
  std::string target = ("-arch=" + architecture).str();
  // The kernels of a module are optimized by all cores.
  StringRef arguments[] = {ptxas, target, "--split-compile=0", input, "-o", output};
  std::optional<StringRef> redirects[] = {StringRef(), StringRef(messages), StringRef(messages)};
  std::string problem;
  int status = sys::ExecuteAndWait(ptxas, arguments, /*Env=*/std::nullopt, redirects, /*SecondsToWait=*/0, /*MemoryLimit=*/0, &problem);
  if (status != 0) {
    ErrorOr<std::unique_ptr<MemoryBuffer>> said = MemoryBuffer::getFile(messages);
    StringRef first = said ? (*said)->getBuffer().trim().split('\n').first : StringRef();
    return createStringError("'" + ptxas + "' fails: " + (first.empty() ? StringRef(problem) : first));
  }
  ErrorOr<std::unique_ptr<MemoryBuffer>> made = MemoryBuffer::getFile(output);
  if (!made || (*made)->getBufferSize() == 0)
    return createStringError("'" + ptxas + "' makes no machine code");
  if (!kept.empty())
    keep(kept, (*made)->getBuffer());
  return (*made)->getBuffer().str();
}

} // namespace vitc::gpu
