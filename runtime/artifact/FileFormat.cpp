//===- FileFormat.cpp - the header of a .vitx file ----------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/artifact/FileFormat.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

uint64_t vitrt::hashBytes(const void *bytes, size_t size) { return XXH3_64bits(bytes, size); }

vitrt::FileHeader vitrt::makeFileHeader(uint64_t fileSize, const void *manifest, uint64_t manifestSize) {
  FileHeader header = {};
  header.magic = kFileMagic;
  header.formatVersion = kFormatVersion;
  header.fileSize = fileSize;
  header.manifestOffset = sizeof(FileHeader);
  header.manifestSize = manifestSize;
  header.manifestHash = hashBytes(manifest, manifestSize);
  header.headerHash = hashBytes(&header, offsetof(FileHeader, headerHash));
  return header;
}
