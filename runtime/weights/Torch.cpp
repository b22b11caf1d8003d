//===- Torch.cpp - read PyTorch's .pth, .pt and .bin files --------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//
//
// torch.save (torch/serialization.py) writes one of two formats.
//
// Zip, since 1.6: PREFIX/data.pkl, the pickled object; PREFIX/data/KEY, a storage each, little endian unless PREFIX/byteorder says "big".
// Checksums of members are not compared, because torch.serialization.set_crc32_options makes files whose checksums are wrong.
//
// Legacy: five pickles one after the other (a magic number, the protocol 1001, {"little_endian", ...}, the object, the list of the
// storages' keys), then for each key the number of elements (i64) and the elements.
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/weights/Checkpoint.h"
#include "runtime/weights/Readers.h"

#include <algorithm>
#include <cstring>
#include <unordered_map>

using namespace vitrt;

namespace {

/// The pickle of torch.serialization.MAGIC_NUMBER.
constexpr std::string_view kLegacyMagic("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.", 15);

class TorchFile final : public TensorFile {
public:
  static Expected<std::unique_ptr<TensorFile>> openZip(MappedFile file, const std::vector<ZipMember> &members, const ZipMember &pickle,
                                                       const std::string &path);
  static Expected<std::unique_ptr<TensorFile>> openLegacy(MappedFile file, const std::string &path);

  Expected<TensorData> read(size_t index) const override;
  uint64_t readBytes(size_t index) const override;
  void release(size_t index) const override;

private:
  struct Part {
    ZipMember storage; ///< of a legacy file: a range that is not packed
    uint64_t offset;   ///< in bytes
    size_t elementBytes;
    std::vector<uint64_t> strides; ///< in elements
    bool rowMajor;
  };
  using Storages = std::unordered_map<std::string_view, ZipMember>;

  TorchFile(MappedFile mapped, const std::string &path) : file(std::move(mapped)) { displayName = path; }

  template <typename... Args> Error invalid(fmt::format_string<Args...> format, Args &&...args) const {
    return makeError(VITRT_ERROR_WEIGHTS, "'{}' is not a valid PyTorch file: {}", displayName,
                     fmt::format(format, std::forward<Args>(args)...));
  }
  std::string quoted() const { return "'" + displayName + "'"; }
  std::string pickleName() const { return "the pickle of " + quoted(); }

  Error addTensors(StateDict &dict, const Storages &storages);
  Error addTensor(TorchTensor &tensor, const Storages &storages);
  Error readLegacyStorages(const Pickle &object, const Pickle &keys, size_t position, Storages &storages) const;

