//===- Dataset.cpp - folders of images, tensors, and choosing between them -----*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/data/Dataset.h"

#include "runtime/data/Arrays.h"
#include "runtime/data/Files.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <filesystem>

namespace vitrt {
namespace {

namespace fs = std::filesystem;

struct FolderEntry {
  std::string path;
  int64_t label;
};

class ImageFolder : public Dataset {
public:
  ImageFolder(std::vector<std::string> classes, std::vector<FolderEntry> files, DecodeOptions options)
      : classes(std::move(classes)), files(std::move(files)), options(options) {}

  size_t size() const override { return files.size(); }
  int64_t label(size_t index) const override { return files[index].label; }
  std::string name(size_t index) const override { return files[index].path; }
  std::span<const std::string> classNames() const override { return classes; }
  Expected<Image> picture(size_t index) const override { return readImage(files[index].path, options); }

private:
  std::vector<std::string> classes;
  std::vector<FolderEntry> files;
  DecodeOptions options;
};

class TensorDataset : public Dataset {
public:
  /// `soft` is empty, or [N, classes].
  TensorDataset(NpyArray images, std::vector<int64_t> labels, NpyArray soft, std::string path)
      : images(std::move(images)), labels(std::move(labels)), soft(std::move(soft)), path(std::move(path)) {}

