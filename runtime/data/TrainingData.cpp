//===- TrainingData.cpp - a data set to train on and one to validate on --------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/data/TrainingData.h"

#include "runtime/data/Sampler.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <unordered_map>

namespace vitrt {
namespace {

namespace fs = std::filesystem;

class Subset : public Dataset {
public:
  Subset(std::shared_ptr<const Dataset> whole, std::vector<size_t> indices) : whole(std::move(whole)), indices(std::move(indices)) {}

  size_t size() const override { return indices.size(); }
  int64_t label(size_t index) const override { return whole->label(indices[index]); }
  std::span<const float> softLabel(size_t index) const override { return whole->softLabel(indices[index]); }
  size_t number(size_t index) const override { return whole->number(indices[index]); }
  std::string name(size_t index) const override { return whole->name(indices[index]); }
  std::span<const std::string> classNames() const override { return whole->classNames(); }
  bool hasPictures() const override { return whole->hasPictures(); }
  Expected<Image> picture(size_t index) const override { return whole->picture(indices[index]); }
  std::span<const int64_t> tensorShape() const override { return whole->tensorShape(); }
  std::span<const float> tensor(size_t index) const override { return whole->tensor(indices[index]); }

private:
  std::shared_ptr<const Dataset> whole;
  std::vector<size_t> indices;
};

/// Which images of `data` validate: `fraction` of each class, rounded to the nearest count.
std::vector<bool> chooseFraction(const Dataset &data, double fraction, uint64_t seed) {
  std::map<int64_t, std::vector<uint32_t>> byClass;
  for (size_t i = 0; i < data.size(); ++i)
    byClass[data.label(i)].push_back(uint32_t(i));
  std::vector<bool> chosen(data.size());
  for (auto &[label, images] : byClass) {
    shuffle(images, RandomStream(seed, 0, uint32_t(label), Place::Split));
    size_t count = size_t(std::floor(fraction * double(images.size()) + 0.5));
    for (uint32_t image : std::span(images).first(count))
      chosen[image] = true;
  }
  return chosen;
}

std::string comparablePath(const fs::path &path) {
  std::error_code code;
  fs::path absolute = fs::absolute(path, code);
  return (code ? path : absolute).lexically_normal().string();
}

/// Which images of the folder's `data` a list names.
Expected<std::vector<bool>> chooseListed(const Dataset &data, const std::string &folder, const std::string &list) {
  auto lines = readLines(list);
  if (!lines)
    return std::move(lines.error());
  std::unordered_map<std::string, size_t> byPath;
  for (size_t i = 0; i < data.size(); ++i)
    byPath.emplace(comparablePath(data.name(i)), i);
  std::vector<bool> chosen(data.size());
  for (size_t number = 0; number < lines->size(); ++number) {
    const std::string &line = (*lines)[number];
    if (line.empty())
      continue;
    auto found = byPath.end();
    // Below the folder, below the part of it that is trained on, or as a program started here would find it.
    for (const fs::path &base : {fs::path(folder), fs::path(folder) / "train", fs::path()})
      if (found == byPath.end())
        found = byPath.find(comparablePath(base / line));
    if (found == byPath.end())
      return makeError(VITRT_ERROR_ARGUMENT, "{}: line {}: {} is none of the {} training images of {}", list, number + 1, line, data.size(),
                       folder);
    chosen[found->second] = true;
  }
  return chosen;
}

} // namespace

std::unique_ptr<Dataset> makeSubset(std::shared_ptr<const Dataset> whole, std::vector<size_t> indices) {
  return std::make_unique<Subset>(std::move(whole), std::move(indices));
}

Expected<TrainingData> TrainingData::open(const std::string &description, const SplitOptions &options) {
  bool chooses = options.valFraction || !options.valList.empty();
  if (options.valFraction && !options.valList.empty())
    return makeError(VITRT_ERROR_ARGUMENT, "{}: validation images are given by a fraction and by the list {}, expected one of them",
                     description, options.valList);
  if (options.valFraction && !(*options.valFraction > 0.0 && *options.valFraction < 1.0))
    return makeError(VITRT_ERROR_ARGUMENT, "{}: the fraction {} of its images is to validate, expected more than 0 and less than 1",
                     description, *options.valFraction);
  auto train = openDataset(description, Split::Train, options.decode);
  if (!train)
    return std::move(train.error());
  if (!chooses) {
    std::unique_ptr<Dataset> val;
    if (hasOwnSplit(description)) {
      auto test = openDataset(description, Split::Test, options.decode);
      if (!test)
        return std::move(test.error());
      val = std::move(*test);
    }
    size_t images = (*train)->size();
    return TrainingData(images, std::move(*train), std::move(val));
  }
  if (!(*train)->hasPictures())
    return makeError(VITRT_ERROR_ARGUMENT, "{}: tensors are read in order and not split; evaluate on a file of their own", description);
  std::error_code code;
  if (!options.valList.empty() && !fs::is_directory(description, code))
    return makeError(VITRT_ERROR_ARGUMENT, "{}: its images have no paths that {} could list; choose validation images by a fraction",
                     description, options.valList);
  auto chosen = options.valFraction ? Expected(chooseFraction(**train, *options.valFraction, options.seed))
                                    : chooseListed(**train, description, options.valList);
  if (!chosen)
    return std::move(chosen.error());
  std::vector<size_t> parts[2];
  for (size_t i = 0; i < chosen->size(); ++i)
    parts[(*chosen)[i]].push_back(i);
  if (parts[0].empty() || parts[1].empty())
    return makeError(VITRT_ERROR_ARGUMENT, "{}: {} of its {} images would be trained on and {} would validate, expected some of both",
                     description, parts[0].size(), chosen->size(), parts[1].size());
  std::shared_ptr<const Dataset> whole = std::move(*train);
  return TrainingData(whole->size(), makeSubset(whole, std::move(parts[0])), makeSubset(whole, std::move(parts[1])));
}

} // namespace vitrt
