//===- ZipWriter.h - write the ZIP container of .npz files ---------------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_RUNTIME_DATA_ZIPWRITER_H
#define VITC_RUNTIME_DATA_ZIPWRITER_H

#include "runtime/Error.h"
#include "runtime/data/Files.h"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace vitrt {

/// Writes a ZIP of stored members with 64-bit sizes, as NumPy's savez does (PKWARE APPNOTE 6.3). runtime/weights reads such files.
class ZipWriter {
public:
  explicit ZipWriter(OutputFile &file) : file(file) {}

  /// A member whose bytes are `head` followed by `body`.
  Error add(const std::string &name, std::span<const uint8_t> head, std::span<const uint8_t> body);
  Error finish();

private:
  OutputFile &file;
  uint64_t offset = 0;
  uint64_t members = 0;
  std::vector<uint8_t> directory;
};

} // namespace vitrt

#endif // VITC_RUNTIME_DATA_ZIPWRITER_H
