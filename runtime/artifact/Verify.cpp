//===- Verify.cpp - is this file an artifact, whole and undamaged -------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/artifact/Verify.h"

#include "runtime/artifact/FileFormat.h"
#include "runtime/device/cpu/ThreadPool.h"

#include <algorithm>
#include <cstring>
#include <vector>

using namespace vitrt;

namespace {

/// A stretch of the file.
struct Range {
  uint64_t begin;
  uint64_t end;
};

/// Offset of the first byte of [begin, end) that is not zero, `end` if there is none.
uint64_t findNonZero(std::span<const std::byte> bytes, uint64_t begin, uint64_t end) {
  auto found =
      std::find_if(bytes.begin() + ptrdiff_t(begin), bytes.begin() + ptrdiff_t(end), [](std::byte b) { return b != std::byte(0); });
  return uint64_t(found - bytes.begin());
}

/// Sorted by position, each place once: targets may share a section.
void sortUnique(std::vector<Range> &ranges) {
  std::sort(ranges.begin(), ranges.end(),
            [](const Range &a, const Range &b) { return std::pair(a.begin, a.end) < std::pair(b.begin, b.end); });
  ranges.erase(
      std::unique(ranges.begin(), ranges.end(), [](const Range &a, const Range &b) { return a.begin == b.begin && a.end == b.end; }),
      ranges.end());
}

/// Checks that the bytes between the sorted `ranges` within [begin, end) are zero.
Error verifyPadding(std::span<const std::byte> bytes, uint64_t begin, uint64_t end, const std::vector<Range> &ranges,
                    const std::string &name) {
  auto check = [&](uint64_t from, uint64_t to) -> Error {
    uint64_t at = findNonZero(bytes, from, to);
    if (at == to)
      return Error::success();
    return makeError(VITRT_ERROR_FORMAT, "{}: damaged: byte {} of the file lies between its parts and is {:#04x}, expected zero", name, at,
                     unsigned(bytes[at]));
  };
  for (const Range &range : ranges) {
    if (Error error = check(begin, range.begin))
      return error;
    begin = range.end;
  }
  return check(begin, end);
}

Error verifyHeader(std::span<const std::byte> bytes, FileHeader &header, const std::string &name) {
  if (bytes.empty())
    return makeError(VITRT_ERROR_FORMAT, "{}: the file is empty, expected a .vitx artifact", name);
  size_t magicBytes = std::min(bytes.size(), kFileMagic.size());
  if (std::memcmp(bytes.data(), kFileMagic.data(), magicBytes) != 0)
    return makeError(VITRT_ERROR_FORMAT, "{}: not a .vitx artifact: it does not begin with the bytes 'vitx\\r\\n\\x1a\\n'", name);
  if (bytes.size() < sizeof(FileHeader))
    return makeError(VITRT_ERROR_FORMAT, "{}: truncated: the file has {} bytes, and the header alone has {}", name, bytes.size(),
                     sizeof(FileHeader));
  std::memcpy(&header, bytes.data(), sizeof(header));
  // The hash comes first: a damaged version must not send the user looking for another version of the runtime.
  if (header.headerHash != hashBytes(&header, offsetof(FileHeader, headerHash)))
    return makeError(VITRT_ERROR_FORMAT, "{}: damaged: the header (bytes 0 to 63) does not match its checksum", name);
  if (header.formatVersion != kFormatVersion)
    return makeError(VITRT_ERROR_FORMAT, "{}: the file has format version {}, but this runtime ({}) reads version {}; {}", name,
                     header.formatVersion, VITC_VERSION, kFormatVersion,
                     header.formatVersion > kFormatVersion ? "use a newer runtime" : "compile the model again");
  if (header.fileSize != bytes.size())
    return makeError(VITRT_ERROR_FORMAT, "{}: {}: the file has {} bytes, but its header says {}", name,
                     bytes.size() < header.fileSize ? "truncated" : "damaged", bytes.size(), header.fileSize);
  if (header.zero0 != 0 || header.zero1 != 0 || header.manifestOffset != sizeof(FileHeader))
    return makeError(VITRT_ERROR_FORMAT, "{}: the header's reserved fields are not what format version {} has", name, kFormatVersion);
  if (header.manifestSize > bytes.size() - sizeof(FileHeader) || header.manifestSize > FLATBUFFERS_MAX_BUFFER_SIZE)
    return makeError(VITRT_ERROR_FORMAT, "{}: the header says that the manifest has {} bytes, which is more than the file holds", name,
                     header.manifestSize);
  return Error::success();
}

std::vector<Range> sectionRanges(const fb::Manifest &manifest) {
  std::vector<Range> ranges;
  for (const fb::Target *target : *manifest.targets())
    for (const fb::Section *section : {target->code(), target->weight_data(), target->ptx(), target->cubin()})
      if (section)
        ranges.push_back({section->offset(), section->offset() + section->size()});
  sortUnique(ranges);
  return ranges;
}

} // namespace

