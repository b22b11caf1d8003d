//===- Readers.h - the formats behind openTensorFile --------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_RUNTIME_WEIGHTS_READERS_H
#define VITC_RUNTIME_WEIGHTS_READERS_H

#include "runtime/artifact/MappedFile.h"
#include "runtime/weights/TensorFile.h"

namespace vitrt {

/// One `.safetensors` file (github.com/huggingface/safetensors, "Format"), checked as strictly as its specification asks: no duplicate
/// names, holes, overlaps or trailing bytes.
Expected<std::unique_ptr<TensorFile>> openSafetensors(MappedFile file, const std::string &path);

/// The shards that a `model.safetensors.index.json` names, which lie beside it.
Expected<std::unique_ptr<TensorFile>> openShards(const std::string &indexPath);

/// A zip archive of `.npy` members, stored or deflated (numpy.savez, numpy.savez_compressed).
Expected<std::unique_ptr<TensorFile>> openNpz(MappedFile file, const std::string &path);

/// A single `.npy`: one tensor, named after the file.
Expected<std::unique_ptr<TensorFile>> openNpy(MappedFile file, const std::string &path);

/// Says of a PyTorch file which format is read instead.
Error pickleError(const std::string &path);

/// The header of a `.npy` array (numpy.lib.format, versions 1 to 3).
struct ArrayHeader {
  ElementType type;
  bool bigEndian;
  bool fortranOrder; ///< first axis is the one that runs fastest
  std::vector<uint64_t> shape;
  uint64_t elements;
  size_t dataOffset; ///< from the array's first byte
};

/// `prefix` are the first bytes of the array, at least its header; `name` begins the messages.
Expected<ArrayHeader> parseArrayHeader(std::span<const std::byte> prefix, const std::string &name);

/// Row-major little-endian bytes of an array's data: the data itself if it is that already.
Expected<TensorData> decodeArray(const ArrayHeader &header, TensorData data, const std::string &name);

/// Memory for decoded tensors; null if there is none.
std::unique_ptr<std::byte[]> allocateBytes(uint64_t count);

} // namespace vitrt

#endif // VITC_RUNTIME_WEIGHTS_READERS_H