  size_t size() const override { return labels.size(); }
  int64_t label(size_t index) const override { return labels[index]; }
  std::span<const float> softLabel(size_t index) const override {
    size_t classes = soft.elements() / labels.size();
    return classes ? soft.floats()->subspan(index * classes, classes) : std::span<const float>();
  }
  std::string name(size_t index) const override { return fmt::format("{}: image {}", path, index); }
  bool hasPictures() const override { return false; }
  Expected<Image> picture(size_t) const override { return makeError(VITRT_ERROR_ARGUMENT, "{}: holds tensors, not pictures", path); }
  std::span<const int64_t> tensorShape() const override { return std::span(images.shape()).subspan(1); }
  std::span<const float> tensor(size_t index) const override {
    size_t elements = images.elements() / labels.size();
    return images.floats()->subspan(index * elements, elements);
  }

private:
  NpyArray images;
  std::vector<int64_t> labels;
  NpyArray soft;
  std::string path;
};

bool isImageName(const fs::path &path) {
  std::string extension = path.extension().string();
  std::transform(extension.begin(), extension.end(), extension.begin(), [](unsigned char c) { return char(std::tolower(c)); });
  return extension == ".jpg" || extension == ".jpeg" || extension == ".png";
}

/// The most probable class of each row of soft labels.
std::vector<int64_t> hardLabels(std::span<const float> soft, size_t classes) {
  std::vector<int64_t> labels(soft.size() / classes);
  for (size_t i = 0; i < labels.size(); ++i) {
    auto row = soft.subspan(i * classes, classes);
    labels[i] = std::max_element(row.begin(), row.end()) - row.begin();
  }
  return labels;
}

/// Soft labels are probabilities: each row's sum is 1, but for the rounding of whoever made them.
Error checkSoftLabels(const std::string &path, std::span<const float> soft, size_t classes) {
  constexpr double tolerance = 1e-3;
  for (size_t row = 0; row < soft.size() / classes; ++row) {
    double sum = 0;
    for (size_t k = 0; k < classes; ++k) {
      float value = soft[row * classes + k];
      if (!(value >= 0) || std::isinf(value))
        return makeError(VITRT_ERROR_FORMAT, "{}: `labels` of image {}: class {} has {}, expected a probability", path, row, k, value);
      sum += double(value);
    }
    if (std::abs(sum - 1) > tolerance)
      return makeError(VITRT_ERROR_FORMAT, "{}: `labels` of image {} sum to {}, expected 1 within {}", path, row, sum, tolerance);
  }
  return Error::success();
}

/// The folders in a folder but hidden ones, sorted.
Expected<std::vector<std::string>> listFolders(const std::string &folder) {
  std::vector<std::string> names;
  std::error_code code;
  for (fs::directory_iterator it(folder, code), end; !code && it != end; it.increment(code))
    if (it->is_directory(code) && !it->path().filename().string().starts_with('.'))
      names.push_back(it->path().filename().string());
  if (code)
    return makeError(VITRT_ERROR_IO, "{}: cannot be listed: {}", folder, code.message());
  std::sort(names.begin(), names.end());
  return names;
}

/// Where a tree with a split has its parts.
struct SplitTree {
  std::string train, test; ///< both empty: classes alone; `test` empty: there is only train/
};

/// A class may be called "train": only a folder of folders is a part, and beside train/ alone there must be no other folder.
SplitTree findParts(const std::string &folder) {
  auto names = listFolders(folder);
  auto part = [&](const char *name) {
    std::string path = (fs::path(folder) / name).string();
    auto classes = std::binary_search(names->begin(), names->end(), name) ? listFolders(path) : std::vector<std::string>();
    return classes && !classes->empty() ? path : std::string();
  };
  if (!names)
    return {};
  SplitTree tree{part("train"), {}};
  if (tree.train.empty())
    return tree;
  for (const char *name : {"val", "validation", "valid", "test"})
    if (tree.test = part(name); !tree.test.empty())
      return tree;
  return names->size() == 1 ? tree : SplitTree();
}

Expected<std::unique_ptr<Dataset>> openPart(const std::string &folder, const SplitTree &tree, Split split, const DecodeOptions &options) {
  auto train = listFolders(tree.train);
  if (!train)
    return std::move(train.error());
  if (split == Split::Train)
    return openImageFolder(tree.train, options);
  if (tree.test.empty())
    return makeError(VITRT_ERROR_IO, "{}: holds train/ but none of val/, validation/, valid/ and test/", folder);
  return openImageFolder(tree.test, options, std::move(*train));
}

/// "cifar10:DIR" as its two parts; the whole and nothing of a folder without a colon.
std::pair<std::string, std::string> splitDescription(const std::string &description) {
  size_t colon = description.find(':');
  return {description.substr(0, colon), colon == std::string::npos ? "" : description.substr(colon + 1)};
}

} // namespace

Dataset::~Dataset() = default;

bool hasOwnSplit(const std::string &description) {
  std::string kind = splitDescription(description).first;
  if (kind == "tensors")
    return false;
  return kind == "fashion-mnist" || kind == "cifar10" || kind == "cifar100" || !findParts(description).test.empty();
}

Expected<Image> readImage(const std::string &path, const DecodeOptions &options) {
  auto bytes = readFile(path);
  if (!bytes)
    return std::move(bytes.error());
  return decodeImage(*bytes, path, options);
}

Expected<std::vector<std::string>> listImages(const std::string &folder) {
  std::vector<std::string> files;
  std::error_code code;
  for (fs::recursive_directory_iterator it(folder, code), end; !code && it != end; it.increment(code))
    if (isImageName(it->path()) && it->is_regular_file(code))
      files.push_back(it->path().string());
  if (code)
    return makeError(VITRT_ERROR_IO, "{}: cannot be listed: {}", folder, code.message());
  std::sort(files.begin(), files.end());
  return files;
}

Expected<std::vector<std::string>> readLines(const std::string &path) {
  auto bytes = readFile(path);
  if (!bytes)
    return std::move(bytes.error());
  std::vector<std::string> lines;
  std::string_view text(reinterpret_cast<const char *>(bytes->data()), bytes->size());
  while (!text.empty()) {
    size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    if (line.ends_with('\r'))
      line.remove_suffix(1);
    lines.emplace_back(line);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

Expected<std::unique_ptr<Dataset>> openImageFolder(const std::string &folder, const DecodeOptions &options,
                                                   std::vector<std::string> classes) {
  auto names = listFolders(folder);
  if (!names)
    return std::move(names.error());
  if (classes.empty())
    classes = *names;
  std::vector<FolderEntry> files;
  for (const std::string &name : *names) {
    auto images = listImages((fs::path(folder) / name).string());
    if (!images)
      return std::move(images.error());
    auto found = std::find(classes.begin(), classes.end(), name);
    if (found == classes.end() && !images->empty())
      return makeError(VITRT_ERROR_FORMAT, "{}: the class {} is none of the {} that are trained", folder, name, classes.size());
    for (std::string &path : *images)
      files.push_back({std::move(path), found - classes.begin()});
  }
  if (files.empty())
    return makeError(VITRT_ERROR_FORMAT, "{}: expected a folder a class with JPEG or PNG files, found {} folders and no image in them",
                     folder, names->size());
  return std::unique_ptr<Dataset>(std::make_unique<ImageFolder>(std::move(classes), std::move(files), options));
}

Expected<std::unique_ptr<Dataset>> openTensors(const std::string &path) {
  auto arrays = readNpz(path);
  if (!arrays)
    return std::move(arrays.error());
  auto images = arrays->find("images"), labels = arrays->find("labels");
  if (images == arrays->end() || labels == arrays->end())
    return makeError(VITRT_ERROR_FORMAT, "{}: expected arrays `images` and `labels`, found no `{}`", path,
                     images == arrays->end() ? "images" : "labels");
  if (auto floats = images->second.floats(); !floats)
    return std::move(floats.error());
  const std::vector<int64_t> &shape = images->second.shape(), &labelShape = labels->second.shape();
  if (shape.size() != 4 || images->second.elements() == 0)
    return makeError(VITRT_ERROR_FORMAT, "{}: `images` has the shape {}, expected [N, C, H, W] with N >= 1", path, formatShape(shape));
  bool soft = labelShape.size() == 2 && labelShape[1] > 0;
  if ((labelShape.size() != 1 && !soft) || labelShape[0] != shape[0])
    return makeError(VITRT_ERROR_FORMAT, "{}: `labels` has the shape {}, expected [{}] or [{}, classes]", path, formatShape(labelShape),
                     shape[0], shape[0]);
  std::vector<int64_t> numbers;
  if (soft) {
    auto floats = labels->second.floats();
    if (!floats)
      return std::move(floats.error());
    if (Error error = checkSoftLabels(path, *floats, size_t(labelShape[1])))
      return error;
    numbers = hardLabels(*floats, size_t(labelShape[1]));
  } else {
    auto integers = labels->second.integers();
    if (!integers)
      return std::move(integers.error());
    numbers = std::move(*integers);
  }
  NpyArray softLabels = soft ? std::move(labels->second) : NpyArray();
  return std::unique_ptr<Dataset>(
      std::make_unique<TensorDataset>(std::move(images->second), std::move(numbers), std::move(softLabels), path));
}

Expected<std::unique_ptr<Dataset>> openDataset(const std::string &description, Split split, const DecodeOptions &options) {
  auto [kind, place] = splitDescription(description);
  if (kind == "fashion-mnist")
    return openFashionMnist(place.empty() ? "/usr/share/datasets/fashion-mnist" : place, split);
  if (kind == "cifar10" || kind == "cifar100" || kind == "tensors") {
    if (place.empty())
      return makeError(VITRT_ERROR_ARGUMENT, "the data set {} needs a place: {}:{}", kind, kind, kind == "tensors" ? "FILE.npz" : "DIR");
    return kind == "tensors" ? openTensors(place) : openCifar(place, kind == "cifar10" ? 10 : 100, split);
  }
  std::error_code code;
  if (!fs::is_directory(description, code))
    return makeError(
        VITRT_ERROR_IO,
        "{}: no such folder; a data set is a folder with one folder a class, fashion-mnist[:DIR], cifar10:DIR, cifar100:DIR or "
        "tensors:FILE.npz",
        description);
  if (SplitTree tree = findParts(description); !tree.train.empty())
    return openPart(description, tree, split, options);
  return openImageFolder(description, options);
}

} // namespace vitrt