Expected<const fb::Manifest *> vitrt::verifyStructure(std::span<const std::byte> bytes, const std::string &name) {
  if (reinterpret_cast<uintptr_t>(bytes.data()) % kBufferAlignment != 0)
    return makeError(VITRT_ERROR_ARGUMENT, "{}: the artifact's memory is not aligned to {} bytes", name, kBufferAlignment);
  FileHeader header;
  if (Error error = verifyHeader(bytes, header, name))
    return error;

  std::span<const std::byte> buffer = bytes.subspan(sizeof(FileHeader), header.manifestSize);
  if (header.manifestHash != hashBytes(buffer.data(), buffer.size()))
    return makeError(VITRT_ERROR_FORMAT, "{}: damaged: the manifest (bytes {} to {}) does not match its checksum", name, sizeof(FileHeader),
                     sizeof(FileHeader) + buffer.size() - 1);
  auto *raw = reinterpret_cast<const uint8_t *>(buffer.data());
  flatbuffers::Verifier verifier(raw, buffer.size(), /*max_depth=*/64, /*max_tables=*/10'000'000);
  if (!fb::VerifyManifestBuffer(verifier))
    return makeError(VITRT_ERROR_FORMAT, "{}: the manifest is not a FlatBuffer of the schema 'VITX'", name);
  const fb::Manifest *manifest = fb::GetManifest(raw);
  if (manifest->abi_version() != kAbiVersion)
    return makeError(VITRT_ERROR_FORMAT, "{}: its code has ABI version {}, but this runtime ({}) calls version {}; {}", name,
                     manifest->abi_version(), VITC_VERSION, kAbiVersion,
                     manifest->abi_version() > kAbiVersion ? "use a newer runtime" : "compile the model again");
  if (Error error = verifyManifest(*manifest, bytes.size(), header.manifestSize, name))
    return error;
  if (Error error = verifyPadding(bytes, sizeof(FileHeader) + header.manifestSize, bytes.size(), sectionRanges(*manifest), name))
    return error;
  return manifest;
}

Error vitrt::verifyCode(std::span<const std::byte> bytes, const fb::Manifest &manifest, const std::string &name) {
  for (const fb::Target *target : *manifest.targets()) {
    for (const fb::Section *code : {target->code(), target->ptx(), target->cubin()})
      if (code && hashBytes(bytes.data() + code->offset(), code->size()) != code->hash())
        return makeError(VITRT_ERROR_FORMAT, "{}: damaged: the code of target '{}' (bytes {} to {}) does not match its checksum", name,
                         target->name()->str(), code->offset(), code->offset() + code->size() - 1);
  }
  return Error::success();
}

Error vitrt::verifyWeights(std::span<const std::byte> bytes, const fb::Manifest &manifest, const std::string &name, ThreadPool &pool) {
  for (const fb::Target *target : *manifest.targets()) {
    if (!target->weight_data())
      continue;
    uint64_t base = target->weight_data()->offset();
    std::vector<Range> ranges;
    std::vector<uint8_t> damaged(target->weights() ? target->weights()->size() : 0);
    pool.parallelFor(int64_t(damaged.size()), 1, [&](unsigned, int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const fb::PackedWeight *weight = target->weights()->Get(uint32_t(i));
        damaged[size_t(i)] = hashBytes(bytes.data() + base + weight->offset(), weight->size()) != weight->hash();
      }
    });
    for (size_t i = 0; i < damaged.size(); ++i) {
      const fb::PackedWeight *weight = target->weights()->Get(uint32_t(i));
      uint64_t begin = base + weight->offset();
      if (damaged[i])
        return makeError(VITRT_ERROR_FORMAT, "{}: damaged: weight '{}' of target '{}' (bytes {} to {}) does not match its checksum", name,
                         weight->name()->str(), target->name()->str(), begin, begin + weight->size() - 1);
      ranges.push_back({begin, begin + weight->size()});
    }
    sortUnique(ranges);
    if (Error error = verifyPadding(bytes, base, base + target->weight_data()->size(), ranges, name))
      return error;
  }
  return Error::success();
}
