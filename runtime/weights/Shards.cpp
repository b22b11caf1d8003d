//===- Shards.cpp - weights in several files ----------------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/weights/Readers.h"

#include <nlohmann/json.hpp>
#include <set>

using namespace vitrt;

namespace {

/// Several files as one.
class ShardedFile final : public TensorFile {
public:
  static Expected<std::unique_ptr<TensorFile>> open(const std::string &indexPath);

  Expected<TensorData> read(size_t index) const override { return shards[places[index].first]->read(places[index].second); }
  uint64_t readBytes(size_t index) const override { return shards[places[index].first]->readBytes(places[index].second); }
  void release(size_t index) const override { shards[places[index].first]->release(places[index].second); }

private:
  Error addShard(const std::string &path);

  std::vector<std::unique_ptr<TensorFile>> shards;
  std::vector<std::pair<size_t, size_t>> places; ///< shard and index in it
};

Error ShardedFile::addShard(const std::string &path) {
  Expected<std::unique_ptr<TensorFile>> shard = openSingleFile(path);
  if (!shard)
    return std::move(shard.error());
  for (size_t i = 0; i < (*shard)->tensors().size(); ++i) {
    infos.push_back((*shard)->tensors()[i]);
    places.emplace_back(shards.size(), i);
  }
  remarks.insert(remarks.end(), (*shard)->notes().begin(), (*shard)->notes().end());
  shards.push_back(std::move(*shard));
  return Error::success();
}

Expected<std::unique_ptr<TensorFile>> ShardedFile::open(const std::string &indexPath) {
  Expected<MappedFile> file = MappedFile::open(indexPath);
  if (!file)
    return std::move(file.error());
  auto *text = reinterpret_cast<const char *>(file->bytes().data());
  auto index = nlohmann::json::parse(text, text + file->bytes().size(), nullptr, /*allow_exceptions=*/false);
  if (!index.is_object() || !index.contains("weight_map") || !index["weight_map"].is_object())
    return makeError(VITRT_ERROR_WEIGHTS, "'{}' is not an index of shards: expected JSON with an object 'weight_map'", indexPath);

  std::unique_ptr<ShardedFile> result(new ShardedFile);
  result->displayName = indexPath;
  std::string folder = indexPath.substr(0, indexPath.find_last_of('/') + 1);
  std::set<std::string> names;
  for (const auto &[tensor, shard] : index["weight_map"].items()) {
    if (!shard.is_string() || shard.get_ref<const std::string &>().empty() ||
        shard.get_ref<const std::string &>().find('/') != std::string::npos)
      return makeError(VITRT_ERROR_WEIGHTS, "'{}' maps tensor '{}' to something that is not the name of a file beside it", indexPath,
                       tensor);
    names.insert(shard.get<std::string>());
  }
  for (const std::string &name : names)
    if (Error error = result->addShard(folder + name))
      return error;
  std::vector<std::pair<size_t, size_t>> sorted;
  for (size_t old : result->sortByName())
    sorted.push_back(result->places[old]);
  result->places = std::move(sorted);

  for (size_t i = 1; i < result->infos.size(); ++i)
    if (result->infos[i].name == result->infos[i - 1].name)
      return makeError(VITRT_ERROR_WEIGHTS, "'{}': tensor '{}' is in two shards", indexPath, result->infos[i].name);
  for (const auto &[tensor, shard] : index["weight_map"].items())
    if (result->find(tensor) < 0)
      return makeError(VITRT_ERROR_WEIGHTS, "'{}' says that '{}' holds tensor '{}', but it does not", indexPath, shard.get<std::string>(),
                       tensor);
  return std::unique_ptr<TensorFile>(std::move(result));
}

} // namespace

Expected<std::unique_ptr<TensorFile>> vitrt::openShards(const std::string &indexPath) { return ShardedFile::open(indexPath); }
