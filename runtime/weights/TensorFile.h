//===- TensorFile.h - named tensors, wherever they come from ------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_RUNTIME_WEIGHTS_TENSORFILE_H
#define VITC_RUNTIME_WEIGHTS_TENSORFILE_H

#include "runtime/Error.h"

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace vitrt {

enum class ElementType : uint8_t { Bool, U8, I8, U16, I16, U32, I32, U64, I64, F16, BF16, F32, F64, Other };

/// "f32"; of `Other`, which nothing here computes with, "other".
std::string_view nameOf(ElementType type);
/// Bytes of one element, 0 of `Other`.
size_t bytesOf(ElementType type);

struct TensorInfo {
  std::string name;
  ElementType type;
  std::vector<uint64_t> shape; ///< row-major; a scalar has no axes
  uint64_t bytes;
};

/// "[3, 16, 16]"
std::string formatShape(std::span<const uint64_t> shape);

/// A tensor's bytes, row-major and little endian: either a part of the mapped file or decoded for the caller.
struct TensorData {
  std::span<const std::byte> bytes; ///< of any alignment
  std::unique_ptr<std::byte[]> owned;
};

/// A set of named tensors. Reading is thread-safe.
class TensorFile {
public:
  virtual ~TensorFile() = default;

  /// What messages call it: a path.
  const std::string &name() const { return displayName; }
  std::span<const TensorInfo> tensors() const { return infos; }
  /// What was done to find the tensors in the file, a sentence each: of a checkpoint, which entry was taken.
  std::span<const std::string> notes() const { return remarks; }
  /// What the file says beside its tensors: of a `.safetensors` the strings of "__metadata__", else nothing.
  const std::map<std::string, std::string> &metadata() const { return texts; }
  /// Index of a tensor, -1 if there is none of that name.
  ptrdiff_t find(std::string_view tensor) const;

  virtual Expected<TensorData> read(size_t index) const = 0;
  /// Bytes that `read` allocates: of a tensor that is decoded or made; a part of a mapped file costs nothing.
  virtual uint64_t readBytes(size_t index) const { return 0; }

  /// The tensor's bytes will not be read again soon: memory that holds them may go.
  virtual void release(size_t index) const {}

protected:
  /// Sorts `infos` by name, as `find` expects. The reader's own tables follow by `order`: new position -> old one.
  std::vector<size_t> sortByName();

  std::string displayName;
  std::vector<TensorInfo> infos;
  std::vector<std::string> remarks;
  std::map<std::string, std::string> texts;
};

/// Opens weights: a `.safetensors` file, a PyTorch file (`.pth`, `.pt`, `.bin`; no code in its pickle is run), a folder with
/// `model.safetensors` or `pytorch_model.bin` or the index of their shards (`model.safetensors.index.json`), such an index, an `.npz`, or a
/// single `.npy` (one tensor, named after the file). Told apart by their first bytes, not by their ending. Nothing is copied that can be
/// mapped.
Expected<std::unique_ptr<TensorFile>> openTensorFile(const std::string &path);

} // namespace vitrt

#endif // VITC_RUNTIME_WEIGHTS_TENSORFILE_H