  MappedFile file;
  bool bigEndian = false;
  std::vector<Part> parts;
};

/// Bytes of a tensor, and its last element's place behind the first in elements; false if they are beyond any file.
bool extentOf(const TorchTensor &tensor, uint64_t &bytes, uint64_t &last) {
  bytes = tensor.elementBytes;
  last = 0;
  if (std::find(tensor.shape.begin(), tensor.shape.end(), 0u) != tensor.shape.end()) {
    bytes = 0;
    return true;
  }
  for (size_t axis = 0; axis < tensor.shape.size(); ++axis) {
    uint64_t extent = tensor.shape[axis], step;
    if (__builtin_mul_overflow(bytes, extent, &bytes) || __builtin_mul_overflow(extent - 1, tensor.strides[axis], &step) ||
        __builtin_add_overflow(last, step, &last))
      return false;
  }
  return true;
}

bool isRowMajor(const TorchTensor &tensor) {
  uint64_t expected = 1;
  for (size_t axis = tensor.shape.size(); axis-- > 0;) {
    // The stride of an axis of one element is never used.
    if (tensor.shape[axis] != 1 && tensor.strides[axis] != expected)
      return false;
    expected *= tensor.shape[axis];
  }
  return true;
}

Error TorchFile::addTensor(TorchTensor &tensor, const Storages &storages) {
  auto found = storages.find(tensor.storage);
  if (found == storages.end())
    return invalid("the storage '{}' of the tensor '{}' is not in it", tensor.storage, tensor.name);
  const ZipMember &storage = found->second;
  if (storage.size != tensor.storageBytes)
    return invalid("the storage '{}' of the tensor '{}' has {} bytes, expected {}", tensor.storage, tensor.name, storage.size,
                   tensor.storageBytes);
  uint64_t bytes, last, elements = storage.size / tensor.elementBytes;
  if (!extentOf(tensor, bytes, last) || (bytes > 0 && (tensor.offset >= elements || last >= elements - tensor.offset)))
    return invalid("the tensor '{}' of shape {} runs past its storage of {} elements", tensor.name, formatShape(tensor.shape), elements);
  // Strides of 0 repeat elements: memory for them is taken only in the order of what is really there.
  if (bytes > std::max<uint64_t>(storage.size, file.bytes().size()))
    return invalid("the tensor '{}' of shape {} repeats the {} elements of its storage more often than is allowed", tensor.name,
                   formatShape(tensor.shape), elements);
  parts.push_back({storage, bytes ? tensor.offset * tensor.elementBytes : 0, tensor.elementBytes, tensor.strides, isRowMajor(tensor)});
  infos.push_back({std::move(tensor.name), tensor.type, std::move(tensor.shape), bytes});
  return Error::success();
}

Error TorchFile::addTensors(StateDict &dict, const Storages &storages) {
  for (TorchTensor &tensor : dict.tensors)
    if (Error error = addTensor(tensor, storages))
      return error;
  remarks = std::move(dict.notes);
  std::vector<Part> sorted;
  for (size_t old : sortByName())
    sorted.push_back(std::move(parts[old]));
  parts = std::move(sorted);
  for (size_t i = 1; i < infos.size(); ++i)
    if (infos[i].name == infos[i - 1].name)
      return invalid("two tensors are called '{}' once wrappers' prefixes are dropped", infos[i].name);
  return Error::success();
}

Expected<TensorData> TorchFile::read(size_t index) const {
  const Part &part = parts[index];
  const TensorInfo &info = infos[index];
  std::string where = fmt::format("tensor '{}' of '{}'", info.name, displayName);
  // Of a packed member everything before the tensor has to be unpacked too.
  Expected<TensorData> storage = unpack(part.storage, part.storage.size, where);
  if (!storage)
    return storage;
  storage->bytes = storage->bytes.subspan(part.offset);
  bool swapped = bigEndian && part.elementBytes > 1;
  if (part.rowMajor && !swapped) {
    storage->bytes = storage->bytes.subspan(0, info.bytes);
    return storage;
  }
  // A complex number is two that are swapped each by itself, but nothing computes with one.
  return gatherRowMajor(storage->bytes, part.elementBytes, swapped, info.shape, part.strides, where);
}

uint64_t TorchFile::readBytes(size_t index) const {
  const Part &part = parts[index];
  bool gathered = !part.rowMajor || (bigEndian && part.elementBytes > 1);
  return (part.storage.deflated ? part.storage.size : 0) + (gathered ? infos[index].bytes : 0);
}

void TorchFile::release(size_t index) const {
  const Part &part = parts[index];
  bool mapped = !part.storage.deflated && part.rowMajor;
  file.release(mapped ? part.storage.packed.subspan(part.offset, infos[index].bytes) : part.storage.packed);
}

Expected<std::unique_ptr<TensorFile>> TorchFile::openZip(MappedFile mapped, const std::vector<ZipMember> &members, const ZipMember &pickle,
                                                         const std::string &path) {
  std::unique_ptr<TorchFile> result(new TorchFile(std::move(mapped), path));
  std::string_view prefix = pickle.name.substr(0, pickle.name.size() - std::string_view("data.pkl").size());
  Storages storages;
  for (const ZipMember &member : members) {
    if (!member.name.starts_with(prefix))
      continue;
    std::string_view name = member.name.substr(prefix.size());
    if (name == "constants.pkl")
      return makeError(VITRT_ERROR_WEIGHTS, "'{}' is a TorchScript program, expected weights; save model.state_dict() with torch.save",
                       path);
    if (name.starts_with("data/") && !storages.emplace(name.substr(5), member).second)
      return result->invalid("two members are called '{}'", member.name);
    if (name == "byteorder") {
      Expected<TensorData> order = unpack(member, member.size, path);
      if (!order)
        return std::move(order.error());
      result->bigEndian = std::string_view(reinterpret_cast<const char *>(order->bytes.data()), order->bytes.size()) == "big";
    }
  }
  Expected<TensorData> program = unpack(pickle, pickle.size, result->pickleName());
  if (!program)
    return std::move(program.error());
  Expected<Pickle> object = Pickle::read(program->bytes, result->pickleName());
  if (!object)
    return std::move(object.error());
  Expected<StateDict> dict = findStateDict(*object, result->quoted());
  if (!dict)
    return std::move(dict.error());
  if (Error error = result->addTensors(*dict, storages))
    return error;
  return std::unique_ptr<TensorFile>(std::move(result));
}

Error TorchFile::readLegacyStorages(const Pickle &object, const Pickle &keys, size_t position, Storages &storages) const {
  std::unordered_map<std::string_view, size_t> elementBytes;
  for (const PickleValue &value : object.all())
    if (TorchStorage storage; parseStorage(value, storage))
      elementBytes[storage.key] = storage.elementBytes;
  std::span<const std::byte> bytes = file.bytes();
  for (const PickleValue *key : keys.root().items) {
    auto size = key->is(PickleValue::Kind::Text) ? elementBytes.find(key->text) : elementBytes.end();
    if (size == elementBytes.end())
      return invalid("its list of storages names one that its pickle does not use");
    uint64_t elements, length;
    if (bytes.size() - position < sizeof(elements))
      return invalid("it ends before the storage '{}' (truncated?)", key->text);
    std::memcpy(&elements, bytes.data() + position, sizeof(elements));
    if (bigEndian)
      elements = __builtin_bswap64(elements);
    position += sizeof(elements);
    if (__builtin_mul_overflow(elements, size->second, &length) || length > bytes.size() - position)
      return invalid("its storage '{}' would have {} elements from byte {}, but the file has {} bytes (truncated?)", key->text, elements,
                     position, bytes.size());
    storages.emplace(size->first, ZipMember{size->first, false, 0, length, bytes.subspan(position, length)});
    position += length;
  }
  return Error::success();
}

Expected<std::unique_ptr<TensorFile>> TorchFile::openLegacy(MappedFile mapped, const std::string &path) {
  std::unique_ptr<TorchFile> result(new TorchFile(std::move(mapped), path));
  std::span<const std::byte> bytes = result->file.bytes();
  size_t position = kLegacyMagic.size();
  std::vector<Pickle> pickles;
  for (int i = 0; i < 4; ++i) {
    Expected<Pickle> next = Pickle::read(bytes.subspan(position), result->pickleName());
    if (!next)
      return std::move(next.error());
    position += next->size();
    pickles.push_back(std::move(*next));
  }
  const Pickle &system = pickles[1], &object = pickles[2], &keys = pickles[3];
  const std::vector<const PickleValue *> &entries = system.root().items;
  for (size_t i = 0; i + 1 < entries.size(); i += 2)
    if (entries[i]->is(PickleValue::Kind::Text) && entries[i]->text == "little_endian" && entries[i + 1]->is(PickleValue::Kind::Bool))
      result->bigEndian = entries[i + 1]->integer == 0;
  Expected<StateDict> dict = findStateDict(object, result->quoted());
  if (!dict)
    return std::move(dict.error());
  Storages storages;
  if (Error error = result->readLegacyStorages(object, keys, position, storages))
    return error;
  if (Error error = result->addTensors(*dict, storages))
    return error;
  return std::unique_ptr<TensorFile>(std::move(result));
}

} // namespace

bool vitrt::isPickle(std::span<const std::byte> bytes) {
  // PROTO and a version: 2 to 5. A safetensors file with a header of that length has its '{' behind it.
  return bytes.size() > 1 && bytes[0] == std::byte(0x80) && bytes[1] >= std::byte(2) && bytes[1] <= std::byte(5) &&
         (bytes.size() < 9 || bytes[8] != std::byte('{'));
}

Expected<std::unique_ptr<TensorFile>> vitrt::openTorchZip(MappedFile file, const std::vector<ZipMember> &members, const ZipMember &pickle,
                                                          const std::string &path) {
  return TorchFile::openZip(std::move(file), members, pickle, path);
}

Expected<std::unique_ptr<TensorFile>> vitrt::openTorchLegacy(MappedFile file, const std::string &path) {
  std::span<const std::byte> bytes = file.bytes();
  if (bytes.size() < kLegacyMagic.size() || std::memcmp(bytes.data(), kLegacyMagic.data(), kLegacyMagic.size()) != 0)
    return makeError(VITRT_ERROR_WEIGHTS,
                     "'{}' is a pickle that torch.save has not written (or its first bytes are missing), expected weights", path);
  return TorchFile::openLegacy(std::move(file), path);
}
