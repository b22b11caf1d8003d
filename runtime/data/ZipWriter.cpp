//===- ZipWriter.cpp - write the ZIP container of .npz files --------------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/data/ZipWriter.h"

#include <zlib.h>

namespace vitrt {
namespace {

constexpr uint32_t localSignature = 0x04034b50, directorySignature = 0x02014b50, endSignature = 0x06054b50;
constexpr uint32_t end64Signature = 0x06064b50, locator64Signature = 0x07064b50;
constexpr uint64_t end64Bytes = 56;
constexpr uint16_t zip64Tag = 1, zip64Version = 45;

uint32_t checksum(std::span<const uint8_t> bytes, uint32_t crc = 0) { return uint32_t(crc32_z(crc, bytes.data(), bytes.size())); }

void append(std::vector<uint8_t> &to, uint64_t value, unsigned size) {
  for (unsigned i = 0; i < size; ++i)
    to.push_back(uint8_t(value >> 8 * i));
}

} // namespace

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
