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
#include "runtime/weights/Zip.h"

namespace vitrt {

/// One `.safetensors` file (github.com/huggingface/safetensors, "Format"), checked as strictly as its specification asks: no duplicate
/// names, holes, overlaps or trailing bytes.
Expected<std::unique_ptr<TensorFile>> openSafetensors(MappedFile file, const std::string &path);

/// The shards that a `model.safetensors.index.json` or `pytorch_model.bin.index.json` names, which lie beside it.
Expected<std::unique_ptr<TensorFile>> openShards(const std::string &indexPath);

/// A zip archive of `.npy` members (numpy.savez, numpy.savez_compressed).
Expected<std::unique_ptr<TensorFile>> openNpz(MappedFile file, const std::vector<ZipMember> &members, const std::string &path);

/// A zip archive of torch.save; `pickle` is its member `data.pkl`.
Expected<std::unique_ptr<TensorFile>> openTorchZip(MappedFile file, const std::vector<ZipMember> &members, const ZipMember &pickle,
                                                   const std::string &path);

/// A file of torch.save before PyTorch 1.6, or with _use_new_zipfile_serialization=False.
Expected<std::unique_ptr<TensorFile>> openTorchLegacy(MappedFile file, const std::string &path);

/// Whether a file begins as pickles do.
bool isPickle(std::span<const std::byte> bytes);

/// One file that is no index of others, told by its first bytes.
Expected<std::unique_ptr<TensorFile>> openSingleFile(const std::string &path);

/// A single `.npy`: one tensor, named after the file.
Expected<std::unique_ptr<TensorFile>> openNpy(MappedFile file, const std::string &path);

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

/// Whether the data is not in row-major order and little endian.
bool isDecoded(const ArrayHeader &header);

/// Row-major little-endian bytes of an array's data: the data itself if it is that already.
Expected<TensorData> decodeArray(const ArrayHeader &header, TensorData data, const std::string &name);

/// Elements of `size` bytes, the one of index (i, j, ...) at i * strides[0] + j * strides[1] + ... of `from`, copied in row-major order, each
/// with its bytes turned around if `swapped`. `name` begins the message.
Expected<TensorData> gatherRowMajor(std::span<const std::byte> from, size_t size, bool swapped, std::span<const uint64_t> shape,
                                    std::span<const uint64_t> strides, const std::string &name);

/// Memory for decoded tensors; null if there is none.
std::unique_ptr<std::byte[]> allocateBytes(uint64_t count);

} // namespace vitrt

#endif // VITC_RUNTIME_WEIGHTS_READERS_H
