//===- TensorFile.cpp - named tensors, wherever they come from ----------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/weights/TensorFile.h"

#include "runtime/artifact/MappedFile.h"
#include "runtime/weights/Readers.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <fmt/ranges.h>
#include <new>
#include <numeric>
#include <sys/stat.h>

using namespace vitrt;

namespace {

struct ElementTypeInfo {
  std::string_view name;
  size_t bytes;
};
constexpr std::array<ElementTypeInfo, 14> kElementTypes = {{{"bool", 1},
                                                            {"u8", 1},
                                                            {"i8", 1},
                                                            {"u16", 2},
                                                            {"i16", 2},
                                                            {"u32", 4},
                                                            {"i32", 4},
                                                            {"u64", 8},
                                                            {"i64", 8},
                                                            {"f16", 2},
                                                            {"bf16", 2},
                                                            {"f32", 4},
                                                            {"f64", 8},
                                                            {"other", 0}}};

bool beginsWith(std::span<const std::byte> bytes, std::string_view prefix) {
  return bytes.size() >= prefix.size() && std::memcmp(bytes.data(), prefix.data(), prefix.size()) == 0;
}

bool exists(const std::string &path) {
  struct stat status;
  return stat(path.c_str(), &status) == 0;
}

bool isFolder(const std::string &path) {
  struct stat status;
  return stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

/// The names that Hugging Face's libraries give to weights, safetensors before pickles.
constexpr std::string_view kFolderFiles[] = {
    "model.safetensors", "diffusion_pytorch_model.safetensors", "open_clip_model.safetensors", "model.safetensors.index.json",
    "pytorch_model.bin", "open_clip_pytorch_model.bin",         "pytorch_model.bin.index.json"};

Expected<std::unique_ptr<TensorFile>> openFolder(const std::string &path) {
  for (std::string_view file : kFolderFiles)
    if (std::string inside = fmt::format("{}/{}", path, file); exists(inside))
      return openTensorFile(inside);
  return makeError(VITRT_ERROR_IO, "the folder '{}' has no weights: expected {} in it", path, fmt::join(kFolderFiles, ", "));
}

Expected<std::unique_ptr<TensorFile>> openArchive(MappedFile file, const std::string &path) {
  Expected<std::vector<ZipMember>> members = readZip(file.bytes(), fmt::format("'{}' is not a valid zip archive (.npz, .pth)", path));
  if (!members)
    return std::move(members.error());
  for (const ZipMember &member : *members)
    if (member.name == "data.pkl" || member.name.ends_with("/data.pkl"))
      return openTorchZip(std::move(file), *members, member, path);
  return openNpz(std::move(file), *members, path);
}

} // namespace

std::unique_ptr<std::byte[]> vitrt::allocateBytes(uint64_t count) {
  return std::unique_ptr<std::byte[]>(new (std::nothrow) std::byte[count]);
}

Expected<TensorData> vitrt::gatherRowMajor(std::span<const std::byte> from, size_t size, bool swapped, std::span<const uint64_t> shape,
                                           std::span<const uint64_t> strides, const std::string &name) {
  uint64_t elements = 1;
  for (uint64_t extent : shape)
    elements *= extent;
  TensorData gathered = {{}, allocateBytes(elements * size)};
  if (!gathered.owned)
    return makeError(VITRT_ERROR_MEMORY, "{}: cannot allocate {} bytes", name, elements * size);
  std::vector<uint64_t> index(shape.size(), 0);
  std::byte *to = gathered.owned.get();
  uint64_t at = 0;
  for (uint64_t i = 0; i < elements; ++i, to += size) {
    std::memcpy(to, from.data() + at * size, size);
    if (swapped)
      std::reverse(to, to + size);
    for (size_t axis = shape.size(); axis-- > 0;) {
      at += strides[axis];
      if (++index[axis] < shape[axis])
        break;
      at -= strides[axis] * shape[axis];
      index[axis] = 0;
    }
  }
  gathered.bytes = {gathered.owned.get(), elements * size};
  return gathered;
}

std::string_view vitrt::nameOf(ElementType type) { return kElementTypes[size_t(type)].name; }

size_t vitrt::bytesOf(ElementType type) { return kElementTypes[size_t(type)].bytes; }

std::string vitrt::formatShape(std::span<const uint64_t> shape) { return fmt::format("[{}]", fmt::join(shape, ", ")); }

ptrdiff_t TensorFile::find(std::string_view tensor) const {
  auto found = std::lower_bound(infos.begin(), infos.end(), tensor,
                                [](const TensorInfo &info, std::string_view wanted) { return info.name < wanted; });
  return found != infos.end() && found->name == tensor ? found - infos.begin() : -1;
}

std::vector<size_t> TensorFile::sortByName() {
  std::vector<size_t> order(infos.size());
  std::iota(order.begin(), order.end(), size_t(0));
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return infos[a].name < infos[b].name; });
  std::vector<TensorInfo> sorted;
  sorted.reserve(infos.size());
  for (size_t i : order)
    sorted.push_back(std::move(infos[i]));
  infos = std::move(sorted);
  return order;
}

Expected<std::unique_ptr<TensorFile>> vitrt::openTensorFile(const std::string &path) {
  if (isFolder(path))
    return openFolder(path);
  return path.ends_with(".index.json") ? openShards(path) : openSingleFile(path);
}

Expected<std::unique_ptr<TensorFile>> vitrt::openSingleFile(const std::string &path) {
  Expected<MappedFile> file = MappedFile::open(path);
  if (!file)
    return std::move(file.error());
  std::span<const std::byte> bytes = file->bytes();
  if (bytes.empty())
    return makeError(VITRT_ERROR_WEIGHTS, "'{}' is empty, expected weights", path);
  if (beginsWith(bytes, "PK\x03\x04") || beginsWith(bytes, "PK\x05\x06"))
    return openArchive(std::move(*file), path);
  if (beginsWith(bytes, "\x93NUMPY"))
    return openNpy(std::move(*file), path);
  if (isPickle(bytes))
    return openTorchLegacy(std::move(*file), path);
  if (path.ends_with(".safetensors") || (bytes.size() > 8 && bytes[8] == std::byte('{')))
    return openSafetensors(std::move(*file), path);
  return makeError(VITRT_ERROR_WEIGHTS, "'{}' is no weight file that is known; expected .safetensors, .pth, .bin, .npz or .npy", path);
}
