//===- OutputFile.h - a file that appears only when it is whole ----------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_COMPILER_ARTIFACT_OUTPUTFILE_H
#define VITC_COMPILER_ARTIFACT_OUTPUTFILE_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <cstddef>
#include <memory>
#include <span>
#include <string>

namespace vitc::artifact {

/// A file of known size, mapped for writing under a temporary name beside its own. It takes its name by `commit`; if it is destroyed before, or a signal
/// ends the process, it is gone and an older file of that name is untouched.
class OutputFile {
public:
  /// Reserves the room on the disk at once: a full disk is an error here, not a fault at some later write.
  /// `size` is not 0.
  static llvm::Expected<std::unique_ptr<OutputFile>> create(llvm::StringRef path, size_t size);
  ~OutputFile();
  OutputFile(const OutputFile &) = delete;
  OutputFile &operator=(const OutputFile &) = delete;

  /// Zeroed at first, page-aligned.
  std::span<std::byte> bytes() { return mapped; }

  /// Writes everything to the disk and renames.
  llvm::Error commit();

private:
  OutputFile() = default;

  std::string path, temporary;
  int descriptor = -1;
  std::span<std::byte> mapped;
};

} // namespace vitc::artifact

#endif // VITC_COMPILER_ARTIFACT_OUTPUTFILE_H
