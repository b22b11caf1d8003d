//===- Zip.cpp - read zip archives --------------------------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/weights/Zip.h"

#include "runtime/weights/Readers.h"

#include <algorithm>
#include <cstring>
#include <zlib.h>

using namespace vitrt;

namespace {

// Record signatures and sizes without their variable parts: APPNOTE 4.3.7, 4.3.12, 4.3.14 to 4.3.16.
constexpr uint32_t kLocalSignature = 0x04034b50, kCentralSignature = 0x02014b50, kEndSignature = 0x06054b50;
constexpr uint32_t kEnd64Signature = 0x06064b50, kLocator64Signature = 0x07064b50;
constexpr uint64_t kLocalBytes = 30, kCentralBytes = 46, kEndBytes = 22, kEnd64Bytes = 56, kLocator64Bytes = 20;
constexpr uint64_t kMaxComment = 65535;
/// Deflate's highest ratio; a member that claims more is damaged, and nothing should be allocated for it.
constexpr uint64_t kMaxDeflateRatio = 1032;

class ZipReader {
public:
  ZipReader(std::span<const std::byte> archive, const std::string &what) : archive(archive), what(what) {}
  Error parse();

  std::vector<ZipMember> members;

private:
  struct Directory {
    uint64_t offset, size, entries;
  };

  template <typename T> T load(uint64_t offset) const {
    T value;
    std::memcpy(&value, archive.data() + offset, sizeof(T));
    return value;
  }
  bool holds(uint64_t offset, uint64_t size) const { return offset <= archive.size() && size <= archive.size() - offset; }

  template <typename... Args> Error invalid(fmt::format_string<Args...> format, Args &&...args) const {
    return makeError(VITRT_ERROR_WEIGHTS, "{}: {}", what, fmt::format(format, std::forward<Args>(args)...));
  }

  Expected<Directory> findDirectory() const;
  Error addMember(uint64_t record, std::string_view name);
  Error readSizes(uint64_t record, ZipMember &member, uint64_t &packedSize, uint64_t &localOffset) const;

