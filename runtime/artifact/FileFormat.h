//===- FileFormat.h - the header of a .vitx file and its constants ------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//
//
// Shared by the loader and by the compiler's writer. docs/abi.md, "File", is the specification.
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_RUNTIME_ARTIFACT_FILEFORMAT_H
#define VITC_RUNTIME_ARTIFACT_FILEFORMAT_H

#include <array>
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace vitrt {

inline constexpr std::array<unsigned char, 8> kFileMagic = {'v', 'i', 't', 'x', '\r', '\n', 0x1a, '\n'};
/// Raised when the layout of the file or the meaning of the manifest changes in a way that older loaders would misread.
inline constexpr uint32_t kFormatVersion = 1;
/// Raised when the calling convention of generated code changes (Manifest.abi_version).
inline constexpr uint32_t kAbiVersion = 1;
/// Sections begin at multiples of this many bytes, so that they can be mapped.
inline constexpr uint64_t kSectionAlignment = 4096;
/// Alignment of weights, scratch and the first image of every buffer, in bytes.
inline constexpr uint64_t kBufferAlignment = 64;
/// Most axes of a weight source (docs/abi.md, `struct Source`).
inline constexpr size_t kMaxSourceRank = 5;
/// Most images of a group.
inline constexpr uint64_t kMaxGroup = 4096;

/// The first 64 bytes of a file, little endian.
struct FileHeader {
  std::array<unsigned char, 8> magic;
  uint32_t formatVersion;
  uint32_t zero0;
  uint64_t fileSize;
  uint64_t manifestOffset; ///< always sizeof(FileHeader)
  uint64_t manifestSize;
  uint64_t manifestHash; ///< XXH3-64
  uint64_t zero1;
  uint64_t headerHash; ///< XXH3-64 of the 56 bytes before
};
static_assert(sizeof(FileHeader) == 64 && std::is_trivially_copyable_v<FileHeader>);
static_assert(offsetof(FileHeader, headerHash) == 56);

/// XXH3-64 with seed 0.
uint64_t hashBytes(const void *bytes, size_t size);

/// A header for a manifest that begins right after it; `fileSize` counts the whole file.
FileHeader makeFileHeader(uint64_t fileSize, const void *manifest, uint64_t manifestSize);

inline constexpr uint64_t alignTo(uint64_t value, uint64_t alignment) { return (value + alignment - 1) / alignment * alignment; }

} // namespace vitrt

#endif // VITC_RUNTIME_ARTIFACT_FILEFORMAT_H
