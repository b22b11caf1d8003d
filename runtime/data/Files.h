//===- Files.h - whole files in, whole files out ------------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_RUNTIME_DATA_FILES_H
#define VITC_RUNTIME_DATA_FILES_H

#include "runtime/Error.h"

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace vitrt {

/// The bytes of a file (also of a pipe). VITRT_ERROR_IO names the file and the system's reason.
Expected<std::vector<uint8_t>> readFile(const std::string &path);

/// A file that appears under its name only once it is complete: bytes go to a temporary file beside it, which commit() syncs and renames.
/// Until then what had the name before stays; a destroyed, uncommitted file leaves nothing. Names of devices and pipes are written to
/// directly.
class OutputFile {
public:
  static Expected<OutputFile> create(const std::string &path);
  OutputFile(OutputFile &&other) noexcept;
  OutputFile &operator=(OutputFile &&) = delete;
  ~OutputFile();

  Error write(std::span<const uint8_t> bytes);
  Error write(const void *bytes, size_t size) { return write({static_cast<const uint8_t *>(bytes), size}); }
  Error commit();

private:
  OutputFile(std::string path, std::unique_ptr<std::string> temporary, int descriptor)
      : path(std::move(path)), temporary(std::move(temporary)), descriptor(descriptor) {}
  Error failure(const char *verb);

  std::string path;
  std::unique_ptr<std::string> temporary; // none: written to directly; its address must not change
  int descriptor = -1;
};

/// Removes the temporary files of this process's uncommitted OutputFiles. Async-signal-safe, for a handler that ends the process.
void removeUncommittedFiles();

/// One write of all bytes by an OutputFile.
Error writeFile(const std::string &path, std::span<const uint8_t> bytes);

} // namespace vitrt

#endif // VITC_RUNTIME_DATA_FILES_H