  std::span<const std::byte> archive;
  const std::string &what;
};

Expected<ZipReader::Directory> ZipReader::findDirectory() const {
  uint64_t total = archive.size();
  if (total < kEndBytes)
    return invalid("it has {} bytes", total);
  for (uint64_t end = total - kEndBytes;; --end) {
    if (load<uint32_t>(end) == kEndSignature && end + kEndBytes + load<uint16_t>(end + 20) == total) {
      Directory directory = {load<uint32_t>(end + 16), load<uint32_t>(end + 12), load<uint16_t>(end + 10)};
      if (end >= kLocator64Bytes && load<uint32_t>(end - kLocator64Bytes) == kLocator64Signature) {
        uint64_t end64 = load<uint64_t>(end - kLocator64Bytes + 8);
        if (!holds(end64, kEnd64Bytes) || load<uint32_t>(end64) != kEnd64Signature)
          return invalid("its zip64 directory record is not at byte {}", end64);
        directory = {load<uint64_t>(end64 + 48), load<uint64_t>(end64 + 40), load<uint64_t>(end64 + 32)};
      }
      if (!holds(directory.offset, directory.size) || directory.entries > directory.size / kCentralBytes)
        return invalid("its directory of {} members would take bytes {} to {}", directory.entries, directory.offset,
                       directory.offset + directory.size);
      return directory;
    }
    if (end == 0 || total - end >= kEndBytes + kMaxComment)
      return invalid("it has no directory at its end (truncated?)");
  }
}

/// A member's sizes and place, from the zip64 extra (APPNOTE 4.5.3) where the record's own fields are all ones.
Error ZipReader::readSizes(uint64_t record, ZipMember &member, uint64_t &packedSize, uint64_t &localOffset) const {
  constexpr uint64_t kInExtra = 0xffffffff;
  packedSize = load<uint32_t>(record + 20);
  member.size = load<uint32_t>(record + 24);
  localOffset = load<uint32_t>(record + 42);
  uint64_t extra = record + kCentralBytes + load<uint16_t>(record + 28), extraEnd = extra + load<uint16_t>(record + 30);
  while (extra + 4 <= extraEnd) {
    uint64_t field = extra + 4, fieldEnd = field + load<uint16_t>(extra + 2);
    if (fieldEnd > extraEnd)
      return invalid("an extra field in its directory is longer than its record");
    if (load<uint16_t>(extra) == 1)
      for (uint64_t *value : {&member.size, &packedSize, &localOffset})
        if (*value == kInExtra && field + 8 <= fieldEnd) {
          *value = load<uint64_t>(field);
          field += 8;
        }
    extra = fieldEnd;
  }
  return Error::success();
}

Error ZipReader::addMember(uint64_t record, std::string_view name) {
  ZipMember member = {};
  member.name = name;
  uint64_t packedSize, localOffset;
  if (Error error = readSizes(record, member, packedSize, localOffset))
    return error;
  uint16_t flags = load<uint16_t>(record + 8), method = load<uint16_t>(record + 10);
  member.crc = load<uint32_t>(record + 16);
  member.deflated = method == 8;
  if (flags & 1)
    return invalid("member '{}' is encrypted", name);
  if (method != 0 && method != 8)
    return invalid("member '{}' is compressed by method {}, expected stored or deflated", name, method);
  if (!holds(localOffset, kLocalBytes) || load<uint32_t>(localOffset) != kLocalSignature)
    return invalid("member '{}' does not begin at byte {}", name, localOffset);
  uint64_t data = localOffset + kLocalBytes + load<uint16_t>(localOffset + 26) + load<uint16_t>(localOffset + 28);
  if (!holds(data, packedSize))
    return invalid("member '{}' would have {} bytes from byte {}, but the file has {}", name, packedSize, data, archive.size());
  if (member.deflated ? member.size / kMaxDeflateRatio > packedSize : member.size != packedSize)
    return invalid("member '{}' cannot have {} bytes, packed into {}", name, member.size, packedSize);
  member.packed = archive.subspan(data, packedSize);

  members.push_back(member);
  return Error::success();
}

Error ZipReader::parse() {
  Expected<Directory> directory = findDirectory();
  if (!directory)
    return std::move(directory.error());
  uint64_t record = directory->offset, end = directory->offset + directory->size;
  for (uint64_t i = 0; i < directory->entries; ++i) {
    if (record + kCentralBytes > end || load<uint32_t>(record) != kCentralSignature)
      return invalid("entry {} of its directory is not at byte {}", i, record);
    uint64_t nameBytes = load<uint16_t>(record + 28);
    uint64_t next = record + kCentralBytes + nameBytes + load<uint16_t>(record + 30) + load<uint16_t>(record + 32);
    if (next > end)
      return invalid("entry {} of its directory runs past its end", i);
    std::string_view name(reinterpret_cast<const char *>(archive.data()) + record + kCentralBytes, nameBytes);
    if (Error error = addMember(record, name))
      return error;
    record = next;
  }
  return Error::success();
}

} // namespace

Expected<std::vector<ZipMember>> vitrt::readZip(std::span<const std::byte> archive, const std::string &what) {
  ZipReader reader(archive, what);
  if (Error error = reader.parse())
    return error;
  return std::move(reader.members);
}

Expected<TensorData> vitrt::unpack(const ZipMember &member, uint64_t wanted, const std::string &where) {
  if (!member.deflated)
    return TensorData{member.packed.subspan(0, wanted), nullptr};
  TensorData data = {{}, allocateBytes(wanted)};
  if (!data.owned)
    return makeError(VITRT_ERROR_MEMORY, "{}: cannot allocate {} bytes", where, wanted);

  z_stream stream = {};
  if (inflateInit2(&stream, -MAX_WBITS) != Z_OK)
    return makeError(VITRT_ERROR_MEMORY, "{}: cannot start zlib", where);
  // zlib counts in 32 bits, so both ends are fed in pieces.
  constexpr uint64_t kPiece = uint64_t(1) << 30;
  uint64_t consumed = 0, produced = 0;
  int code = Z_OK;
  while (code == Z_OK && produced < wanted) {
    uint64_t input = std::min(kPiece, member.packed.size() - consumed), output = std::min(kPiece, wanted - produced);
    stream.next_in = reinterpret_cast<Bytef *>(const_cast<std::byte *>(member.packed.data() + consumed));
    stream.avail_in = uInt(input);
    stream.next_out = reinterpret_cast<Bytef *>(data.owned.get() + produced);
    stream.avail_out = uInt(output);
    code = inflate(&stream, Z_NO_FLUSH);
    consumed += input - stream.avail_in;
    produced += output - stream.avail_out;
  }
  inflateEnd(&stream);
  if (produced != wanted)
    return makeError(VITRT_ERROR_WEIGHTS, "{} is damaged: it unpacks to {} bytes, expected {}", where, produced, wanted);
  data.bytes = {data.owned.get(), wanted};
  return data;
}
