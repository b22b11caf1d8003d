//===- Npz.cpp - read .npz archives -------------------------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//
//
// A zip archive of `.npy` members (PKWARE APPNOTE 6.3). Read by its central directory alone: numpy writes local headers whose sizes are in
// a zip64 extra.
//
//===--------------------------------------------------------------------------------------===//

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
/// Enough of a member to read its array's header.
constexpr uint64_t kPrefixBytes = 65536 + 16;
/// Deflate's highest ratio; a member that claims more is damaged, and nothing should be allocated for it.
constexpr uint64_t kMaxDeflateRatio = 1032;

struct Member {
  bool deflated;
  uint32_t crc;
  uint64_t size;
  std::span<const std::byte> packed;
  ArrayHeader header;
};

class NpzFile final : public TensorFile {
public:
  static Expected<std::unique_ptr<TensorFile>> open(MappedFile file, const std::string &path) {
    std::unique_ptr<NpzFile> result(new NpzFile);
    result->displayName = path;
    result->file = std::move(file);
    if (Error error = result->parse())
      return error;
    return std::unique_ptr<TensorFile>(std::move(result));
  }

  Expected<TensorData> read(size_t index) const override;
  void release(size_t index) const override { file.release(members[index].packed); }

private:
  struct Directory {
    uint64_t offset, size, entries;
  };

  std::span<const std::byte> bytes() const { return file.bytes(); }
  template <typename T> T load(uint64_t offset) const {
    T value;
    std::memcpy(&value, bytes().data() + offset, sizeof(T));
    return value;
  }
  bool holds(uint64_t offset, uint64_t size) const { return offset <= bytes().size() && size <= bytes().size() - offset; }

  template <typename... Args> Error invalid(fmt::format_string<Args...> format, Args &&...args) const {
    return makeError(VITRT_ERROR_WEIGHTS, "'{}' is not a valid .npz archive: {}", displayName,
                     fmt::format(format, std::forward<Args>(args)...));
  }
  std::string describe(std::string_view member) const { return fmt::format("member '{}' of '{}'", member, displayName); }

  Error parse();
  Expected<Directory> findDirectory() const;
  Error addMember(uint64_t record, std::string_view name);
  Error readSizes(uint64_t record, Member &member, uint64_t &packedSize, uint64_t &localOffset) const;
  Expected<TensorData> unpack(const Member &member, uint64_t wanted, const std::string &where) const;

  MappedFile file;
  std::vector<Member> members;
};

Expected<NpzFile::Directory> NpzFile::findDirectory() const {
  uint64_t total = bytes().size();
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
Error NpzFile::readSizes(uint64_t record, Member &member, uint64_t &packedSize, uint64_t &localOffset) const {
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

Error NpzFile::addMember(uint64_t record, std::string_view name) {
  Member member = {};
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
    return invalid("member '{}' would have {} bytes from byte {}, but the file has {}", name, packedSize, data, bytes().size());
  if (member.deflated ? member.size / kMaxDeflateRatio > packedSize : member.size != packedSize)
    return invalid("member '{}' cannot have {} bytes, packed into {}", name, member.size, packedSize);
  member.packed = bytes().subspan(data, packedSize);

  Expected<TensorData> prefix = unpack(member, std::min(member.size, kPrefixBytes), describe(name));
  if (!prefix)
    return std::move(prefix.error());
  Expected<ArrayHeader> header = parseArrayHeader(prefix->bytes, describe(name));
  if (!header)
    return std::move(header.error());
  member.header = std::move(*header);
  uint64_t dataBytes = member.header.elements * bytesOf(member.header.type);
  if (member.size != member.header.dataOffset + dataBytes)
    return invalid("member '{}' has {} bytes, expected {} for {} of shape {}", name, member.size, member.header.dataOffset + dataBytes,
                   nameOf(member.header.type), formatShape(member.header.shape));
  name.remove_suffix(4);
  infos.push_back({std::string(name), member.header.type, member.header.shape, dataBytes});
  members.push_back(std::move(member));
  return Error::success();
}

Error NpzFile::parse() {
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
    std::string_view name(reinterpret_cast<const char *>(bytes().data()) + record + kCentralBytes, nameBytes);
    if (name.ends_with(".pkl"))
      return pickleError(displayName);
    if (name.ends_with(".npy"))
      if (Error error = addMember(record, name))
        return error;
    record = next;
  }
  std::vector<Member> sorted;
  for (size_t old : sortByName())
    sorted.push_back(std::move(members[old]));
  members = std::move(sorted);
  for (size_t i = 1; i < infos.size(); ++i)
    if (infos[i].name == infos[i - 1].name)
      return invalid("two members are called '{}.npy'", infos[i].name);
  return Error::success();
}

/// The first `wanted` bytes of a member.
Expected<TensorData> NpzFile::unpack(const Member &member, uint64_t wanted, const std::string &where) const {
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

Expected<TensorData> NpzFile::read(size_t index) const {
  const Member &member = members[index];
  std::string where = describe(infos[index].name + ".npy");
  Expected<TensorData> data = unpack(member, member.size, where);
  if (!data)
    return data;
  if (crc32_z(0, reinterpret_cast<const Bytef *>(data->bytes.data()), data->bytes.size()) != member.crc)
    return makeError(VITRT_ERROR_WEIGHTS, "{} is damaged: it does not match its checksum", where);
  data->bytes = data->bytes.subspan(member.header.dataOffset);
  return decodeArray(member.header, std::move(*data), where);
}

} // namespace

Expected<std::unique_ptr<TensorFile>> vitrt::openNpz(MappedFile file, const std::string &path) {
  return NpzFile::open(std::move(file), path);
}
