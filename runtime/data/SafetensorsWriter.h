//===- SafetensorsWriter.h - write .safetensors files --------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_RUNTIME_DATA_SAFETENSORSWRITER_H
#define VITC_RUNTIME_DATA_SAFETENSORSWRITER_H

#include "runtime/Error.h"
#include "runtime/data/Files.h"

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace vitrt {

/// An f32 tensor to be written.
struct TensorHeader {
  std::string name;
  std::vector<uint64_t> shape;

  uint64_t elements() const;
};

/// Writes a `.safetensors` file of f32 tensors (github.com/huggingface/safetensors, "Format"), one tensor at a time, so that no more than
/// one has to be in memory. The file appears once it is complete (runtime/data/Files.h).
class SafetensorsWriter {
public:
  /// Tensors lie in the order given; their names are all different.
  static Expected<SafetensorsWriter> create(const std::string &path, std::span<const TensorHeader> tensors,
                                            const std::map<std::string, std::string> &metadata = {});

  /// The elements of the next tensor, row-major.
  Error write(std::span<const float> elements);
  /// After the last tensor.
  Error commit() { return file.commit(); }

private:
  explicit SafetensorsWriter(OutputFile file) : file(std::move(file)) {}

  OutputFile file;
};

} // namespace vitrt

#endif // VITC_RUNTIME_DATA_SAFETENSORSWRITER_H
