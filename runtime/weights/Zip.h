//===- Zip.h - read zip archives ----------------------------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_RUNTIME_WEIGHTS_ZIP_H
#define VITC_RUNTIME_WEIGHTS_ZIP_H

#include "runtime/weights/TensorFile.h"

namespace vitrt {

struct ZipMember {
  std::string_view name; ///< in the archive's bytes
  bool deflated;
  uint32_t crc;
  uint64_t size;                     ///< unpacked
  std::span<const std::byte> packed; ///< in the archive's bytes
};

/// The members of a zip archive, stored or deflated (PKWARE APPNOTE 6.3, zip64 too; no encryption, no other method), by its central
/// directory alone: numpy writes local headers whose sizes are in a zip64 extra. `what` begins the messages: "'w.npz' is not a valid .npz
/// archive".
Expected<std::vector<ZipMember>> readZip(std::span<const std::byte> archive, const std::string &what);

/// The first `wanted` bytes of a member: a part of the archive, or unpacked. `where` begins the messages.
Expected<TensorData> unpack(const ZipMember &member, uint64_t wanted, const std::string &where);

} // namespace vitrt

#endif // VITC_RUNTIME_WEIGHTS_ZIP_H
