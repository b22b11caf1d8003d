//===- SafetensorsWriter.cpp - write .safetensors files ------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/data/SafetensorsWriter.h"

#include <functional>
#include <nlohmann/json.hpp>
#include <numeric>

namespace vitrt {

uint64_t TensorHeader::elements() const { return std::accumulate(shape.begin(), shape.end(), uint64_t(1), std::multiplies<>()); }

Expected<SafetensorsWriter> SafetensorsWriter::create(const std::string &path, std::span<const TensorHeader> tensors,
                                                      const std::map<std::string, std::string> &metadata) {
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!metadata.empty())
    header["__metadata__"] = metadata;
  uint64_t offset = 0;
  for (const TensorHeader &tensor : tensors) {
    uint64_t end = offset + tensor.elements() * sizeof(float);
    header[tensor.name] = {{"dtype", "F32"}, {"shape", tensor.shape}, {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string text = header.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  text.resize((text.size() + 7) / 8 * 8, ' '); // data begins at a multiple of 8
  auto file = OutputFile::create(path);
  if (!file)
    return std::move(file.error());
  uint64_t size = text.size();
  if (Error error = file->write(&size, sizeof(size)))
    return error;
  if (Error error = file->write(text.data(), text.size()))
    return error;
  return SafetensorsWriter(std::move(*file));
}

Error SafetensorsWriter::write(std::span<const float> elements) { return file.write(elements.data(), elements.size_bytes()); }

} // namespace vitrt
