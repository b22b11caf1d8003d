//===- Npz.cpp - read .npz archives -------------------------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/weights/Readers.h"

#include <algorithm>
#include <zlib.h>

using namespace vitrt;

namespace {

/// Enough of a member to read its array's header.
constexpr uint64_t kPrefixBytes = 65536 + 16;

class NpzFile final : public TensorFile {
public:
  static Expected<std::unique_ptr<TensorFile>> open(MappedFile file, const std::vector<ZipMember> &members, const std::string &path) {
    std::unique_ptr<NpzFile> result(new NpzFile);
    result->displayName = path;
    result->file = std::move(file);
    if (Error error = result->addArrays(members))
      return error;
    return std::unique_ptr<TensorFile>(std::move(result));
  }

  Expected<TensorData> read(size_t index) const override;
  uint64_t readBytes(size_t index) const override {
    const Array &array = arrays[index];
    return (array.member.deflated ? array.member.size : 0) + (isDecoded(array.header) ? infos[index].bytes : 0);
  }
  void release(size_t index) const override { file.release(arrays[index].member.packed); }

private:
  struct Array {
    ZipMember member;
    ArrayHeader header;
  };

  template <typename... Args> Error invalid(fmt::format_string<Args...> format, Args &&...args) const {
    return makeError(VITRT_ERROR_WEIGHTS, "'{}' is not a valid .npz archive: {}", displayName,
                     fmt::format(format, std::forward<Args>(args)...));
  }
  std::string describe(std::string_view member) const { return fmt::format("member '{}' of '{}'", member, displayName); }

  Error addArrays(const std::vector<ZipMember> &members);
  Error addArray(const ZipMember &member);

  MappedFile file;
  std::vector<Array> arrays;
};

Error NpzFile::addArray(const ZipMember &member) {
  std::string where = describe(member.name);
  Expected<TensorData> prefix = unpack(member, std::min(member.size, kPrefixBytes), where);
  if (!prefix)
    return std::move(prefix.error());
  Expected<ArrayHeader> header = parseArrayHeader(prefix->bytes, where);
  if (!header)
    return std::move(header.error());
  uint64_t dataBytes = header->elements * bytesOf(header->type);
  if (member.size != header->dataOffset + dataBytes)
    return invalid("member '{}' has {} bytes, expected {} for {} of shape {}", member.name, member.size, header->dataOffset + dataBytes,
                   nameOf(header->type), formatShape(header->shape));
  std::string_view name = member.name;
  name.remove_suffix(4);
  infos.push_back({std::string(name), header->type, header->shape, dataBytes});
  arrays.push_back({member, std::move(*header)});
  return Error::success();
}

Error NpzFile::addArrays(const std::vector<ZipMember> &members) {
  for (const ZipMember &member : members)
    if (member.name.ends_with(".npy"))
      if (Error error = addArray(member))
        return error;
  std::vector<Array> sorted;
  for (size_t old : sortByName())
    sorted.push_back(std::move(arrays[old]));
  arrays = std::move(sorted);
  for (size_t i = 1; i < infos.size(); ++i)
    if (infos[i].name == infos[i - 1].name)
      return invalid("two members are called '{}.npy'", infos[i].name);
  return Error::success();
}

Expected<TensorData> NpzFile::read(size_t index) const {
  const Array &array = arrays[index];
  std::string where = describe(array.member.name);
  Expected<TensorData> data = unpack(array.member, array.member.size, where);
  if (!data)
    return data;
  if (crc32_z(0, reinterpret_cast<const Bytef *>(data->bytes.data()), data->bytes.size()) != array.member.crc)
    return makeError(VITRT_ERROR_WEIGHTS, "{} is damaged: it does not match its checksum", where);
  data->bytes = data->bytes.subspan(array.header.dataOffset);
  return decodeArray(array.header, std::move(*data), where);
}

} // namespace

Expected<std::unique_ptr<TensorFile>> vitrt::openNpz(MappedFile file, const std::vector<ZipMember> &members, const std::string &path) {
  return NpzFile::open(std::move(file), members, path);
}
