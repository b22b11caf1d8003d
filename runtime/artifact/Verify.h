//===- Verify.h - is this file an artifact, whole and undamaged ---------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//
//
// Everything is checked before anything is used: afterwards the rest of the runtime takes every index, offset and size of the manifest as
// it is.
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_RUNTIME_ARTIFACT_VERIFY_H
#define VITC_RUNTIME_ARTIFACT_VERIFY_H

#include "runtime/Error.h"
#include "runtime/artifact/vitx_generated.h"

#include <cstddef>
#include <span>
#include <string>

namespace vitrt {

class ThreadPool;

/// Checks the header, the manifest's hash and its tables (FlatBuffers' verifier, then `verifyManifest`), and that what belongs to no
/// section is zero. `name` begins every message. `bytes` must be 64-byte aligned. Returns the manifest, which lies in `bytes`.
Expected<const fb::Manifest *> verifyStructure(std::span<const std::byte> bytes, const std::string &name);

/// Checks that every index, offset, size and name in the manifest fits the others and a file of `fileSize` bytes.
Error verifyManifest(const fb::Manifest &manifest, uint64_t fileSize, uint64_t manifestSize, const std::string &name);

/// Checks the hashes of the code sections.
Error verifyCode(std::span<const std::byte> bytes, const fb::Manifest &manifest, const std::string &name);

/// Checks the hash of every packed weight and that the bytes between them are zero, with all of the pool's threads.
Error verifyWeights(std::span<const std::byte> bytes, const fb::Manifest &manifest, const std::string &name, ThreadPool &pool);

} // namespace vitrt

#endif // VITC_RUNTIME_ARTIFACT_VERIFY_H
