//===- Zip.cpp - the ZIP container of .npz files --------------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/data/Zip.h"

#include <algorithm>
#include <zlib.h>

namespace vitrt {
namespace {

constexpr uint32_t localSignature = 0x04034b50, directorySignature = 0x02014b50, endSignature = 0x06054b50;
constexpr uint32_t end64Signature = 0x06064b50, locator64Signature = 0x07064b50;
constexpr uint64_t localBytes = 30, directoryBytes = 46, endBytes = 22, end64Bytes = 56, locator64Bytes = 20;
constexpr uint16_t zip64Tag = 1, zip64Version = 45;
/// Deflate expands at most 1032 times: a member that claims more is damaged, or wants our memory.
constexpr uint64_t maxExpansion = 1032;

/// Little-endian numbers; what lies outside the file reads as 0.
struct Reader {
  std::span<const uint8_t> bytes;

  uint64_t read(uint64_t offset, unsigned size) const {
    uint64_t value = 0;
    if (offset > bytes.size() || size > bytes.size() - offset)
      return 0;
    for (unsigned i = 0; i < size; ++i)
      value |= uint64_t(bytes[offset + i]) << 8 * i;
    return value;
  }
  bool holds(uint64_t offset, uint64_t size) const { return offset <= bytes.size() && size <= bytes.size() - offset; }
};

struct Entry {
  std::string name;
  unsigned method;
  uint32_t crc;
  uint64_t compressed, size, offset;
};

/// Where the central directory begins and how many entries it has.
struct Directory {
  uint64_t offset, entries;
};

bool findDirectory(const Reader &file, Directory &directory) {
  uint64_t size = file.bytes.size();
  for (uint64_t comment = 0; comment <= 0xffff && comment + endBytes <= size; ++comment) {
    uint64_t end = size - endBytes - comment;
    if (file.read(end, 4) != endSignature || file.read(end + 20, 2) != comment)
      continue;
    directory = {file.read(end + 16, 4), file.read(end + 10, 2)};
    if (end >= locator64Bytes && file.read(end - locator64Bytes, 4) == locator64Signature) {
      uint64_t end64 = file.read(end - locator64Bytes + 8, 8);
      if (file.read(end64, 4) != end64Signature)
        return false;
      directory = {file.read(end64 + 48, 8), file.read(end64 + 32, 8)};
    }
    return true;
  }
  return false;
}

/// Sizes that do not fit 32 bits stand in an extra field, in this order, each only if its 32-bit place is all ones.
void readZip64(const Reader &file, uint64_t at, uint64_t end, Entry &entry) {
  while (at + 4 <= end) {
    uint64_t tag = file.read(at, 2), size = file.read(at + 2, 2), field = at + 4;
    if (tag == zip64Tag)
      for (uint64_t *value : {&entry.size, &entry.compressed, &entry.offset})
        if (*value == 0xffffffff && field + 8 <= at + 4 + size) {
          *value = file.read(field, 8);
          field += 8;
        }
    at += 4 + size;
  }
}

bool inflateInto(std::span<const uint8_t> from, std::vector<uint8_t> &to) {
  z_stream stream{};
  if (inflateInit2(&stream, -MAX_WBITS) != Z_OK)
    return false;
  size_t read = 0, written = 0;
  int status = Z_OK;
  while (status == Z_OK) {
    // zlib counts in 32 bits.
    stream.next_in = const_cast<Bytef *>(from.data() + read);
    stream.avail_in = uInt(std::min<size_t>(from.size() - read, 1u << 30));
    stream.next_out = to.data() + written;
    stream.avail_out = uInt(std::min<size_t>(to.size() - written, 1u << 30));
    uInt in = stream.avail_in, out = stream.avail_out;
    status = inflate(&stream, Z_NO_FLUSH);
    read += in - stream.avail_in;
    written += out - stream.avail_out;
    if (in == stream.avail_in && out == stream.avail_out && status == Z_OK)
      status = Z_BUF_ERROR;
  }
  inflateEnd(&stream);
  return status == Z_STREAM_END && written == to.size();
}

uint32_t checksum(std::span<const uint8_t> bytes, uint32_t crc = 0) { return uint32_t(crc32_z(crc, bytes.data(), bytes.size())); }

void append(std::vector<uint8_t> &to, uint64_t value, unsigned size) {
  for (unsigned i = 0; i < size; ++i)
    to.push_back(uint8_t(value >> 8 * i));
}

} // namespace

Expected<std::vector<ZipMember>> readZip(std::span<const uint8_t> bytes, std::string_view name) {
  auto damaged = [&](std::string_view what) { return makeError(VITRT_ERROR_FORMAT, "{}: damaged ZIP file: {}", name, what); };
  Reader file{bytes};
  Directory directory;
  if (!findDirectory(file, directory))
    return makeError(VITRT_ERROR_FORMAT, "{}: expected an .npz file (a ZIP), found no ZIP directory at its end", name);
  std::vector<ZipMember> members;
  uint64_t at = directory.offset;
  for (uint64_t i = 0; i < directory.entries; ++i) {
    if (file.read(at, 4) != directorySignature || !file.holds(at, directoryBytes))
      return damaged("its directory is incomplete");
    uint64_t nameBytes = file.read(at + 28, 2), extraBytes = file.read(at + 30, 2), commentBytes = file.read(at + 32, 2);
    if (!file.holds(at + directoryBytes, nameBytes + extraBytes))
      return damaged("its directory is incomplete");
    Entry entry{std::string(bytes.begin() + at + directoryBytes, bytes.begin() + at + directoryBytes + nameBytes),
                unsigned(file.read(at + 10, 2)),
                uint32_t(file.read(at + 16, 4)),
                file.read(at + 20, 4),
                file.read(at + 24, 4),
                file.read(at + 42, 4)};
    readZip64(file, at + directoryBytes + nameBytes, at + directoryBytes + nameBytes + extraBytes, entry);
    at += directoryBytes + nameBytes + extraBytes + commentBytes;

    uint64_t data = entry.offset + localBytes + file.read(entry.offset + 26, 2) + file.read(entry.offset + 28, 2);
    if (file.read(entry.offset, 4) != localSignature || !file.holds(data, entry.compressed))
      return damaged(fmt::format("member {} lies outside the file", entry.name));
    if (entry.method != 0 && entry.method != 8)
      return makeError(VITRT_ERROR_FORMAT, "{}: member {} is compressed by method {}, stored (0) and deflate (8) are read", name, entry.name,
                       entry.method);
    if (entry.method == 0 ? entry.size != entry.compressed : entry.size / maxExpansion > entry.compressed)
      return damaged(fmt::format("member {} cannot have {} bytes", entry.name, entry.size));
    ZipMember member{entry.name, std::vector<uint8_t>(entry.size)};
    std::span<const uint8_t> content = bytes.subspan(data, entry.compressed);
    if (entry.method == 0)
      std::copy(content.begin(), content.end(), member.bytes.begin());
    else if (!inflateInto(content, member.bytes))
      return damaged(fmt::format("member {} does not decompress", entry.name));
    if (checksum(member.bytes) != entry.crc)
      return damaged(fmt::format("the checksum of member {} does not match", entry.name));
    members.push_back(std::move(member));
  }
  return members;
}

Error ZipWriter::add(const std::string &name, std::span<const uint8_t> head, std::span<const uint8_t> body) {
  uint64_t size = head.size() + body.size();
  uint32_t crc = checksum(body, checksum(head));
  // From "version needed" to the name's length, local header and directory entry agree.
  std::vector<uint8_t> common;
  append(common, zip64Version, 2);
  append(common, 0, 2);          // flags
  append(common, 0, 2);          // stored
  append(common, 0, 2);          // time
  append(common, 1 << 5 | 1, 2); // 1980-01-01: the same outputs give the same file
  append(common, crc, 4);
  append(common, 0xffffffff, 4);
  append(common, 0xffffffff, 4);
  append(common, name.size(), 2);

  std::vector<uint8_t> local;
  append(local, localSignature, 4);
  local.insert(local.end(), common.begin(), common.end());
  append(local, 20, 2);
  local.insert(local.end(), name.begin(), name.end());
  append(local, zip64Tag, 2);
  append(local, 16, 2);
  append(local, size, 8);
  append(local, size, 8);

  append(directory, directorySignature, 4);
  append(directory, zip64Version, 2);
  directory.insert(directory.end(), common.begin(), common.end());
  append(directory, 28, 2);
  append(directory, 0, 2); // comment
  append(directory, 0, 2); // disk
  append(directory, 0, 2); // internal attributes
  append(directory, 0, 4); // external attributes
  append(directory, 0xffffffff, 4);
  directory.insert(directory.end(), name.begin(), name.end());
  append(directory, zip64Tag, 2);
  append(directory, 24, 2);
  append(directory, size, 8);
  append(directory, size, 8);
  append(directory, offset, 8);

  ++members;
  offset += local.size() + size;
  if (Error error = file.write(local))
    return error;
  if (Error error = file.write(head))
    return error;
  return file.write(body);
}

Error ZipWriter::finish() {
  uint64_t directorySize = directory.size(), end64 = offset + directorySize;
  append(directory, end64Signature, 4);
  append(directory, end64Bytes - 12, 8);
  append(directory, zip64Version, 2);
  append(directory, zip64Version, 2);
  append(directory, 0, 8); // disks
  append(directory, members, 8);
  append(directory, members, 8);
  append(directory, directorySize, 8);
  append(directory, offset, 8);
  append(directory, locator64Signature, 4);
  append(directory, 0, 4);
  append(directory, end64, 8);
  append(directory, 1, 4);
  append(directory, endSignature, 4);
  append(directory, 0, 4);
  append(directory, 0xffff, 2);
  append(directory, 0xffff, 2);
  append(directory, 0xffffffff, 4);
  append(directory, 0xffffffff, 4);
  append(directory, 0, 2);
  return file.write(directory);
}

} // namespace vitrt
